/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - one kernel's clock: stamps to ns since the epoch. Analyzer, one thread.
 *
 * Two lines: from the stamp to CLOCK_MONOTONIC_RAW (per unit of stamps; RAW is a linear function of the TSC),
 * and from there to CLOCK_REALTIME. So processes with different units on one kernel still agree. Both are
 * fitted to the pooled readings of all processes of a boot, and stand a quarter of bad ones.
 *
 * Invariant: never decreasing; exact integers, no floating point.
 */
#ifndef DPROF_CLOCK_H
#define DPROF_CLOCK_H

#include "analyzer/vec.h"
#include "common/dump.h"

#define CLOCK_UNIT_BYTES 16 /* of a unit's name with its NUL */

/* y = y0 + (x - x0) * rate */
struct clock_line {
	uint64_t x0, y0;
	uint64_t rate; /* in 2^-56 */
};

struct clock_point {
	uint64_t x, y;
};

struct clock_unit {
	char name[CLOCK_UNIT_BYTES]; /* "tsc"; "raw" is none: its line is y = x */
	VEC(struct clock_point) points;
	struct clock_line line; /* to RAW */
};

/* All zero is a clock without readings. */
struct clock {
	VEC(struct clock_unit) units;
	VEC(struct clock_point) points; /* RAW, REALTIME */
	struct clock_line line;		/* RAW to REALTIME */
	/* After clock_fit(): */
	uint64_t used, bad; /* readings */
	uint64_t error_ns;  /* the largest distance of a used reading from the lines */
	bool guessed;	    /* the length of a tick is a guess: one reading, or all bad */
};

/* The number of a unit of stamps, entered if new. -ENOMEM, -EINVAL for a name that cannot be one. */
int clock_unit(struct clock *c, const char *name);

/* Enters a reading. 0 or -ENOMEM. */
int clock_add(struct clock *c, int unit, const struct anchor *a);

/* After all readings. 0 or -ENOMEM. */
int clock_fit(struct clock *c);

uint64_t clock_ns(const struct clock *c, int unit, uint64_t stamp);

void clock_free(struct clock *c);

#endif
