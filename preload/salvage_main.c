/* SPDX-License-Identifier: Apache-2.0 */
/*
 * salvage_main.c - dprof-salvage: finishes the dumps of killed processes now, instead of at the next traced
 * start. An ordinary program around salvage.c.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/salvage.h"
#include "preload/say.h"

struct tally {
	unsigned int failed;
	unsigned int foreign;
};

static void usage(FILE *to)
{
	fputs("usage: dprof-salvage [DIR...]\n"
	      "\n"
	      "Processes that were killed leave records in /dev/shm. This writes them to the dumps they "
	      "belong to, and ends\n"
	      "those dumps: all dumps of this user (as root: of all users), or only those under the DIRs.\n"
	      "\n"
	      "  --help, --version\n"
	      "\n"
	      "One line per dump: its path, how many records were recovered. Exit status: 0 also if there "
	      "was nothing to do;\n"
	      "1 if something could not be salvaged; 2 if the command line is wrong.\n",
	      to);
}

static void report(void *to, const struct salvage_report *r)
{
	struct tally *tally = to;

	switch (r->result) {
	case SALVAGE_DONE:
		printf("%s: %llu records recovered\n", r->dump, (unsigned long long)r->records);
		break;
	case SALVAGE_REMOVED:
		fprintf(stderr, "dprof-salvage: %s: its directory has been gone for a day: records removed\n",
			r->dump);
		break;
	case SALVAGE_FAILED:
		if (r->error == -EACCES || r->error == -EPERM) {
			tally->foreign++;
			fprintf(stderr, "dprof-salvage: %s: %s: left as it is\n", r->region,
				say_error(r->error));
		} else {
			tally->failed++;
			fprintf(stderr, "dprof-salvage: %s: %s: %s: left as it is%s\n", r->region,
				r->dump[0] != '\0' ? r->dump : "no dump", say_error(r->error),
				r->error == -ENOENT
				    ? " (hint: make the directory again, or remove the region)"
				    : "");
		}
		break;
	default:
		break;
	}
}

static bool is_option(const char *argument, const char *name)
{
	return strcmp(argument, name) == 0;
}

int main(int argc, char **argv)
{
	struct encoder encoder;
	struct tally tally = {0};
	struct salvage s = {.encoder = &encoder, .report = report, .to = &tally};
	struct stat st;

	for (int i = 1; i < argc; i++) {
		if (is_option(argv[i], "--help")) {
			usage(stdout);
			return 0;
		}
		if (is_option(argv[i], "--version")) {
			printf("dprof-salvage %s\n", DPROF_VERSION);
			return 0;
		}
		if (stat(argv[i], &st) < 0 || !S_ISDIR(st.st_mode)) {
			fprintf(stderr, "dprof-salvage: %s: not a directory\n", argv[i]);
			usage(stderr);
			return 2;
		}
	}
	if (encoder_open(&encoder) < 0) {
		fputs("dprof-salvage: not enough memory\n", stderr);
		return 1;
	}
	s.uid = geteuid() == 0 ? SALVAGE_ALL_USERS : geteuid();
	for (int i = 1; i < argc || i == 1; i++) {
		s.dir = i < argc ? argv[i] : NULL;
		salvage_all(&s);
	}
	if (fflush(stdout) != 0)
		return 1;
	return tally.failed > 0;
}
