/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock_fit.c - the lines of a clock, from its readings. Analyzer, one thread.
 *
 * Readings in order of RAW are cut where CLOCK_REALTIME jumps against it, and, by unit, where the stamps do;
 * each run of stamps has a line of its own.
 */
#include <errno.h>
#include <string.h>

#include "analyzer/clock.h"

/* Readings closer than this say less about the rate of CLOCK_REALTIME than that it is about 1: they are a few
 * microseconds off, and the rates differ by some ppm. */
#define REAL_SPAN_MIN_NS 10000000000ull
/* A reading is late by less, if not each of several tries was interrupted. */
#define STAMP_STEP_MIN_NS 200000u
#define STAMP_PPM_MAX	  200u
#define RATE_APART_NS	  100000000u /* readings further apart tell the rate to some ppm */
#define BEND_MIN_NS	  20000u     /* a line that readings are further from than this may be two */
#define BEND_POINTS_MIN	  4u	     /* on each side */

typedef VEC(struct clock_point) points_t;

bool clock_reading_is_sane(const struct clock_reading *r)
{
	return r->real_ns && r->real_ns <= INT64_MAX && r->raw_ns <= INT64_MAX;
}

static int compare_points(const void *a, const void *b)
{
	const struct clock_point *p = a, *q = b;
	int order = vec_compare(p->y, q->y);

	order = order ? order : vec_compare(p->x, q->x);
	return order ? order : vec_compare(p->source, q->source);
}

static int compare_by_x(const void *a, const void *b)
{
	const struct clock_point *p = a, *q = b;

	return p->x != q->x ? vec_compare(p->x, q->x) : compare_points(a, b);
}

/* ---- CLOCK_REALTIME ---- */

/* From when to when, by RAW, dumps of a boot are there. */
struct life {
	uint32_t source;
	uint64_t from, to;
};

static int compare_sources(const void *a, const void *b)
{
	const struct clock_point *p = a, *q = b;

	return p->source != q->source ? vec_compare(p->source, q->source) : compare_by_x(a, b);
}

/* Did somebody see it jump between the two? */
static int was_seen(const points_t *real, uint64_t from, uint64_t to, bool *seen)
{
	points_t sorted = {0};
	int err = vec_append(&sorted, real->items, real->count);

	*seen = false;
	vec_sort(&sorted, compare_sources);
	for (size_t i = 0; i + 1 < sorted.count && !err; i++) {
		const struct clock_point *p = &sorted.items[i], *q = p + 1;

		*seen |= p->source == q->source && p->x <= from && q->x >= to;
	}
	vec_free(&sorted);
	return err;
}

/* The jump between the last reading of a run and the first of the next. */
static int add_step(struct clock *c, const points_t *real, size_t first)
{
	const struct clock_point *p = &real->items[first - 1], *q = p + 1;
	__int128 by = ((__int128)q->y - p->y) - ((__int128)q->x - p->x);
	struct clock_step s = {.raw_ns = p->x + (q->x - p->x) / 2,
			       .within_ns = (q->x - p->x) / 2 + 1,
			       .by_ns = by > INT64_MAX	  ? INT64_MAX
					: by < -INT64_MAX ? -INT64_MAX
							  : (int64_t)by};
	bool seen;
	int err = was_seen(real, p->x, q->x, &seen);

	s.followed = !err && !seen && s.by_ns > 0;
	return err ? err : vec_push(&c->steps, s);
}

/* The line through the run with most readings, the first of them. */
static int fit_real(struct clock *c, points_t *real)
{
	const struct clock_bounds bounds = {.low = CLOCK_RATE_ONE - CLOCK_RATE_ONE / 1000000 * CLOCK_REAL_PPM,
					    .high =
						CLOCK_RATE_ONE + CLOCK_RATE_ONE / 1000000 * CLOCK_REAL_PPM,
					    .span_min = REAL_SPAN_MIN_NS,
					    .fallback = CLOCK_RATE_ONE};
	const struct clock_law law = CLOCK_REAL_LAW;
	size_t starts[CLOCK_RUNS_MAX], first = 0, count = 0;
	uint32_t runs = clock_line_cut(real->items, &real->count, &law, starts, &c->wrong);
	struct clock_fit fit;
	int err = 0;

	for (uint32_t i = 0; i < runs; i++) {
		size_t n = (i + 1 < runs ? starts[i + 1] : real->count) - starts[i];

		if (n > count) {
			first = starts[i];
			count = n;
		}
		if (i && !err)
			err = add_step(c, real, starts[i]);
	}
	if (err)
		return err;
	err = clock_line_fit(real->items + first, count, &bounds, &fit);
	c->line = fit.line;
	c->base_ns = count ? real->items[first].x : 0;
	for (size_t i = first; i < first + count; i++) {
		uint64_t at = clock_line_at(&c->line, real->items[i].x), y = real->items[i].y;
		uint64_t off = y > at ? y - at : at - y;

		c->wander_ns = off > c->wander_ns ? off : c->wander_ns;
	}
	return err;
}

