/* SPDX-License-Identifier: Apache-2.0 */
/* clock_line.c - see clock_line.h. Analyzer, one thread. */
#include "analyzer/clock_line.h"

#include <errno.h>
#include <stdlib.h>

#include "analyzer/vec.h"

#define SAMPLES_MAX 256u /* readings that the slope is made from: every pair of them */

/* A reading this far off is bad, if not all of them are. */
#define BAD_MIN_NS	   1000
#define BAD_BY_MEDIAN	   16
#define DISTANCE_MAX	   ((int64_t)1 << 62)
#define SAMPLE_OF(i, n, m) ((size_t)((unsigned __int128)(i) * ((n)-1) / ((m) > 1 ? (m)-1 : 1)))

static int64_t clamp(__int128 v)
{
	return v > DISTANCE_MAX ? DISTANCE_MAX : v < -DISTANCE_MAX ? -DISTANCE_MAX : (int64_t)v;
}

uint64_t clock_line_at(const struct clock_line *l, uint64_t x)
{
	/* 2^62 * 2^62 stays inside; the shift of a negative number rounds down, so the line is monotonic. */
	__int128 delta = (__int128)clamp((__int128)x - l->x0) * (__int128)l->rate >> CLOCK_RATE_SHIFT;
	__int128 y = (__int128)l->y0 + delta;

	return y < 0 ? 0 : y > UINT64_MAX ? UINT64_MAX : (uint64_t)y;
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
			 const struct clock_bounds *bounds, int64_t *rate)
{
	__int128 dx = (__int128)q->x - p->x, dy = (__int128)q->y - p->y, r;

	if (dx <= 0 || dy <= 0)
		return false;
	r = (dy << CLOCK_RATE_SHIFT) / dx;
	if (r < bounds->low || r > bounds->high)
		return false;
	*rate = (int64_t)r;
	return true;
}

static uint64_t fit_rate(const struct clock_point *points, size_t n, const struct clock_bounds *bounds,
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
		to[i] = clamp((__int128)points[i].y - clock_line_at(l, points[i].x));
}

/* Counts good and bad readings, and finds the largest error of a good one. */
static void judge(struct clock_fit *fit, const struct clock_point *points, size_t n, int64_t *scratch)
{
	uint64_t worst = 0;

	fit->limit = BAD_MIN_NS;
	distances(&fit->line, points, n, scratch);
	for (size_t i = 0; i < n; i++)
		scratch[i] = scratch[i] < 0 ? -scratch[i] : scratch[i];
	if (n) {
		uint64_t middle = (uint64_t)median(scratch, n); /* sorts */

		if (middle > BAD_MIN_NS / BAD_BY_MEDIAN)
			fit->limit = middle * BAD_BY_MEDIAN;
		worst = (uint64_t)scratch[n - 1];
	}
	fit->bad = 0;
	while (fit->bad < n && (uint64_t)scratch[n - 1 - fit->bad] > fit->limit)
		fit->bad++;
	/* If many are far off, the clock is not a line (it was steered, say), and no reading is to blame. */
	if (fit->bad > n / 4) {
		fit->bad = 0;
		fit->limit = worst;
	}
	fit->used = n - fit->bad;
	fit->error = fit->used ? (fit->bad ? (uint64_t)scratch[fit->used - 1] : worst) : 0;
}

int clock_line_fit(const struct clock_point *points, size_t n, const struct clock_bounds *bounds,
		   struct clock_fit *fit)
{
	size_t pairs = SAMPLES_MAX * (SAMPLES_MAX - 1) / 2;
	int64_t *scratch = calloc(n > pairs ? n : pairs, sizeof(*scratch));
	struct clock_line *l = &fit->line;

	*fit = (struct clock_fit){.guessed = true, .line.rate = bounds->fallback};
	if (!scratch)
		return -ENOMEM;
	if (n) {
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

int clock_line_rate(const struct clock_point *points, size_t n, const struct clock_bounds *bounds,
		    uint64_t apart, uint64_t *rate)
{
	int64_t *rates = calloc(n + 1, sizeof(*rates));
	size_t found = 0, next = 0;

	*rate = 0;
	if (!rates)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		while (next < n && points[next].y - points[i].y < apart)
			next++;
		if (next < n && rate_between(&points[i], &points[next], bounds, &rates[found]))
			found++;
	}
	if (found)
		*rate = (uint64_t)median(rates, found);
	free(rates);
	return 0;
}

/* ---- cutting ---- */

bool clock_line_agree(const struct clock_law *law, const struct clock_point *p, const struct clock_point *q)
{
	__int128 dx = (__int128)q->x - p->x, dy = (__int128)q->y - p->y, way, allowed, rest;

	if (dx < 0)
		return false;
	way = (__int128)clamp(dx) * (__int128)law->rate >> CLOCK_RATE_SHIFT;
	allowed = way * (__int128)law->ppm / 1000000;
	rest = law->burst_ns + way * (__int128)law->rest_ppm / 1000000;
	allowed = law->floor_ns + (rest < allowed ? rest : allowed);
	return dy - way <= allowed && way - dy <= allowed;
}

/* The points that were kept, and the one that may begin a new run. */
struct cutting {
	struct clock_point *points;
	size_t kept;
	uint32_t runs;
	size_t *starts;
	bool waits;
	struct clock_point pending;
};

static void begin_run(struct cutting *c)
{
	if (c->runs < CLOCK_RUNS_MAX)
		c->starts[c->runs++] = c->kept;
	c->points[c->kept++] = c->pending;
	c->waits = false;
}

/* A first run of one reading, before one that more agree on, is a bad reading. */
static void drop_lonely_first(struct cutting *c, uint64_t *wrong)
{
	if (c->runs < 2 || c->starts[1] != 1 || c->kept < 3)
		return;
	++*wrong;
	c->kept--;
	for (size_t i = 0; i < c->kept; i++)
		c->points[i] = c->points[i + 1];
	c->runs--;
	for (uint32_t i = 0; i < c->runs; i++)
		c->starts[i] = c->starts[i + 1] - 1;
}

uint32_t clock_line_cut(struct clock_point *points, size_t *n, const struct clock_law *law,
			size_t starts[CLOCK_RUNS_MAX], uint64_t *wrong)
{
	struct cutting c = {.points = points, .starts = starts, .runs = 1, .kept = 1};

	starts[0] = 0;
	if (!*n)
		return 0;
	for (size_t i = 1; i < *n; i++) {
		struct clock_point p = points[i];

		if (clock_line_agree(law, &points[c.kept - 1], &p)) {
			*wrong += c.waits;
			c.waits = false;
			points[c.kept++] = p;
		} else if (c.waits && clock_line_agree(law, &c.pending, &p)) {
			begin_run(&c);
			points[c.kept++] = p;
		} else {
			*wrong += c.waits;
			c.waits = true;
			c.pending = p;
		}
	}
	if (c.waits && *n == 2)
		begin_run(&c);
	*wrong += c.waits;
	drop_lonely_first(&c, wrong);
	*n = c.kept;
	return c.runs;
}
