/* SPDX-License-Identifier: Apache-2.0 */
/*
 * align_line.h - a clock's straight part: what is left of its offset after it changes slowly. Part of pass
 * align. Times of a clock become times of its island's common, drift-free axis.
 *
 * Invariant: monotonic, exact integers, and the way back ends within 1 ns.
 */
#ifndef DPROF_PASS_ALIGN_LINE_H
#define DPROF_PASS_ALIGN_LINE_H

#include "analyzer/pass/align_edge.h"

/* axis = (t - base) * (1 + drift) + shift */
struct align_line {
	int64_t base, shift;
	int64_t drift; /* in 2^-40 */
};

int64_t align_line_at(const struct align_line *l, int64_t t);
int64_t align_line_back(const struct align_line *l, int64_t axis);

/* The line of the one clock of an edge (`child`: 0 a, 1 b) by that of the other, so that their offset on the
 * axis stays about 0. The flows are still in the times of the clocks. */
struct align_line align_line_fit(const struct align_edge *e, int child, const struct align_line *parent);

/* Puts the flows of an edge onto the axis. */
void align_line_move(struct align_edge *e, const struct align_line *a, const struct align_line *b);

#endif
