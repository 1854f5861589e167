// SPDX-License-Identifier: Apache-2.0
/* read and write: offsets, heads and bursts, an empty stream (EAGAIN), a full one (short counts), the end. */
#include "expect.h"

static char large[4 << 20];

int main(void)
{
	char buf[64];
	void *volatile nowhere = (void *)8;
	long sent;
	int fd[2];

	tcp_pair(fd);
	said("write", write(fd[0], "hello", 5));
	expect("main", "out conn=c call=write off=0 len=5 flags=burst head=hello");
	said("write", write(fd[0], " again", 6));
	expect("main", "out conn=c call=write off=5 len=6 flags=none head=_again");
	until_readable(fd[1]);
	said("read some", read(fd[1], buf, 3));
	expect("main", "in conn=s call=read off=0 len=3 flags=burst head=hel");
	said("read the rest", read(fd[1], buf, sizeof buf));
	expect("main", "in conn=s call=read off=3 len=8 flags=none head=lo_again");
	said("read nothing", read(fd[1], buf, 0));
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	said("read none there", read(fd[1], buf, sizeof buf));
	said("answer", write(fd[1], "yes", 3));
	expect("main", "out conn=s call=write off=0 len=3 flags=burst head=yes");
	said("read answer", read(fd[0], buf, sizeof buf));
	expect("main", "in conn=c call=read off=0 len=3 flags=burst head=yes");

	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	sent = write(fd[0], large, sizeof large);
	printf("a short count: %d\n", sent > 0 && sent < (long)sizeof large);
	expect("main", "out conn=c call=write off=11 len=%ld flags=burst", sent);
	while (write(fd[0], large, 1) == 1)
		expect("main", "out conn=c call=write off=%ld len=1 flags=none head=none", 11 + sent++);
	said("write to a full socket", write(fd[0], large, 1));
	said("write of a bad address", write(fd[1], nowhere, 1));
	close(fd[0]);
	expect("main",
	       "close conn=c call=close fd=%d flags=none out_seen=%ld in_seen=3 out_kernel=%ld in_kernel=3",
	       fd[0], 11 + sent, 11 + sent);
	fcntl(fd[1], F_SETFL, 0);
	for (long got = 11, n; got < 11 + sent; got += n) {
		n = read(fd[1], large, sizeof large);
		must("read", n > 0);
		expect("main", "in conn=s call=read off=%ld len=%ld flags=%s", got, n,
		       got == 11 ? "burst" : "none");
	}
	said("read the end", read(fd[1], buf, sizeof buf));
	expect("main", "in conn=s call=read off=%ld len=0 flags=eof", 11 + sent);
	said("and again", read(fd[1], buf, sizeof buf));
	said("close", close(fd[1]));
	expect("main",
	       "close conn=s call=close fd=%d flags=none out_seen=3 in_seen=%ld out_kernel=3 in_kernel=%ld",
	       fd[1], 11 + sent, 11 + sent);
	said("close again", close(fd[1]));
	said("read closed", read(fd[1], buf, 1));
	return 0;
}
