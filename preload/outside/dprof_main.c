/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dprof_main.c - dprof: becomes the program that does the work, dprof-COMMAND, wherever that was built or
 * installed. No shell in between: it would change the environment and the signal mask that a recorded program
 * is to find as they were.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where parts are, seen from this program: the build tree, or PREFIX/bin. */
static const char *const places[] = {".", "../build", "../lib/dprof", "../lib64/dprof", "../lib/*/dprof"};

static void usage(FILE *to)
{
	fputs(
	    "usage: dprof record [-o DIR] [-q] [--in-place] [--SETTING=VALUE...] [--] COMMAND [ARGUMENT...]\n"
	    "       dprof salvage [DIR]\n"
	    "       dprof ctl list|pause|resume|window ...\n"
	    "       dprof doctor [--format=text|json] [-p PID | [--] COMMAND [ARGUMENT...]]\n"
	    "       dprof --help | --version | COMMAND --help\n"
	    "\n"
	    "  record    runs COMMAND, traced; its dumps go to DIR (default: $DPROF_DIR, or ./dumps). Exit "
	    "status: COMMAND's own,\n"
	    "            also its death by a signal; 126 if it cannot be run, 127 if it is not found, 125 if "
	    "dprof itself fails\n"
	    "  salvage   turns what killed processes left behind into dumps in DIR\n"
	    "  ctl       lists traced processes; pauses, resumes and samples them while they run\n"
	    "  doctor    says what will be traced and what will not, and what to do: here, of COMMAND (it is "
	    "not run), of a\n"
	    "            running process. Exit status: 0 all will be traced, 1 something will not, 2 it "
	    "could not be examined\n"
	    "\n"
	    "Other settings are DPROF_* variables: man dprof. To read the dumps: dprof-analyze DIR\n",
	    to);
}

/* The directory that this program's file is in. */
static void find_here(char here[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", here, PATH_MAX - 1);
	char *slash;

	here[n > 0 ? n : 0] = '\0';
	slash = strrchr(here, '/');
	strcpy(slash != NULL ? slash : here, slash != NULL ? "" : ".");
}

static int find_part(const char *command, char path[PATH_MAX])
{
	char here[PATH_MAX], pattern[2 * PATH_MAX];
	int r = -ENOENT;

	find_here(here);
	for (size_t i = 0; i < sizeof places / sizeof places[0] && r < 0; i++) {
		glob_t found;

		snprintf(pattern, sizeof pattern, "%s/%s/dprof-%s", here, places[i], command);
		if (glob(pattern, 0, NULL, &found) != 0)
			continue;
		if (realpath(found.gl_pathv[0], path) != NULL && access(path, X_OK) == 0)
			r = 0;
		globfree(&found);
	}
	return r;
}

/* salvage without a directory: the one that record would write to. */
static int check_salvage(char **argv)
{
	const char *dir = argv[1];

	if (dir == NULL) {
		dir = getenv("DPROF_DIR");
		dir = dir != NULL && *dir != '\0' ? dir : "dumps";
	}
	if (dir[0] != '-' && access(dir, F_OK) < 0) {
		fprintf(stderr, "dprof: %s: %s\n", dir, strerror(errno));
		return 2;
	}
	argv[1] = realpath(dir, NULL);
	if (argv[1] == NULL)
		argv[1] = (char *)dir;
	return 0;
}

static int become(int argc, char **argv)
{
	char path[PATH_MAX], name[NAME_MAX];
	char **arguments = calloc((size_t)argc + 1, sizeof *arguments);
	const char *command = argv[1];
	int failed = strcmp(command, "record") == 0 ? 125 : 2;

	if (strspn(command, "abcdefghijklmnopqrstuvwxyz") != strlen(command) || strlen(command) > 32 ||
	    strcmp(command, "analyze") == 0 || find_part(command, path) < 0) {
		if (strcmp(command, "record") == 0 || strcmp(command, "salvage") == 0 ||
		    strcmp(command, "ctl") == 0 || strcmp(command, "doctor") == 0)
			fprintf(stderr,
				"dprof: dprof-%s was not found beside dprof (make builds it, make install "
				"installs it)\n",
				command);
		else
			fprintf(stderr, "dprof: unknown command: %s (hint: dprof --help)\n", command);
		return failed;
	}
	if (arguments == NULL)
		return failed;
	snprintf(name, sizeof name, "dprof-%s", command);
	arguments[0] = name;
	for (int i = 2; i < argc; i++)
		arguments[i - 1] = argv[i];
	if (strcmp(command, "salvage") == 0 && argc <= 3) {
		int r = check_salvage(arguments);

		if (r != 0)
			return r;
	}
	execv(path, arguments);
	fprintf(stderr, "dprof: %s: %s\n", path, strerror(errno));
	return failed;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return fflush(stdout) != 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("dprof %s\n", DPROF_VERSION);
		return fflush(stdout) != 0;
	}
	return become(argc, argv);
}
