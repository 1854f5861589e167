// SPDX-License-Identifier: Apache-2.0
/*
 * align_line.c - see align_line.h. Analyzer, one thread; pure. The line of a clock is the one that stays
 * between what was sent to it and what it sent with the most room to both sides; the fastest of each of 64
 * stretches of time decide. Where no line fits (a step, a clock that is steered): the median of the slopes
 * between near stretches.
 */
#include "analyzer/pass/align_line.h"

#include <stdlib.h>

#include "analyzer/vec.h"

#define BINS	      64
#define NEAR_BINS     8
#define DRIFT_SHIFT   40
#define DRIFT_ONE     ((int64_t)1 << DRIFT_SHIFT)
#define DRIFT_LEAST   (-DRIFT_ONE / 4 * 3)
#define DRIFT_MOST    (DRIFT_ONE * 3)
#define PPM	      (DRIFT_ONE / 1000000)
#define SEARCHED      (1100 * PPM) /* on each side of the first guess */
#define ROUNDS	      3
#define SPAN_LEAST_NS 1000000000

static int64_t clamp(__int128 v)
{
	return v > ALIGN_TIME_MAX ? ALIGN_TIME_MAX : v < -ALIGN_TIME_MAX ? -ALIGN_TIME_MAX : (int64_t)v;
}

static int64_t clamp_axis(__int128 v)
{
	return v > ALIGN_AXIS_MAX ? ALIGN_AXIS_MAX : v < -ALIGN_AXIS_MAX ? -ALIGN_AXIS_MAX : (int64_t)v;
}

static int64_t scale(int64_t x, int64_t drift)
{
	return clamp((__int128)x * drift >> DRIFT_SHIFT);
}

int64_t align_line_at(const struct align_line *l, int64_t t)
{
	__int128 d = (__int128)t - l->base;

	return clamp_axis(d + (d * l->drift >> DRIFT_SHIFT) + l->shift);
}

int64_t align_line_back(const struct align_line *l, int64_t axis)
{
	__int128 d = ((__int128)axis - l->shift) * DRIFT_ONE;

	return clamp(d / (DRIFT_ONE + l->drift) + l->base);
}

/* ---- the fit ---- */

/* Of a stretch of the child's time: the axis, less the child's own time, is at least (of what was sent to it)
 * or at most (of what it sent) d, at x. */
struct sample {
	int64_t x, d;
	bool there;
};

struct fit {
	const struct align_edge *e;
	const struct align_line *parent;
	int child;
	int64_t base, from, to;		/* of the child's time; from and to beside base */
	struct sample samples[2][BINS]; /* [0]: at least, [1]: at most */
};

static struct sample sample_of(const struct fit *f, const struct align_point *p, int flow)
{
	int64_t times[2];
	struct sample s = {.there = true};

	align_point_times(p, flow, times);
	s.x = clamp((__int128)times[f->child] - f->base);
	s.d = clamp((__int128)align_line_at(f->parent, times[!f->child]) - s.x);
	return s;
}

static void find_range(struct fit *f)
{
	bool first = true;

	for (int flow = 0; flow < 2; flow++) {
		const struct align_flow *list = &f->e->flows[flow];

		for (size_t i = 0; i < list->count; i++) {
			int64_t times[2], t;

			align_point_times(&list->items[i], flow, times);
			t = times[f->child];
			if (first || t < f->from)
				f->from = t;
			if (first || t > f->to)
				f->to = t;
			first = false;
		}
	}
	f->base = f->from;
	f->from = 0;
	f->to = clamp((__int128)f->to - f->base);
}

/* The tightest of each stretch, judged with a drift. */
static void take_samples(struct fit *f, int64_t drift)
{
	for (int side = 0; side < 2; side++) {
		/* flow 0 goes to b */
		int flow = side == 0 ? !f->child : f->child;
		const struct align_flow *list = &f->e->flows[flow];
		int64_t best[BINS] = {0};

		for (int i = 0; i < BINS; i++)
			f->samples[side][i].there = false;
		for (size_t i = 0; i < list->count; i++) {
			struct sample s = sample_of(f, &list->items[i], flow);
			int bin = (int)((__int128)s.x * BINS / ((__int128)f->to + 1));
			int64_t v = clamp((__int128)s.d - scale(s.x, drift));

			if (f->samples[side][bin].there && (side == 0 ? v <= best[bin] : v >= best[bin]))
				continue;
			best[bin] = v;
			f->samples[side][bin] = s;
		}
	}
}

