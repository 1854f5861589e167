/* SPDX-License-Identifier: Apache-2.0 */
/*
 * align_edge.h - what the messages between two clocks say of their offset. Part of pass align.
 *
 * Clocks a < b. Flow 0 is what went from a to b, flow 1 what went from b to a. A point says: at time `at` of
 * clock a the receiver's clock was ahead of the sender's by `slack` at most (nothing is received before it
 * was sent). Both flows are upper bounds, of b - a and of a - b.
 *
 * Invariant: exact integers in ns; a bound is never rounded to the unsafe side.
 */
#ifndef DPROF_PASS_ALIGN_EDGE_H
#define DPROF_PASS_ALIGN_EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALIGN_OPEN	 (INT64_MAX / 4)    /* no bound */
#define ALIGN_TIME_MAX	 ((int64_t)1 << 62) /* of a clock, since the epoch */
#define ALIGN_AXIS_MAX	 ((int64_t)1 << 60) /* on the axis of an island, to each side */
#define ALIGN_BIN_NS	 10000000	    /* the fastest of so long is kept */
#define ALIGN_RATE_LEAST 300u		    /* ppb: how far two quartzes wander from a straight line */
#define ALIGN_RATE_MOST                                                                                      \
	2000000u	  /* ppb: two clocks, each steered by 500 ppm, beside a line that is off by as much */
#define ALIGN_CUTS_MAX 64 /* of two clocks that jump more often nothing is believed */

struct align_point {
	int64_t at, slack;
};

struct align_flow {
	struct align_point *items; /* sorted by `at` after align_flow_settle() */
	size_t count, cap;
	int64_t *tight;		  /* by point: what it and its neighbours bound there, at the edge's rate */
	uint64_t messages;	  /* that were added */
	int64_t bin_ns;		  /* 0: ALIGN_BIN_NS */
	int64_t bin_from, bin_to; /* of the last point */
	size_t full;		  /* count at which to settle */
};

/* A step of one of the clocks: after from, up to `to`; each at the time of clock a and at that of b. */
struct align_cut {
	int64_t from[2], to[2];
};

struct align_edge {
	uint32_t a, b;
	struct align_flow flows[2];
	struct {
		struct align_cut *items;
		size_t count, cap;
	} cuts;
	uint32_t outer;	      /* ppb: before the first and after the last point of a flow */
	uint32_t rate;	      /* ppb: how fast the offset may change, beside a straight line */
	int64_t narrowest_ns; /* the least of upper less lower bound */
	uint64_t outliers;    /* points that contradict all around them: left out */
	bool hopeless;	      /* contradicts itself throughout: left out */
};

/* What an edge bounds at a moment. */
struct align_bounds {
	int64_t most[2]; /* of b - a, and of a - b; ALIGN_OPEN */
};

/* A constraint: sent at `at` of a and received `slack` later by the other clock, or the other way round. 0 or
 * -ENOMEM. */
int align_flow_add(struct align_flow *f, int64_t at, int64_t slack);

/* Sorts, and keeps the fastest of each bin. */
void align_flow_settle(struct align_flow *f);

/* Finds the steps. 0 or -ENOMEM. Flows are settled, and in the time of clocks without drift. */
int align_edge_cut(struct align_edge *e);

/* Finds the rate and makes the envelopes. 0 or -ENOMEM. */
int align_edge_fit(struct align_edge *e);

/* Makes the envelopes at a rate. */
void align_edge_envelope(struct align_edge *e, uint32_t rate);

/* The bounds at a time of clock a. */
struct align_bounds align_edge_at(const struct align_edge *e, int64_t at);

/* The least slack of the points in [from, to]. */
struct align_bounds align_edge_flat(const struct align_edge *e, int64_t from, int64_t to);

/* The times of a point at clock a and at clock b. */
static inline void align_point_times(const struct align_point *p, int flow, int64_t times[2])
{
	times[0] = p->at;
	times[1] = flow == 0 ? p->at + p->slack : p->at - p->slack;
}

void align_edge_free(struct align_edge *e);

/* How far something moves in a time at a rate in ppb, rounded up. */
int64_t align_drift_ns(int64_t time_ns, uint32_t ppb);

#endif
