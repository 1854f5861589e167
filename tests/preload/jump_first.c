// SPDX-License-Identifier: Apache-2.0
/*
 * A handler jumps out of the first call that a thread makes, wherever in it that is: what the thread does
 * next is recorded as ever. Then the same in children of a fork.
 *
 * kinds: out
 * calls: send
 */
#include <setjmp.h>
#include <time.h>

#include "expect.h"

/* A record that was being made is given up for lost after so many calls; they look at one byte that is there.
 */
enum { THREADS = 100, CHILDREN = 50, GIVEN_UP = 4100 };

static int fd[2], quiet[2];
static __thread sigjmp_buf out;

static void jump(int number)
{
	(void)number;
	siglongjmp(out, 1);
}

/* Waits for a byte that never comes, until the handler ends that. */
static void wait_in_vain(long ns)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	struct itimerspec when = {.it_value.tv_nsec = ns}, never = {0};
	char byte;
	timer_t timer;

	event._sigev_un._tid = (pid_t)unseen(SYS_gettid, 0, 0, 0, 0);
	must("timer_create", timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	if (sigsetjmp(out, 1) == 0) {
		must("timer_settime", timer_settime(timer, 0, &when, NULL) == 0);
		recv(quiet[0], &byte, 1, 0);
		abort();
	}
	timer_settime(timer, 0, &never, NULL);
	timer_delete(timer);
}

static void tell(const char *label, const char *conn, long number)
{
	char byte;

	for (int i = 0; i < GIVEN_UP; i++)
		must("recv", recv(fd[0], &byte, 1, MSG_PEEK) == 1);
	must("send", send(fd[0], "after", 5, 0) == 5);
	expect(label, "out conn=%s call=send off=%ld len=5", conn, 5 * number);
}

static void *run(void *with)
{
	long number = (long)with;
	char label[32];

	wait_in_vain(500 + number * 500);
	snprintf(label, sizeof label, "thread%ld", number);
	tell(label, "c", number);
	return NULL;
}

int main(void)
{
	struct sigaction act = {.sa_handler = jump};
	struct sockaddr_in at;
	char taken[5];
	int listener, failed = 0;

	listener = tcp_listen(&at);
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	must("connect", connect(fd[0], (struct sockaddr *)&at, sizeof at) == 0);
	fd[1] = accept(listener, NULL, NULL);
	must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, quiet) == 0);
	must("write", write(fd[1], "b", 1) == 1);
	sigaction(SIGUSR1, &act, NULL);
	for (long i = 0; i < THREADS; i++) {
		pthread_t thread;

		must("pthread_create", pthread_create(&thread, NULL, run, (void *)i) == 0);
		pthread_join(thread, NULL);
		must("read", read(fd[1], taken, 5) == 5);
	}
	for (long i = 0; i < CHILDREN; i++) {
		pid_t child = fork();
		int status = -1;

		if (child == 0) {
			char label[32];

			wait_in_vain(500 + i * 1000);
			snprintf(label, sizeof label, "child%ld", i);
			tell(label, label, THREADS + i);
			_exit(0);
		}
		waitpid(child, &status, 0);
		failed += status != 0;
		must("read", read(fd[1], taken, 5) == 5);
	}
	printf("failed: %d\n", failed);
	return 0;
}
