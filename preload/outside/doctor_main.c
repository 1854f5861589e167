/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_main.c - dprof-doctor, which `dprof doctor` starts: says what will be traced and what will not, and
 * what to do about it. An ordinary program; needs no root, changes nothing.
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/outside/doctor.h"
#include "preload/outside/trial.h"

struct options {
	bool json;
	int pid; /* 0: none */
	char **command;
};

static void usage(FILE *to)
{
	fputs("usage: dprof doctor [--format=text|json] [[--] COMMAND [ARGUMENT...]]\n"
	      "       dprof doctor [--format=text|json] -p PID\n"
	      "\n"
	      "Says what will be traced and what will not, and what to do about it: on this system, of "
	      "COMMAND (which is not\n"
	      "run), of the running process PID. Without -- the command's name must not begin with a dash.\n"
	      "\n"
	      "  ok      nothing to do           warn    something of it will not be traced\n"
	      "  note    worth knowing           fail    it will not be traced\n"
	      "\n"
	      "Exit status: 0 all will be traced, 1 something will not, 2 it could not be examined, or wrong "
	      "usage.\n",
	      to);
}

static int wrong(const char *what, const char *word)
{
	fprintf(stderr, "dprof doctor: %s%s\n", what, word);
	usage(stderr);
	return 2;
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
		if (strcmp(a, "--format=json") == 0 || strcmp(a, "--format=text") == 0) {
			o->json = a[9] == 'j';
		} else if (strcmp(a, "--format") == 0 && argv[1] != NULL &&
			   (strcmp(argv[1], "json") == 0 || strcmp(argv[1], "text") == 0)) {
			o->json = **++argv == 'j';
		} else if (strcmp(a, "-p") == 0 && argv[1] != NULL) {
			char *end;
			long pid = strtol(*++argv, &end, 10);

			if (*end != '\0' || pid <= 0 || pid > INT_MAX)
				return wrong("no process id: ", *argv);
			o->pid = (int)pid;
		} else {
			return wrong("unknown option, or its value is missing: ", a);
		}
	}
	o->command = *argv != NULL ? argv : NULL;
	if (o->pid != 0 && o->command != NULL)
		return wrong("either -p PID or a command", "");
	return 0;
}

/* The library that stands beside this program. */
static void find_library(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 16);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash != NULL ? slash + 1 : path, "libdprof.so");
}

static const char *verdict(const struct findings *all, const struct options *o)
{
	enum finding_level worst = FINDING_OK;

	if (all->trouble)
		return "verdict: it could not be examined";
	for (size_t i = 0; i < all->count; i++)
		if (all->rows[i].level > worst)
			worst = all->rows[i].level;
	if (worst == FINDING_FAIL)
		return "verdict: will not be traced, or not all of it: see fail";
	if (worst == FINDING_WARN)
		return "verdict: something will not be traced: see warn";
	return o->pid != 0	    ? "verdict: fine"
	       : o->command != NULL ? "verdict: will be traced"
				    : "verdict: programs will be traced here";
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct findings all = {0};
	char library[PATH_MAX];
	int status;

	if (argc == 2 && strcmp(argv[1], TRIAL_WORD) == 0)
		return trial_traced();
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return 0;
	}
	status = read_options(argv, &o);
	if (status != 0)
		return status;
	find_library(library);
	if (o.pid == 0)
		doctor_system(&all, library);
	if (o.command != NULL)
		doctor_command(&all, o.command);
	if (o.pid != 0)
		doctor_process(&all, library, o.pid);
	(o.json ? finding_print_json : finding_print_text)(&all, verdict(&all, &o));
	status = finding_status(&all);
	finding_free(&all);
	return fflush(stdout) != 0 || ferror(stdout) ? 2 : status;
}
