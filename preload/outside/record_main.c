/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_main.c - dprof-record, which `dprof record` starts: the environment in which a command is traced,
 * the command, and afterwards salvage and a line that says what to type next.
 *
 * Invariant: of the environment only LD_PRELOAD, DPROF_DIR and the settings given as options change, in place
 * and order; nothing is printed before the command has ended, and never on stdout.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "preload/config.h"
#include "preload/outside/doctor.h"
#include "preload/outside/record.h"

#define FAILED 125 /* ours, not the command's */

extern char **environ;

struct options {
	bool quiet;
	bool in_place;
	const char *dir; /* NULL: as DPROF_DIR says */
	char **command;
};

static char library[PATH_MAX];

static void usage(FILE *to)
{
	fputs(
	    "usage: dprof record [-o DIR] [-q] [--in-place] [--SETTING=VALUE...] [--] COMMAND [ARGUMENT...]\n"
	    "\n"
	    "Runs COMMAND with the library in it, as if it were run without: same status or death by a "
	    "signal, terminal, signals,\n"
	    "descriptors, environment. 126: it cannot be run, 127: it is not there, 125: dprof itself "
	    "failed.\n"
	    "\n"
	    "  -o DIR       where the dumps go; default: $DPROF_DIR, or ./dumps\n"
	    "  -q           says nothing at the end\n"
	    "  --in-place   this process becomes COMMAND, so that it has its number and parent; nothing is "
	    "salvaged or said at\n"
	    "               the end. So it is always as process 1 and as the main process of a systemd unit\n"
	    "\n"
	    "Settings of the library, DPROF_* variables otherwise:\n",
	    to);
	for (const struct config_row *row = config_rows; row->name != NULL; row++) {
		char name[64];
		size_t i = 0;

		for (; row->name[i + 6] != '\0' && i < sizeof name - 1; i++)
			name[i] = row->name[i + 6] == '_' ? '-' : (char)tolower(row->name[i + 6]);
		name[i] = '\0';
		fprintf(to, "  --%s=%s\n               %s (%s)\n", name, row->allowed, row->help,
			row->standard);
	}
}

static int wrong(const char *what, const char *word)
{
	fprintf(stderr, "dprof: record: %s%s (hint: dprof record --help)\n", what, word);
	return FAILED;
}

static void *checked(void *p)
{
	if (p == NULL) {
		fputs("dprof: not enough memory\n", stderr);
		_exit(FAILED);
	}
	return p;
}

/* Sets NAME=VALUE where NAME stands in our environment, else at its end; once. */
static void set(const char *name, const char *value)
{
	size_t len = strlen(name), n = 0, at = SIZE_MAX, kept = 0;
	char **old = environ, **all;
	char *text;

	if (asprintf(&text, "%s=%s", name, value) < 0)
		text = NULL;
	checked(text);
	while (old[n] != NULL)
		n++;
	all = checked(calloc(n + 2, sizeof *all));
	for (size_t i = 0; i < n; i++) {
		if (strncmp(old[i], name, len) != 0 || old[i][len] != '=')
			all[kept++] = old[i];
		else if (at == SIZE_MAX)
			all[at = kept++] = text;
	}
	if (at == SIZE_MAX)
		all[kept] = text;
	environ = all;
}

/* --some-name=VALUE is DPROF_SOME_NAME, if the library has that. */
static bool take_setting(const char *option)
{
	char name[64] = "DPROF_";
	const char *value = strchr(option, '=');
	size_t i = 6;

	for (const char *s = option + 2; value != NULL && s < value && i < sizeof name - 1; s++)
		name[i++] = *s == '-' ? '_' : (char)toupper(*s);
	name[i] = '\0';
	for (const struct config_row *row = config_rows; row->name != NULL; row++) {
		if (value != NULL && strcmp(row->name, name) == 0) {
			set(name, value + 1);
			return true;
		}
	}
	return false;
}

/* 0, or the exit status to end with. */
static int read_options(char **argv, struct options *o)
{
	for (argv++; *argv != NULL; argv++) {
		const char *a = *argv;

		if (strcmp(a, "--") == 0) {
			argv++;
			break;
		}
		if (a[0] != '-')
			break;
		if (strcmp(a, "-h") == 0 || strcmp(a, "--help") == 0) {
			usage(stdout);
			exit(fflush(stdout) != 0);
		}
		if (strcmp(a, "-o") == 0 && argv[1] != NULL)
			o->dir = *++argv;
		else if (strcmp(a, "-q") == 0)
			o->quiet = true;
		else if (strcmp(a, "--in-place") == 0)
			o->in_place = true;
		else if (!take_setting(a))
			return wrong("unknown option, or its value is missing: ", a);
	}
	o->command = argv;
	return *argv == NULL ? wrong("which command?", "") : 0;
}

