/* SPDX-License-Identifier: Apache-2.0 */
/*
 * align.h - pass 3: the clocks of different kernels on one timeline. Nothing is received before it was sent:
 * each joined byte bounds how far two clocks are apart, and all of them together bound every clock.
 *
 * Offsets are those of a clock to the clock of reference of its island (the clocks that joined bytes went
 * between, directly or through others). The true offset is within [low, high]; `offset_ns` is what the times
 * are corrected by.
 */
#ifndef DPROF_PASS_ALIGN_H
#define DPROF_PASS_ALIGN_H

#include "analyzer/pass/dgram.h"
#include "analyzer/pass/pair.h"

#define ALIGN_UNKNOWN UINT64_MAX

enum align_how {
	ALIGN_REFERENCE, /* its time is the island's */
	ALIGN_MESSAGES,	 /* by what was sent and received */
	ALIGN_REALTIME /* no joined bytes: as its CLOCK_REALTIME says, with no bound; or raw times were asked
			  for */
};

/* A clock at one moment; between two knots the offset is a straight line. */
struct align_knot {
	uint64_t at_ns; /* on the clock itself, before correction */
	int64_t offset_ns;
	int64_t low_ns, high_ns; /* INT64_MIN, INT64_MAX: nothing bounds it to that side */
};

struct align_clock {
	enum align_how how;
	uint32_t reference;	  /* the clock that its offsets are to */
	struct align_knot *knots; /* by time; none: its times are as they were */
	uint32_t knot_count;
	bool moved;	    /* its times were corrected; of a reference: only if it was set, after that */
	uint64_t *times_ns; /* of a reference: the moments of the bounds of pairs, on the timeline */
	uint32_t time_count;
};

/* Two clocks that joined bytes went between; a < b. */
struct align_pair {
	uint32_t a, b;
	uint64_t messages[2]; /* a to b, b to a, that were looked at */
	uint64_t rate_ppb;    /* how fast the offset was allowed to change, beside a straight line */
	uint32_t splits;      /* steps of either clock: the fit begins anew there */
	uint64_t outliers;    /* messages that contradict all around them: left out */
	bool hopeless;	      /* its messages contradict each other all the time: left out */
	uint64_t clamped;     /* messages whose latency would be negative within the bounds, moved to 0 */
	uint64_t half_width_ns[3]; /* of the bound over time: least, median, most; ALIGN_UNKNOWN: open to one
				      side */
	uint64_t *bound_ns; /* how wrong a difference of the two can be, by moment of their reference; NULL:
			       unknown */
};

struct alignment {
	struct align_clock *clocks; /* by store clock */
	uint32_t clock_count;
	struct align_pair *pairs; /* by a, then b */
	uint32_t pair_count;
};

/* Aligns the clocks; `raw`: leaves all as they are. 0 or -ENOMEM. */
int align_run(const struct store *store, const struct conns *conns, const struct links *links,
	      const struct dgrams *dgrams, bool raw, struct alignment *out);
void align_free(struct alignment *a);

/* Puts every time of the store, the views and the links onto the timelines, in place and once; counts the
 * messages that are clamped. The order of what one clock stamped stays. 0 or -ENOMEM. */
int align_correct(struct alignment *a, struct store *store, struct conns *conns, struct links *links,
		  const struct dgrams *dgrams);

/* A time of a clock on its timeline. */
uint64_t align_time_ns(const struct align_clock *c, uint64_t at_ns);

/* By how much the difference of two times, one of each clock, can be wrong at that (corrected) moment. 0: one
 * clock; ALIGN_UNKNOWN: nothing bounds it. */
uint64_t align_bound_ns(const struct alignment *a, uint32_t one, uint32_t other, uint64_t at_ns);

/* What is known of two clocks, in any order; NULL: no joined bytes. */
const struct align_pair *align_pair_of(const struct alignment *a, uint32_t one, uint32_t other);

#endif
