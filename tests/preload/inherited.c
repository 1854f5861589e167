// SPDX-License-Identifier: Apache-2.0
/* A program that is started with a connection as its stdin and stdout, as inetd does: first seen in use, at
 * the offsets that the kernel counts. */
#include "expect.h"

static int child(void)
{
	char buf[8];

	must("read", read(0, buf, 3) == 3);
	expect("child", "open conn=i call=none fd=0 flags=seen,partial off_in=2 off_out=0 family=4");
	expect("child", "in conn=i off=2 len=3 flags=burst head=cde");
	must("write", write(1, "answer", 6) == 6);
	expect("child", "out conn=i off=0 len=6 flags=burst head=answer");
	expect("child", "close conn=i flags=exit out_seen=6 in_seen=5 out_kernel=6 in_kernel=5");
	return 0;
}

int main(int argc, char **argv)
{
	char buf[8];
	int fd[2];
	pid_t pid;

	if (argc > 1)
		return child();
	tcp_pair(fd);
	must("write", write(fd[0], "abcde", 5) == 5);
	expect("main", "out conn=c off=0 len=5");
	must("read", read(fd[1], buf, 2) == 2);
	expect("main", "in conn=s off=0 len=2");
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], 0);
		dup2(fd[1], 1);
		closefrom(3);
		execl("/proc/self/exe", argv[0], "child", NULL);
		_exit(98);
	}
	close(fd[1]);
	expect("main", "close conn=s out_seen=0 in_seen=2");
	must("wait", waitpid(pid, NULL, 0) == pid);
	said("read", read(fd[0], buf, sizeof buf));
	expect("main", "in conn=c off=0 len=6 flags=burst head=answer");
	close(fd[0]);
	expect("main", "close conn=c out_seen=5 in_seen=6");
	return 0;
}
