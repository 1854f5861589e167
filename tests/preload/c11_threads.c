// SPDX-License-Identifier: Apache-2.0
/* Threads that libc makes inside itself, without a call that we see: their bytes are counted like all others.
 * kinds: close
 */
#include <threads.h>

#include "expect.h"

enum { ROUNDS = 300000 };

static int fd[2];

static int storm(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		must("write", write(fd[0], "x", 1) == 1);
	return arg != NULL;
}

int main(void)
{
	char buf[4096];
	thrd_t made[2];
	long got = 0;
	int result;

	must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	for (int i = 0; i < 2; i++)
		must("thrd_create", thrd_create(&made[i], storm, NULL) == thrd_success);
	while (got < 2 * ROUNDS)
		got += read(fd[1], buf, sizeof buf);
	for (int i = 0; i < 2; i++)
		must("thrd_join", thrd_join(made[i], &result) == thrd_success);
	printf("all there: %d\n", got == 2 * ROUNDS);
	expect("main", "close conn=p flags=exit out_seen=%d in_seen=0", 2 * ROUNDS);
	expect("main", "close conn=q flags=exit out_seen=0 in_seen=%d", 2 * ROUNDS);
	return 0;
}
