// SPDX-License-Identifier: Apache-2.0
/* sendmmsg and recvmmsg: each message is a record; one call, one pair of stamps. */
#include "expect.h"

int main(void)
{
	char a[2], b[8];
	struct iovec out[] = {{"one", 3}, {"tw", 2}, {"o", 1}, {"three", 5}};
	struct iovec in[] = {{a, 2}, {b, 8}};
	struct mmsghdr sent[] = {{.msg_hdr = {.msg_iov = out, .msg_iovlen = 1}},
				 {.msg_hdr = {.msg_iov = out + 1, .msg_iovlen = 2}},
				 {.msg_hdr = {.msg_iov = out + 3, .msg_iovlen = 1}}};
	struct mmsghdr got[] = {{.msg_hdr = {.msg_iov = in, .msg_iovlen = 1}},
				{.msg_hdr = {.msg_iov = in + 1, .msg_iovlen = 1}}};
	int fd[2];

	tcp_pair(fd);
	said("sendmmsg", sendmmsg(fd[0], sent, 3, 0));
	expect("main", "out conn=c call=sendmmsg off=0 len=3 flags=burst head=one");
	expect("main", "out conn=c call=sendmmsg off=3 len=3 flags=none head=two");
	expect("main", "out conn=c call=sendmmsg off=6 len=5 flags=none head=three");
	until_readable(fd[1]);
	said("recvmmsg", recvmmsg(fd[1], got, 2, MSG_DONTWAIT, NULL));
	printf("%u %u\n", got[0].msg_len, got[1].msg_len);
	expect("main", "in conn=s call=recvmmsg off=0 len=2 flags=burst head=on");
	expect("main", "in conn=s call=recvmmsg off=2 len=8 flags=none head=etwothre");
	said("rest", recvmmsg(fd[1], got, 1, MSG_DONTWAIT, NULL));
	expect("main", "in conn=s call=recvmmsg off=10 len=1 flags=none head=e");
	said("none there", recvmmsg(fd[1], got, 1, MSG_DONTWAIT, NULL));
	close(fd[0]);
	expect("main", "close conn=c out_seen=11 out_kernel=11");
	said("end", recvmmsg(fd[1], got, 1, 0, NULL));
	expect("main", "in conn=s call=recvmmsg off=11 len=0 flags=eof");
	close(fd[1]);
	expect("main", "close conn=s in_seen=11 in_kernel=11");
	return 0;
}
