// SPDX-License-Identifier: Apache-2.0
/* A thread sleeps in recv while another closes the descriptor, and gives the number to a new connection: what
 * arrives then belongs to the old one. */
#include "expect.h"

static int fd[2];
static pid_t reader_tid;

static void *reader(void *arg)
{
	char buf[8];
	long n;

	__atomic_store_n(&reader_tid, gettid(), __ATOMIC_RELEASE);
	n = recv(fd[1], buf, sizeof buf, 0);
	expect("reader", "in conn=s call=recv off=0 len=4 flags=late head=late");
	return (void *)(n + (long)arg);
}

int main(void)
{
	pthread_t thread;
	void *got;
	int next[2];

	tcp_pair(fd);
	must("fill the gap", open("/dev/null", O_RDONLY) < fd[1]);
	must("pthread_create", pthread_create(&thread, NULL, reader, NULL) == 0);
	while (__atomic_load_n(&reader_tid, __ATOMIC_ACQUIRE) == 0)
		;
	until_blocked(reader_tid, SYS_recvfrom);
	said("close", close(fd[1]));
	expect("main", "close conn=s call=close out_seen=0 in_seen=0 out_kernel=0 in_kernel=0");
	must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, next) == 0);
	expect("main", "open conn=p flags=pair");
	expect("main", "open conn=q flags=pair");
	must("the same number", next[0] == fd[1]);
	said("write", write(fd[0], "late", 4));
	expect("main", "out conn=c off=0 len=4 flags=burst head=late");
	pthread_join(thread, &got);
	said("the reader got", (long)got);
	said("write", write(next[0], "new", 3));
	expect("main", "out conn=p off=0 len=3 flags=burst head=new");
	expect("main", "close conn=c flags=exit out_seen=4 out_kernel=4");
	expect("main", "close conn=p flags=exit out_seen=3");
	expect("main", "close conn=q flags=exit in_seen=0");
	return 0;
}
