// SPDX-License-Identifier: Apache-2.0
/*
 * align_solve.c - from constraints to islands on an axis, see align_island.h. Analyzer, one thread; pure but
 * for memory. Each clock's drift is taken out along a tree of the edges with the most points; then the steps
 * are found, and what contradicts itself all the time is left out.
 */
#include "analyzer/pass/align_island.h"
#include "analyzer/vec.h"

#define ROUNDS 4 /* of finding steps; what contradicts itself still is left out */

struct work {
	struct align_problem *p;
	uint32_t *root;		  /* by piece: of its component */
	struct align_line *lines; /* by piece */
	bool *lined;		  /* has its line */
};

/* ---- components ---- */

static uint32_t find_root(uint32_t *root, uint32_t clock)
{
	while (root[clock] != clock) {
		root[clock] = root[root[clock]];
		clock = root[clock];
	}
	return clock;
}

static bool is_used(const struct align_edge *e)
{
	return !e->hopeless && e->flows[0].count + e->flows[1].count > 0;
}

static void find_components(struct work *w)
{
	const struct align_problem *p = w->p;

	for (uint32_t i = 0; i < p->pieces.count; i++)
		w->root[i] = i;
	for (uint32_t i = 0; i < p->edges.count; i++) {
		uint32_t a = find_root(w->root, p->edges.items[i].a),
			 b = find_root(w->root, p->edges.items[i].b);

		if (!is_used(&p->edges.items[i]) || a == b)
			continue;
		w->root[a > b ? a : b] = a < b ? a : b;
	}
	for (uint32_t i = 0; i < p->pieces.count; i++)
		w->root[i] = find_root(w->root, i);
}

/* ---- drift ---- */

/* How much an edge knows: both directions count first. */
static uint64_t weight(const struct align_edge *e)
{
	uint64_t x = e->flows[0].count, y = e->flows[1].count;

	return (x < y ? x : y) << 32 | (x + y);
}

/* The best edge from a clock that has its line to one that has none. */
static struct align_edge *next_edge(const struct work *w)
{
	struct align_edge *best = NULL;

	for (uint32_t i = 0; i < w->p->edges.count; i++) {
		struct align_edge *e = &w->p->edges.items[i];

		if (is_used(e) && w->lined[e->a] != w->lined[e->b] && (!best || weight(e) > weight(best)))
			best = e;
	}
	return best;
}

static void draw_lines(struct work *w)
{
	struct align_problem *p = w->p;
	struct align_edge *e;

	for (uint32_t i = 0; i < p->pieces.count; i++) {
		if (w->root[i] != i)
			continue;
		w->lined[i] = true;
		w->lines[i] = (struct align_line){.base = p->pieces.items[i].range[0]};
	}
	while ((e = next_edge(w)) != NULL) {
		int child = w->lined[e->a];

		w->lines[child ? e->b : e->a] = align_line_fit(e, child, &w->lines[child ? e->a : e->b]);
		w->lined[child ? e->b : e->a] = true;
	}
	for (uint32_t i = 0; i < p->edges.count; i++) {
		e = &p->edges.items[i];
		align_line_move(e, &w->lines[e->a], &w->lines[e->b]);
		align_flow_settle(&e->flows[0]);
		align_flow_settle(&e->flows[1]);
	}
}

/* ---- steps ---- */

static int find_cuts(const struct work *w, bool *any)
{
	int err = 0;

	*any = false;
	for (uint32_t i = 0; i < w->p->edges.count && !err; i++) {
		struct align_edge *e = &w->p->edges.items[i];

		if (is_used(e))
			err = align_edge_cut(e);
		*any |= e->cuts.count && is_used(e);
	}
	return err;
}

/* ---- rates ---- */

/* What goes one way only cannot tell how fast the clocks move: the other edges of the two can. */
static void share_rates(struct work *w, uint32_t *rate)
{
	for (uint32_t i = 0; i < w->p->edges.count; i++) {
		const struct align_edge *e = &w->p->edges.items[i];

		if (!is_used(e) || e->narrowest_ns == ALIGN_OPEN)
			continue;
		if (!rate[e->a] || e->rate < rate[e->a])
			rate[e->a] = e->rate;
		if (!rate[e->b] || e->rate < rate[e->b])
			rate[e->b] = e->rate;
	}
	for (uint32_t i = 0; i < w->p->edges.count; i++) {
		struct align_edge *e = &w->p->edges.items[i];
		uint32_t most = rate[e->a] > rate[e->b] ? rate[e->a] : rate[e->b];

		if (is_used(e) && e->narrowest_ns == ALIGN_OPEN && most > e->rate)
			align_edge_envelope(e, most);
	}
}

static int fit_edges(struct work *w)
{
	uint32_t *rate = calloc(w->p->pieces.count + 1ul, sizeof(*rate));
	int err = rate ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < w->p->edges.count && !err; i++)
		if (is_used(&w->p->edges.items[i]))
			err = align_edge_fit(&w->p->edges.items[i]);
	if (!err)
		share_rates(w, rate);
	free(rate);
	return err;
}

/* ---- islands ---- */

