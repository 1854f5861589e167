// SPDX-License-Identifier: Apache-2.0
/* align_gather.c - see align_gather.h. Analyzer, one thread; pure but for memory. */
#include "analyzer/pass/align_gather.h"

#include "analyzer/vec.h"

static bool edge_equal(const void *items, uint32_t index, const void *key)
{
	const struct align_edge *e = &((const struct align_edge *)items)[index];
	const uint32_t *clocks = key;

	return e->a == clocks[0] && e->b == clocks[1];
}

/* Where the messages of two clocks that stand on one timeline are checked. */
static int gather_check(struct gather *g, uint32_t sender, uint32_t receiver, struct sink *to)
{
	const struct align_clock *x = &g->checked->clocks[sender], *y = &g->checked->clocks[receiver];
	const struct align_pair *pair = align_pair_of(g->checked, sender, receiver);

	*to = (struct sink){.clamped = &g->nowhere};
	if (pair && x->how != ALIGN_REALTIME && y->how != ALIGN_REALTIME && x->reference == y->reference)
		to->clamped = &g->checked->pairs[pair - g->checked->pairs].clamped;
	return 0;
}

int gather_sink(struct gather *g, uint32_t sender, uint32_t receiver, struct sink *to)
{
	uint32_t clocks[2] = {sender < receiver ? sender : receiver, sender < receiver ? receiver : sender};
	uint64_t hash = hash_mix((uint64_t)clocks[0] << 32 | clocks[1]);
	uint32_t number;

	if (g->checked)
		return gather_check(g, sender, receiver, to);
	number = hash_find(&g->by_clocks, hash, edge_equal, g->edges.items, clocks);
	if (number == HASH_NONE) {
		int err = vec_push(&g->edges, (struct align_edge){.a = clocks[0], .b = clocks[1]});

		number = (uint32_t)g->edges.count - 1;
		if (!err)
			err = hash_add(&g->by_clocks, hash, number);
		if (err)
			return err;
	}
	*to = (struct sink){.reversed = sender > receiver};
	to->flow = &g->edges.items[number].flows[to->reversed];
	return 0;
}

static uint32_t find_root(const uint32_t *root, uint32_t clock)
{
	while (root[clock] != clock)
		clock = root[clock];
	return clock;
}

int gather_connect(struct gather *g)
{
	uint32_t n = g->store->clock_count;

	g->root = malloc((n + 1ul) * sizeof(*g->root));
	if (!g->root)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		g->root[i] = i;
	for (size_t i = 0; i < g->edges.count; i++) {
		const struct align_edge *e = &g->edges.items[i];
		uint32_t a = find_root(g->root, e->a), b = find_root(g->root, e->b);

		if (e->flows[0].count + e->flows[1].count)
			g->root[a > b ? a : b] = a < b ? a : b;
	}
	for (uint32_t i = 0; i < n; i++)
		g->root[i] = find_root(g->root, i);
	return 0;
}

bool gather_connected(const struct gather *g, uint32_t one, uint32_t other)
{
	return g->root[one] == g->root[other];
}

static int edge_compare(const void *left, const void *right)
{
	const struct align_edge *x = left, *y = right;

	return x->a != y->a ? vec_compare(x->a, y->a) : vec_compare(x->b, y->b);
}

static void widen(int64_t range[2], int64_t from, int64_t to)
{
	if (from >= 0 && from < ALIGN_TIME_MAX && from < range[0])
		range[0] = from;
	if (to >= 0 && to < ALIGN_TIME_MAX && to > range[1])
		range[1] = to;
}

static void widen_by_points(const struct align_edge *e, int64_t (*range)[2])
{
	for (int flow = 0; flow < 2; flow++) {
		for (size_t i = 0; i < e->flows[flow].count; i++) {
			const struct align_point *p = &e->flows[flow].items[i];
			int64_t there = flow == 0 ? p->at + p->slack : p->at - p->slack;

			widen(range[e->a], p->at, p->at);
			widen(range[e->b], there, there);
		}
	}
}

/* From when to when each clock was recorded: a thread's records are in order. */
static int64_t (*make_ranges(const struct gather *g))[2]
{
	const struct store *store = g->store;
	int64_t(*range)[2] = malloc((store->clock_count + 1ul) * sizeof(*range));

	for (uint32_t i = 0; range && i < store->clock_count; i++) {
		range[i][0] = INT64_MAX;
		range[i][1] = 0;
	}
	for (uint32_t i = 0; range && i < store->process_count; i++) {
		const struct store_process *p = &store->processes[i];

		for (uint32_t k = 0; k < p->thread_count; k++) {
			const struct store_thread *t = &p->threads[k];

			if (t->count)
				widen(range[p->clock], (int64_t)p->records[t->first].t0_ns,
				      (int64_t)p->records[t->first + t->count - 1].t1_ns);
		}
	}
	for (size_t i = 0; range && i < g->edges.count; i++)
		widen_by_points(&g->edges.items[i], range);
	for (uint32_t i = 0; range && i < store->clock_count; i++)
		if (range[i][0] > range[i][1])
			range[i][0] = range[i][1];
	return range;
}

static int make_pairs(const struct gather *g, struct alignment *out)
{
	out->pairs = calloc(g->edges.count + 1, sizeof(*out->pairs));
	if (!out->pairs)
		return -ENOMEM;
	out->pair_count = (uint32_t)g->edges.count;
	for (size_t i = 0; i < g->edges.count; i++) {
		const struct align_edge *e = &g->edges.items[i];

		out->pairs[i] =
		    (struct align_pair){.a = e->a,
					.b = e->b,
					.messages = {e->flows[0].messages, e->flows[1].messages},
					.half_width_ns = {ALIGN_UNKNOWN, ALIGN_UNKNOWN, ALIGN_UNKNOWN}};
	}
	return 0;
}

/* Every clock is one piece, at first. */
static int make_problem(struct gather *g, struct align_problem *p)
{
	int64_t(*range)[2] = make_ranges(g);
	int err = range ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < g->store->clock_count && !err; i++)
		err = vec_push(&p->pieces, (struct align_piece){.clock = i,
								.range = {range[i][0], range[i][1]},
								.life = {INT64_MIN, INT64_MAX}});
	p->edges.items = g->edges.items;
	p->edges.count = g->edges.count;
	p->edges.cap = g->edges.cap;
	g->edges.items = NULL;
	g->edges.count = g->edges.cap = 0;
	free(range);
	return err;
}

int gather_solve(struct gather *g, struct alignment *out)
{
	struct alignment pieces = {0};
	struct align_problem p = {0};
	int err;

	vec_sort(&g->edges, edge_compare);
	err = make_pairs(g, out);
	if (!err)
		err = make_problem(g, &p);
	if (!err && p.edges.count)
		err = align_solve(&p, &pieces);
	if (!err && p.edges.count)
		err = align_fold(&p, &pieces, out);
	align_free(&pieces);
	align_problem_free(&p);
	return err;
}

void gather_free(struct gather *g)
{
	for (size_t i = 0; i < g->edges.count; i++)
		align_edge_free(&g->edges.items[i]);
	vec_free(&g->edges);
	hash_free(&g->by_clocks);
	free(g->root);
	g->root = NULL;
}
