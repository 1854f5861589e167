// SPDX-License-Identifier: Apache-2.0
/*
 * proc.c - births and deaths: threads, forks, and the ends of a process. App's threads, cold.
 *
 * Invariant: a vfork child ends without ending us: it runs in our memory. Destructors of the
 * program's own thread-specific data may still use sockets, so a thread's end is told in the last round.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdint.h>

#include "common/record.h"
#include "preload/call.h"
#include "preload/emit.h"

/* ---- threads ---- */

#define BIRTHS 256 /* threads that are being made at one moment; more than that start untold */

struct birth {
	uint32_t taken;
	uint32_t parent; /* serial of the thread that makes it */
	uint64_t created_at;
	void *(*start)(void *);
	void *arg;
};

#ifdef __SANITIZE_THREAD__ /* TSan forgets the thread in the last round */
#define END_ROUND (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#else
#define END_ROUND PTHREAD_DESTRUCTOR_ITERATIONS
#endif

static struct birth births[BIRTHS];
static pthread_key_t end_key;
static bool end_key_made;

static struct birth *birth_take(void)
{
	for (size_t i = 0; i < BIRTHS; i++) {
		uint32_t free = 0;

		if (__atomic_compare_exchange_n(&births[i].taken, &free, 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return &births[i];
	}
	return NULL;
}

static void birth_release(struct birth *b)
{
	__atomic_store_n(&b->taken, 0, __ATOMIC_RELEASE);
}

static void *thread_start(void *from)
{
	struct birth b = *(struct birth *)from;

	birth_release(from);
	thread_born(b.parent, b.created_at);
	if (end_key_made)
		pthread_setspecific(end_key, (void *)1);
	return b.start(b.arg);
}

/* libc calls this up to PTHREAD_DESTRUCTOR_ITERATIONS times while we put the value back. */
static void thread_end(void *round)
{
	uintptr_t n = (uintptr_t)round;

	if (n < END_ROUND && pthread_setspecific(end_key, (void *)(n + 1)) == 0)
		return;
	thread_gone();
}

static void proc_quick_end(void)
{
	process_finish("exit");
}

__attribute__((constructor(102))) static void proc_start(void)
{
	if (!process_check())
		return;
	if (pthread_key_create(&end_key, thread_end) == 0)
		end_key_made = true;
	at_quick_exit(proc_quick_end); /* registered first, so it runs last */
}

EXPORT int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr,
			  void *(*start)(void *), void *restrict arg)
{
	struct birth *b = process_check() ? birth_take() : NULL;
	int r;

	__atomic_store_n(&thread_many, true, __ATOMIC_RELAXED);
	if (b == NULL)
		return REAL(pthread_create)(thread, attr, start, arg);
	b->parent = thread_serial();
	b->created_at = stamp_now();
	b->start = start;
	b->arg = arg;
	r = REAL(pthread_create)(thread, attr, thread_start, b);
	if (r != 0)
		birth_release(b);
	return r;
}

/* ---- libraries ---- */

/* For dlopen, in arch_dlopen.S: where the real one is, and the mask of flags. */
struct proc_library {
	void *(*open)(const char *path, int flags);
	long flags;
};

struct proc_library proc_library(void);
struct proc_library proc_library(void)
{
	return (struct proc_library){REAL(dlopen), process_check() ? ~RTLD_DEEPBIND : -1};
}

/* ---- processes ---- */

EXPORT pid_t fork(void)
{
	uint64_t t0 = stamp_now();
	pid_t pid = REAL(fork)();
	struct record *r;

	if (pid == 0)
		process_forked();
	if (pid <= 0)
		return pid;
	conn_share();
	r = call_waits() ? emit_begin(0) : NULL;
	if (r != NULL) {
		r->kind = RECORD_FORK;
		r->call = CALL_fork;
		r->t0 = t0;
		r->t1 = stamp_now();
		r->off = (uint64_t)pid;
		emit_commit(r);
	}
	return pid;
}

/* process_finish() itself leaves a vfork child alone; at exit() its destructor calls it. */
EXPORT void _exit(int status)
{
	process_finish("exit");
	REAL(_exit)(status);
	__builtin_unreachable();
}

EXPORT void _Exit(int status)
{
	process_finish("exit");
	REAL(_Exit)(status);
	__builtin_unreachable();
}

/* The parent ends inside libc: its dump ends before. */
EXPORT int daemon(int keep_directory, int keep_files)
{
	bool paused = process_pause("exit");
	int r = REAL(daemon)(keep_directory, keep_files);

	if (r == 0)
		process_forked();
	else if (paused)
		process_resume();
	return r;
}
