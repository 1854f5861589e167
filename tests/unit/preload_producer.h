/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_producer.h - a process that records without sockets: it numbers its records, and counts in memory
 * shared with the test what it began and what it finished. To be killed, starved and limited.
 */
#ifndef DPROF_TESTS_PRELOAD_PRODUCER_H
#define DPROF_TESTS_PRELOAD_PRODUCER_H

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "preload/emit.h"
#include "preload/process.h"
#include "preload/stamp.h"
#include "tests/unit/preload_dump.h"

#define PRODUCER_THREADS 8

struct producer_thread {
	uint64_t begun __attribute__((aligned(64)));
	uint64_t kept;	  /* in the ring */
	uint64_t dropped; /* no room */
	uint32_t serial;
};

/* What test and producer share. */
struct producer_board {
	struct producer_thread threads[PRODUCER_THREADS];
	uint64_t each; /* records per thread; 0: until killed */
	uint32_t threads_n;
	uint32_t data_bytes;
	uint32_t pause_every; /* gives the processor away each so many records; 0: never */
	uint32_t traced;
	uint32_t leave_child; /* which lives on, untraced */
	int32_t child;
	uint32_t result; /* of a computation that tracing must not change */
};

static struct producer_board *producer_board;

/* A sanitizer's own read and write come before our wrappers: there the records are made by hand. */
#ifdef DPROF_SANITIZED
#define BY_HAND true
#else
#define BY_HAND false
#endif

static inline void record_by_hand(uint8_t kind, uint32_t len)
{
	struct record *r = thread_ready() ? emit_begin(sizeof len) : NULL;

	if (r == NULL)
		return;
	r->kind = kind;
	r->len = len;
	memcpy(r + 1, &r->len, sizeof len);
	r->off = stamp_now(); /* so that it cannot be compressed away */
	emit_commit(r);
}

static inline void *producer_run(void *of)
{
	struct producer_thread *me = of;
	const struct producer_board *b = producer_board;

	while (!thread_ready())
		sched_yield();
	me->serial = thread_serial();
	for (uint64_t i = 0; b->each == 0 || i < b->each; i++) {
		struct record *r;

		__atomic_store_n(&me->begun, i + 1, __ATOMIC_RELEASE);
		r = emit_begin(b->data_bytes);
		if (r != NULL) {
			r->kind = RECORD_OUT;
			r->conn = 1;
			r->len = 1;
			r->off = i;
			r->t0 = stamp_now();
			r->t1 = r->t0 + 1;
			memset(r + 1, (int)i, b->data_bytes);
			emit_commit(r);
			__atomic_store_n(&me->kept, me->kept + 1, __ATOMIC_RELEASE);
		} else {
			__atomic_store_n(&me->dropped, me->dropped + 1, __ATOMIC_RELEASE);
		}
		if (b->pause_every != 0 && i % b->pause_every == 0)
			sched_yield();
	}
	return NULL;
}

/* The child's main: argv[2] is the board's descriptor. */
static inline int producer_main(char **argv)
{
	pthread_t threads[PRODUCER_THREADS];
	pid_t child;

	producer_board =
	    mmap(NULL, sizeof *producer_board, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[2]), 0);
	if (producer_board == MAP_FAILED)
		return 9;
	for (uint32_t i = 1; i < producer_board->threads_n; i++)
		pthread_create(&threads[i], NULL, producer_run, &producer_board->threads[i]);
	if (producer_board->leave_child) {
		thread_ready();
		child = fork();
		while (child == 0)
			pause();
		producer_board->child = child;
	}
	producer_run(&producer_board->threads[0]);
	for (uint32_t i = 1; i < producer_board->threads_n; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static inline struct producer_board *producer_board_make(int *fd)
{
	struct producer_board *b;

	*fd = memfd_create("board", 0);
	assert_int_equal(ftruncate(*fd, sizeof *b), 0);
	b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	assert_true(b != MAP_FAILED);
	return b;
}

/* Starts it with its dump in `dir` and more settings (NAME=VALUE), after `before` has run in the child. */
static inline pid_t producer_start(int board_fd, const char *dir, char *const settings[],
				   void (*before)(void))
{
	char board[16], where[600], *env[16] = {where};
	char *argv[] = {"/proc/self/exe", "producer", board, NULL};
	int n = 1;
	pid_t pid;

	snprintf(board, sizeof board, "%d", board_fd);
	snprintf(where, sizeof where, "DPROF_DIR=%s", dir);
	while (settings != NULL && *settings != NULL)
		env[n++] = *settings++;
	pid = fork();
	if (pid == 0) {
		if (before != NULL)
			before();
		execve(argv[0], argv, env);
		_exit(99);
	}
	assert_true(pid > 0);
	return pid;
}

static inline uint64_t producer_progress(const struct producer_board *b)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < b->threads_n; i++)
		all += __atomic_load_n(&b->threads[i].begun, __ATOMIC_ACQUIRE);
	return all;
}

#endif
