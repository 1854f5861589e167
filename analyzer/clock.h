/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - one kernel's clock: stamps to ns since the epoch. Analyzer, one thread.
 *
 * Two steps: from the stamp to CLOCK_MONOTONIC_RAW (per unit of stamps; RAW is a linear function of the TSC),
 * and from there to CLOCK_REALTIME, one straight line. So processes with different units on one kernel agree,
 * and nobody who sets or steers CLOCK_REALTIME changes the order or a duration: where it was set stands in
 * `steps`. Only where it went on while no process was there to see it (they ran before and after a suspend,
 * say) does the timeline go on with it. Stamps that broke against RAW (a migrated machine, a counter that
 * began anew) are a line for each piece. Fitted to the pooled readings of all processes of a boot.
 *
 * Invariant: never decreasing, but where the stamps themselves begin anew; exact integers, no floating point.
 */
#ifndef DPROF_CLOCK_H
#define DPROF_CLOCK_H

#include "analyzer/clock_line.h"
#include "analyzer/vec.h"
#include "common/dump.h"

#define CLOCK_UNIT_BYTES 16 /* of a unit's name with its NUL */

/* CLOCK_REALTIME against RAW: steered by up to 500 ppm for a while, a poor crystal all the time; and a
 * reading can be late. What is more is a step. */
#define CLOCK_REAL_PPM 2000u
#define CLOCK_REAL_LAW                                                                                       \
	{                                                                                                    \
		.rate = CLOCK_RATE_ONE, .floor_ns = 1000000, .ppm = CLOCK_REAL_PPM, .burst_ns = 50000000,    \
		.rest_ppm = 200                                                                              \
	}

enum clock_order {
	CLOCK_FOLLOWS, /* it was made after the one before it in its dump */
	CLOCK_BEGINS,  /* the first of a file */
	CLOCK_ASIDE    /* of a window: perhaps before others that come first */
};

struct clock_reading {
	enum clock_order order;
	uint64_t stamp, raw_ns, real_ns;
	uint32_t unit;
	uint32_t source; /* number of the dump */
};

/* A line from stamps to RAW, and what it can yield. */
struct clock_piece {
	struct clock_line line;
	uint64_t from;	    /* first stamp of it */
	uint64_t low, high; /* of RAW */
	uint32_t group;	    /* the next one: stamps began anew, they may be less than before */
};

struct clock_unit {
	char name[CLOCK_UNIT_BYTES];	/* "tsc"; "raw" is none: its line is y = x */
	VEC(struct clock_piece) pieces; /* at least one after the fit */
	uint64_t second;		/* so many stamps are about one */
	uint32_t groups;
};

/* CLOCK_REALTIME jumped against RAW (it was set, or RAW stood still), or the stamps did (by_ns 0). */
struct clock_step {
	uint64_t raw_ns;    /* between two readings */
	uint64_t within_ns; /* so far from it at most */
	int64_t by_ns;
	bool followed; /* the timeline jumps, too */
};

/* All zero is a clock without readings. */
struct clock {
	VEC(struct clock_unit) units;
	VEC(struct clock_reading) readings;
	VEC(struct clock_step) steps; /* in order of time */
	struct clock_line line;	      /* RAW to REALTIME; of steps that are followed see clock.c */
	uint64_t base_ns;	      /* RAW where that line is as it stands */
	bool unfolded;		      /* RAW went back: that of the readings is moved on */
	/* After clock_fit(): */
	uint64_t used, bad; /* readings */
	uint64_t wrong;	    /* of the bad ones: that contradict all others, or are none */
	uint64_t breaks;    /* of stamps against RAW */
	uint64_t error_ns;  /* the largest distance of a used reading from the line of its stamps */
	uint64_t wander_ns; /* the largest of CLOCK_REALTIME from the timeline, between steps */
	bool guessed; /* no reading at all, or the length of a tick is a guess: one reading, or all bad */
};

/* Where a thread's records are, as they follow one another. All zero but for the group at its start. */
struct clock_cursor {
	uint32_t group;
	uint64_t last;	  /* the last stamp */
	uint64_t back;	  /* times that stamps went back by more than a second */
	uint64_t back_ns; /* the most */
};

/* The number of a unit of stamps, entered if new. -ENOMEM, -EINVAL for a name that cannot be one. */
int clock_unit(struct clock *c, const char *name);

/* Enters a reading of a dump. 0 or -ENOMEM. */
int clock_add(struct clock *c, int unit, uint32_t source, enum clock_order order, const struct anchor *a);

/* Can it be one at all? */
bool clock_reading_is_sane(const struct clock_reading *r);

/* Moves RAW on where it goes back. 0 or -ENOMEM. */
int clock_unfold(struct clock *c);

/* After all readings. 0 or -ENOMEM. */
int clock_fit(struct clock *c);

/* Which dumps cannot be of one clock: part[source] from 0 to *parts - 1. `part` is zeroed, and long enough.
 * 0 or -ENOMEM. */
int clock_part(const struct clock *c, uint32_t *part, uint32_t *parts);

uint64_t clock_ns(const struct clock *c, int unit, uint64_t stamp);

/* RAW to the timeline. */
uint64_t clock_raw_ns(const struct clock *c, uint64_t raw_ns);

/* The stamp of a reading; RAW says which piece it belongs to. */
uint64_t clock_anchor_ns(const struct clock *c, int unit, const struct anchor *a);

/* At a thread's first record; RAW: of any reading of its process before that. */
struct clock_cursor clock_begin(const struct clock *c, int unit, uint64_t raw_ns);

/* Both times of a thread's next record; t0 <= t1 but for damage. */
void clock_place(const struct clock *c, int unit, struct clock_cursor *at, uint64_t t0, uint64_t t1,
		 uint64_t ns[2]);

void clock_free(struct clock *c);

#endif
