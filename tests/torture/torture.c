/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torture.c - threads that connect, exchange, fork, exec, pass descriptors, close each other's, take signals,
 *jump out of calls and are cancelled; each decides by a generator of its own, so a seed names what every
 *thread does (not when). What it moved is on the board; check.py compares that with the dumps. Bare, it
 *checks itself: every byte arrives.
 *
 *	torture BOARD SECONDS SEED [ACT]
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "acts.h"

#define WORKERS	  5
#define SIGNAL_NS 300000

/* TSan knows no threads in a forked child, and dprof's flusher is one; a close under a thread that reads is a
 * race to it. */
#ifdef __SANITIZE_THREAD__
#define NOT_TSAN(weight) 0
#else
#define NOT_TSAN(weight) weight
#endif

static const struct act {
	const char *name;
	void (*play)(struct dice *d);
	uint32_t weight;
} acts[] = {
    {"talk", act_talk, 20},
    {"partner", act_partner, 10},
    {"half_close", act_half_close, 15},
    {"copies", act_copies, 10},
    {"two_writers", act_two_writers, 5},
    {"epoll", act_epoll, 10},
    {"fork", act_fork, NOT_TSAN(8)},
    {"fork_turns", act_fork_turns, NOT_TSAN(3)},
    {"spawn", act_spawn, 4},
    {"pass", act_pass, NOT_TSAN(4)},
    {"close_all", act_close_all, NOT_TSAN(2)},
    {"foreign_close", act_foreign_close, NOT_TSAN(6)},
    {"jump", act_jump, 10},
    {"cancel", act_cancel, 10},
};
#define ACTS (sizeof acts / sizeof acts[0])

struct worker {
	pthread_t thread;
	struct dice dice;
	bool over;
};

static const char *only; /* the one act to play */
static bool stop;

static const struct act *act_choose(struct dice *d)
{
	uint32_t all = 0, at;

	for (size_t i = 0; i < ACTS; i++)
		all += acts[i].weight;
	at = dice_roll(d, all);
	for (size_t i = 0; i < ACTS; i++) {
		if (at < acts[i].weight)
			return &acts[i];
		at -= acts[i].weight;
	}
	return &acts[0];
}

static void *worker_run(void *with)
{
	struct worker *w = with;

	act_signals_begin(&w->dice);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		const struct act *act = act_choose(&w->dice);

		if (only != NULL && strcmp(act->name, only) != 0)
			continue;
		act->play(&w->dice);
		act_signals_drain(&w->dice);
		__atomic_fetch_add(&board->acts, 1, __ATOMIC_RELAXED);
	}
	act_signals_end(&w->dice);
	__atomic_store_n(&w->over, true, __ATOMIC_RELEASE);
	return NULL;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Signals to the workers until they have all ended. */
static void storm(struct worker *workers, double until_s)
{
	size_t over = 0;

	while (over < WORKERS) {
		over = 0;
		nanosleep(&(struct timespec){.tv_nsec = SIGNAL_NS}, NULL);
		if (now_s() >= until_s)
			__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
		for (size_t i = 0; i < WORKERS; i++) {
			if (__atomic_load_n(&workers[i].over, __ATOMIC_ACQUIRE))
				over++;
			else /* not joined yet: the thread's name is good */
				pthread_kill(workers[i].thread, ACT_SIGNAL_WRITE);
		}
	}
}

static void play(double seconds, uint64_t seed)
{
	static struct worker workers[WORKERS];
	double until_s = now_s() + seconds;

	for (size_t i = 0; i < WORKERS; i++) {
		workers[i].dice.state = seed * 1000003 + i * 7919;
		board_must(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]) == 0,
			   "pthread_create");
	}
	storm(workers, until_s);
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
}

int main(int argc, char **argv)
{
	bool spawned = argc > 1 && strcmp(argv[1], "spawned") == 0;
	struct rlimit no_core = {0, 0};

	if (argc < 4) {
		fprintf(stderr, "usage: torture BOARD SECONDS SEED [ACT]\n");
		return 2;
	}
	readlink("/proc/self/exe", act_program, ACT_PATH_BYTES - 1);
	board_open(spawned ? "/proc/self/fd/900" : argv[1], !spawned);
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_CORE, &no_core);
	act_signals_handle();
	if (spawned)
		return act_spawned(argc, argv);
	setpgid(0, 0);
	board->group = (uint32_t)getpgrp();
	only = argc > 4 ? argv[4] : NULL;
	play(atof(argv[2]), strtoull(argv[3], NULL, 10));
	printf("%s\n", board->failed ? "failed" : "whole");
	return board->failed ? 1 : 0;
}
