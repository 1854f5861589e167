/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - see clock.h. The fit (Theil and Sen): the median of the slopes between any two readings, then the
 * median of what is left over. Readings far off are found by the median distance, set aside, and counted.
 */
#include "analyzer/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define RATE_SHIFT  56
#define RATE_ONE    ((uint64_t)1 << RATE_SHIFT)
#define SAMPLES_MAX 256u /* readings that the slope is made from: every pair of them */

/* Readings closer than this say less about the rate of CLOCK_REALTIME than that it is about 1: they are a few
 * microseconds off, and the rates differ by some ppm. */
#define REAL_SPAN_MIN_NS 10000000000ull

/* A reading this far off is bad, if not all of them are. */
#define BAD_MIN_NS	   1000
#define BAD_BY_MEDIAN	   16
#define DISTANCE_MAX	   ((int64_t)1 << 62)
#define SAMPLE_OF(i, n, m) ((size_t)((unsigned __int128)(i) * ((n)-1) / ((m) > 1 ? (m)-1 : 1)))

/* What a fit may find. */
struct bounds {
	uint64_t low, high; /* of the rate */
	uint64_t span_min;  /* of x; closer together, the rate is the fallback */
	uint64_t fallback;
};

struct fit {
	struct clock_line line;
	uint64_t used, bad, error;
	bool guessed;
};

static int64_t clamp(__int128 v)
{
	return v > DISTANCE_MAX ? DISTANCE_MAX : v < -DISTANCE_MAX ? -DISTANCE_MAX : (int64_t)v;
}

static uint64_t line_at(const struct clock_line *l, uint64_t x)
{
	/* 2^62 * 2^62 stays inside; the shift of a negative number rounds down, so the line is monotonic. */
	__int128 delta = (__int128)clamp((__int128)x - l->x0) * (__int128)l->rate >> RATE_SHIFT;
	__int128 y = (__int128)l->y0 + delta;

	return y < 0 ? 0 : y > UINT64_MAX ? UINT64_MAX : (uint64_t)y;
}

static int compare_points(const void *a, const void *b)
{
	const struct clock_point *p = a, *q = b;

	return p->x != q->x ? vec_compare(p->x, q->x) : vec_compare(p->y, q->y);
}

static int compare_int64(const void *a, const void *b)
{
	return vec_compare(*(const int64_t *)a, *(const int64_t *)b);
}

static int64_t median(int64_t *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare_int64);
	return values[n / 2];
}

/* The rate between two points; false if it cannot be one. */
static bool rate_between(const struct clock_point *p, const struct clock_point *q,
			 const struct bounds *bounds, int64_t *rate)
{
	__int128 dx = (__int128)q->x - p->x, dy = (__int128)q->y - p->y, r;

	if (dx <= 0 || dy <= 0)
		return false;
	r = (dy << RATE_SHIFT) / dx;
	if (r < bounds->low || r > bounds->high)
		return false;
	*rate = (int64_t)r;
	return true;
}

static uint64_t fit_rate(const struct clock_point *points, size_t n, const struct bounds *bounds,
			 int64_t *scratch, bool *guessed)
{
	size_t m = n < SAMPLES_MAX ? n : SAMPLES_MAX, found = 0;

	*guessed = false;
	if (n && points[n - 1].x - points[0].x < bounds->span_min)
		return bounds->fallback;
	for (size_t i = 0; i < m; i++) {
		for (size_t j = i + 1; j < m; j++) {
			const struct clock_point *p = &points[SAMPLE_OF(i, n, m)];
			const struct clock_point *q = &points[SAMPLE_OF(j, n, m)];

			if (rate_between(p, q, bounds, &scratch[found]))
				found++;
		}
	}
	*guessed = !found;
	return found ? (uint64_t)median(scratch, found) : bounds->fallback;
}

/* How far the points are from the line, in y. */
static void distances(const struct clock_line *l, const struct clock_point *points, size_t n, int64_t *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = clamp((__int128)points[i].y - line_at(l, points[i].x));
}

/* Counts good and bad readings, and finds the largest error of a good one. */
static void judge(struct fit *fit, const struct clock_point *points, size_t n, int64_t *scratch)
{
	uint64_t limit = BAD_MIN_NS, worst = 0;

	distances(&fit->line, points, n, scratch);
	for (size_t i = 0; i < n; i++)
		scratch[i] = scratch[i] < 0 ? -scratch[i] : scratch[i];
	if (n) {
		uint64_t middle = (uint64_t)median(scratch, n); /* sorts */

		if (middle > BAD_MIN_NS / BAD_BY_MEDIAN)
			limit = middle * BAD_BY_MEDIAN;
		worst = (uint64_t)scratch[n - 1];
	}
	fit->bad = 0;
	while (fit->bad < n && (uint64_t)scratch[n - 1 - fit->bad] > limit)
		fit->bad++;
	/* If many are far off, the clock is not a line (it was set, say), and no reading is to blame. */
	if (fit->bad > n / 4)
		fit->bad = 0;
	fit->used = n - fit->bad;
	fit->error = fit->used ? (fit->bad ? (uint64_t)scratch[fit->used - 1] : worst) : 0;
}