/* ---- stamps ---- */

/* From one reading: both count from about when the machine came up. */
static uint64_t guess_rate(const points_t *points)
{
	const struct clock_point *p = points->items;

	if (points->count && p->x && p->y / p->x < 64 && p->x / 64 < p->y)
		return (uint64_t)(((unsigned __int128)p->y << CLOCK_RATE_SHIFT) / p->x);
	return CLOCK_RATE_ONE;
}

static uint64_t distance(const struct clock_line *l, const struct clock_point *p)
{
	uint64_t y = clock_line_at(l, p->x);

	return y > p->y ? y - p->y : p->y - y;
}

/* Where a bent line is furthest from the straight one between its ends. */
static size_t find_bend(const struct clock_point *points, size_t n, const struct clock_fit *fit)
{
	const struct clock_point *a = &points[0], *b = &points[n - 1];
	struct clock_line chord = {a->x, a->y, 0};
	uint64_t most = 0;
	size_t found = n / 2;

	if (b->x > a->x)
		chord.rate =
		    (uint64_t)(((unsigned __int128)(b->y - a->y) << CLOCK_RATE_SHIFT) / (b->x - a->x));
	for (size_t i = BEND_POINTS_MIN; i + BEND_POINTS_MIN <= n; i++) {
		uint64_t off = distance(&chord, &points[i]);

		if (off > most && distance(&fit->line, &points[i]) <= fit->limit) {
			most = off;
			found = i;
		}
	}
	return found;
}

/* The runs of one unit, on their way to pieces. */
struct fitting {
	points_t points;
	size_t starts[CLOCK_RUNS_MAX];
	struct clock_fit fits[CLOCK_RUNS_MAX];
	uint32_t runs;
	struct clock_bounds bounds;
};

static size_t run_end(const struct fitting *f, uint32_t run)
{
	return run + 1 < f->runs ? f->starts[run + 1] : f->points.count;
}

static int fit_run(struct fitting *f, uint32_t run)
{
	size_t first = f->starts[run];

	return clock_line_fit(f->points.items + first, run_end(f, run) - first, &f->bounds, &f->fits[run]);
}

/* Makes two of a run, if both are at least twice as straight. */
static int bend_run(struct fitting *f, uint32_t run, bool *bent)
{
	size_t first = f->starts[run], n = run_end(f, run) - first;
	const struct clock_point *points = f->points.items + first;
	struct clock_fit *whole = &f->fits[run], left, right;
	size_t at;
	int err;

	*bent = false;
	if (whole->error < BEND_MIN_NS || n < 2 * BEND_POINTS_MIN || f->runs == CLOCK_RUNS_MAX)
		return 0;
	at = find_bend(points, n, whole);
	err = clock_line_fit(points, at, &f->bounds, &left);
	if (!err)
		err = clock_line_fit(points + at, n - at, &f->bounds, &right);
	if (err || left.error > whole->error / 2 || right.error > whole->error / 2)
		return err;
	memmove(&f->starts[run + 1], &f->starts[run], (f->runs - run) * sizeof(f->starts[0]));
	memmove(&f->fits[run + 1], &f->fits[run], (f->runs - run) * sizeof(f->fits[0]));
	f->runs++;
	f->starts[run + 1] = first + at;
	f->fits[run] = left;
	f->fits[run + 1] = right;
	*bent = true;
	return 0;
}

/* Where one piece ends and the next begins is not known: half way between their readings. What either yields
 * there stays between those. */
static int add_pieces(struct clock_unit *u, const struct fitting *f)
{
	struct clock_piece piece = {.high = UINT64_MAX};
	int err = 0;

	for (uint32_t i = 0; i < f->runs && !err; i++) {
		const struct clock_point *last = &f->points.items[run_end(f, i) - 1], *next = last + 1;
		uint64_t seam;
		bool back;

		piece.line = f->fits[i].line;
		piece.high = UINT64_MAX;
		if (i + 1 < f->runs) {
			seam = clock_line_at(&f->fits[i + 1].line, next->x);
			piece.high = seam > piece.low ? seam : piece.low;
		}
		err = vec_push(&u->pieces, piece);
		if (i + 1 == f->runs)
			break;
		back = next->x <= last->x;
		piece.from = back ? 0 : last->x + (next->x - last->x) / 2;
		piece.group += back;
		seam = clock_line_at(&piece.line, back ? last->x : piece.from);
		piece.low = seam < piece.low ? piece.low : seam > piece.high ? piece.high : seam;
	}
	u->groups = piece.group + 1;
	return err;
}