static void take_range(struct align_island *is, const struct align_problem *p)
{
	is->from = ALIGN_AXIS_MAX;
	is->to = -ALIGN_AXIS_MAX;
	for (uint32_t i = 0; i < is->n; i++) {
		const int64_t *range = p->pieces.items[is->pieces[i]].range;
		int64_t from = align_line_at(&is->lines[i], range[0]),
			to = align_line_at(&is->lines[i], range[1]);

		if (from < is->from)
			is->from = from;
		if (to > is->to)
			is->to = to;
	}
}

static void gather_pieces(const struct work *w, uint32_t root, struct align_island *is, uint32_t *number)
{
	const struct align_problem *p = w->p;

	for (uint32_t i = 0; i < p->pieces.count; i++) {
		if (w->root[i] != root)
			continue;
		number[i] = is->n;
		is->lines[is->n] = w->lines[i];
		memcpy(is->lives[is->n], p->pieces.items[i].life, sizeof(*is->lives));
		is->pieces[is->n++] = i;
	}
	for (uint32_t i = 0; i < p->edges.count; i++) {
		struct align_edge *e = &p->edges.items[i];

		if (!is_used(e) || w->root[e->a] != root)
			continue;
		is->ends[is->edge_count][0] = number[e->a];
		is->ends[is->edge_count][1] = number[e->b];
		is->edges[is->edge_count++] = e;
	}
}

/* The island whose lowest piece is `root`. */
static int solve_island(const struct work *w, uint32_t root, struct alignment *out)
{
	size_t n = w->p->pieces.count + 1, edges = w->p->edges.count + 1;
	uint32_t *number = calloc(n, sizeof(*number));
	struct align_island is = {.pieces = calloc(n, sizeof(*is.pieces)),
				  .lines = calloc(n, sizeof(*is.lines)),
				  .lives = calloc(n, sizeof(*is.lives)),
				  .edges = calloc(edges, sizeof(*is.edges)),
				  .ends = calloc(edges, sizeof(*is.ends))};
	int err = number && is.pieces && is.lines && is.lives && is.edges && is.ends ? 0 : -ENOMEM;

	if (!err)
		gather_pieces(w, root, &is, number);
	if (!err && is.n > 1) {
		take_range(&is, w->p);
		err = align_knots_make(&is);
		if (!err)
			err = align_island_solve(&is, w->p, out);
	}
	free(number);
	free(is.pieces);
	free(is.lines);
	free(is.lives);
	free(is.edges);
	free(is.ends);
	free(is.knots);
	return err;
}

static int solve_islands(struct work *w, struct alignment *out)
{
	int err = fit_edges(w);

	/* without those that are hopeless */
	if (!err)
		find_components(w);
	for (uint32_t i = 0; i < w->p->pieces.count && !err; i++)
		if (w->root[i] == i)
			err = solve_island(w, i, out);
	return err;
}

static int alignment_begin(const struct align_problem *p, struct alignment *out)
{
	*out = (struct alignment){.clocks = calloc(p->pieces.count + 1, sizeof(*out->clocks)),
				  .clock_count = (uint32_t)p->pieces.count,
				  .pairs = calloc(p->edges.count + 1, sizeof(*out->pairs)),
				  .pair_count = (uint32_t)p->edges.count};
	if (!out->clocks || !out->pairs)
		return -ENOMEM;
	for (uint32_t i = 0; i < out->clock_count; i++)
		out->clocks[i] = (struct align_clock){.how = ALIGN_REALTIME, .reference = i};
	for (uint32_t i = 0; i < out->pair_count; i++)
		out->pairs[i] = (struct align_pair){.a = p->edges.items[i].a, .b = p->edges.items[i].b};
	return 0;
}

/* Once with the pieces that are known. *again: there are more now. */
static int solve(struct align_problem *p, unsigned int round, struct alignment *out, bool *again)
{
	size_t n = p->pieces.count + 1;
	struct work w = {.p = p,
			 .root = calloc(n, sizeof(*w.root)),
			 .lines = calloc(n, sizeof(*w.lines)),
			 .lined = calloc(n, sizeof(*w.lined))};
	int err = w.root && w.lines && w.lined ? 0 : -ENOMEM;
	bool cut = false;

	*again = false;
	if (!err) {
		find_components(&w);
		draw_lines(&w);
		err = find_cuts(&w, &cut);
	}
	if (!err && cut && round < ROUNDS)
		err = align_split(p, w.lines, again);
	for (size_t i = 0; cut && !*again && i < p->edges.count; i++)
		p->edges.items[i].hopeless |= p->edges.items[i].cuts.count > 0;
	if (!err && !*again)
		err = alignment_begin(p, out);
	if (!err && !*again)
		err = solve_islands(&w, out);
	free(w.root);
	free(w.lines);
	free(w.lined);
	return err;
}

int align_solve(struct align_problem *p, struct alignment *out)
{
	bool again = true;
	int err = 0;

	for (unsigned int round = 0; again && !err; round++) {
		for (size_t i = 0; i < p->edges.count; i++) {
			align_flow_settle(&p->edges.items[i].flows[0]);
			align_flow_settle(&p->edges.items[i].flows[1]);
		}
		err = solve(p, round, out, &again);
	}
	return err;
}

void align_problem_free(struct align_problem *p)
{
	for (size_t i = 0; i < p->edges.count; i++)
		align_edge_free(&p->edges.items[i]);
	vec_free(&p->edges);
	vec_free(&p->pieces);
}
