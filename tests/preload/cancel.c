// SPDX-License-Identifier: Apache-2.0
/* A thread is cancelled in recv, another call is left by siglongjmp: nothing is held, all goes on. */
#include <setjmp.h>
#include <sys/time.h>

#include "expect.h"

static int fd[2];
static pid_t reader_tid;
static sigjmp_buf out;

static void clean(void *arg)
{
	puts(arg);
}

static void *reader(void *arg)
{
	char buf[8];

	pthread_cleanup_push(clean, "cleaned");
	__atomic_store_n(&reader_tid, gettid(), __ATOMIC_RELEASE);
	recv(fd[1], buf, sizeof buf, 0);
	pthread_cleanup_pop(0);
	return arg;
}

static void leave(int number)
{
	(void)number;
	siglongjmp(out, 1);
}

int main(void)
{
	struct itimerval soon = {.it_value.tv_usec = 10000};
	pthread_t thread;
	char buf[8];
	void *got;

	tcp_pair(fd);
	must("create", pthread_create(&thread, NULL, reader, NULL) == 0);
	while (__atomic_load_n(&reader_tid, __ATOMIC_ACQUIRE) == 0)
		;
	until_blocked(reader_tid, SYS_recvfrom);
	pthread_cancel(thread);
	pthread_join(thread, &got);
	printf("cancelled: %d\n", got == PTHREAD_CANCELED);

	signal(SIGALRM, leave);
	if (sigsetjmp(out, 1) == 0) {
		setitimer(ITIMER_REAL, &soon, NULL);
		read(fd[1], buf, sizeof buf) < 0 ? puts("interrupted") : puts("read");
	}
	said("write", write(fd[0], "after", 5));
	expect("main", "out conn=c off=0 len=5 flags=burst head=after");
	said("read", read(fd[1], buf, sizeof buf));
	expect("main", "in conn=s off=0 len=5 flags=burst head=after");
	close(fd[0]);
	expect("main", "close conn=c out_seen=5 out_kernel=5");
	close(fd[1]);
	expect("main", "close conn=s in_seen=5 in_kernel=5");
	return 0;
}
