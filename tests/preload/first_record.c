// SPDX-License-Identifier: Apache-2.0
/* What a thread leaves first may also be a close, a shutdown, a look or an end: a thread that only puts away
 * what others opened has no ring before. So it is in servers that close from a timer thread, and in main at
 * the end. */
#include "expect.h"

static int fd[2];

static void *closes(void *arg)
{
	said("close", close(fd[1]));
	expect("closes", "close conn=s out_seen=0 in_seen=4 out_kernel=0 in_kernel=4");
	return arg;
}

static void *shuts(void *arg)
{
	said("shutdown", shutdown(fd[0], SHUT_WR));
	expect("shuts", "shutdown conn=c how=1");
	return arg;
}

static void *peeks(void *arg)
{
	char buf[8];

	said("peek", recv(fd[1], buf, sizeof buf, MSG_PEEK));
	expect("peeks", "in conn=s call=recv off=0 len=4 flags=peek");
	return arg;
}

static void *ends(void *arg)
{
	char buf[8];

	until_readable(fd[1]);
	said("end", recv(fd[1], buf, sizeof buf, 0));
	expect("ends", "in conn=s call=recv off=4 len=0 flags=eof");
	return arg;
}

static void run(void *(*start)(void *))
{
	pthread_t thread;

	must("pthread_create", pthread_create(&thread, NULL, start, NULL) == 0);
	pthread_join(thread, NULL);
}

int main(void)
{
	char buf[8];

	tcp_pair(fd);
	said("write", write(fd[0], "some", 4));
	expect("main", "out conn=c off=0 len=4 flags=burst");
	until_readable(fd[1]);
	run(peeks);
	said("read", read(fd[1], buf, sizeof buf));
	expect("main", "in conn=s off=0 len=4 flags=burst");
	run(shuts);
	run(ends);
	run(closes);
	said("close", close(fd[0]));
	expect("main", "close conn=c out_seen=4");
	return 0;
}
