// SPDX-License-Identifier: Apache-2.0
/* ranges.c - see ranges.h. Analyzer, any thread; pure but for memory. */
#include "analyzer/pass/ranges.h"

#include <stdbool.h>

#include "analyzer/vec.h"

int ranges_add(struct ranges *r, uint64_t from, uint64_t to)
{
	struct range *last = r->count ? vec_last(r) : NULL;

	if (from >= to)
		return 0;
	if (last && from >= last->from && from <= last->to) {
		if (to > last->to)
			last->to = to;
		return 0;
	}
	return vec_push(r, (struct range){from, to});
}

static int range_compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->from != y->from ? vec_compare(x->from, y->from) : vec_compare(x->to, y->to);
}

void ranges_merge(struct ranges *r)
{
	size_t kept = 0;
	bool sorted = true;

	for (size_t i = 1; i < r->count && sorted; i++)
		sorted = r->items[i - 1].to < r->items[i].from;
	if (sorted)
		return;
	vec_sort(r, range_compare);
	for (size_t i = 1; i < r->count; i++) {
		struct range *last = &r->items[kept];

		if (r->items[i].from > last->to)
			r->items[++kept] = r->items[i];
		else if (r->items[i].to > last->to)
			last->to = r->items[i].to;
	}
	r->count = kept + 1;
}

uint64_t ranges_bytes(const struct ranges *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->count; i++)
		sum += r->items[i].to - r->items[i].from;
	return sum;
}

uint64_t ranges_overlap(const struct ranges *a, const struct ranges *b)
{
	uint64_t sum = 0;
	size_t i = 0, j = 0;

	while (i < a->count && j < b->count) {
		const struct range *x = &a->items[i], *y = &b->items[j];
		uint64_t from = x->from > y->from ? x->from : y->from;
		uint64_t to = x->to < y->to ? x->to : y->to;

		if (from < to)
			sum += to - from;
		if (x->to <= y->to)
			i++;
		else
			j++;
	}
	return sum;
}

uint64_t ranges_holes(const struct ranges *a, const struct ranges *b)
{
	uint64_t holes = 0, reached = 0;
	size_t i = 0, j = 0;
	bool any = false;

	while (i < a->count && j < b->count) {
		const struct range *x = &a->items[i], *y = &b->items[j];
		uint64_t from = x->from > y->from ? x->from : y->from;
		uint64_t to = x->to < y->to ? x->to : y->to;

		if (from < to) {
			if (any && from > reached &&
			    (ranges_missing(a, reached, from) < from - reached ||
			     ranges_missing(b, reached, from) < from - reached))
				holes++;
			any = true;
			reached = to;
		}
		if (x->to <= y->to)
			i++;
		else
			j++;
	}
	return holes;
}

size_t ranges_find(const struct ranges *r, uint64_t at)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->items[middle].to > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint64_t ranges_missing(const struct ranges *r, uint64_t from, uint64_t to)
{
	uint64_t sum = 0;

	for (size_t i = ranges_find(r, from); i < r->count && from < to && r->items[i].from < to; i++) {
		if (r->items[i].from > from)
			sum += r->items[i].from - from;
		from = r->items[i].to;
	}
	return from < to ? sum + (to - from) : sum;
}
