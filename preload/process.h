/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - is this process traced? App's threads; the checks are hot: one load.
 *
 * The answer lies in a page that the kernel zeroes in a fork's child (MADV_WIPEONFORK), so that fork, _Fork
 * and a raw clone are all noticed at the child's next socket call, without asking for the pid. In a child
 * that shares our memory (vfork, posix_spawn) the page is as it was.
 *
 * Invariant: nothing is created (thread, file, mapping) before the first call of process_check() that finds
 * tracing on.
 */
#ifndef DPROF_PROCESS_H
#define DPROF_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct process_mark {
	uint64_t traced; /* a flusher runs, rings can be had */
	uint64_t known;	 /* set at the start, so that zero means: a fork happened */
	uint8_t rest[4096 - 16];
} __attribute__((aligned(4096)));

extern struct process_mark process_mark;

/* Starts tracing, in a fork's child anew; false if it is off or cannot be had. Cold. */
bool process_enter(void);

static inline bool process_traced(void)
{
	return __builtin_expect(__atomic_load_n(&process_mark.traced, __ATOMIC_ACQUIRE) != 0, 1);
}

/* True if this process is traced. The first call starts that: ask only when there is something to trace. */
static inline bool process_check(void)
{
	return process_traced() || process_enter();
}

/* True in a child that shares its parent's memory: it must not change a table of ours. Cold: a system call.
 */
bool process_is_vfork_child(void);

/* In a fork's child, where a wrapper sees it: what the kernel's MADV_WIPEONFORK has done anyway, if it has
 * it. */
void process_forked(void);

/*
 * The process ends: conn_close_all(), then the last drain and the end object; waits for that, at most 2 s.
 * Any number of times, from any exit path; a process that was not traced returns at once.
 */
void process_finish(const char *reason);

/* The pid as it was at the start or at the last fork. */
uint32_t process_pid(void);

#endif
