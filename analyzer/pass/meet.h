/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meet.h - what the times of two ends say: whether they can be each other's, and how far their clocks are
 * apart if they are. Part of pass 2. Nothing is received before it was sent; that holds on one clock, and of
 * two it leaves an interval for the one's offset to the other's.
 */
#ifndef DPROF_PASS_MEET_H
#define DPROF_PASS_MEET_H

#include "analyzer/pass/party.h"

/* The other clock's reading less the one's, at one moment, is in [low, high]. */
struct bound {
	int64_t low, high;
};

#define MEET_FAR ((int64_t)1 << 62)
static const struct bound bound_open = {-MEET_FAR, MEET_FAR};

static inline bool bound_is_open(const struct bound *b)
{
	return b->low <= -MEET_FAR && b->high >= MEET_FAR;
}

struct meeting {
	struct bound offset; /* of b's clock to a's, if they are each other's ends */
	bool fits;	     /* there is such an offset, and it is within what is known */
	uint32_t checked;    /* times that were compared */
	uint32_t worth;	     /* of the times, in quarters of a bit: events that came shortly after their
				cause and long after the one before; 0 if the clocks' offset is not known */
};

/* a opened what b accepted, and a's bytes stand `shift` further on at b. `known` is what is known of the
 * offset already ([0, 0] on one clock). */
struct meeting meet(const struct store *store, const struct conns *conns, const struct party *a,
		    const struct party *b, uint64_t shift, const struct bound *known);

/* later - earlier, within what a bound can be. */
int64_t meet_difference(uint64_t later, uint64_t earlier);

/* 4 log2(a / b), 0 if a <= b. */
uint32_t meet_quarters(uint64_t a, uint64_t b);

/* Two clocks drift apart by no more than this. */
#define MEET_DRIFT_PPM 1000

#endif
