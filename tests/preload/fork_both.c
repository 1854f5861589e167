// SPDX-License-Identifier: Apache-2.0
/* Parent and child write to and read from one TCP connection in turn: each finds the true offset. */
#include "expect.h"

static void wait_turn(int fd)
{
	must("turn", read(fd, (char[1]){0}, 1) == 1);
}

static void give_turn(int fd)
{
	must("turn", write(fd, "", 1) == 1);
}

int main(void)
{
	int fd[2], there[2], back[2], status;
	char buf[8];
	pid_t child;

	must("pipes", pipe(there) == 0 && pipe(back) == 0);
	tcp_pair(fd);
	must("write", write(fd[0], "0123456789", 10) == 10);
	expect("main", "out conn=c off=0 len=10 flags=burst head=0123456789");
	child = fork();
	if (child == 0) {
		wait_turn(there[0]);
		must("write", write(fd[0], "abc", 3) == 3);
		expect("child", "open conn=cc flags=seen off_out=12 off_in=0");
		expect("child", "out conn=cc off=12 len=3 flags=burst head=abc");
		must("read", read(fd[1], buf, 4) == 4);
		expect("child", "open conn=ss flags=seen off_in=0");
		expect("child", "in conn=ss off=0 len=4 flags=burst head=0123");
		give_turn(back[1]);
		wait_turn(there[0]);
		must("write", write(fd[0], "e", 1) == 1);
		expect("child", "resync conn=cc out_seen=15 out_kernel=16");
		expect("child", "out conn=cc off=16 len=1 flags=none head=*");
		expect("child", "close conn=cc flags=exit out_seen=17 out_kernel=17");
		expect("child", "close conn=ss flags=exit in_seen=4 in_kernel=8");
		exit(0);
	}
	expect("main", "fork call=fork child=%d", child);
	must("write", write(fd[0], "XY", 2) == 2);
	expect("main", "out conn=c off=10 len=2 flags=none head=XY");
	give_turn(there[1]);
	wait_turn(back[0]);
	must("write", write(fd[0], "d", 1) == 1);
	expect("main", "resync conn=c out_seen=12 out_kernel=15");
	/* between others' bytes, in no burst of ours: masked */
	expect("main", "out conn=c off=15 len=1 flags=none head=*");
	must("read", read(fd[1], buf, 4) == 4);
	expect("main", "resync conn=s in_seen=0 in_kernel=4");
	expect("main", "in conn=s off=4 len=4 flags=burst head=4567");
	give_turn(there[1]);
	must("wait", waitpid(child, &status, 0) == child);
	said("status", status);
	close(fd[0]);
	expect("main", "close conn=c out_seen=16 out_kernel=17");
	close(fd[1]);
	expect("main", "close conn=s in_seen=8 in_kernel=8");
	return 0;
}
