/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_group.c - tells a signal that was sent to the whole process group from one that was sent to us
 * alone. The kernel does not say. So a stand-in, a child of ours in the same group, counts what it gets, in
 * memory that we share; it holds no descriptor, and the kernel ends it when we end.
 *
 * Invariant: each signal to the group is counted once; what is counted was sent before we ask, because the
 * question is a signal, too, the last in the order in which they are taken.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "preload/outside/record.h"

#define SIGNALS	     65
#define ASK_WAIT_NS  1000000 /* one kill(2) to a group is over by then */
#define ANSWER_TRIES 500     /* then the stand-in is stopped, or gone */

struct group {
	pid_t stand_in;
	unsigned int asked;
	unsigned int known[SIGNALS]; /* of `counts`, when last asked */
	struct counts {
		unsigned int answered;
		unsigned int of[SIGNALS];
	} * counts; /* shared */
};

static void sleep_ns(long ns)
{
	struct timespec t = {.tv_nsec = ns};

	nanosleep(&t, NULL);
}

/* In the stand-in; all signals are blocked. */
static _Noreturn void stand_in(struct counts *counts, pid_t parent)
{
	sigset_t all;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	syscall(SYS_close_range, 0u, ~0u, 0u);
	sigfillset(&all);
	while (getppid() == parent) {
		int signal = sigwaitinfo(&all, NULL);

		if (signal == SIGRTMAX)
			__atomic_fetch_add(&counts->answered, 1,
					   __ATOMIC_RELEASE); /* publishes the counts before it */
		else if (signal > 0)
			__atomic_fetch_add(&counts->of[signal], 1, __ATOMIC_RELAXED);
	}
	_exit(0);
}

struct group *group_watch(void)
{
	struct group *g = calloc(1, sizeof *g);
	pid_t parent = getpid();

	if (g == NULL)
		return NULL;
	g->counts = mmap(NULL, sizeof *g->counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	g->stand_in = g->counts == MAP_FAILED ? -1 : fork();
	if (g->stand_in == 0)
		stand_in(g->counts, parent);
	if (g->stand_in > 0)
		return g;
	free(g);
	return NULL;
}

bool group_had(struct group *g, int signal)
{
	unsigned int now;

	if (g == NULL || signal >= SIGNALS)
		return false;
	sleep_ns(ASK_WAIT_NS);
	g->asked++;
	if (kill(g->stand_in, SIGRTMAX) < 0)
		return false;
	for (int i = 0; __atomic_load_n(&g->counts->answered, __ATOMIC_ACQUIRE) != g->asked; i++) {
		if (i == ANSWER_TRIES)
			return false;
		sleep_ns(ASK_WAIT_NS / 5);
	}
	now = __atomic_load_n(&g->counts->of[signal], __ATOMIC_RELAXED);
	if (now == g->known[signal])
		return false;
	g->known[signal] = now;
	return true;
}

void group_end(struct group *g)
{
	if (g == NULL)
		return;
	kill(g->stand_in, SIGKILL);
	while (waitpid(g->stand_in, NULL, 0) < 0 && errno == EINTR)
		;
	munmap(g->counts, sizeof *g->counts);
	free(g);
}