static int fit_line(struct clock_point *points, size_t n, const struct bounds *bounds, struct fit *fit)
{
	size_t pairs = SAMPLES_MAX * (SAMPLES_MAX - 1) / 2;
	int64_t *scratch = calloc(n > pairs ? n : pairs, sizeof(*scratch));
	struct clock_line *l = &fit->line;

	*fit = (struct fit){.guessed = true, .line.rate = bounds->fallback};
	if (!scratch)
		return -ENOMEM;
	if (n) {
		qsort(points, n, sizeof(*points), compare_points);
		l->rate = fit_rate(points, n, bounds, scratch, &fit->guessed);
		l->x0 = points[n / 2].x;
		l->y0 = points[n / 2].y;
		distances(l, points, n, scratch);
		l->y0 = (uint64_t)((__int128)l->y0 + median(scratch, n));
		judge(fit, points, n, scratch);
	}
	free(scratch);
	return 0;
}

/* ---- units and clocks ---- */

static bool is_raw(const struct clock_unit *u)
{
	return !strcmp(u->name, "raw");
}

int clock_unit(struct clock *c, const char *name)
{
	struct clock_unit unit = {0};

	if (!*name || strlen(name) >= sizeof(unit.name))
		return -EINVAL;
	for (size_t i = 0; i < c->units.count; i++) {
		if (!strcmp(c->units.items[i].name, name))
			return (int)i;
	}
	memcpy(unit.name, name, strlen(name));
	return vec_push(&c->units, unit) ? -ENOMEM : (int)(c->units.count - 1);
}

int clock_add(struct clock *c, int unit, const struct anchor *a)
{
	struct clock_unit *u = &c->units.items[unit];
	int err = vec_push(&c->points, (struct clock_point){a->raw_ns, a->real_ns});

	return err ? err : vec_push(&u->points, (struct clock_point){a->stamp, a->raw_ns});
}

/* From one reading: both count from about when the machine came up. */
static uint64_t guess_rate(const struct clock_unit *u)
{
	const struct clock_point *p = u->points.items;

	if (u->points.count && p->x && p->y / p->x < 64 && p->x / 64 < p->y)
		return (uint64_t)(((unsigned __int128)p->y << RATE_SHIFT) / p->x);
	return RATE_ONE;
}

static int fit_unit(struct clock *c, struct clock_unit *u)
{
	struct bounds bounds = {.low = RATE_ONE / 64, .high = RATE_ONE * 62};
	struct fit fit;
	int err;

	if (is_raw(u)) {
		u->line = (struct clock_line){.rate = RATE_ONE};
		return 0;
	}
	bounds.fallback = guess_rate(u);
	err = fit_line(u->points.items, u->points.count, &bounds, &fit);
	u->line = fit.line;
	c->guessed |= fit.guessed;
	if (fit.error > c->error_ns)
		c->error_ns = fit.error;
	c->bad += fit.bad;
	return err;
}

int clock_fit(struct clock *c)
{
	const struct bounds bounds = {.low = RATE_ONE / 10 * 9,
				      .high = RATE_ONE / 10 * 11,
				      .span_min = REAL_SPAN_MIN_NS,
				      .fallback = RATE_ONE};
	struct fit fit;
	int err = fit_line(c->points.items, c->points.count, &bounds, &fit);

	c->line = fit.line;
	c->error_ns = fit.error;
	c->bad = fit.bad;
	c->guessed = false;
	for (size_t i = 0; !err && i < c->units.count; i++)
		err = fit_unit(c, &c->units.items[i]);
	c->used = c->points.count - (c->bad < c->points.count ? c->bad : c->points.count);
	return err;
}

uint64_t clock_ns(const struct clock *c, int unit, uint64_t stamp)
{
	return line_at(&c->line, line_at(&c->units.items[unit].line, stamp));
}

void clock_free(struct clock *c)
{
	for (size_t i = 0; i < c->units.count; i++)
		vec_free(&c->units.items[i].points);
	vec_free(&c->units);
	vec_free(&c->points);
}
