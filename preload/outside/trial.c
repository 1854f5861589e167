/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial.c - see trial.h. Single-threaded.
 *
 * Invariant: its directory is gone afterwards; the child ends by itself or at the deadline.
 */
#include "preload/outside/trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIAL_SECONDS 10

int trial_traced(void)
{
	int pair[2];
	char c = 'x';

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 1;
	return !(write(pair[0], &c, 1) == 1 && read(pair[1], &c, 1) == 1);
}

static void exec_trial(const char *library, const char *dir, int said)
{
	char preload[2 * PATH_MAX];
	const char *before = getenv("LD_PRELOAD");
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (before != NULL && *before != '\0')
		snprintf(preload, sizeof preload, "%s:%s", before, library);
	else
		snprintf(preload, sizeof preload, "%s", library);
	setenv("LD_PRELOAD", preload, 1);
	setenv("DPROF_DIR", dir, 1);
	unsetenv("DPROF_DISABLE");
	dup2(null, 0);
	dup2(null, 1);
	dup2(said, 2);
	alarm(TRIAL_SECONDS);
	execl("/proc/self/exe", "dprof-doctor", TRIAL_WORD, (char *)NULL);
	_exit(127);
}

/* All that is said until the end, or until nobody says anything for too long. */
static void listen_to(int from, char *said, size_t cap)
{
	struct pollfd ready = {.fd = from, .events = POLLIN};
	char rest[256];
	size_t len = 0;

	while (poll(&ready, 1, 1000 * (TRIAL_SECONDS + 1)) == 1) {
		bool fits = len < cap - 1;
		ssize_t n = read(from, fits ? said + len : rest, fits ? cap - 1 - len : sizeof rest);

		if (n <= 0)
			break;
		if (fits)
			len += (size_t)n;
	}
	said[len] = '\0';
	said[strcspn(said, "\n")] = '\0';
}

/* Removes what is in the directory; how many dumps that was. */
static unsigned int clear(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned int dumps = 0;
	char path[PATH_MAX];

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		size_t len = strlen(e->d_name);

		if (e->d_name[0] == '.')
			continue;
		dumps += len > 4 && strcmp(e->d_name + len - 4, ".zst") == 0;
		if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < (int)sizeof path)
			unlink(path);
	}
	if (d != NULL)
		closedir(d);
	rmdir(dir);
	return dumps;
}

static int run_in(const char *library, const char *dir, char *said, size_t cap)
{
	int ends[2], status = 0;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		snprintf(said, cap, "%s", strerror(errno));
		return TRIAL_NOT_MADE;
	}
	child = fork();
	if (child == 0)
		exec_trial(library, dir, ends[1]);
	close(ends[1]);
	listen_to(ends[0], said, cap);
	close(ends[0]);
	if (child < 0 || waitpid(child, &status, 0) < 0 || WEXITSTATUS(status) == 127) {
		snprintf(said, cap, "this program could not be started again");
		return TRIAL_NOT_MADE;
	}
	if (status != 0 && said[0] == '\0')
		snprintf(said, cap, "it ended with status %#x", (unsigned int)status);
	return status == 0 ? 0 : TRIAL_FAILED;
}

int trial_run(const char *library, char *said, size_t cap)
{
	const char *tmp = getenv("TMPDIR");
	char dir[PATH_MAX];
	int r;

	snprintf(dir, sizeof dir, "%s/dprof-trial.XXXXXX", tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL) {
		snprintf(said, cap, "%s: %s", dir, strerror(errno));
		return TRIAL_NOT_MADE;
	}
	r = run_in(library, dir, said, cap);
	if (clear(dir) == 0 && r == 0)
		r = TRIAL_FAILED;
	return r;
}
