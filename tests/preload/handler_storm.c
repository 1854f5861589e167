// SPDX-License-Identifier: Apache-2.0
/* A timer interrupts a busy sender thousands of times and sends from its handler: offsets stay those of the
 * program's own count, also where a record had to be dropped.
 * kinds: close
 */
#include <sys/time.h>

#include "expect.h"

enum { ROUNDS = 200000 };

static int fd[2];
static volatile long sent;

static void handler(int number)
{
	(void)number;
	if (send(fd[0], "h", 1, MSG_DONTWAIT) == 1)
		sent++;
}

int main(void)
{
	struct itimerval often = {.it_value.tv_usec = 50, .it_interval.tv_usec = 50}, never = {0};
	struct sigaction act = {.sa_handler = handler, .sa_flags = SA_RESTART};
	char buf[256];
	long all = 0, got = 0;

	must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		ssize_t n;

		must("write", write(fd[0], "m", 1) == 1);
		n = recv(fd[1], buf, sizeof buf, MSG_DONTWAIT);
		got += n > 0 ? n : 0;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	all = sent + ROUNDS;
	while (got < all)
		got += read(fd[1], buf, sizeof buf);
	printf("all there: %d\n", got == all);
	printf("interrupted: %d\n", sent > 0);
	expect("main", "close conn=p flags=exit out_seen=%ld in_seen=0", all);
	expect("main", "close conn=q flags=exit out_seen=0 in_seen=%ld", all);
	return 0;
}