/* An option with a value that the library would not take is an error; a variable is its own business. */
static int check_settings(char **argv, const struct options *o)
{
	for (size_t i = 0; config_rows[i].name != NULL; i++) {
		const char *bad = config_bad_value(i);

		for (char **a = argv; bad != NULL && a < o->command; a++) {
			const char *value = strncmp(*a, "--", 2) == 0 ? strchr(*a, '=') : NULL;

			if (value != NULL && strcmp(value + 1, bad) == 0) {
				fprintf(stderr, "dprof: record: %s: must be %s\n", *a,
					config_rows[i].allowed);
				return FAILED;
			}
		}
	}
	return 0;
}

static int find_library(void)
{
	ssize_t n = readlink("/proc/self/exe", library, sizeof library - 16);
	char *slash;

	library[n > 0 ? n : 0] = '\0';
	slash = strrchr(library, '/');
	strcpy(slash != NULL ? slash + 1 : library, "libdprof.so");
	if (access(library, R_OK) < 0)
		fprintf(stderr, "dprof: %s: %s (hint: make, or make install)\n", library, strerror(errno));
	else if (strpbrk(library, ": ") != NULL)
		fprintf(stderr, "dprof: %s: LD_PRELOAD cannot hold a path with a blank or a colon\n",
			library);
	else
		return 0;
	return FAILED;
}

static void prepare_environment(const struct options *o)
{
	const char *before = getenv("LD_PRELOAD");
	char *list = library;

	if (o->dir != NULL)
		set("DPROF_DIR", o->dir);
	set("DPROF_DIR", config_get()->dir);
	if (before != NULL && *before != '\0' && asprintf(&list, "%s:%s", before, library) < 0)
		checked(NULL);
	set("LD_PRELOAD", list);
}

/* Whoever started us knows our number, and will look for the command under it. */
static bool number_is_known(void)
{
	static const char *const names[] = {"LISTEN_PID", "SYSTEMD_EXEC_PID", "WATCHDOG_PID"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *value = getenv(names[i]);

		if (value != NULL && atoi(value) == getpid())
			return true;
	}
	return getpid() == 1;
}

/* Dumps in the directory that are not older than this. */
static unsigned int count_dumps(const char *dir, const struct timespec *since)
{
	DIR *d = opendir(dir);
	unsigned int count = 0;

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		size_t len = strlen(e->d_name);
		struct stat st;

		if (len > 4 && strcmp(e->d_name + len - 4, ".zst") == 0 &&
		    fstatat(dirfd(d), e->d_name, &st, 0) == 0)
			count += st.st_mtim.tv_sec >= since->tv_sec;
	}
	if (d != NULL)
		closedir(d);
	return count;
}

static void salvage(const char *dir)
{
	char program[PATH_MAX];
	sigset_t none;
	pid_t child;

	if (access(dir, F_OK) < 0)
		return;
	snprintf(program, sizeof program, "%.*sdprof-salvage", (int)(strrchr(library, '/') + 1 - library),
		 library);
	child = fork();
	if (child == 0) {
		open("/dev/null", O_RDONLY);
		dup2(2, 1);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execl(program, "dprof-salvage", dir, (char *)NULL);
		fprintf(stderr, "dprof: %s: %s: nothing was salvaged\n", program, strerror(errno));
		_exit(FAILED);
	}
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Why there is nothing: what doctor would say first. */
static void say_why(char **command)
{
	struct findings all = {.about = ""};

	doctor_command(&all, command);
	for (size_t i = 0; i < all.count; i++) {
		if (all.rows[i].level != FINDING_FAIL)
			continue;
		fprintf(stderr, "dprof: no dump: %s: %s\n", all.rows[i].about, all.rows[i].text);
		return;
	}
	fprintf(stderr, "dprof: no dump: no socket was used, or dprof doctor -- %s knows why\n", command[0]);
}

static void say_next(const struct options *o, const struct record_end *end, const struct timespec *since)
{
	const char *dir = config_get()->dir;
	unsigned int count = count_dumps(dir, since);

	if (end->exec_error != 0)
		fprintf(stderr, "dprof: %s: %s\n", o->command[0], strerror(end->exec_error));
	else if (o->quiet)
		return;
	else if (count == 0)
		say_why(o->command);
	else
		fprintf(stderr, "dprof: dumps in %s: %u; next: dprof-analyze %s\n", dir, count, dir);
}

/* Does not return. */
static void become(const struct options *o)
{
	struct record_end end = {0};

	execvp(o->command[0], o->command);
	end.exec_error = errno;
	fprintf(stderr, "dprof: %s: %s\n", o->command[0], strerror(errno));
	record_end_like(&end);
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct record_end end;
	struct timespec now;
	bool silent = fcntl(2, F_GETFD) < 0; /* then what we open may get that number */
	int r;

	(void)argc;
	r = read_options(argv, &o);
	if (r == 0)
		r = find_library();
	if (r != 0)
		return r;
	prepare_environment(&o);
	r = check_settings(argv, &o);
	if (r != 0)
		return r;
	if (o.in_place || number_is_known())
		become(&o);
	clock_gettime(CLOCK_REALTIME, &now);
	if (record_run(o.command, environ, &end) < 0)
		become(&o); /* no second process can be had: then without us */
	if (silent)
		fclose(stderr);
	salvage(config_get()->dir);
	say_next(&o, &end, &now);
	record_end_like(&end);
}
