/* SPDX-License-Identifier: Apache-2.0 */
/*
 * align_island.h - clocks that messages connect, on one timeline. Part of pass align.
 */
#ifndef DPROF_PASS_ALIGN_ISLAND_H
#define DPROF_PASS_ALIGN_ISLAND_H

#include "analyzer/pass/align.h"
#include "analyzer/pass/align_edge.h"
#include "analyzer/pass/align_line.h"

/* A step of a clock that its own readings tell of; on the clock. */
struct align_step {
	uint32_t clock;
	int64_t at;
};

/* What the engine is given, by clock and by edge. */
struct align_problem {
	uint32_t clock_count;
	int64_t (*range)[2]; /* first and last time of each clock's records; first > last: none */
	struct align_edge *edges;
	uint32_t edge_count;
	const struct align_step *steps;
	uint32_t step_count;
};

/* An island on its axis. */
struct align_island {
	uint32_t n;		   /* clocks */
	uint32_t *clocks;	   /* numbers in the problem */
	struct align_line *lines;  /* by clock of the island */
	struct align_edge **edges; /* that are not hopeless */
	uint32_t (*ends)[2];	   /* of the edges, as clocks of the island */
	uint32_t edge_count;
	int64_t from, to;	/* of all records, on the axis */
	const uint64_t *splits; /* of each clock of the problem: what its edges tell */
	int64_t *knots;		/* on the axis, ascending */
	uint32_t knot_count;
	int64_t spacing;
};

/* Finds islands, their axes and their steps, and fills clocks and pairs of `out`. 0 or -ENOMEM. Edges are by
 * a, then b; their flows are in the times of the clocks. */
int align_solve(struct align_problem *p, struct alignment *out);

/* The moments at which the island is solved. 0 or -ENOMEM. */
int align_knots_make(struct align_island *is);

/* Solves at every knot, and fills in clocks and pairs. 0 or -ENOMEM. */
int align_island_solve(struct align_island *is, const struct align_problem *p, struct alignment *out);

#endif
