// SPDX-License-Identifier: Apache-2.0
/*
 * A server leaves for another root and gives up its rights before its first byte: its dump lies in a
 * directory that only root can enter, no thread keeps the rights, and a child that moves nothing leaves
 * nothing. COVERAGE trap 6. Without root there is nothing to give up.
 */
#include <dirent.h>
#include <grp.h>
#include <sys/stat.h>

#include "expect.h"

#define NOBODY 65534

/* Are all three users of each thread this one? Now, not soon. */
static bool all_are(int tasks, unsigned int uid)
{
	DIR *d = fdopendir(dup(tasks));
	struct dirent *e;
	bool all = true;

	while ((e = readdir(d)) != NULL) {
		char path[300], text[2048] = "", wanted[64];
		int fd;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/status", e->d_name);
		fd = openat(tasks, path, O_RDONLY);
		must("status", read(fd, text, sizeof text - 1) > 0);
		close(fd);
		snprintf(wanted, sizeof wanted, "\nUid:\t%u\t%u\t%u\t%u\n", uid, uid, uid, uid);
		all = all && strstr(text, wanted) != NULL;
	}
	closedir(d);
	return all;
}

static void move(void)
{
	int fd[2];
	char buf[4];

	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	said("write", write(fd[0], "ab", 2));
	said("read", read(fd[1], buf, sizeof buf));
}

int main(void)
{
	struct sockaddr_in at;
	int tasks = open("/proc/self/task", O_RDONLY | O_DIRECTORY), status;
	pid_t child;

	if (getuid() != 0)
		return 0;
	tcp_listen(&at);
	expect("main", "open conn=a flags=seen");
	expect("main", "out conn=a off=0 len=2 head=ab");
	expect("main", "open conn=b flags=seen");
	expect("main", "in conn=b off=0 len=2 head=ab");
	expect("main", "close conn=a flags=exit");
	expect("main", "close conn=b flags=exit");
	child = fork();
	if (child == 0) {
		said("for a while", seteuid(NOBODY) + seteuid(0));
		said("child", setresuid(NOBODY, NOBODY, NOBODY));
		_exit(0);
	}
	must("wait", waitpid(child, &status, 0) == child);
	said("root", chroot("."));
	said("there", access("/proc/self", F_OK));
	must("groups", setgroups(0, NULL) == 0 && setgid(NOBODY) == 0);
	said("user", setuid(NOBODY));
	said("all", all_are(tasks, NOBODY));
	move();
	said("again", setuid(0));
	return 0;
}
