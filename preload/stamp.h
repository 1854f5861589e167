/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stamp.h - the time in a record. Any thread, hot: one rdtsc where the kernel itself trusts the time stamp
 * counter, else CLOCK_MONOTONIC_RAW from the vdso.
 *
 * Invariant: the unit is chosen once per program, before its first record, and never changes; until then a
 * stamp is 0.
 */
#ifndef DPROF_STAMP_H
#define DPROF_STAMP_H

#include <stdint.h>

#include "preload/arch.h"

struct anchor;

enum stamp_unit { STAMP_UNSET, STAMP_TSC, STAMP_RAW };

extern uint32_t stamp_unit __attribute__((visibility("hidden"))); /* enum stamp_unit */
extern uint64_t stamp_second
    __attribute__((visibility("hidden"))); /* stamps in a second, roughly: for "about once a second" */

uint64_t stamp_slow(void);

static inline uint64_t stamp_now(void)
{
	if (__builtin_expect(stamp_unit == STAMP_TSC, 1))
		return arch_ticks();
	return stamp_slow();
}

/* Chooses the unit, if that is not done yet. */
void stamp_choose(void);

/* "tsc" or "raw". */
const char *stamp_name(void);

/* All clocks at one moment: the narrowest of a few tries. */
void stamp_anchor(struct anchor *a);

/* Flusher: two anchors tell the length of a second. */
void stamp_learn(const struct anchor *from, const struct anchor *to);

#endif
