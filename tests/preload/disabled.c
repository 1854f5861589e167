// SPDX-License-Identifier: Apache-2.0
/* DPROF_DISABLE=1: as if we were not there.
 * env: DPROF_DISABLE=1
 * records: none
 */
#include <dirent.h>

#include "expect.h"

static int count(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

int main(void)
{
	char buf[8];
	int fd[2];

	tcp_pair(fd);
	said("write", write(fd[0], "hello", 5));
	said("read", read(fd[1], buf, sizeof buf));
	said("tasks", count("/proc/self/task"));
	said("dup2", dup2(fd[0], fd[1]));
	said("close", close(fd[0]));
	return 0;
}