static int int64_compare(const void *a, const void *b)
{
	return vec_compare(*(const int64_t *)a, *(const int64_t *)b);
}

/* The median of the slopes between stretches that are at most `reach` apart. */
static int64_t median_slope(const struct fit *f, int reach)
{
	int64_t slopes[2 * BINS * BINS / 2];
	size_t n = 0;

	for (int side = 0; side < 2; side++) {
		for (int i = 0; i < BINS; i++) {
			for (int k = i + 1; k < BINS && k <= i + reach; k++) {
				const struct sample *p = &f->samples[side][i], *q = &f->samples[side][k];
				__int128 slope;

				if (!p->there || !q->there || q->x <= p->x)
					continue;
				slope = ((__int128)q->d - p->d) * DRIFT_ONE / ((__int128)q->x - p->x);
				if (slope > DRIFT_LEAST && slope < DRIFT_MOST)
					slopes[n++] = (int64_t)slope;
			}
		}
	}
	if (n == 0)
		return 0;
	qsort(slopes, n, sizeof(*slopes), int64_compare);
	return slopes[n / 2];
}

/* How wide a band with this slope there is; negative: none. At its lower and upper rim nothing is left. */
static int64_t band(const struct fit *f, int64_t drift, int64_t *low, int64_t *high)
{
	*low = -ALIGN_OPEN;
	*high = ALIGN_OPEN;
	for (int i = 0; i < BINS; i++) {
		const struct sample *least = &f->samples[0][i], *most = &f->samples[1][i];
		int64_t v;

		if (least->there && (v = clamp((__int128)least->d - scale(least->x, drift))) > *low)
			*low = v;
		if (most->there && (v = clamp((__int128)most->d - scale(most->x, drift))) < *high)
			*high = v;
	}
	return clamp((__int128)*high - *low);
}

/* The slope of the widest band: the width is a concave function of it. */
static int64_t widest(const struct fit *f, int64_t guess)
{
	int64_t from = guess - SEARCHED, to = guess + SEARCHED, low, high;

	while (to - from > 2) {
		int64_t left = from + (to - from) / 3, right = to - (to - from) / 3;

		if (band(f, left, &low, &high) < band(f, right, &low, &high))
			from = left;
		else
			to = right;
	}
	return from + (to - from) / 2;
}

/* Clocks that were read well differ little: no more is changed than there is reason for, and short stretches
 * of time are no reason. */
static int64_t choose_slope(const struct fit *f, int64_t near)
{
	int64_t low, high, best = widest(f, 0), width = band(f, best, &low, &high);

	if (low == -ALIGN_OPEN || high == ALIGN_OPEN)
		return f->to < SPAN_LEAST_NS ? 0 : median_slope(f, BINS);
	if (width >= 0) {
		int64_t plain = band(f, 0, &low, &high);

		return plain >= width / 8 * 7 || (f->to < SPAN_LEAST_NS && plain >= 0) ? 0 : best;
	}
	best = widest(f, near);
	return band(f, best, &low, &high) >= 0 ? best : median_slope(f, NEAR_BINS);
}

struct align_line align_line_fit(const struct align_edge *e, int child, const struct align_line *parent)
{
	struct fit f = {.e = e, .parent = parent, .child = child};
	struct align_line l = {0};
	int64_t slope = 0, low, high;

	find_range(&f);
	take_samples(&f, 0);
	slope = median_slope(&f, NEAR_BINS);
	for (int round = 0; round < ROUNDS; round++) {
		take_samples(&f, slope);
		slope = choose_slope(&f, slope);
	}
	band(&f, slope, &low, &high);
	l.base = f.base;
	l.drift = slope;
	l.shift = low == -ALIGN_OPEN ? high : high == ALIGN_OPEN ? low : low / 2 + high / 2;
	return l;
}

void align_line_move(struct align_edge *e, const struct align_line *a, const struct align_line *b)
{
	for (int flow = 0; flow < 2; flow++) {
		struct align_flow *list = &e->flows[flow];

		for (size_t i = 0; i < list->count; i++) {
			struct align_point *p = &list->items[i];
			int64_t times[2], on_a, on_b;

			align_point_times(p, flow, times);
			on_a = align_line_at(a, times[0]);
			on_b = align_line_at(b, times[1]);
			p->at = on_a;
			p->slack = clamp_axis(flow == 0 ? (__int128)on_b - on_a : (__int128)on_a - on_b);
		}
	}
}
