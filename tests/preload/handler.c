// SPDX-License-Identifier: Apache-2.0
/* A signal handler writes to a socket, before, inside and after calls of its thread; EINTR comes through. */
#include <sys/time.h>

#include "expect.h"

static int fd[2], other[2];
static volatile int handled;

static void handler(int number)
{
	int kept = errno;

	(void)number;
	must("write", write(other[0], "!", 1) == 1);
	expect("main", "out conn=p off=%d len=1 flags=%s", handled, handled ? "none" : "burst");
	handled++;
	errno = kept;
}

int main(void)
{
	struct itimerval often = {.it_value.tv_usec = 10000, .it_interval.tv_usec = 10000}, never = {0};
	struct sigaction act = {.sa_handler = handler};
	char buf[8];
	long n;

	tcp_pair(fd);
	must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, other) == 0);
	expect("main", "open conn=p flags=pair");
	expect("main", "open conn=q flags=pair");
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	said("read", read(fd[1], buf, sizeof buf));
	setitimer(ITIMER_REAL, &never, NULL);
	printf("handled: %d\n", handled > 0);
	n = handled;
	said("raise", raise(SIGALRM));
	said("write", write(fd[0], "after", 5));
	expect("main", "out conn=c off=0 len=5 flags=burst head=after");
	said("read", read(fd[1], buf, sizeof buf));
	expect("main", "in conn=s off=0 len=5 flags=burst head=after");
	close(fd[0]);
	expect("main", "close conn=c out_seen=5 out_kernel=5");
	expect("main", "close conn=p flags=exit out_seen=%ld", n + 1);
	expect("main", "close conn=s flags=exit in_seen=5 in_kernel=5");
	expect("main", "close conn=q flags=exit out_seen=0");
	return 0;
}
