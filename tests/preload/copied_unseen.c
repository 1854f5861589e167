// SPDX-License-Identifier: Apache-2.0
/* An inherited connection is copied before we see it in use; the thread's fork uses fd 0 and 1 as one. */
#include "expect.h"

int main(int argc, char **argv)
{
	char buf[8];
	int fd[2];

	if (argc == 1) {
		must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
		must("fill", send(fd[0], "abc", 3, 0) == 3);
		expect("before", "open conn=o flags=seen");
		expect("before", "out conn=o off=0 len=3");
		expect("before", "close conn=o flags=exit");
		dup2(fd[1], 50);
		dup2(fd[1], 51);
		execl("/proc/self/exe", argv[0], "again", NULL);
		_exit(98);
	}
	said("read", read(50, buf, 1));
	expect("after", "open conn=i fd=50 flags=seen off_in=0");
	expect("after", "in conn=i off=0 len=1 flags=burst head=a");
	said("read", read(51, buf, 1));
	expect("after", "in conn=i off=1 len=1 flags=none head=b");
	close(50);
	said("read", read(51, buf, 1));
	expect("after", "in conn=i off=2 len=1 flags=none head=c");
	close(51);
	expect("after", "close conn=i fd=51 in_seen=3");
	return 0;
}
