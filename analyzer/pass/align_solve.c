// SPDX-License-Identifier: Apache-2.0
/*
 * align_solve.c - from constraints to islands on an axis, see align_island.h. Analyzer, one thread; pure but
 * for memory. Each clock's drift is taken out along a tree of the edges with the most points; then the steps
 * are found, and what contradicts itself all the time is left out.
 */
#include "analyzer/pass/align_island.h"
#include "analyzer/vec.h"

#define NEAR_STEP_NS 2000000000 /* of a step that the messages tell of, one that the clock's readings do */

struct work {
	struct align_problem *p;
	uint32_t *root;		  /* by clock: of its component */
	struct align_line *lines; /* by clock */
	bool *lined;		  /* has its line */
	uint64_t *splits;	  /* by clock */
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

	for (uint32_t i = 0; i < p->clock_count; i++)
		w->root[i] = i;
	for (uint32_t i = 0; i < p->edge_count; i++) {
		uint32_t a = find_root(w->root, p->edges[i].a), b = find_root(w->root, p->edges[i].b);

		if (!is_used(&p->edges[i]) || a == b)
			continue;
		w->root[a > b ? a : b] = a < b ? a : b;
	}
	for (uint32_t i = 0; i < p->clock_count; i++)
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

	for (uint32_t i = 0; i < w->p->edge_count; i++) {
		struct align_edge *e = &w->p->edges[i];

		if (is_used(e) && w->lined[e->a] != w->lined[e->b] && (!best || weight(e) > weight(best)))
			best = e;
	}
	return best;
}

static void draw_lines(struct work *w)
{
	struct align_problem *p = w->p;
	struct align_edge *e;

	for (uint32_t i = 0; i < p->clock_count; i++) {
		if (w->root[i] != i)
			continue;
		w->lined[i] = true;
		w->lines[i] = (struct align_line){.base = p->range[i][0]};
	}
	while ((e = next_edge(w)) != NULL) {
		int child = w->lined[e->a];

		w->lines[child ? e->b : e->a] = align_line_fit(e, child, &w->lines[child ? e->a : e->b]);
		w->lined[child ? e->b : e->a] = true;
	}
	for (uint32_t i = 0; i < p->edge_count; i++) {
		e = &p->edges[i];
		align_line_move(e, &w->lines[e->a], &w->lines[e->b]);
		align_flow_settle(&e->flows[0]);
		align_flow_settle(&e->flows[1]);
	}
}

/* ---- steps ---- */

struct stab {
	int64_t from, to;
	struct align_cut *cut;
	uint32_t edge;
};

struct stabs {
	struct stab *items;
	size_t count, cap;
};

static int stab_compare(const void *a, const void *b)
{
	const struct stab *x = a, *y = b;

	if (x->to != y->to)
		return vec_compare(x->to, y->to);
	return x->from != y->from ? vec_compare(x->from, y->from) : vec_compare(x->edge, y->edge);
}

/* When a clock's own readings say that it was set, near the time when messages say so. */
static bool find_step(const struct work *w, const struct align_edge *e, const struct align_cut *c,
		      int64_t *at)
{
	for (uint32_t i = 0; i < w->p->step_count; i++) {
		const struct align_step *s = &w->p->steps[i];

		if (s->clock != e->a && s->clock != e->b)
			continue;
		*at = align_line_at(&w->lines[s->clock], s->at);
		if (*at > c->from - NEAR_STEP_NS && *at <= c->to + NEAR_STEP_NS)
			return true;
	}
	return false;
}

/* One step of one clock is a cut in each of its edges: they are put at the same moment if that can be. */
static void join_cuts(const struct work *w, struct stabs *stabs)
{
	vec_sort(stabs, stab_compare);
	for (size_t first = 0, end; first < stabs->count; first = end) {
		int64_t from = stabs->items[first].from, to = stabs->items[first].to, at, known;

		for (end = first; end < stabs->count && stabs->items[end].from < to; end++)
			if (stabs->items[end].from > from)
				from = stabs->items[end].from;
		at = from + (to - from) / 2 + 1;
		if (find_step(w, &w->p->edges[stabs->items[first].edge], stabs->items[first].cut, &known))
			at = known > to ? to : known > from ? known : from + 1;
		for (size_t i = first; i < end; i++)
			stabs->items[i].cut->at = at;
	}
}

static int find_cuts(struct work *w)
{
	struct stabs stabs = {0};
	int err = 0;

	for (uint32_t i = 0; i < w->p->edge_count && !err; i++)
		if (is_used(&w->p->edges[i]))
			err = align_edge_cut(&w->p->edges[i]);
	for (uint32_t i = 0; i < w->p->edge_count && !err; i++) {
		struct align_edge *e = &w->p->edges[i];

		for (size_t k = 0; k < e->cuts.count && is_used(e) && !err; k++) {
			struct align_cut *c = &e->cuts.items[k];

			err = vec_push(&stabs, (struct stab){c->from, c->to, c, i});
			w->splits[e->a]++;
			w->splits[e->b]++;
		}
	}
	join_cuts(w, &stabs);
	vec_free(&stabs);
	return err;
}

