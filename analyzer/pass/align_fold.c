// SPDX-License-Identifier: Apache-2.0
/*
 * align_fold.c - from pieces back to clocks, see align_island.h. Analyzer, one thread; pure but for memory.
 * Between two pieces of a clock it was set, and when is not known: there the bounds hold both, and the offset
 * goes from the one to the other.
 */
#include "analyzer/pass/align_island.h"
#include "analyzer/vec.h"

struct knots {
	struct align_knot *items;
	size_t count, cap;
};

static int64_t between(int64_t low, int64_t high, __int128 part, __int128 whole)
{
	return (int64_t)(low + ((__int128)high - low) * part / whole);
}

/* What the knots of a piece say of a time. */
static struct align_knot knot_at(const struct align_clock *c, uint64_t at_ns)
{
	const struct align_knot *k = c->knots, *next;
	struct align_knot here;
	uint32_t i = 0;

	while (i + 1 < c->knot_count && k[i + 1].at_ns <= at_ns)
		i++;
	here = k[i];
	here.at_ns = at_ns;
	if (i + 1 == c->knot_count || at_ns <= k[i].at_ns)
		return here;
	next = &k[i + 1];
	here.offset_ns =
	    between(k[i].offset_ns, next->offset_ns, at_ns - k[i].at_ns, next->at_ns - k[i].at_ns);
	if (next->low_ns < here.low_ns)
		here.low_ns = next->low_ns;
	if (next->high_ns > here.high_ns)
		here.high_ns = next->high_ns;
	return here;
}

/* Time goes on, on the clock as on its timeline. */
static int add_knot(struct knots *list, struct align_knot k)
{
	const struct align_knot *last = list->count ? vec_last(list) : NULL;

	if (last && (k.at_ns < last->at_ns ||
		     (__int128)k.at_ns - k.offset_ns < (__int128)last->at_ns - last->offset_ns))
		return 0;
	return vec_push(list, k);
}

/* The step after a piece: from what was to what is. */
static int add_step(struct knots *list, struct align_knot before, struct align_knot after)
{
	struct align_knot both = before;
	int err = add_knot(list, before);

	if (after.low_ns < both.low_ns)
		both.low_ns = after.low_ns;
	if (after.high_ns > both.high_ns)
		both.high_ns = after.high_ns;
	if (!err)
		err = add_knot(list, both);
	both.at_ns = after.at_ns;
	both.offset_ns = after.offset_ns;
	if (!err)
		err = add_knot(list, both);
	return err ? err : add_knot(list, after);
}

static uint64_t life(int64_t at)
{
	return at < 0 ? 0 : (uint64_t)at;
}

static int fold_clock(const struct align_problem *p, const struct alignment *pieces, size_t first, size_t end,
		      struct align_clock *out)
{
	const struct align_clock *last = NULL;
	struct knots list = {0};
	size_t last_piece = first;
	int err = 0;

	for (size_t i = first; i < end && !err; i++) {
		const struct align_clock *c = &pieces->clocks[i];
		const struct align_piece *here = &p->pieces.items[i];

		/* what does not belong to the same island, for a time, cannot be said of it */
		if (!c->knot_count || (last && c->reference != last->reference))
			continue;
		if (last)
			err = add_step(&list, knot_at(last, life(p->pieces.items[last_piece].life[1])),
				       knot_at(c, life(here->life[0])));
		for (uint32_t k = 0; k < c->knot_count && !err; k++)
			if ((i == first || c->knots[k].at_ns >= life(here->life[0])) &&
			    (i + 1 == end || c->knots[k].at_ns <= life(here->life[1])))
				err = add_knot(&list, c->knots[k]);
		last = c;
		last_piece = i;
	}
	out->knots = list.items;
	out->knot_count = (uint32_t)list.count;
	if (!last)
		return err;
	out->reference = p->pieces.items[last->reference].clock;
	out->how = &pieces->clocks[last->reference] >= &pieces->clocks[first] &&
			   &pieces->clocks[last->reference] < &pieces->clocks[end]
		       ? ALIGN_REFERENCE
		       : ALIGN_MESSAGES;
	for (uint32_t k = 0; k < out->knot_count; k++)
		out->moved |= out->knots[k].offset_ns != 0;
	return err;
}

/* ---- pairs ---- */

/* When a piece was the clock, on its timeline. */
static void find_life(const struct align_piece *p, const struct align_clock *c, __int128 there[2])
{
	for (int i = 0; i < 2; i++) {
		there[i] = p->life[i];
		if (p->life[i] != INT64_MIN && p->life[i] != INT64_MAX)
			there[i] -= knot_at(c, life(p->life[i])).offset_ns;
	}
}

