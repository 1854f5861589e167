// SPDX-License-Identifier: Apache-2.0
/* One direction ends, the other goes on; a reset; writing to nobody. */
#include "expect.h"

int main(void)
{
	struct linger hard = {1, 0};
	char buf[8];
	int fd[2];

	signal(SIGPIPE, SIG_IGN);
	tcp_pair(fd);
	said("write", write(fd[0], "ask", 3));
	expect("main", "out conn=c off=0 len=3 flags=burst");
	said("shutdown", shutdown(fd[0], SHUT_WR));
	expect("main", "shutdown conn=c call=shutdown how=1");
	said("write after it", write(fd[0], "more", 4));
	until_readable(fd[1]);
	said("read", read(fd[1], buf, sizeof buf));
	expect("main", "in conn=s off=0 len=3 flags=burst");
	said("end", read(fd[1], buf, sizeof buf));
	expect("main", "in conn=s off=3 len=0 flags=eof");
	said("answer", write(fd[1], "tell", 4));
	expect("main", "out conn=s off=0 len=4 flags=burst");
	until_readable(fd[0]);
	said("read some", read(fd[0], buf, 2));
	expect("main", "in conn=c off=0 len=2 flags=burst head=te");
	said("shutdown both", shutdown(fd[1], SHUT_RDWR));
	expect("main", "shutdown conn=s how=2");
	said("shutdown again", shutdown(fd[1], SHUT_RD));
	close(fd[1]);
	expect("main", "close conn=s out_seen=4 in_seen=3 out_kernel=4 in_kernel=3");
	close(fd[0]);
	expect("main", "close conn=c out_seen=3 in_seen=2 out_kernel=3 in_kernel=2");

	tcp_pair_as(fd, "c2", "s2");
	said("write", write(fd[0], "lost", 4));
	expect("main", "out conn=c2 off=0 len=4 flags=burst");
	setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(fd[1]);
	expect("main", "close conn=s2 out_seen=0 in_seen=0 out_kernel=0 in_kernel=0");
	said("read reset", read(fd[0], buf, sizeof buf));
	said("write to nobody", write(fd[0], "x", 1));
	close(fd[0]);
	expect("main", "close conn=c2 out_seen=4 in_seen=0 out_kernel=4 in_kernel=0");
	return 0;
}
