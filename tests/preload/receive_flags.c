// SPDX-License-Identifier: Apache-2.0
/* Flags of recv: bytes looked at, thrown away, urgent, not there. */
#include "expect.h"

int main(void)
{
	char buf[64];
	int fd[2];

	tcp_pair(fd);
	said("send", send(fd[0], "hello world", 11, MSG_NOSIGNAL));
	expect("main", "out conn=c call=send off=0 len=11 flags=burst head=hello_world");
	until_readable(fd[1]);
	said("peek", recv(fd[1], buf, 5, MSG_PEEK));
	expect("main", "in conn=s call=recv off=0 len=5 flags=peek head=none");
	said("peek more", recv(fd[1], buf, sizeof buf, MSG_PEEK | MSG_TRUNC));
	expect("main", "in conn=s call=recv off=0 len=11 flags=peek head=none");
	said("recv", recv(fd[1], buf, 6, MSG_WAITALL));
	expect("main", "in conn=s call=recv off=0 len=6 flags=burst head=hello_");
	memset(buf, '.', sizeof buf);
	said("throw away", recv(fd[1], buf, 3, MSG_TRUNC));
	expect("main", "in conn=s call=recv off=6 len=3 flags=nocopy head=none");
	printf("untouched: %.3s\n", buf);
	said("throw away without a buffer", recvfrom(fd[1], NULL, 1, MSG_TRUNC, NULL, NULL));
	expect("main", "in conn=s call=recvfrom off=9 len=1 flags=nocopy head=none");
	said("recvfrom", recvfrom(fd[1], buf, sizeof buf, 0, NULL, NULL));
	/* what went before was not seen: masked up to the next burst */
	expect("main", "in conn=s call=recvfrom off=10 len=1 flags=none head=*");
	said("nothing there", recv(fd[1], buf, sizeof buf, MSG_DONTWAIT));
	said("no errors", recv(fd[1], buf, sizeof buf, MSG_ERRQUEUE | MSG_DONTWAIT));

	said("send urgent", send(fd[0], "ab!", 3, MSG_OOB));
	expect("main", "out conn=c call=send off=11 len=3 flags=none head=ab!");
	until_readable(fd[1]);
	said("recv up to the mark", recv(fd[1], buf, sizeof buf, 0));
	expect("main", "in conn=s call=recv off=11 len=2 flags=none head=**");
	said("recv urgent", recv(fd[1], buf, 1, MSG_OOB));
	expect("main", "in conn=s call=recv off=13 len=1 flags=none head=*");
	said("shutdown", shutdown(fd[0], SHUT_WR));
	expect("main", "shutdown conn=c call=shutdown how=1");
	until_readable(fd[1]);
	said("end", recv(fd[1], buf, sizeof buf, 0));
	expect("main", "in conn=s call=recv off=14 len=0 flags=eof");
	close(fd[0]);
	expect("main", "close conn=c out_seen=14 in_seen=0 out_kernel=14 in_kernel=0");
	close(fd[1]);
	expect("main", "close conn=s out_seen=0 in_seen=14 out_kernel=0 in_kernel=14");
	return 0;
}
