// SPDX-License-Identifier: Apache-2.0
/*
 * align_knots.c - the moments at which an island is solved. Analyzer, one thread; pure but for memory. They
 * are close together where there are messages, and lie further apart the longer there were none; one stands
 * on each side of a step. Their number is bounded.
 */
#include "analyzer/pass/align_island.h"
#include "analyzer/vec.h"

#define SPACING_MOST_NS	 100000000
#define SPACING_LEAST_NS 5000000
#define KNOTS_MAX	 100000u    /* of all clocks of an island */
#define WORK_MAX	 400000000u /* a closure takes n cubed */
#define KNOTS_LEAST	 64u
#define ROOM_PARTS	 8 /* of the room between the bounds: what an offset may move from knot to knot */

struct list {
	int64_t *items;
	size_t count, cap;
};

static int compare(const void *a, const void *b)
{
	return vec_compare(*(const int64_t *)a, *(const int64_t *)b);
}

static void make_unique(struct list *l)
{
	size_t kept = 0;

	vec_sort(l, compare);
	for (size_t i = 1; i < l->count; i++)
		if (l->items[i] != l->items[kept])
			l->items[++kept] = l->items[i];
	l->count = l->count ? kept + 1 : 0;
}

static size_t knots_most(const struct align_island *is)
{
	uint64_t n = is->n, most = KNOTS_MAX / n, work = n < 1000 ? WORK_MAX / (n * n * n) : 0;

	if (work < most)
		most = work;
	return most > KNOTS_LEAST ? (size_t)most : KNOTS_LEAST;
}

/* Closer where clocks move faster. */
static int64_t first_spacing(const struct align_island *is)
{
	__int128 spacing = SPACING_MOST_NS;

	for (uint32_t i = 0; i < is->edge_count; i++) {
		const struct align_edge *e = is->edges[i];
		__int128 here = (__int128)e->narrowest_ns * 1000000000 / ROOM_PARTS / e->rate;

		if (e->narrowest_ns < ALIGN_OPEN && here < spacing)
			spacing = here;
	}
	return spacing > SPACING_LEAST_NS ? (int64_t)spacing : SPACING_LEAST_NS;
}

static int64_t cell_of(int64_t at, int64_t spacing)
{
	return at >= 0 ? at / spacing : -((-at + spacing - 1) / spacing);
}

/* The cells that hold points; more than `most` in one flow: -EFBIG. */
static int find_cells(const struct align_island *is, int64_t spacing, size_t most, struct list *cells)
{
	int err = 0;

	cells->count = 0;
	for (uint32_t i = 0; i < is->edge_count && !err; i++) {
		for (int flow = 0; flow < 2 && !err; flow++) {
			const struct align_flow *f = &is->edges[i]->flows[flow];
			size_t before = cells->count;

			for (size_t k = 0; k < f->count && !err; k++) {
				int64_t cell = cell_of(f->items[k].at, spacing);

				if (cells->count > before && *vec_last(cells) == cell)
					continue;
				err = cells->count - before >= most ? -EFBIG : vec_push(cells, cell);
			}
		}
	}
	make_unique(cells);
	return err ? err : cells->count > most ? -EFBIG : 0;
}

static int add_moments(const struct align_island *is, const struct list *cells, struct list *knots)
{
	int err = vec_push(knots, is->from);

	if (!err)
		err = vec_push(knots, is->to);
	for (size_t i = 0; i < cells->count && !err; i++) {
		err = vec_push(knots, cells->items[i] * is->spacing);
		if (!err)
			err = vec_push(knots, (cells->items[i] + 1) * is->spacing);
	}
	for (uint32_t i = 0; i < is->n && !err; i++) {
		for (int k = 0; k < 2 && !err; k++) {
			int64_t at = align_line_at(&is->lines[i], is->lives[i][k]);

			if (at > is->from && at < is->to)
				err = vec_push(knots, at);
		}
	}
	return err;
}

/* Where there were no messages for long, bounds grow: knots lie at growing distances from both sides. */
static int fill_gaps(const struct align_island *is, struct list *knots)
{
	size_t n = knots->count;
	int err = 0;

	for (size_t i = 1; i < n && !err; i++) {
		int64_t from = knots->items[i - 1], to = knots->items[i];

		for (int64_t by = is->spacing; by < (to - from) / 2 && !err; by *= 2) {
			err = vec_push(knots, from + by);
			if (!err)
				err = vec_push(knots, to - by);
		}
	}
	return err;
}

int align_knots_make(struct align_island *is)
{
	struct list cells = {0}, knots = {0};
	size_t most = knots_most(is);
	int err;

	is->spacing = first_spacing(is);
	while ((err = find_cells(is, is->spacing, most, &cells)) == -EFBIG && is->spacing < ALIGN_AXIS_MAX)
		is->spacing *= 2;
	if (!err)
		err = add_moments(is, &cells, &knots);
	make_unique(&knots);
	if (!err)
		err = fill_gaps(is, &knots);
	make_unique(&knots);
	vec_free(&cells);
	is->knots = knots.items;
	is->knot_count = (uint32_t)knots.count;
	return err == -EFBIG ? -ENOMEM : err;
}
