/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock_part.c - dumps that claim one boot, and whose clocks cannot be one: cloned machines, copied images.
 * Analyzer, one thread.
 *
 * One kernel has one CLOCK_REALTIME for each moment of RAW, and may set it at any time. So a reading speaks
 * against a clock if it disagrees with the readings before and after it; and a dump does, if two of its
 * readings speak against it, agree with each other, and no more speak for it.
 */
#include <errno.h>
#include <stdlib.h>

#include "analyzer/clock.h"

#define PARTS_MAX 64u /* more clocks than that with one boot id: the others go with the first */

static const struct clock_law law = CLOCK_REAL_LAW;

typedef VEC(struct clock_point) points_t;

struct parting {
	points_t points;	   /* by source */
	points_t parts[PARTS_MAX]; /* by x */
	uint32_t count;
};

/* The readings [first, end) of one dump. */
struct source {
	size_t first, end;
};

static int compare_by_source(const void *a, const void *b)
{
	const struct clock_point *p = a, *q = b;
	int order = vec_compare(p->source, q->source);

	order = order ? order : vec_compare(p->x, q->x);
	return order ? order : vec_compare(p->y, q->y);
}

static int compare_firsts(const void *a, const void *b, void *points)
{
	const struct clock_point *p = (const struct clock_point *)points + ((const struct source *)a)->first;
	const struct clock_point *q = (const struct clock_point *)points + ((const struct source *)b)->first;
	int order = vec_compare(p->x, q->x);

	order = order ? order : vec_compare(p->y, q->y);
	return order ? order : vec_compare(p->source, q->source);
}

/* How many points of the part are before x. */
static size_t before(const points_t *part, uint64_t x)
{
	size_t low = 0, high = part->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (part->items[middle].x < x)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Readings of a dump that speak for a part, and against it. */
struct votes {
	uint64_t for_it, against;
};

static struct votes ask(const struct parting *w, const points_t *part, const struct source *s)
{
	struct votes v = {0};
	const struct clock_point *spoke = NULL;
	uint64_t alone = 0;

	for (size_t i = s->first; i < s->end; i++) {
		const struct clock_point *p = &w->points.items[i];
		size_t at = before(part, p->x);
		bool low = at > 0 && clock_line_agree(&law, &part->items[at - 1], p);
		bool high = at < part->count && clock_line_agree(&law, p, &part->items[at]);

		if (low || high) {
			v.for_it++;
		} else if (at > 0 && at < part->count) {
			if (spoke && clock_line_agree(&law, spoke, p))
				v.against++;
			else
				alone++;
			spoke = p;
		}
	}
	v.against += v.against && alone;
	return v;
}

/* The part that a dump's readings go with. */
static uint32_t choose(const struct parting *w, const struct source *s)
{
	uint32_t best = PARTS_MAX;
	uint64_t most = 0;

	for (uint32_t i = 0; i < w->count; i++) {
		struct votes v = ask(w, &w->parts[i], s);

		if (v.against > v.for_it || (best != PARTS_MAX && v.for_it <= most))
			continue;
		best = i;
		most = v.for_it;
	}
	return best != PARTS_MAX ? best : w->count < PARTS_MAX ? w->count : 0;
}

/* Dumps come in order of their first reading, so what is moved is little. */
static int insert(points_t *part, struct clock_point p)
{
	int err = vec_push(part, p);

	for (size_t i = err ? 0 : part->count - 1; i > 0 && part->items[i - 1].x > p.x; i--) {
		part->items[i] = part->items[i - 1];
		part->items[i - 1] = p;
	}
	return err;
}

static int part_sources(struct parting *w, struct source *sources, size_t count, uint32_t *part)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		uint32_t to = choose(w, &sources[i]);

		if (to == w->count)
			w->count++;
		for (size_t k = sources[i].first; k < sources[i].end && !err; k++)
			err = insert(&w->parts[to], w->points.items[k]);
		part[w->points.items[sources[i].first].source] = to;
	}
	return err;
}

static int collect(const struct clock *c, struct parting *w)
{
	int err = 0;

	for (size_t i = 0; i < c->readings.count && !err; i++) {
		const struct clock_reading *r = &c->readings.items[i];

		if (clock_reading_is_sane(r))
			err = vec_push(&w->points, (struct clock_point){r->raw_ns, r->real_ns, r->source});
	}
	vec_sort(&w->points, compare_by_source);
	return err;
}

int clock_part(const struct clock *c, uint32_t *part, uint32_t *parts)
{
	struct parting w = {0};
	VEC(struct source) sources = {0};
	int err = collect(c, &w);

	for (size_t i = 0; i < w.points.count && !err; i++) {
		if (i && w.points.items[i].source == w.points.items[i - 1].source)
			vec_last(&sources)->end = i + 1;
		else
			err = vec_push(&sources, (struct source){i, i + 1});
	}
	if (!err && sources.count > 1) {
		qsort_r(sources.items, sources.count, sizeof(*sources.items), compare_firsts, w.points.items);
		err = part_sources(&w, sources.items, sources.count, part);
	}
	*parts = w.count ? w.count : 1;
	for (uint32_t i = 0; i < w.count; i++)
		vec_free(&w.parts[i]);
	vec_free(&w.points);
	vec_free(&sources);
	return err;
}
