/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_main.c - dprof-ctl: the commands of `dprof ctl`, around ctl.c. An ordinary program. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "preload/ctl.h"
#include "preload/sys.h"

#define PATIENCE_NS 3000000000ull /* beyond DPROF_FLUSH_MS: the flusher runs when nobody else wants to */

enum { STATUS_FINE, STATUS_SOME_NOT, STATUS_TROUBLE };

static void usage(FILE *to)
{
	fputs("usage: dprof ctl list [--format=text|json]\n"
	      "       dprof ctl pause|resume PID...|--service=NAME|--all\n"
	      "       dprof ctl window W/P[,seed=N][,margin=T]|off PID...|--service=NAME|--all\n"
	      "\n"
	      "  list    traced processes of this user (as root: of all users), and what they record\n"
	      "  pause   they go on, nothing is recorded; the dump says so\n"
	      "  resume  recorded again, by windows if there are any\n"
	      "  window  from now on recorded for W in each P only, at the same moments on every host "
	      "(DPROF_WINDOW); off: always\n"
	      "\n"
	      "A process obeys within its DPROF_FLUSH_MS; its children inherit it. Exit status: 0 all of "
	      "them did, 1 some did not or\n"
	      "there is none, 2 the command line is wrong. One whose rings did not fit into /dev/shm cannot "
	      "be seen here.\n",
	      to);
}

/* ---- list ---- */

static void print_json_text(const char *text)
{
	putchar('"');
	for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if (*s < ' ')
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void list_json(const struct ctl_list *list)
{
	printf("{\"schema\": \"dprof.ctl/1\", \"processes\": [");
	for (size_t i = 0; i < list->count; i++) {
		const struct ctl_process *p = &list->items[i];
		const char *const texts[][2] = {{"host", p->host},
						{"service", p->service},
						{"program", p->program},
						{"state", ctl_state_name(p->state)},
						{"dump", p->dump}};
		char plan[128];

		ctl_print_plan(&p->block.plan, plan, sizeof(plan));
		printf("%s\n  {\"pid\": %" PRIu32 ", \"uid\": %" PRIu32, i ? "," : "", p->pid, p->uid);
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
			printf(", \"%s\": ", texts[k][0]);
			print_json_text(texts[k][1]);
		}
		printf(", \"window\": \"%s\", \"start_ns\": %" PRIu64 ", \"since_ns\": %" PRIu64
		       ", \"size\": %" PRIu64 ", \"records\": %" PRIu64 ", \"dropped\": %" PRIu64 "}",
		       plan, p->start_ns, p->block.since_ns, p->size_bytes, p->block.records,
		       p->block.dropped);
	}
	printf("%s]}\n", list->count ? "\n" : "");
}

static void print_since(char *text, size_t size, uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000u);
	struct tm tm;

	if (!ns || !gmtime_r(&seconds, &tm) || !strftime(text, size, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(text, size, "-");
}

static void list_text(const struct ctl_list *list)
{
	if (!list->count) {
		printf("no process is traced\n");
		return;
	}
	printf("%7s  %-16s %-16s %-16s %-19s  %10s %8s %10s  %-10s %s\n", "pid", "service", "program",
	       "state", "since (UTC)", "records", "dropped", "bytes", "window", "dump");
	for (size_t i = 0; i < list->count; i++) {
		const struct ctl_process *p = &list->items[i];
		char since[32], plan[128];

		if (p->state == CTL_FOREIGN || p->state == CTL_UNKNOWN) {
			printf("%7" PRIu32 "  %-16s %-16s %s\n", p->pid, "-", "-", ctl_state_name(p->state));
			continue;
		}
		print_since(since, sizeof(since), p->block.since_ns);
		ctl_print_plan(&p->block.plan, plan, sizeof(plan));
		printf("%7" PRIu32 "  %-16s %-16s %-16s %-19s  %10" PRIu64 " %8" PRIu64 " %10" PRIu64
		       "  %-10s %s%s\n",
		       p->pid, p->service, p->program, ctl_state_name(p->state), since, p->block.records,
		       p->block.dropped, p->size_bytes, plan, p->dump,
		       p->state == CTL_DEAD ? " (next: dprof salvage)" : "");
	}
}

static int do_list(int argc, char **argv)
{
	bool json = false;
	struct ctl_list list;
	int err;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--format=json") == 0) {
			json = true;
		} else if (strcmp(argv[i], "--format=text") != 0) {
			fprintf(stderr, "dprof ctl list: unknown: %s\n", argv[i]);
			usage(stderr);
			return STATUS_TROUBLE;
		}
	}
	err = ctl_scan(&list);
	if (err) {
		fprintf(stderr, "dprof ctl: " REGION_DIR ": %s\n", strerror(-err));
		return STATUS_TROUBLE;
	}
	(json ? list_json : list_text)(&list);
	ctl_free(&list);
	return fflush(stdout) ? STATUS_TROUBLE : STATUS_FINE;
}

/* ---- pause, resume, window ---- */

