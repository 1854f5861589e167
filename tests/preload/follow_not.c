// SPDX-License-Identifier: Apache-2.0
/*
 * DPROF_FOLLOW=0: an environment goes on as it is, and a program without LD_PRELOAD in it leaves no record.
 * env: DPROF_FOLLOW=0
 * records: none
 */
#include <spawn.h>

#include "expect.h"

int main(int argc, char **argv)
{
	char *args[] = {"/proc/self/exe", "child", NULL}, *env[] = {"A=b", NULL}, byte;
	int status, fd[2];
	pid_t child;

	if (argc == 2) {
		must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0 && write(fd[0], argv[1], 1) == 1);
		said(environ[0], read(fd[1], &byte, 1));
		return environ[1] != NULL;
	}
	must("spawn", posix_spawn(&child, args[0], NULL, NULL, args, env) == 0);
	must("wait", waitpid(child, &status, 0) == child);
	said("status", status);
	return 0;
}
