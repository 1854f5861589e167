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

/* The stretch between cuts that a time is in. */
static size_t stretch_at(const struct align_edge *e, int64_t at)
{
	size_t n = 0;

	while (n < e->cuts.count && e->cuts.items[n].at <= at)
		n++;
	return n;
}

static int64_t stretch_from(const struct align_edge *e, size_t stretch)
{
	return stretch ? e->cuts.items[stretch - 1].at : INT64_MIN;
}

static int64_t stretch_to(const struct align_edge *e, size_t stretch)
{
	return stretch < e->cuts.count ? e->cuts.items[stretch].at : INT64_MAX;
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

/* Of the points [first, end), which are of one stretch. */
static void envelope_pass(struct align_flow *f, size_t first, size_t end, uint32_t rate)
{
	const struct align_point *anchor = NULL, *p = f->items;

	for (size_t i = first; i < end; i++) {
		int64_t by = anchor ? anchor->slack + align_drift_ns(p[i].at - anchor->at, rate) : ALIGN_OPEN;

		if (p[i].slack <= by)
			anchor = &p[i];
		f->tight[i] = p[i].slack < by ? p[i].slack : by;
	}
	anchor = NULL;
	for (size_t i = end; i-- > first;) {
		int64_t by = anchor ? anchor->slack + align_drift_ns(anchor->at - p[i].at, rate) : ALIGN_OPEN;

		if (p[i].slack <= by)
			anchor = &p[i];
		if (by < f->tight[i])
			f->tight[i] = by;
	}
}

/* What a flow bounds at a time of the stretch; `next` is its first point at or after that time. */
static int64_t flow_bound(const struct align_edge *e, const struct align_flow *f, size_t next, int64_t at,
			  size_t stretch)
{
	bool before = next > 0 && f->items[next - 1].at >= stretch_from(e, stretch);
	bool after = next < f->count && f->items[next].at < stretch_to(e, stretch);
	uint32_t rate = before && after ? e->rate : e->outer[stretch];
	int64_t bound = ALIGN_OPEN, by;

	if (before)
		bound = f->tight[next - 1] + align_drift_ns(at - f->items[next - 1].at, rate);
	if (after && (by = f->tight[next] + align_drift_ns(f->items[next].at - at, rate)) < bound)
		bound = by;
	return bound;
}

/* The least sum of both bounds in a stretch, which is at one of the points. */
static int64_t narrowest(const struct align_edge *e, size_t stretch)
{
	int64_t least = ALIGN_OPEN, from = stretch_from(e, stretch), to = stretch_to(e, stretch);

	for (int flow = 0; flow < 2; flow++) {
		const struct align_flow *f = &e->flows[flow], *g = &e->flows[!flow];
		size_t i = point_find(f, from), k = point_find(g, from);

		for (; i < f->count && f->items[i].at < to; i++) {
			int64_t sum;

			while (k < g->count && g->items[k].at < f->items[i].at)
				k++;
			sum = flow_bound(e, g, k, f->items[i].at, stretch);
			if (sum < ALIGN_OPEN && sum + f->tight[i] < least)
				least = sum + f->tight[i];
		}
	}
	return least;
}

/* How long both flows were there, in a stretch. */
static int64_t common_ns(const struct align_edge *e, size_t stretch)
{
	int64_t from = INT64_MIN, to = INT64_MAX;

	for (int flow = 0; flow < 2; flow++) {
		const struct align_flow *f = &e->flows[flow];
		size_t first = point_find(f, stretch_from(e, stretch)),
		       end = point_find(f, stretch_to(e, stretch));

		if (first == end)
			return 0;
		if (f->items[first].at > from)
			from = f->items[first].at;
		if (f->items[end - 1].at < to)
			to = f->items[end - 1].at;
	}
	return to > from ? to - from : 0;
}

/* The drift itself is known to what fits between the bounds. */
static void set_outer(struct align_edge *e, size_t stretch)
{
	int64_t common = common_ns(e, stretch), room = narrowest(e, stretch);
	__int128 ppb = ALIGN_RATE_MOST;

	if (common > 0 && room >= 0 && room < ALIGN_OPEN)
		ppb = (__int128)room * 1000000000 / common + e->rate;
	e->outer[stretch] = ppb < ALIGN_RATE_MOST ? (uint32_t)ppb : ALIGN_RATE_MOST;
}

void align_edge_envelope(struct align_edge *e, uint32_t rate)
{
	int64_t least = ALIGN_OPEN;

	e->rate = rate;
	for (size_t stretch = 0; stretch <= e->cuts.count; stretch++) {
		int64_t here;

		for (int flow = 0; flow < 2; flow++) {
			struct align_flow *f = &e->flows[flow];

			envelope_pass(f, point_find(f, stretch_from(e, stretch)),
				      point_find(f, stretch_to(e, stretch)), rate);
		}
		e->outer[stretch] = ALIGN_RATE_MOST;
		set_outer(e, stretch);
		here = narrowest(e, stretch);
		if (here < least)
			least = here;
	}
	e->narrowest_ns = least;
}

int align_edge_fit(struct align_edge *e)
{
	int64_t alone;

	free(e->outer);
	e->outer = malloc((e->cuts.count + 1) * sizeof(*e->outer));
	for (int flow = 0; flow < 2; flow++) {
		struct align_flow *f = &e->flows[flow];

		free(f->tight);
		f->tight = malloc((f->count + 1) * sizeof(*f->tight));
	}
	if (!e->outer || !e->flows[0].tight || !e->flows[1].tight)
		return -ENOMEM;
	align_edge_envelope(e, ALIGN_RATE_MOST);
	alone = e->narrowest_ns;
	for (uint32_t rate = ALIGN_RATE_LEAST;; rate *= 2) {
		align_edge_envelope(e, rate < ALIGN_RATE_MOST ? rate : ALIGN_RATE_MOST);
		if (rate >= ALIGN_RATE_MOST || alone == ALIGN_OPEN ||
		    (e->narrowest_ns >= 0 && e->narrowest_ns >= alone / 4 * 3))
			return 0;
	}
}

/* ---- questions ---- */

static struct align_bounds bounds_in(const struct align_edge *e, int64_t at, size_t stretch)
{
	struct align_bounds b;

	for (int flow = 0; flow < 2; flow++) {
		const struct align_flow *f = &e->flows[flow];

		b.most[flow] = flow_bound(e, f, point_find(f, at), at, stretch);
	}
	return b;
}

struct align_bounds align_edge_best(const struct align_edge *e, int64_t at)
{
	return bounds_in(e, at, stretch_at(e, at));
}

struct align_bounds align_edge_at(const struct align_edge *e, int64_t at)
{
	size_t stretch = stretch_at(e, at);
	struct align_bounds b = bounds_in(e, at, stretch), other;

	for (size_t i = 0; i < e->cuts.count; i++) {
		const struct align_cut *cut = &e->cuts.items[i];

		if (at < cut->from || at > cut->to)
			continue;
		other = bounds_in(e, at, at < cut->at ? i + 1 : i);
		for (int flow = 0; flow < 2; flow++)
			if (other.most[flow] > b.most[flow])
				b.most[flow] = other.most[flow];
	}
	return b;
}

struct align_bounds align_edge_flat(const struct align_edge *e, int64_t at, int64_t from, int64_t to)
{
	struct align_bounds b = {{ALIGN_OPEN, ALIGN_OPEN}};
	size_t stretch = stretch_at(e, at);

	if (stretch_from(e, stretch) > from)
		from = stretch_from(e, stretch);
	if (stretch_to(e, stretch) <= to)
		to = stretch_to(e, stretch) - 1;
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
	free(e->outer);
	e->outer = NULL;
}