/* Who is meant. */
struct choice {
	bool all;
	const char *service;
	char **pids;
	int pid_count;
};

static bool read_choice(struct choice *c, int argc, char **argv)
{
	*c = (struct choice){.pids = argv};
	for (int i = 0; i < argc; i++) {
		char *end;

		if (strcmp(argv[i], "--all") == 0) {
			c->all = true;
		} else if (strncmp(argv[i], "--service=", 10) == 0) {
			c->service = argv[i] + 10;
		} else if (strcmp(argv[i], "--service") == 0 && i + 1 < argc) {
			c->service = argv[++i];
		} else if (strtoul(argv[i], &end, 10) > 0 && *end == '\0') {
			c->pids[c->pid_count++] = argv[i];
		} else {
			fprintf(stderr, "dprof ctl: not a process: %s\n", argv[i]);
			return false;
		}
	}
	if (c->all + (c->service != NULL) + (c->pid_count > 0) == 1)
		return true;
	fputs("dprof ctl: which processes? PIDs, or --service=NAME, or --all\n", stderr);
	return false;
}

static bool is_meant(const struct choice *c, const struct ctl_process *p)
{
	if (c->all)
		return p->state != CTL_FOREIGN && p->state != CTL_DEAD;
	if (c->service)
		return strcmp(p->service, c->service) == 0 && p->state != CTL_DEAD;
	for (int i = 0; i < c->pid_count; i++)
		if (strtoul(c->pids[i], NULL, 10) == p->pid)
			return true;
	return false;
}

static int complain(const struct ctl_process *p, int err)
{
	const char *why = err == -ETIMEDOUT ? "did not answer in time; it may still obey"
			  : err == -EBUSY   ? "another dprof ctl is asking it"
			  : err == -ESRCH   ? "ended meanwhile"
					    : strerror(-err);

	fprintf(stderr, "dprof ctl: %" PRIu32 " %s: %s\n", p->pid, p->service, why);
	return STATUS_SOME_NOT;
}

/* Asks all of them first, then waits: together they take no longer than one. */
static int ask_all(struct ctl_list *list, const struct choice *c, enum control_command command,
		   const struct window_plan *plan)
{
	int status = STATUS_FINE, meant = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct ctl_process *p = &list->items[i];
		int err;

		if (!is_meant(c, p))
			continue;
		meant++;
		if (p->state > CTL_PAUSED) {
			fprintf(stderr, "dprof ctl: %" PRIu32 ": %s%s\n", p->pid, ctl_state_name(p->state),
				p->state == CTL_DEAD ? " (next: dprof salvage)" : "");
			status = STATUS_SOME_NOT;
			continue;
		}
		err = ctl_ask(p, command, plan);
		if (err)
			status = complain(p, err);
	}
	if (!meant) {
		fputs("dprof ctl: no such process is traced\n", stderr);
		return STATUS_SOME_NOT;
	}
	for (size_t i = 0; i < list->count; i++) {
		struct ctl_process *p = &list->items[i];
		uint64_t patience_ns =
		    PATIENCE_NS + (p->block.flush_ms < 60000 ? p->block.flush_ms : 60000) * 1000000;
		int err = p->asked ? ctl_wait(p, sys_clock_ns(CLOCK_MONOTONIC) + patience_ns) : 0;

		if (err)
			status = complain(p, err);
	}
	return status;
}

static int do_ask(enum control_command command, int argc, char **argv)
{
	struct window_plan plan;
	struct ctl_list list;
	struct choice choice;
	int err, status;

	if (command == CONTROL_WINDOW && (argc == 0 || !window_parse(argv[0], &plan))) {
		fprintf(stderr, "dprof ctl window: not a plan: %s\n", argc ? argv[0] : "nothing");
		return STATUS_TROUBLE;
	}
	if (!read_choice(&choice, argc - (command == CONTROL_WINDOW), argv + (command == CONTROL_WINDOW)))
		return STATUS_TROUBLE;
	err = ctl_scan(&list);
	if (err) {
		fprintf(stderr, "dprof ctl: " REGION_DIR ": %s\n", strerror(-err));
		return STATUS_TROUBLE;
	}
	status = ask_all(&list, &choice, command, command == CONTROL_WINDOW ? &plan : NULL);
	ctl_free(&list);
	return status;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (strcmp(command, "list") == 0)
		return do_list(argc - 2, argv + 2);
	if (strcmp(command, "pause") == 0)
		return do_ask(CONTROL_PAUSE, argc - 2, argv + 2);
	if (strcmp(command, "resume") == 0)
		return do_ask(CONTROL_RESUME, argc - 2, argv + 2);
	if (strcmp(command, "window") == 0)
		return do_ask(CONTROL_WINDOW, argc - 2, argv + 2);
	if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
		usage(stdout);
		return STATUS_FINE;
	}
	if (*command)
		fprintf(stderr, "dprof ctl: unknown command: %s\n", command);
	usage(stderr);
	return STATUS_TROUBLE;
}
