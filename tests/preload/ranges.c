// SPDX-License-Identifier: Apache-2.0
/* close_range and closefrom over everything; a daemon's bare loop; CLOSE_RANGE_CLOEXEC closes nothing. */
#include <linux/close_range.h>

#include "expect.h"

int main(void)
{
	int fd[2];

	tcp_pair(fd);
	said("CLOEXEC", close_range(3, ~0u, CLOSE_RANGE_CLOEXEC));
	said("write", write(fd[0], "a", 1));
	expect("main", "out conn=c off=0 len=1 flags=burst head=a");
	said("wrong", close_range(9, 3, 0));
	said("close_range", close_range(3, ~0u, 0));
	/* in the order of their numbers */
	expect("main", "close conn=%s call=close_range fd=%d", fd[0] < fd[1] ? "c" : "s",
	       fd[0] < fd[1] ? fd[0] : fd[1]);
	expect("main", "close conn=%s call=close_range fd=%d", fd[0] < fd[1] ? "s" : "c",
	       fd[0] < fd[1] ? fd[1] : fd[0]);
	said("write", write(fd[0], "a", 1));
	must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	expect("main", "open conn=p flags=pair fd=3");
	expect("main", "open conn=q flags=pair fd=4");
	said("write", write(fd[0], "b", 1));
	expect("main", "out conn=p off=0 len=1 flags=burst head=b");
	closefrom(4);
	expect("main", "close conn=q call=closefrom fd=4");
	said("write to nobody", send(fd[0], "c", 1, MSG_NOSIGNAL));
	for (int i = 3; i < 1024; i++)
		close(i);
	expect("main", "close conn=p call=close fd=3 out_seen=1");
	return 0;
}
