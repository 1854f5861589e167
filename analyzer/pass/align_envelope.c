// SPDX-License-Identifier: Apache-2.0
/*
 * align_envelope.c - what the points of one edge bound at any time, see align_edge.h. Analyzer, one thread;
 * pure but for memory, linear in points. An offset that changes by no more than a rate is, at a time, at most
 * what any point says plus the rate times its distance.
 *
 * How fast it may change is found: at the least rate at which the bounds stay nearly as far apart as they are
 * when each moment stands for itself. A clock that moves more than that lets them come together.
 *
 * Beyond the first and last point of a flow the drift itself is known only as well as they tell: the bound
 * grows faster there.
 */
#include "analyzer/pass/align_edge.h"
#include "analyzer/vec.h"

#define RATE_SHIFT 40

int64_t align_drift_ns(int64_t time_ns, uint32_t ppb)
{
	/* 2^40 / 10^9, rounded up */
	return (int64_t)(((__int128)time_ns * ((int64_t)ppb * 1100)) >> RATE_SHIFT) + (ppb != 0);
}

/* The first point at or after a time. */
static size_t point_find(const struct align_flow *f, int64_t at)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->items[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- envelopes ---- */

static void envelope_pass(struct align_flow *f, uint32_t rate)
{
	const struct align_point *anchor = NULL, *p = f->items;

	for (size_t i = 0; i < f->count; i++) {
		int64_t by = anchor ? anchor->slack + align_drift_ns(p[i].at - anchor->at, rate) : ALIGN_OPEN;

		if (p[i].slack <= by)
			anchor = &p[i];
		f->tight[i] = p[i].slack < by ? p[i].slack : by;
	}
	anchor = NULL;
	for (size_t i = f->count; i-- > 0;) {
		int64_t by = anchor ? anchor->slack + align_drift_ns(anchor->at - p[i].at, rate) : ALIGN_OPEN;

		if (p[i].slack <= by)
			anchor = &p[i];
		if (by < f->tight[i])
			f->tight[i] = by;
	}
}

/* What a flow bounds at a time; `next` is its first point at or after that. */
static int64_t flow_bound(const struct align_edge *e, const struct align_flow *f, size_t next, int64_t at)
{
	bool before = next > 0, after = next < f->count;
	uint32_t rate = before && after ? e->rate : e->outer;
	int64_t bound = ALIGN_OPEN, by;

	if (before)
		bound = f->tight[next - 1] + align_drift_ns(at - f->items[next - 1].at, rate);
	if (after && (by = f->tight[next] + align_drift_ns(f->items[next].at - at, rate)) < bound)
		bound = by;
	return bound;
}

/* The least sum of both bounds, which is at one of the points. */
static int64_t narrowest(const struct align_edge *e)
{
	int64_t least = ALIGN_OPEN;

	for (int flow = 0; flow < 2; flow++) {
		const struct align_flow *f = &e->flows[flow], *g = &e->flows[!flow];

		for (size_t i = 0, k = 0; i < f->count; i++) {
			int64_t sum;

			while (k < g->count && g->items[k].at < f->items[i].at)
				k++;
			sum = flow_bound(e, g, k, f->items[i].at);
			if (sum < ALIGN_OPEN && sum + f->tight[i] < least)
				least = sum + f->tight[i];
		}
	}
	return least;
}

/* How long both flows were there. */
static int64_t common_ns(const struct align_edge *e)
{
	const struct align_flow *f = &e->flows[0], *g = &e->flows[1];
	int64_t from, to;

	if (!f->count || !g->count)
		return 0;
	from = f->items[0].at > g->items[0].at ? f->items[0].at : g->items[0].at;
	to = f->items[f->count - 1].at < g->items[g->count - 1].at ? f->items[f->count - 1].at
								   : g->items[g->count - 1].at;
	return to > from ? to - from : 0;
}

/* The drift itself is known to what fits between the bounds. */
static void set_outer(struct align_edge *e)
{
	int64_t common = common_ns(e), room = e->narrowest_ns;
	__int128 ppb = ALIGN_RATE_MOST;

	if (common > 0 && room >= 0 && room < ALIGN_OPEN)
		ppb = (__int128)room * 1000000000 / common + e->rate;
	e->outer = ppb < ALIGN_RATE_MOST ? (uint32_t)ppb : ALIGN_RATE_MOST;
}

void align_edge_envelope(struct align_edge *e, uint32_t rate)
{
	e->rate = rate;
	e->outer = ALIGN_RATE_MOST;
	envelope_pass(&e->flows[0], rate);
	envelope_pass(&e->flows[1], rate);
	e->narrowest_ns = narrowest(e);
	set_outer(e);
}

/* The least rate that is looked at: short or sparse flows do not know the drift any better than to what fits
 * between them. `alone` is the room where every moment stands for itself. */
static uint32_t first_rate(const struct align_edge *e, int64_t alone)
{
	int64_t common = common_ns(e);
	__int128 ppb = ALIGN_RATE_LEAST;

	if (common > 0 && alone > 0 && alone < ALIGN_OPEN)
		ppb = (__int128)alone * 1000000000 / common;
	return ppb < ALIGN_RATE_LEAST  ? ALIGN_RATE_LEAST
	       : ppb < ALIGN_RATE_MOST ? (uint32_t)ppb
				       : ALIGN_RATE_MOST;
}

/* Finds the rate: bounds that come together tell of a clock that moves. One that does may move faster for a
 * moment than is seen, so twice the rate is taken then. */
int align_edge_fit(struct align_edge *e)
{
	uint32_t first, rate;
	int64_t alone;

	for (int flow = 0; flow < 2; flow++) {
		struct align_flow *f = &e->flows[flow];

		free(f->tight);
		f->tight = malloc((f->count + 1) * sizeof(*f->tight));
	}
	if (!e->flows[0].tight || !e->flows[1].tight)
		return -ENOMEM;
	align_edge_envelope(e, ALIGN_RATE_MOST);
	alone = e->narrowest_ns;
	first = rate = first_rate(e, alone);
	align_edge_envelope(e, rate);
	while (rate < ALIGN_RATE_MOST && alone < ALIGN_OPEN &&
	       (e->narrowest_ns < 0 || e->narrowest_ns < alone / 4 * 3)) {
		rate = rate < ALIGN_RATE_MOST / 2 ? rate * 2 : ALIGN_RATE_MOST;
		align_edge_envelope(e, rate);
	}
	if (rate > first && rate < ALIGN_RATE_MOST)
		align_edge_envelope(e, rate < ALIGN_RATE_MOST / 2 ? rate * 2 : ALIGN_RATE_MOST);
	return 0;
}

/* ---- questions ---- */

struct align_bounds align_edge_at(const struct align_edge *e, int64_t at)
{
	struct align_bounds b;

	for (int flow = 0; flow < 2; flow++) {
		const struct align_flow *f = &e->flows[flow];

		b.most[flow] = flow_bound(e, f, point_find(f, at), at);
	}
	return b;
}

struct align_bounds align_edge_flat(const struct align_edge *e, int64_t from, int64_t to)
{
	struct align_bounds b = {{ALIGN_OPEN, ALIGN_OPEN}};

	for (int flow = 0; flow < 2; flow++) {
		const struct align_flow *f = &e->flows[flow];

		for (size_t i = point_find(f, from); i < f->count && f->items[i].at <= to; i++)
			if (f->items[i].slack < b.most[flow])
				b.most[flow] = f->items[i].slack;
	}
	return b;
}

void align_edge_free(struct align_edge *e)
{
	for (int flow = 0; flow < 2; flow++) {
		free(e->flows[flow].tight);
		vec_free(&e->flows[flow]);
	}
	vec_free(&e->cuts);
}