static void take_widths(struct align_pair *to, const struct align_pair *from, bool more)
{
	if (from->half_width_ns[0] < to->half_width_ns[0])
		to->half_width_ns[0] = from->half_width_ns[0];
	if (more)
		to->half_width_ns[1] = from->half_width_ns[1];
	if (to->half_width_ns[2] == ALIGN_UNKNOWN || from->half_width_ns[2] > to->half_width_ns[2])
		to->half_width_ns[2] = from->half_width_ns[2];
	if (from->rate_ppb > to->rate_ppb)
		to->rate_ppb = from->rate_ppb;
}

/* The bounds of the two while both pieces were the clocks. */
static int take_bounds(const struct align_problem *p, const struct alignment *pieces, uint32_t edge,
		       struct align_pair *to)
{
	const struct align_pair *from = &pieces->pairs[edge];
	const struct align_clock *a = &pieces->clocks[from->a], *b = &pieces->clocks[from->b];
	const struct align_clock *r = &pieces->clocks[a->reference];
	__int128 lives[2][2];

	if (!from->bound_ns || !a->knot_count || !b->knot_count)
		return 0;
	find_life(&p->pieces.items[from->a], a, lives[0]);
	find_life(&p->pieces.items[from->b], b, lives[1]);
	if (!to->bound_ns) {
		to->bound_ns = malloc((r->knot_count + 1ul) * sizeof(*to->bound_ns));
		for (uint32_t k = 0; to->bound_ns && k < r->knot_count; k++)
			to->bound_ns[k] = ALIGN_UNKNOWN;
	}
	if (!to->bound_ns)
		return -ENOMEM;
	for (uint32_t k = 0; k < r->knot_count; k++)
		if (r->knots[k].at_ns >= lives[0][0] && r->knots[k].at_ns <= lives[0][1] &&
		    r->knots[k].at_ns >= lives[1][0] && r->knots[k].at_ns <= lives[1][1])
			to->bound_ns[k] = from->bound_ns[k];
	return 0;
}

static int fold_pairs(const struct align_problem *p, const struct alignment *pieces, uint32_t *most,
		      struct alignment *out)
{
	int err = 0;

	for (uint32_t i = 0; i < out->pair_count; i++)
		out->pairs[i].hopeless = true;
	for (uint32_t i = 0; i < p->edges.count && !err; i++) {
		const struct align_edge *e = &p->edges.items[i];
		const struct align_piece *a = &p->pieces.items[e->a], *b = &p->pieces.items[e->b];
		uint32_t number = (uint32_t)(align_pair_of(out, a->clock, b->clock) - out->pairs);
		uint32_t points = (uint32_t)(e->flows[0].count + e->flows[1].count);
		struct align_pair *to = &out->pairs[number];

		to->outliers += e->outliers;
		to->hopeless &= e->hopeless;
		if (pieces->pairs[i].bound_ns) {
			take_widths(to, &pieces->pairs[i], points >= most[number]);
			if (points > most[number])
				most[number] = points;
		}
		if (!to->bound_ns ||
		    out->clocks[to->a].reference == p->pieces.items[pieces->clocks[e->a].reference].clock)
			err = take_bounds(p, pieces, i, to);
	}
	return err;
}

/* The moments of the bounds of pairs. */
static int take_times(const struct align_problem *p, const struct alignment *pieces, struct alignment *out)
{
	for (uint32_t i = 0; i < p->pieces.count; i++) {
		const struct align_clock *c = &pieces->clocks[i];
		struct align_clock *to = &out->clocks[p->pieces.items[i].clock];

		if (c->how != ALIGN_REFERENCE || c->reference != i || to->times_ns)
			continue;
		to->times_ns = malloc((c->knot_count + 1ul) * sizeof(*to->times_ns));
		if (!to->times_ns)
			return -ENOMEM;
		for (uint32_t k = 0; k < c->knot_count; k++)
			to->times_ns[k] = c->knots[k].at_ns;
		to->time_count = c->knot_count;
	}
	return 0;
}

int align_fold(const struct align_problem *p, struct alignment *pieces, struct alignment *out)
{
	uint32_t *most = calloc(out->pair_count + 1ul, sizeof(*most));
	int err = most ? 0 : -ENOMEM;

	for (size_t first = 0, end; first < p->pieces.count && !err; first = end) {
		uint32_t clock = p->pieces.items[first].clock;

		for (end = first; end < p->pieces.count && p->pieces.items[end].clock == clock; end++)
			;
		err = fold_clock(p, pieces, first, end, &out->clocks[clock]);
		for (uint32_t i = 0; i < out->pair_count; i++)
			if (out->pairs[i].a == clock || out->pairs[i].b == clock)
				out->pairs[i].splits += (uint32_t)(end - first - 1);
	}
	if (!err)
		err = fold_pairs(p, pieces, most, out);
	if (!err)
		err = take_times(p, pieces, out);
	free(most);
	return err;
}