static int fit_runs(struct clock *c, struct fitting *f)
{
	int err = 0;

	for (uint32_t i = 0; i < f->runs && !err; i++)
		err = fit_run(f, i);
	for (uint32_t i = 0; i < f->runs && !err;) {
		bool bent;

		err = bend_run(f, i, &bent);
		i += !bent;
	}
	for (uint32_t i = 0; i < f->runs && !err; i++) {
		c->bad += f->fits[i].bad;
		c->error_ns = f->fits[i].error > c->error_ns ? f->fits[i].error : c->error_ns;
	}
	return err;
}

/* The breaks of a unit are steps of the clock, too: times around them are as wrong as they are wide. */
static int add_breaks(struct clock *c, const struct clock_unit *u, const struct fitting *f)
{
	int err = 0;

	for (uint32_t i = 1; i < f->runs && !err; i++) {
		const struct clock_point *q = &f->points.items[f->starts[i]], *p = q - 1;

		c->breaks += strcmp(u->name, "raw") != 0;
		err = vec_push(&c->steps, (struct clock_step){.raw_ns = p->y + (q->y - p->y) / 2,
							      .within_ns = (q->y - p->y) / 2 + 1});
	}
	return err;
}

static int fit_points(struct clock *c, struct clock_unit *u, struct fitting *f)
{
	uint64_t rate;
	int err = clock_line_rate(f->points.items, f->points.count, &f->bounds, RATE_APART_NS, &rate);

	if (f->bounds.low == f->bounds.high)
		rate = f->bounds.low;
	f->runs = f->points.count > 0;
	if (!err && rate) {
		const struct clock_law law = {rate, STAMP_STEP_MIN_NS, STAMP_PPM_MAX, 0, STAMP_PPM_MAX};

		f->runs = clock_line_cut(f->points.items, &f->points.count, &law, f->starts, &c->wrong);
		f->bounds.fallback = rate;
		f->bounds.span_min =
		    (uint64_t)(((unsigned __int128)RATE_APART_NS << CLOCK_RATE_SHIFT) / rate);
	}
	err = err ? err : fit_runs(c, f);
	err = err ? err : add_breaks(c, u, f);
	err = err ? err : add_pieces(u, f);
	c->guessed |= !f->runs || f->fits[0].guessed;
	if (!err && !f->runs)
		err = vec_push(&u->pieces,
			       (struct clock_piece){.line.rate = f->bounds.fallback, .high = UINT64_MAX});
	return err;
}

static int fit_unit(struct clock *c, uint32_t number)
{
	struct clock_unit *u = &c->units.items[number];
	struct fitting f = {.bounds = {.low = CLOCK_RATE_ONE / 64, .high = CLOCK_RATE_ONE * 62}};
	int err = 0;

	u->groups = 1;
	u->second = 1000000000;
	if (!strcmp(u->name, "raw"))
		f.bounds = (struct clock_bounds){.low = CLOCK_RATE_ONE, .high = CLOCK_RATE_ONE};
	if (!strcmp(u->name, "raw") && !c->unfolded)
		return vec_push(&u->pieces,
				(struct clock_piece){.line.rate = CLOCK_RATE_ONE, .high = UINT64_MAX});
	for (size_t i = 0; i < c->readings.count && !err; i++) {
		const struct clock_reading *r = &c->readings.items[i];

		if (r->unit == number && clock_reading_is_sane(r))
			err = vec_push(&f.points, (struct clock_point){r->stamp, r->raw_ns, r->source});
	}
	vec_sort(&f.points, compare_points);
	f.bounds.fallback = strcmp(u->name, "raw") ? guess_rate(&f.points) : CLOCK_RATE_ONE;
	err = err ? err : fit_points(c, u, &f);
	if (!err)
		u->second = (uint64_t)(((unsigned __int128)1000000000 << CLOCK_RATE_SHIFT) /
				       u->pieces.items[0].line.rate);
	vec_free(&f.points);
	return err;
}

static int compare_steps(const void *a, const void *b)
{
	const struct clock_step *p = a, *q = b;

	return p->raw_ns != q->raw_ns ? vec_compare(p->raw_ns, q->raw_ns) : vec_compare(p->by_ns, q->by_ns);
}

int clock_fit(struct clock *c)
{
	points_t real = {0};
	int err = clock_unfold(c);

	c->bad = c->wrong = c->breaks = c->error_ns = c->wander_ns = 0;
	c->guessed = !c->readings.count;
	for (size_t i = 0; i < c->readings.count && !err; i++) {
		const struct clock_reading *r = &c->readings.items[i];

		if (clock_reading_is_sane(r))
			err = vec_push(&real, (struct clock_point){r->raw_ns, r->real_ns, r->source});
		else
			c->wrong++;
	}
	vec_sort(&real, compare_by_x);
	err = err ? err : fit_real(c, &real);
	for (uint32_t i = 0; !err && i < c->units.count; i++)
		err = fit_unit(c, i);
	vec_sort(&c->steps, compare_steps);
	c->bad += c->wrong;
	if (c->bad > c->readings.count)
		c->bad = c->readings.count;
	c->used = c->readings.count - c->bad;
	vec_free(&real);
	return err;
}
