// SPDX-License-Identifier: Apache-2.0
/* syscall(): the calls that move bytes, make, copy and close connections, made by their numbers. */
#include <linux/close_range.h>
#include <sys/sendfile.h>

#include "expect.h"

static void in_and_out(int out, int in)
{
	char buf[16], more[8];
	struct iovec to[2] = {{"vec", 3}, {"tor", 3}}, from[2] = {{buf, 2}, {more, sizeof more}};
	struct msghdr message = {.msg_iov = to, .msg_iovlen = 2}, answer = {.msg_iov = from, .msg_iovlen = 2};

	said("write", syscall(SYS_write, out, "hello", 5));
	expect("main", "out conn=c call=syscall off=0 len=5 flags=burst head=hello");
	said("read", syscall(SYS_read, in, buf, sizeof buf));
	expect("main", "in conn=s call=syscall off=0 len=5 flags=burst head=hello");
	said("writev", syscall(SYS_writev, out, to, 2));
	expect("main", "out conn=c call=syscall off=5 len=6 flags=none head=vector");
	said("readv", syscall(SYS_readv, in, from, 2));
	expect("main", "in conn=s call=syscall off=5 len=6 flags=none head=vector");
	said("sendto", syscall(SYS_sendto, out, "to", 2, 0, NULL, 0));
	expect("main", "out conn=c call=syscall off=11 len=2 flags=none head=to");
	said("peek", syscall(SYS_recvfrom, in, buf, 1, MSG_PEEK, NULL, NULL));
	expect("main", "in conn=s call=syscall off=11 len=1 flags=peek");
	said("recvfrom", syscall(SYS_recvfrom, in, buf, sizeof buf, 0, NULL, NULL));
	expect("main", "in conn=s call=syscall off=11 len=2 flags=none head=to");
	said("sendmsg", syscall(SYS_sendmsg, out, &message, 0));
	expect("main", "out conn=c call=syscall off=13 len=6 flags=none head=vector");
	said("recvmsg", syscall(SYS_recvmsg, in, &answer, 0));
	expect("main", "in conn=s call=syscall off=13 len=6 flags=none head=vector");
	fcntl(in, F_SETFL, O_NONBLOCK);
	said("none there", syscall(SYS_read, in, buf, sizeof buf));
}

static void by_position(int out, int in)
{
	char buf[8];
	struct iovec to = {"123", 3}, from = {buf, sizeof buf};

	said("pwritev2", syscall(SYS_pwritev2, out, &to, 1, -1l, -1l, 0));
	expect("main", "out conn=c call=syscall off=19 len=3 flags=none head=123");
	said("preadv2", syscall(SYS_preadv2, in, &from, 1, -1l, -1l, 0));
	expect("main", "in conn=s call=syscall off=19 len=3 flags=none head=123");
}

static void many_and_none(int out, int in)
{
	char room[2][4];
	struct iovec to[2] = {{"one", 3}, {"two", 3}}, from[2] = {{room[0], 3}, {room[1], 4}};
	struct mmsghdr out_of[2] = {{{.msg_iov = &to[0], .msg_iovlen = 1}, 0},
				    {{.msg_iov = &to[1], .msg_iovlen = 1}, 0}};
	struct mmsghdr into[2] = {{{.msg_iov = &from[0], .msg_iovlen = 1}, 0},
				  {{.msg_iov = &from[1], .msg_iovlen = 1}, 0}};
	int file = open("/proc/self/exe", O_RDONLY);
	off_t at = 1;

	said("sendmmsg", syscall(SYS_sendmmsg, out, out_of, 2, 0));
	expect("main", "out conn=c call=syscall off=22 len=3 flags=none head=one");
	expect("main", "out conn=c call=syscall off=25 len=3 flags=none head=two");
	said("recvmmsg", syscall(SYS_recvmmsg, in, into, 2, 0, NULL));
	expect("main", "in conn=s call=syscall off=22 len=3 flags=none head=one");
	expect("main", "in conn=s call=syscall off=25 len=3 flags=none head=two");
	said("sendfile", syscall(SYS_sendfile, out, file, &at, 3));
	expect("main", "out conn=c call=syscall off=28 len=3 flags=nocopy");
	said("read", syscall(SYS_read, in, room[0], 4));
	expect("main", "in conn=s call=syscall off=28 len=3 flags=none head=ELF");
	close(file);
}

static void numbers(int fd[2])
{
	int file, copy = (int)said("dup", syscall(SYS_dup, fd[0]));

	close(fd[0]);
	said("dup2", syscall(SYS_dup2, copy, 60));
	said("dup3", syscall(SYS_dup3, copy, 61, O_CLOEXEC));
	said("F_DUPFD", syscall(SYS_fcntl, copy, F_DUPFD, 70));
	said("close", syscall(SYS_close, copy));
	said("close_range", syscall(SYS_close_range, 60, 61, 0));
	said("shutdown", syscall(SYS_shutdown, 70, SHUT_WR));
	expect("main", "shutdown conn=c call=syscall how=1");
	said("close the last", syscall(SYS_close, 70));
	expect("main", "close conn=c call=syscall fd=70 out_seen=31 out_kernel=31");
	said("end", syscall(SYS_read, fd[1], &copy, sizeof copy));
	expect("main", "in conn=s call=syscall off=31 len=0 flags=eof");
	file = open("/dev/null", O_WRONLY);
	said("dup2 of a file", syscall(SYS_dup2, file, fd[1]) == fd[1]);
	expect("main", "close conn=s call=syscall fd=%d in_seen=31 in_kernel=31", fd[1]);
	said("write to it", syscall(SYS_write, fd[1], "x", 1));
	said("close twice", syscall(SYS_close, 70));
	said("no such number", syscall(1000, 1, 2, 3));
	said("write nowhere", syscall(SYS_write, file, (void *)8, 1) >= 0);
}

static void sockets(void)
{
	int listener, fd[2], pair[2];
	struct sockaddr_in at;
	int ends[2];

	listener = tcp_listen(&at);
	fd[0] = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	said("connect", syscall(SYS_connect, fd[0], &at, sizeof at));
	expect("main", "open conn=c call=syscall flags=connect family=4 fd=%d", fd[0]);
	fd[1] = (int)syscall(SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC);
	expect("main", "open conn=s call=syscall flags=accept family=4 fd=%d", fd[1]);
	in_and_out(fd[0], fd[1]);
	by_position(fd[0], fd[1]);
	many_and_none(fd[0], fd[1]);
	numbers(fd);
	said("refused", syscall(SYS_connect, listener, &at, sizeof at));
	said("socketpair", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair));
	expect("main", "open conn=p call=syscall flags=pair family=1 fd=%d", pair[0]);
	expect("main", "open conn=q call=syscall flags=pair family=1 fd=%d", pair[1]);
	must("pipe", syscall(SYS_pipe2, ends, 0) == 0);
	said("write", syscall(SYS_write, pair[0], "spliced", 7));
	expect("main", "out conn=p call=syscall off=0 len=7 flags=burst head=spliced");
	said("splice", syscall(SYS_splice, pair[1], NULL, ends[1], NULL, 100, 0));
	expect("main", "in conn=q call=syscall off=0 len=7 flags=burst,nocopy");
	expect("main", "close conn=p flags=exit");
	expect("main", "close conn=q flags=exit");
}

/* exit_group ends the process with its dump in order. */
int main(void)
{
	sockets();
	syscall(SYS_exit_group, 7);
	return 0;
}
