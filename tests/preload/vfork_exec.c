// SPDX-License-Identifier: Apache-2.0
/* A vfork child shares our memory and closes descriptors of its own table: ours stay what they were. */
#include <spawn.h>

#include "expect.h"

int main(void)
{
	int fd[2], status;
	char buf[8], *argv[] = {"true", NULL};
	pid_t child;

	tcp_pair(fd);
	said("write", write(fd[0], "ab", 2));
	expect("main", "out conn=c off=0 len=2 flags=burst head=ab");
	child = vfork();
	if (child == 0) {
		dup2(fd[1], 0);
		close(fd[1]);
		close_range(3, ~0u, 0);
		execv("/bin/true", argv);
		_exit(9);
	}
	must("wait", waitpid(child, &status, 0) == child);
	said("status", status);
	/* it has a connection as its stdin */
	expect("true", "open conn=i call=none fd=0 flags=seen,partial");
	expect("true", "close conn=i flags=exit out_seen=0 in_seen=0");
	child = vfork();
	if (child == 0)
		_exit(5);
	must("wait", waitpid(child, &status, 0) == child);
	said("status", WEXITSTATUS(status));
	must("spawn", posix_spawn(&child, "/bin/true", NULL, NULL, argv, NULL) == 0);
	must("wait", waitpid(child, &status, 0) == child);
	said("write", write(fd[0], "cd", 2));
	expect("main", "out conn=c off=2 len=2 flags=none head=cd");
	said("read", read(fd[1], buf, sizeof buf));
	expect("main", "in conn=s off=0 len=4 flags=burst head=abcd");
	said("stdin is no socket", recv(0, buf, 1, MSG_DONTWAIT));
	close(fd[0]);
	expect("main", "close conn=c out_seen=4 in_seen=0 out_kernel=4");
	close(fd[1]);
	expect("main", "close conn=s out_seen=0 in_seen=4 in_kernel=4");
	return 0;
}
