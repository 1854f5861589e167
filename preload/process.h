/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - is this process traced? App's threads; the checks are hot: one load.
 *
 * The answer lies in a page that the kernel zeroes in a fork's child (MADV_WIPEONFORK), so that fork, _Fork
 * and a raw clone are all noticed at the child's next socket call, without asking for the pid. In a child
 * that shares our memory (vfork, posix_spawn) the page is as it was.
 *
 * Invariant: process_check() creates nothing (no thread, file or mapping); the first thread_ready() does.
 */
#ifndef DPROF_PROCESS_H
#define DPROF_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct process_mark {
	uint64_t wanted;   /* tracing is on, though it may not have begun */
	uint64_t traced;   /* it has begun: a flusher runs */
	uint64_t original; /* set at the start and for ever, so that 0 means: a fork happened */
	uint8_t rest[4096 - 24];
} __attribute__((aligned(4096)));

extern struct process_mark process_mark __attribute__((visibility("hidden")));

/* Reads the settings, or notices a fork; then: is tracing on? Cold. */
bool process_look(void);

/* Starts the flusher; false if it cannot be had now. Cold. */
bool process_start(void);

/* True if this process records: the flusher runs. Never starts anything. */
static inline bool process_traced(void)
{
	return __builtin_expect(__atomic_load_n(&process_mark.traced, __ATOMIC_ACQUIRE) != 0, 1);
}

/* True if tracing is on for this process. Creates nothing. */
static inline bool process_check(void)
{
	return __builtin_expect(__atomic_load_n(&process_mark.wanted, __ATOMIC_RELAXED) != 0, 1) ||
	       process_look();
}

/* No record from now on, for good, also in children. */
void process_off(void);

/* True in a child that shares its parent's memory: it must not change a table of ours. Cold: a system call.
 */
bool process_is_vfork_child(void);

/* This process is a fork of the one that the program was started in. */
bool process_is_forked(void);

/* In a fork's child, where a wrapper sees it: does what MADV_WIPEONFORK does where the kernel has it. */
void process_forked(void);

/*
 * The process ends: conn_close_all(), then the last drain and the end object; waits for that, at most 2 s.
 * Any number of times, from any exit path; a process that was not traced returns at once.
 */
void process_finish(const char *reason);

/*
 * Ends the dump and our thread for now, so that the program may do what it cannot do with them; false: there
 * was nothing to end, or it cannot be done (other threads record, too). Then process_resume(): the next
 * traced call begins anew, in a dump of its own.
 */
bool process_pause(const char *reason);
void process_resume(void);

/* Ends the dump for good while the program goes on, and says so. */
void process_leave(const char *reason, const char *words);

/* The pid as it was at the start or at the last fork. */
uint32_t process_pid(void);

#endif
