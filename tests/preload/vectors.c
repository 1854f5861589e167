// SPDX-License-Identifier: Apache-2.0
/* Calls with several parts, some of them empty: the head is gathered over them and ends where the bytes do.
 */
#include "expect.h"

int main(void)
{
	char a[4], b[4], c[16];
	struct iovec out[] = {{NULL, 0}, {"ab", 2}, {"", 0}, {"cdef", 4}};
	struct iovec in[] = {{a, 0}, {a, 3}, {NULL, 0}, {b, 2}, {c, sizeof c}};
	struct msghdr sent = {.msg_iov = out, .msg_iovlen = 4};
	struct msghdr got = {.msg_iov = in, .msg_iovlen = 5};
	struct msghdr none = {0};
	volatile int too_many = -1;
	int fd[2];

	tcp_pair(fd);
	said("writev", writev(fd[0], out, 4));
	expect("main", "out conn=c call=writev off=0 len=6 flags=burst head=abcdef");
	until_readable(fd[1]);
	said("readv", readv(fd[1], in, 5));
	expect("main", "in conn=s call=readv off=0 len=6 flags=burst head=abcdef");
	said("sendmsg", sendmsg(fd[0], &sent, 0));
	expect("main", "out conn=c call=sendmsg off=6 len=6 flags=none head=abcdef");
	until_readable(fd[1]);
	said("recvmsg peek", recvmsg(fd[1], &got, MSG_PEEK));
	expect("main", "in conn=s call=recvmsg off=6 len=6 flags=peek");
	said("recvmsg", recvmsg(fd[1], &got, 0));
	expect("main", "in conn=s call=recvmsg off=6 len=6 flags=none head=abcdef");
	said("empty sendmsg", sendmsg(fd[0], &none, 0));
	said("empty writev", writev(fd[0], out, 1));
	said("pwritev2", pwritev2(fd[0], out, 2, -1, 0));
	expect("main", "out conn=c call=pwritev2 off=12 len=2 flags=none head=ab");
	said("pwritev2 at an offset", pwritev2(fd[0], out, 2, 7, 0));
	until_readable(fd[1]);
	said("preadv2", preadv2(fd[1], in, 5, -1, 0));
	expect("main", "in conn=s call=preadv2 off=12 len=2 flags=none head=ab");
	said("preadv64v2 none there", preadv64v2(fd[1], in, 5, -1, RWF_NOWAIT));
	said("writev of too many", writev(fd[0], out, too_many));
	close(fd[0]);
	expect("main", "close conn=c out_kernel=14 in_kernel=0 out_seen=14 in_seen=0");
	said("readv of empty parts", readv(fd[1], in, 1));
	said("readv end", readv(fd[1], in, 5));
	expect("main", "in conn=s call=readv off=14 len=0 flags=eof");
	close(fd[1]);
	expect("main", "close conn=s out_kernel=0 in_kernel=14 out_seen=0 in_seen=14");
	return 0;
}
