// SPDX-License-Identifier: Apache-2.0
/*
 * align.c - see align.h. Analyzer, one thread; pure but for memory. Here: what the joined bytes say, link by
 * link, and the questions. The engine is in align_solve.c (islands), align_line.c (drift), align_cut.c
 * (steps), align_envelope.c (bounds of two clocks), align_close.c (of all), align_island.c (over time).
 *
 * Invariant: only what is certain constrains: calls that raced do not, nor bytes that differ; and links that
 * were joined by likeness only where nothing else connects two clocks.
 */
#include "analyzer/pass/align.h"

#include <errno.h>
#include <stdlib.h>

#include "analyzer/pass/align_gather.h"
#include "analyzer/pass/ranges.h"

#define UNSURE	  (RECORD_FLAG_RACE | RECORD_FLAG_LATE)
#define VIEWS_MAX 8 /* of an end: who holds the socket besides is not looked at */

/* ---- links ---- */

static uint32_t clock_of(const struct gather *g, const struct end *e)
{
	return g->store->processes[g->conns->views[e->views[0]].process].clock;
}

/* Bytes that a view sent and another one received: of records that share bytes, the one was entered before
 * the other returned. Both lists are in order of offsets. */
static int take_views(struct gather *g, struct sink *to, const struct view *from, const struct view *at,
		      uint64_t shift)
{
	const struct store_record *sent = g->store->processes[from->process].records;
	const struct store_record *received = g->store->processes[at->process].records;
	int err = 0;

	for (uint32_t i = 0, k = 0; i < from->out_count && k < at->in_count && !err;) {
		const struct store_record *s = &sent[from->out[i]], *r = &received[at->in[k]];
		uint64_t begin = ranges_end(s->off, shift), end = ranges_end(begin, s->len),
			 r_end = ranges_end(r->off, r->len);

		if (!s->len || !r->len) /* those come last */
			break;
		if (begin < r_end && r->off < end && !((s->flags | r->flags) & UNSURE))
			err = sink_take(to, s->t0_ns, r->t1_ns);
		if (end <= r_end)
			i++;
		if (r_end <= end)
			k++;
	}
	return err;
}

/* The call that made the view, if it was made there and then. */
static const struct store_record *made_by(const struct gather *g, const struct end *e, uint16_t flag)
{
	for (uint32_t i = 0; i < e->view_count; i++) {
		const struct view *v = &g->conns->views[e->views[i]];
		const struct store_process *p = &g->store->processes[v->process];
		const struct store_record *r;

		if (v->open_record >= p->record_count)
			continue;
		r = &p->records[v->open_record];
		if ((r->flags & (RECORD_FLAG_SEEN | flag)) == flag)
			return r;
	}
	return NULL;
}

/* Nobody accepts what was not asked for. */
static int take_opening(struct gather *g, const struct link *l)
{
	const struct store_record *asked = made_by(g, &l->ends[LINK_CLIENT], RECORD_FLAG_CONNECT);
	const struct store_record *accepted = made_by(g, &l->ends[LINK_SERVER], RECORD_FLAG_ACCEPT);
	struct sink to;
	int err;

	if (!asked || !accepted || (l->join != JOIN_ADDRESS && l->join != JOIN_DNAT))
		return 0;
	err = gather_sink(g, clock_of(g, &l->ends[LINK_CLIENT]), clock_of(g, &l->ends[LINK_SERVER]), &to);
	return err ? err : sink_take(&to, asked->t0_ns, accepted->t1_ns);
}

static int take_side(struct gather *g, const struct link *l, enum link_side sender)
{
	const struct end *from = &l->ends[sender], *at = &l->ends[!sender];
	struct sink to;
	int err = gather_sink(g, clock_of(g, from), clock_of(g, at), &to);

	for (uint32_t i = 0; i < from->view_count && i < VIEWS_MAX && !err; i++)
		for (uint32_t k = 0; k < at->view_count && k < VIEWS_MAX && !err; k++)
			err = take_views(g, &to, &g->conns->views[from->views[i]],
					 &g->conns->views[at->views[k]], l->shift[sender]);
	return err;
}

/* What an unsteady clock tells would spoil what is known of the others. */
static bool is_steady(const struct gather *g, const struct end *e)
{
	return !g->store->clocks[clock_of(g, e)].unsteady;
}

/* Whether its two ends are on different clocks, and surely each other's. */
static bool is_between(const struct gather *g, const struct link *l)
{
	return l->ends[0].view_count && l->ends[1].view_count && !l->mismatched &&
	       clock_of(g, &l->ends[0]) != clock_of(g, &l->ends[1]) && is_steady(g, &l->ends[0]) &&
	       is_steady(g, &l->ends[1]);
}

static bool is_likely_only(const struct link *l)
{
	return l->join == JOIN_FINGERPRINT || l->join == JOIN_PROXY;
}

static int take_links(struct gather *g, const struct links *links, bool likely)
{
	int err = 0;

	for (uint32_t i = 0; i < links->link_count && !err; i++) {
		const struct link *l = &links->links[i];

		if (!is_between(g, l) || is_likely_only(l) != likely ||
		    (likely && gather_connected(g, clock_of(g, &l->ends[0]), clock_of(g, &l->ends[1]))))
			continue;
		err = take_side(g, l, LINK_CLIENT);
		if (!err)
			err = take_side(g, l, LINK_SERVER);
		if (!err)
			err = take_opening(g, l);
	}
	return err;
}

/* ---- datagrams ---- */

