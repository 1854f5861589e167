/* SPDX-License-Identifier: Apache-2.0 */
/*
 * align_island.h - clocks that messages connect, on one timeline. Part of pass align. A clock that was set is
 * several clocks, one after the other: its pieces.
 */
#ifndef DPROF_PASS_ALIGN_ISLAND_H
#define DPROF_PASS_ALIGN_ISLAND_H

#include "analyzer/pass/align.h"
#include "analyzer/pass/align_edge.h"
#include "analyzer/pass/align_line.h"

/* A piece of a clock, in its time. */
struct align_piece {
	uint32_t clock;	  /* of the store */
	int64_t range[2]; /* first and last time of its records */
	int64_t life[2];  /* the steps before and after it were not in this time: past the one, short of the
			     other */
};

/* What the engine is given. Edges are between pieces, by a, then b. */
struct align_problem {
	struct {
		struct align_piece *items; /* by clock, then time */
		size_t count, cap;
	} pieces;
	struct {
		struct align_edge *items;
		size_t count, cap;
	} edges;
};

/* An island on its axis. */
struct align_island {
	uint32_t n;		   /* pieces */
	uint32_t *pieces;	   /* numbers in the problem */
	struct align_line *lines;  /* by piece of the island */
	int64_t (*lives)[2];	   /* the same */
	struct align_edge **edges; /* that are not hopeless */
	uint32_t (*ends)[2];	   /* of the edges, as pieces of the island */
	uint32_t edge_count;
	int64_t from, to; /* of all records, on the axis */
	int64_t *knots;	  /* on the axis, ascending */
	uint32_t knot_count;
	int64_t spacing;
};

/* Finds steps, islands and their axes, and solves. `out` is by piece and by edge of the problem, as it is
 * when the pieces are found. 0 or -ENOMEM. Flows are in the times of the clocks; what is left of the problem
 * are its pieces and what its edges count. */
int align_solve(struct align_problem *p, struct alignment *out);
void align_problem_free(struct align_problem *p);

/* Breaks the clocks of a problem into pieces where its edges have cuts, which are on the axis: *broken says
 * if any could be. The flows are in the times of the clocks again then, and wait for all of it to begin anew.
 */
int align_split(struct align_problem *p, const struct align_line *lines, bool *broken);

/* The moments at which the island is solved. 0 or -ENOMEM. */
int align_knots_make(struct align_island *is);

/* Solves at every knot, and fills in clocks and pairs. 0 or -ENOMEM. */
int align_island_solve(struct align_island *is, const struct align_problem *p, struct alignment *out);

/* From pieces to clocks: `out` has its clocks, and its pairs by clock with what was counted. Takes what
 * `pieces` holds. 0 or -ENOMEM. */
int align_fold(const struct align_problem *p, struct alignment *pieces, struct alignment *out);

#endif
