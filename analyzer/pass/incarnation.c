// SPDX-License-Identifier: Apache-2.0
/* incarnation.c - see incarnation.h. Analyzer, any thread; pure. */
#include "analyzer/pass/incarnation.h"

#include "analyzer/vec.h"

static int side_compare(const struct incarnation *x, const struct incarnation *y, int side)
{
	if (x->known[side] != y->known[side])
		return x->known[side] ? -1 : 1;
	if (x->clock[side] != y->clock[side])
		return vec_compare(x->clock[side], y->clock[side]);
	if (x->open_ns[side] != y->open_ns[side])
		return vec_compare(x->open_ns[side], y->open_ns[side]);
	return vec_compare(x->number, y->number);
}

static int opener_compare(const void *a, const void *b)
{
	return side_compare(a, b, 0);
}

static int acceptor_compare(const void *a, const void *b)
{
	return side_compare(a, b, 1);
}

static int place_compare(const void *a, const void *b)
{
	const struct incarnation *x = a, *y = b;

	for (int i = 0; i < 2; i++) {
		if (x->place[i] != y->place[i])
			return vec_compare(x->place[i], y->place[i]);
	}
	return vec_compare(x->number, y->number);
}

static bool is_one_clock(const struct incarnation *items, size_t n)
{
	uint32_t clock = items->clock[items->known[0] ? 0 : 1];

	for (size_t i = 0; i < n; i++) {
		for (int side = 0; side < 2; side++) {
			if (items[i].known[side] && items[i].clock[side] != clock)
				return false;
		}
	}
	return true;
}

static void place_by_time(struct incarnation *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct incarnation *x = &items[i];

		x->place[0] = x->known[0] ? x->open_ns[0] : x->open_ns[1];
		if (x->known[1] && x->open_ns[1] < x->place[0])
			x->place[0] = x->open_ns[1];
		x->place[1] = 0;
	}
}

static void place_by_order(struct incarnation *items, size_t n)
{
	uint64_t behind = 0;

	qsort(items, n, sizeof(*items), opener_compare);
	for (size_t i = 0; i < n; i++) {
		items[i].place[0] = items[i].known[0] ? i + 1 : 0;
		items[i].place[1] = 0;
	}
	qsort(items, n, sizeof(*items), acceptor_compare);
	for (size_t i = 0; i < n; i++) {
		struct incarnation *x = &items[i];

		if (!x->known[1])
			continue;
		if (x->known[0]) {
			behind = x->place[0] > behind ? x->place[0] : behind;
		} else {
			x->place[0] = behind;
			x->place[1] = i + 1;
		}
	}
}

void incarnation_sort(struct incarnation *items, size_t n)
{
	if (n < 2)
		return;
	if (is_one_clock(items, n))
		place_by_time(items, n);
	else
		place_by_order(items, n);
	qsort(items, n, sizeof(*items), place_compare);
}
