// SPDX-License-Identifier: Apache-2.0
/*
 * align_correct.c - every time onto its timeline, see align.h. Analyzer, one thread; pure but for memory. A
 * reader of records stays in one stretch between two knots for long, so a time costs some nanoseconds.
 *
 * Invariant: a clock's times never change their order; a time that means "never" stays.
 */
#include "analyzer/pass/align_gather.h"

/* Where the last time was, between knots at and at + 1. */
struct cursor {
	const struct align_clock *clock;
	uint64_t from, to; /* of the stretch, on the clock */
	uint64_t there;	   /* `from`, on the timeline */
	uint64_t length;   /* of the stretch on the timeline */
};

static uint64_t knot_there(const struct align_knot *k)
{
	__int128 there = (__int128)k->at_ns - k->offset_ns;

	return there < 0 ? 0 : there > INT64_MAX ? INT64_MAX : (uint64_t)there;
}

static void cursor_seek(struct cursor *c, uint64_t at_ns)
{
	const struct align_knot *knots = c->clock->knots;
	uint32_t low = 0, high = c->clock->knot_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (knots[middle].at_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	c->from = low ? knots[low - 1].at_ns : 0;
	c->to = low < c->clock->knot_count ? knots[low].at_ns : UINT64_MAX;
	c->there = low ? knot_there(&knots[low - 1]) : 0;
	c->length = low < c->clock->knot_count ? knot_there(&knots[low]) - c->there : UINT64_MAX - c->there;
}

/* Before the first knot and after the last one the offset stays. */
static uint64_t outside(const struct align_clock *c, uint64_t at_ns)
{
	const struct align_knot *k = at_ns < c->knots[0].at_ns ? &c->knots[0] : &c->knots[c->knot_count - 1];
	__int128 there = (__int128)at_ns - k->offset_ns;

	return there < 0 ? 0 : there >= UINT64_MAX ? UINT64_MAX - 1 : (uint64_t)there;
}

static uint64_t cursor_time(struct cursor *c, uint64_t at_ns)
{
	uint64_t away, product;

	if (at_ns == UINT64_MAX)
		return at_ns;
	if (at_ns < c->from || at_ns >= c->to)
		cursor_seek(c, at_ns);
	if (at_ns < c->clock->knots[0].at_ns || c->to == UINT64_MAX)
		return outside(c->clock, at_ns);
	away = at_ns - c->from;
	if (!__builtin_mul_overflow(away, c->length, &product))
		return c->there + product / (c->to - c->from);
	return c->there + (uint64_t)((unsigned __int128)away * c->length / (c->to - c->from));
}

static struct cursor cursor_of(const struct alignment *a, uint32_t clock)
{
	return (struct cursor){.clock = &a->clocks[clock], .from = 1};
}

uint64_t align_time_ns(const struct align_clock *c, uint64_t at_ns)
{
	struct cursor cursor = {.clock = c, .from = 1};

	return c->knot_count ? cursor_time(&cursor, at_ns) : at_ns;
}

/* ---- everything ---- */

static bool is_moved(const struct alignment *a, uint32_t clock)
{
	return a->clocks[clock].moved;
}

static void correct_process(const struct alignment *a, struct store_process *p)
{
	struct cursor c = cursor_of(a, p->clock);

	for (uint32_t i = 0; i < p->record_count; i++) {
		struct store_record *r = &p->records[i];

		r->t0_ns = cursor_time(&c, r->t0_ns);
		r->t1_ns = cursor_time(&c, r->t1_ns);
	}
	for (uint32_t i = 0; i < p->window_count; i++) {
		p->windows[i].opened_ns = cursor_time(&c, p->windows[i].opened_ns);
		p->windows[i].closed_ns = cursor_time(&c, p->windows[i].closed_ns);
	}
	if (p->older.until_ns)
		p->older.until_ns = cursor_time(&c, p->older.until_ns);
	p->began_ns = cursor_time(&c, p->began_ns);
}

/* A link begins with the first of its views, and ends with the last. */
static void correct_link(const struct alignment *a, const struct store *store, const struct conns *conns,
			 struct link *l)
{
	uint64_t open_ns = UINT64_MAX, close_ns = 0;
	bool moved = false;

	for (int side = 0; side < 2; side++) {
		for (uint32_t i = 0; i < l->ends[side].view_count; i++) {
			const struct view *v = &conns->views[l->ends[side].views[i]];

			moved |= is_moved(a, store->processes[v->process].clock);
			if (v->open_ns < open_ns)
				open_ns = v->open_ns;
			if (v->close_ns > close_ns)
				close_ns = v->close_ns;
		}
	}
	if (!moved)
		return;
	l->open_ns = open_ns;
	l->close_ns = close_ns;
}

static int count_clamped(struct alignment *a, const struct store *store, const struct conns *conns,
			 const struct links *links, const struct dgrams *dgrams)
{
	struct gather g = {.store = store, .conns = conns, .checked = a};
	int err = align_gather(&g, links, dgrams);

	gather_free(&g);
	return err;
}

int align_correct(struct alignment *a, struct store *store, struct conns *conns, struct links *links,
		  const struct dgrams *dgrams)
{
	bool any = false;

	for (uint32_t i = 0; i < a->clock_count; i++) {
		store->clocks[i].timeline =
		    a->clocks[i].how == ALIGN_REALTIME ? 0 : a->clocks[i].reference + 1;
		any |= is_moved(a, i);
	}
	if (!any)
		return 0;
	for (uint32_t i = 0; i < store->process_count; i++)
		if (is_moved(a, store->processes[i].clock))
			correct_process(a, &store->processes[i]);
	for (uint32_t i = 0; i < conns->view_count; i++) {
		struct view *v = &conns->views[i];
		const struct align_clock *c = &a->clocks[store->processes[v->process].clock];

		if (!c->moved)
			continue;
		v->open_ns = align_time_ns(c, v->open_ns);
		v->close_ns = align_time_ns(c, v->close_ns);
	}
	for (uint32_t i = 0; i < links->link_count; i++)
		correct_link(a, store, conns, &links->links[i]);
	return count_clamped(a, store, conns, links, dgrams);
}
