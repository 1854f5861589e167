// SPDX-License-Identifier: Apache-2.0
/*
 * A setuid program is none of ours, though the environment asks for it. COVERAGE trap 11. Without root, and
 * where the file system knows no setuid, it does nothing.
 *
 * records: none
 */
#include <sys/auxv.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "expect.h"

#define NOBODY 65534

static void move(void)
{
	int fd[2];
	char buf[4];

	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	said("write", write(fd[0], "ab", 2));
	said("read", read(fd[1], buf, sizeof buf));
}

int main(int argc, char **argv)
{
	int from, to, status;

	if (argc == 2) {
		said("secure", (long)getauxval(AT_SECURE));
		if (getauxval(AT_SECURE) != 0)
			move();
		return 0;
	}
	if (getuid() != 0)
		return 0;
	from = open("/proc/self/exe", O_RDONLY);
	to = open("copy", O_WRONLY | O_CREAT, 0700);
	must("copy", sendfile(to, from, NULL, 1 << 30) > 0);
	must("mode", fchmod(to, 04755) == 0 && close(to) == 0);
	to = open("copy", O_PATH);
	fflush(stdout);
	if (fork() == 0) {
		must("user", setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
		fexecve(to, (char *[]){argv[0], "child", NULL}, environ);
		_exit(98);
	}
	wait(&status);
	said("status", status);
	return 0;
}