/* ---- rates ---- */

/* What goes one way only cannot tell how fast the clocks move: the other edges of the two can. */
static void share_rates(struct work *w, uint32_t *rate)
{
	for (uint32_t i = 0; i < w->p->edge_count; i++) {
		const struct align_edge *e = &w->p->edges[i];

		if (!is_used(e) || e->narrowest_ns == ALIGN_OPEN)
			continue;
		if (!rate[e->a] || e->rate < rate[e->a])
			rate[e->a] = e->rate;
		if (!rate[e->b] || e->rate < rate[e->b])
			rate[e->b] = e->rate;
	}
	for (uint32_t i = 0; i < w->p->edge_count; i++) {
		struct align_edge *e = &w->p->edges[i];
		uint32_t most = rate[e->a] > rate[e->b] ? rate[e->a] : rate[e->b];

		if (is_used(e) && e->narrowest_ns == ALIGN_OPEN && most > e->rate)
			align_edge_envelope(e, most);
	}
}

static int fit_edges(struct work *w)
{
	uint32_t *rate = calloc(w->p->clock_count + 1ul, sizeof(*rate));
	int err = rate ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < w->p->edge_count && !err; i++)
		if (is_used(&w->p->edges[i]))
			err = align_edge_fit(&w->p->edges[i]);
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
		const int64_t *range = p->range[is->clocks[i]];
		int64_t from = align_line_at(&is->lines[i], range[0]),
			to = align_line_at(&is->lines[i], range[1]);

		if (range[0] > range[1])
			continue;
		if (from < is->from)
			is->from = from;
		if (to > is->to)
			is->to = to;
	}
}

/* The island whose lowest clock is `root`. */
static int solve_island(const struct work *w, uint32_t root, struct alignment *out)
{
	const struct align_problem *p = w->p;
	uint32_t *number = calloc(p->clock_count + 1ul, sizeof(*number));
	struct align_island is = {.splits = w->splits,
				  .clocks = calloc(p->clock_count + 1ul, sizeof(*is.clocks)),
				  .lines = calloc(p->clock_count + 1ul, sizeof(*is.lines)),
				  .edges = calloc(p->edge_count + 1ul, sizeof(*is.edges)),
				  .ends = calloc(p->edge_count + 1ul, sizeof(*is.ends))};
	int err = number && is.clocks && is.lines && is.edges && is.ends ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < p->clock_count && !err; i++) {
		if (w->root[i] != root)
			continue;
		number[i] = is.n;
		is.lines[is.n] = w->lines[i];
		is.clocks[is.n++] = i;
	}
	for (uint32_t i = 0; i < p->edge_count && !err; i++) {
		struct align_edge *e = &p->edges[i];

		if (!is_used(e) || w->root[e->a] != root)
			continue;
		is.ends[is.edge_count][0] = number[e->a];
		is.ends[is.edge_count][1] = number[e->b];
		is.edges[is.edge_count++] = e;
	}
	if (!err && is.n > 1) {
		take_range(&is, p);
		err = align_knots_make(&is);
		if (!err)
			err = align_island_solve(&is, p, out);
	}
	free(number);
	free(is.clocks);
	free(is.lines);
	free(is.edges);
	free(is.ends);
	free(is.knots);
	return err;
}

static int solve(struct work *w, struct alignment *out)
{
	int err;

	find_components(w);
	draw_lines(w);
	err = find_cuts(w);
	if (!err)
		err = fit_edges(w);
	/* without those that are hopeless */
	if (!err)
		find_components(w);
	for (uint32_t i = 0; i < w->p->clock_count && !err; i++)
		if (w->root[i] == i)
			err = solve_island(w, i, out);
	return err;
}

int align_solve(struct align_problem *p, struct alignment *out)
{
	struct work w = {.p = p,
			 .root = calloc(p->clock_count + 1ul, sizeof(*w.root)),
			 .lines = calloc(p->clock_count + 1ul, sizeof(*w.lines)),
			 .lined = calloc(p->clock_count + 1ul, sizeof(*w.lined)),
			 .splits = calloc(p->clock_count + 1ul, sizeof(*w.splits))};
	int err = w.root && w.lines && w.lined && w.splits ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < p->edge_count; i++) {
		align_flow_settle(&p->edges[i].flows[0]);
		align_flow_settle(&p->edges[i].flows[1]);
	}
	if (!err)
		err = solve(&w, out);
	free(w.root);
	free(w.lines);
	free(w.lined);
	free(w.splits);
	return err;
}
