// SPDX-License-Identifier: Apache-2.0
/* What a hardened build imports: the checking variants.
 * build: -O2 -D_FORTIFY_SOURCE=2
 */
#include "expect.h"

static size_t unknown(size_t n)
{
	__asm__("" : "+r"(n));
	return n;
}

int main(void)
{
	struct pollfd one;
	char buf[16];
	int fd[2];

	tcp_pair(fd);
	one = (struct pollfd){.fd = fd[1], .events = POLLIN};
	said("dprintf", dprintf(fd[0], "%d.", 123));
	expect("main", "out conn=c call=__dprintf_chk off=0 len=4 flags=burst,nocopy");
	said("poll", poll(&one, unknown(1), -1));
	expect("main", "wait call=__poll_chk conn=s object=%d ready=1", fd[1]);
	said("read", read(fd[1], buf, unknown(1)));
	expect("main", "in conn=s call=__read_chk off=0 len=1 flags=burst head=1");
	said("recv", recv(fd[1], buf, unknown(1), 0));
	expect("main", "in conn=s call=__recv_chk off=1 len=1 flags=none head=2");
	said("ppoll", ppoll(&one, unknown(1), NULL, NULL));
	expect("main", "wait call=__ppoll_chk conn=s object=%d ready=1", fd[1]);
	said("recvfrom", recvfrom(fd[1], buf, unknown(1), 0, NULL, NULL));
	expect("main", "in conn=s call=__recvfrom_chk off=2 len=1 flags=none head=3");
	close(fd[1]);
	expect("main", "close conn=s in_seen=3 in_kernel=3");
	close(fd[0]);
	expect("main", "close conn=c out_seen=4 out_kernel=4");
	return 0;
}
