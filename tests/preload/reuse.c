// SPDX-License-Identifier: Apache-2.0
/* A number is used again: by the next connection, by a file, and by a descriptor that a message brought. */
#include "expect.h"

static int pass(int through[2], int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec byte = {"x", 1};
	struct msghdr msg = {
	    .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	int got;

	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	must("sendmsg", sendmsg(through[0], &msg, 0) == 1);
	byte = (struct iovec){(char[1]){0}, 1};
	must("recvmsg", recvmsg(through[1], &msg, 0) == 1);
	memcpy(&got, CMSG_DATA(&control.head), sizeof got);
	return got;
}

int main(void)
{
	int first[2], again[2], through[2], hidden[2], file, got;
	char buf[8];

	tcp_pair(first);
	said("write", write(first[0], "abc", 3));
	expect("main", "out conn=c off=0 len=3 flags=burst head=abc");
	close(first[0]);
	expect("main", "close conn=c out_kernel=3");
	said("read", read(first[1], buf, sizeof buf));
	expect("main", "in conn=s off=0 len=3 flags=burst");
	close(first[1]);
	expect("main", "close conn=s in_kernel=3");

	must("socketpair", socketpair(AF_UNIX, SOCK_DGRAM, 0, through) == 0);
	expect("main", "open conn=d call=socketpair fd=%d flags=pair family=1 type=1", through[0]);
	expect("main", "open conn=e call=socketpair fd=%d flags=pair family=1 type=1", through[1]);
	must("the same numbers", through[0] == first[1] || through[1] == first[0] || through[0] == first[0]);
	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, again) == 0);
	expect("main", "open conn=p call=socketpair fd=%d flags=pair family=1 off_in=0 off_out=0", again[0]);
	expect("main", "open conn=q call=socketpair fd=%d flags=pair family=1", again[1]);
	said("write", write(again[0], "defg", 4));
	expect("main", "out conn=p off=0 len=4 flags=burst head=defg");
	/* closed behind our back, as libuv does; then the number comes back as another thing */
	syscall(SYS_close, again[0]);
	expect("main", "close conn=p");
	file = open("/dev/null", O_RDWR);
	must("the same number", file == again[0]);
	said("write to a file", write(file, "hij", 3));
	close(file);

	/* behind our back in a way that we do not see at all */
	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, hidden) == 0 && hidden[0] == again[0]);
	expect("main", "open conn=x flags=pair");
	expect("main", "open conn=y flags=pair");
	unseen(SYS_close_range, hidden[0], hidden[0], 0, 0);
	got = pass(through, again[1]);
	expect("main", "dgram_out conn=d call=sendmsg len=1 peer_family=0 head=x");
	expect("main", "dgram_in conn=e call=recvmsg len=1 peer_family=0 head=x");
	expect("main", "close conn=x call=recvmsg out_kernel=none");
	must("the same number", got == again[0]);
	said("read from what was passed", read(got, buf, sizeof buf));
	expect("main", "in conn=q off=0 len=4 flags=burst head=defg");
	close(again[1]);
	close(got);
	close(hidden[1]);
	expect("main", "close conn=q in_seen=4 in_kernel=none");
	expect("main", "close conn=y");
	expect("main", "close conn=%s flags=exit", through[0] < through[1] ? "d" : "e");
	expect("main", "close conn=%s flags=exit", through[0] < through[1] ? "e" : "d");
	return 0;
}
