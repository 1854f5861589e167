// SPDX-License-Identifier: Apache-2.0
/* Ways to connect: refused, refused later, asked twice, taken back and done again, to itself, with the first
 * bytes. */
#include "expect.h"

static int error_of(int fd)
{
	int error = 0;
	socklen_t len = sizeof error;

	while (syscall(SYS_poll, &(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1) != 1)
		;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error;
}

static void at_once(struct sockaddr_in at)
{
	struct sockaddr_in nobody = loopback(1);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	said("refused", connect(fd, (struct sockaddr *)&nobody, sizeof nobody));
	said("connected", connect(fd, (struct sockaddr *)&at, sizeof at));
	expect("main", "open conn=a flags=connect remote=127.0.0.1:%d", ntohs(at.sin_port));
	said("again", connect(fd, (struct sockaddr *)&at, sizeof at));
	said("write", write(fd, "abc", 3));
	expect("main", "out conn=a off=0 len=3 flags=burst");
	said("taken back", connect(fd, &none, sizeof none));
	expect("main", "close conn=a call=connect out_seen=3 out_kernel=3");
	said("and again", connect(fd, (struct sockaddr *)&at, sizeof at));
	expect("main", "open conn=b flags=connect off_out=0");
	said("write", write(fd, "de", 2));
	expect("main", "out conn=b off=0 len=2 flags=burst");
	close(fd);
	expect("main", "close conn=b out_seen=2 out_kernel=2");
}

static void in_time(struct sockaddr_in at)
{
	struct sockaddr_in nobody = loopback(1);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	said("in progress", connect(fd, (struct sockaddr *)&nobody, sizeof nobody));
	expect("main", "open conn=r flags=connect remote=127.0.0.1:1");
	printf("later: %s\n", strerrorname_np(error_of(fd)));
	said("another", connect(fd, (struct sockaddr *)&at, sizeof at));
	expect("main", "close conn=r out_seen=0 in_seen=0");
	said("another", connect(fd, (struct sockaddr *)&at, sizeof at));
	expect("main", "open conn=d flags=connect");
	printf("later: %d\n", error_of(fd));
	said("known", connect(fd, (struct sockaddr *)&at, sizeof at));
	said("known well", connect(fd, (struct sockaddr *)&at, sizeof at));
	said("send", send(fd, "x", 1, 0));
	expect("main", "out conn=d off=0 len=1 flags=burst");
	close(fd);
	expect("main", "close conn=d out_seen=1 out_kernel=1");
}

static void to_itself(void)
{
	struct sockaddr_in self = loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof self;
	char buf[8];

	must("bind", bind(fd, (struct sockaddr *)&self, len) == 0 &&
			 getsockname(fd, (struct sockaddr *)&self, &len) == 0);
	said("to itself", connect(fd, (struct sockaddr *)&self, sizeof self));
	expect("main", "open conn=i flags=connect local=127.0.0.1:%d remote=127.0.0.1:%d",
	       ntohs(self.sin_port), ntohs(self.sin_port));
	said("write", write(fd, "echo", 4));
	expect("main", "out conn=i off=0 len=4 flags=burst");
	said("read", read(fd, buf, sizeof buf));
	expect("main", "in conn=i off=0 len=4 flags=burst");
	close(fd);
	expect("main", "close conn=i out_seen=4 in_seen=4 out_kernel=4 in_kernel=4");
}

static void with_first_bytes(struct sockaddr_in at)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	said("fast open", sendto(fd, "first", 5, MSG_FASTOPEN, (struct sockaddr *)&at, sizeof at));
	expect("main", "open conn=f call=sendto flags=connect off_out=0");
	expect("main", "out conn=f call=sendto off=0 len=5 flags=burst head=first");
	said("more", send(fd, "more", 4, 0));
	expect("main", "out conn=f off=5 len=4 flags=none");
	close(fd);
	expect("main", "close conn=f out_seen=9 out_kernel=9");
}

int main(void)
{
	struct sockaddr_in at;
	int listener = tcp_listen(&at);

	at_once(at);
	in_time(at);
	to_itself();
	with_first_bytes(at);
	close(listener);
	return 0;
}