/* Only those that bytes alone prove: order is what they are there to find out. */
static int take_datagrams(struct gather *g, const struct dgrams *dgrams)
{
	int err = 0;

	for (uint32_t i = 0; i < dgrams->pair_count && !err; i++) {
		const struct dgram_pair *p = &dgrams->pairs[i];
		const struct store_process *from = &g->store->processes[p->process[DGRAM_SENDER]];
		const struct store_process *at = &g->store->processes[p->process[DGRAM_RECEIVER]];
		const struct store_record *s = &from->records[p->record[DGRAM_SENDER]];
		const struct store_record *r = &at->records[p->record[DGRAM_RECEIVER]];
		struct sink to;

		if (!p->sure || from->clock == at->clock || ((s->flags | r->flags) & UNSURE))
			continue;
		err = gather_sink(g, from->clock, at->clock, &to);
		if (!err)
			err = sink_take(&to, s->t0_ns, r->t1_ns);
	}
	return err;
}

/* ---- the pass ---- */

static int alignment_begin(const struct store *store, struct alignment *out)
{
	*out = (struct alignment){.clocks = calloc(store->clock_count + 1ul, sizeof(*out->clocks)),
				  .clock_count = store->clock_count};
	if (!out->clocks)
		return -ENOMEM;
	for (uint32_t i = 0; i < out->clock_count; i++)
		out->clocks[i] = (struct align_clock){
		    .how = store->clock_count > 1 ? ALIGN_REALTIME : ALIGN_REFERENCE, .reference = i};
	return 0;
}

int align_gather(struct gather *g, const struct links *links, const struct dgrams *dgrams)
{
	int err = take_links(g, links, false);

	if (!err)
		err = take_datagrams(g, dgrams);
	if (!err)
		err = gather_connect(g);
	return err ? err : take_links(g, links, true);
}

int align_run(const struct store *store, const struct conns *conns, const struct links *links,
	      const struct dgrams *dgrams, bool raw, struct alignment *out)
{
	struct gather g = {.store = store, .conns = conns};
	int err = alignment_begin(store, out);

	if (err || raw || store->clock_count < 2)
		return err;
	err = align_gather(&g, links, dgrams);
	if (!err)
		err = gather_solve(&g, out);
	gather_free(&g);
	if (err)
		align_free(out);
	return err;
}

void align_free(struct alignment *a)
{
	for (uint32_t i = 0; a->clocks && i < a->clock_count; i++)
		free(a->clocks[i].knots);
	for (uint32_t i = 0; a->clocks && i < a->clock_count; i++)
		free(a->clocks[i].times_ns);
	for (uint32_t i = 0; a->pairs && i < a->pair_count; i++)
		free(a->pairs[i].bound_ns);
	free(a->clocks);
	free(a->pairs);
	*a = (struct alignment){0};
}

/* ---- questions ---- */

/* The last knot at or before the time; 0 if there is none. */
static uint32_t knot_find(const struct align_clock *c, uint64_t at_ns)
{
	uint32_t low = 0, high = c->knot_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (c->knots[middle].at_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? low - 1 : 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

const struct align_pair *align_pair_of(const struct alignment *a, uint32_t one, uint32_t other)
{
	uint32_t first = one < other ? one : other, second = one < other ? other : one;
	uint32_t low = 0, high = a->pair_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct align_pair *p = &a->pairs[middle];

		if (p->a < first || (p->a == first && p->b < second))
			low = middle + 1;
		else
			high = middle;
	}
	return low < a->pair_count && a->pairs[low].a == first && a->pairs[low].b == second ? &a->pairs[low]
											    : NULL;
}

/* How wrong the times of a clock can be beside those of its reference. */
static uint64_t own_bound(const struct align_clock *c, uint64_t at_ns)
{
	uint64_t worst = 0;
	uint32_t k;

	if (c->how == ALIGN_REFERENCE && !c->moved)
		return 0;
	if (!c->knot_count)
		return ALIGN_UNKNOWN;
	/* the moment is a corrected one */
	k = knot_find(c, at_ns + (uint64_t)c->knots[0].offset_ns);
	k = k ? k - 1 : 0;
	for (uint32_t i = k; i < c->knot_count && i < k + 4; i++) {
		const struct align_knot *n = &c->knots[i];

		if (n->low_ns == INT64_MIN || n->high_ns == INT64_MAX)
			return ALIGN_UNKNOWN;
		worst = larger(worst, (uint64_t)n->high_ns - (uint64_t)n->offset_ns);
		worst = larger(worst, (uint64_t)n->offset_ns - (uint64_t)n->low_ns);
	}
	return worst;
}

/* The larger of those of the moments before and after. */
static uint64_t pair_bound(const struct align_pair *p, const struct align_clock *reference, uint64_t at_ns)
{
	uint32_t low = 0, high = reference->time_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (reference->times_ns[middle] <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	if (!reference->time_count)
		return ALIGN_UNKNOWN;
	high = low < reference->time_count ? low : low - 1;
	return larger(p->bound_ns[low ? low - 1 : 0], p->bound_ns[high]);
}

uint64_t align_bound_ns(const struct alignment *a, uint32_t one, uint32_t other, uint64_t at_ns)
{
	const struct align_clock *c, *d;
	const struct align_pair *pair;
	uint64_t x, y;

	if (one == other)
		return 0;
	if (one >= a->clock_count || other >= a->clock_count)
		return ALIGN_UNKNOWN;
	c = &a->clocks[one];
	d = &a->clocks[other];
	if (c->how == ALIGN_REALTIME || d->how == ALIGN_REALTIME || c->reference != d->reference)
		return ALIGN_UNKNOWN;
	pair = align_pair_of(a, one, other);
	if (!pair || !pair->bound_ns) {
		x = own_bound(c, at_ns);
		y = own_bound(d, at_ns);
		return x == ALIGN_UNKNOWN || y == ALIGN_UNKNOWN ? ALIGN_UNKNOWN : x + y;
	}
	return pair_bound(pair, &a->clocks[c->reference], at_ns);
}
