/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - are records made now? App's threads, hot: one load. Only the flusher moves it, for the windows of
 * sampling, `dprof ctl pause` and a new segment of the dump.
 *
 * Position is never gated: offsets, cookies and connections are kept while it is shut; only records are not
 * made. Each opening has a number; a connection remembers the one in which its OPEN record was made, and is
 * told of again in the next. Invariant: a number is never used twice in a process, and none is GATE_SHUT or
 * 0.
 */
#ifndef DPROF_GATE_H
#define DPROF_GATE_H

#include <stdbool.h>
#include <stdint.h>

#define GATE_SHUT UINT32_MAX

extern uint32_t gate_now __attribute__((visibility("hidden"))); /* number of the opening, or GATE_SHUT */

static inline uint32_t gate_read(void)
{
	return __atomic_load_n(&gate_now, __ATOMIC_RELAXED);
}

static inline bool gate_is_shut(void)
{
	return __builtin_expect(gate_read() == GATE_SHUT, 0);
}

/* Was what was told in opening `told` told in the one that is now? 0: it was never told. */
static inline bool gate_knows(uint32_t told)
{
	return __builtin_expect(told == gate_read(), 1);
}

/* Is it told of in the file that is written now? */
bool gate_has_told(uint32_t told);

/* Flusher: shuts it, or opens it under a new number. */
void gate_set(bool open);

/* Files that were begun after the first. */
extern uint32_t gate_files __attribute__((visibility("hidden")));

/* Flusher: another file is written from now on, which knows nothing of what was told. */
void gate_forget(void);

#endif
