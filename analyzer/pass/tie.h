/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tie.h - how far clocks are apart, as far as the joins that were made say: enough to tell one use of a port
 * from the next, no more (times are aligned by pass align, later). Part of pass 2.
 *
 * Invariant: what the joins of two clocks do not agree about is not known.
 */
#ifndef DPROF_PASS_TIE_H
#define DPROF_PASS_TIE_H

#include "analyzer/pass/meet.h"

/* One join between two clocks, a < b. */
struct tie {
	uint32_t a, b;
	uint32_t party; /* at a */
	uint64_t at_ns; /* on a's clock */
	struct bound offset;
	bool odd;  /* it does not agree with the others, or they do not agree at all */
	bool lone; /* nor with those next to it in time */
	bool only; /* there is no other of the two clocks */
};

struct ties {
	struct tie *items; /* by a, b, at_ns */
	size_t count;
	size_t cap;
};

/* Enters a join. 0 or -ENOMEM. */
int ties_add(struct ties *t, const struct tie *tie);

/* After all were entered: finds what they agree about. 0 or -ENOMEM. */
int ties_settle(struct ties *t);

/* The offset of the other clock to the one's, when the one reads at_ns. [0, 0] for one clock; open if nothing
 * is known. */
struct bound ties_bound(const struct ties *t, uint32_t one, uint32_t other, uint64_t at_ns);

void ties_free(struct ties *t);

#endif
