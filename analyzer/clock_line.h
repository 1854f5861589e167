/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock_line.h - readings of two clocks to straight lines. Analyzer, one thread; pure but for memory.
 *
 * A line is fitted by Theil and Sen: the median of the slopes between any two readings, then the median of
 * what is left over, so it stands a quarter of bad readings. Where the readings are no one line (a clock was
 * set, or stood still), they are cut into runs first. Invariant: exact integers, no floating point.
 */
#ifndef DPROF_CLOCK_LINE_H
#define DPROF_CLOCK_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_RATE_SHIFT 56
#define CLOCK_RATE_ONE	 ((uint64_t)1 << CLOCK_RATE_SHIFT)
#define CLOCK_RUNS_MAX	 64u /* a clock that broke more often is a line between its readings from there on */

/* y = y0 + (x - x0) * rate */
struct clock_line {
	uint64_t x0, y0;
	uint64_t rate; /* in 2^-56 */
};

struct clock_point {
	uint64_t x, y;
	uint32_t source; /* whose reading it is */
};

/* What a fit may find. */
struct clock_bounds {
	uint64_t low, high; /* of the rate */
	uint64_t span_min;  /* of x; closer together, the rate is the fallback */
	uint64_t fallback;
};

struct clock_fit {
	struct clock_line line;
	uint64_t used, bad; /* readings; bad ones are far off the others */
	uint64_t error;	    /* of the used ones, the largest */
	uint64_t limit;	    /* further off is bad */
	bool guessed;	    /* no two readings that tell the rate */
};

/* How far one reading may be from where the one before it says. */
struct clock_law {
	uint64_t rate;
	uint64_t floor_ns, ppm;	     /* of y, at most */
	uint64_t burst_ns, rest_ppm; /* that much of it for a while, the rest of the time less */
};

/* Can both be readings of one line? p comes first. */
bool clock_line_agree(const struct clock_law *law, const struct clock_point *p, const struct clock_point *q);

/* Saturates, rounds down, and never decreases. */
uint64_t clock_line_at(const struct clock_line *l, uint64_t x);

/* Points in order of y. 0 or -ENOMEM. */
int clock_line_fit(const struct clock_point *points, size_t n, const struct clock_bounds *bounds,
		   struct clock_fit *fit);

/* The rate as neighbours some way apart have it: stands breaks, too. 0: no two of them tell. */
int clock_line_rate(const struct clock_point *points, size_t n, const struct clock_bounds *bounds,
		    uint64_t apart, uint64_t *rate);

/* Cuts points, in order of time, where two that agree with each other disagree with those before. What agrees
 * with nothing is taken out and counted: *n becomes less, *wrong more. starts[0, return value) are the first
 * points of the runs. */
uint32_t clock_line_cut(struct clock_point *points, size_t *n, const struct clock_law *law,
			size_t starts[CLOCK_RUNS_MAX], uint64_t *wrong);

#endif
