// SPDX-License-Identifier: Apache-2.0
/* Unix sockets whose bytes no kernel counts, met through a copy that is closed before the next one is met: in
 * another image, after a dup that nobody saw, and when they come back in a message. */
#include "expect.h"

static void again(void)
{
	char buf[8];

	said("read", read(50, buf, 2));
	expect("again", "open conn=i fd=50 flags=seen off_in=0");
	expect("again", "in conn=i off=0 len=2 flags=burst head=ab");
	said("write", write(50, "xyz", 3));
	expect("again", "out conn=i off=0 len=3 flags=burst head=xyz");
	close(50);
	expect("again", "close conn=i fd=50 in_seen=2 out_seen=3");
	said("read", read(51, buf, 1));
	expect("again", "open conn=j fd=51 flags=seen off_in=2 off_out=3");
	expect("again", "in conn=j off=2 len=1 flags=burst head=c");
	close(51);
	expect("again", "close conn=j fd=51 in_seen=3 out_seen=3");
}

/* dup without our knowing, after the socket was used. */
static void behind(void)
{
	char buf[8];
	int fd[2], copy;

	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	said("write", write(fd[0], "hello", 5));
	said("read", read(fd[1], buf, 2));
	expect("before", "in conn=b off=0 len=2 flags=burst head=he");
	copy = (int)unseen(SYS_dup, fd[1], 0, 0, 0);
	close(fd[1]);
	expect("before", "close conn=b in_seen=2");
	said("read", read(copy, buf, 3));
	expect("before", "open conn=d fd=%d flags=seen off_in=2", copy);
	expect("before", "in conn=d off=2 len=3 flags=burst head=llo");
	close(copy);
	expect("before", "close conn=d in_seen=5");
	close(fd[0]);
}

int main(int argc, char **argv)
{
	int fd[2];

	if (argc > 1) {
		again();
		return 0;
	}
	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	must("fill", send(fd[0], "abc", 3, 0) == 3);
	expect("before", "open conn=o flags=seen");
	expect("before", "out conn=o off=0 len=3");
	expect("before", "open conn=e flags=pair");
	expect("before", "open conn=b flags=pair");
	expect("before", "out conn=e off=0 len=5");
	behind();
	expect("before", "close conn=e out_seen=5");
	expect("before", "close conn=o flags=exit");
	dup2(fd[1], 50);
	dup2(fd[1], 51);
	execl("/proc/self/exe", argv[0], "again", NULL);
	_exit(98);
}
