// SPDX-License-Identifier: Apache-2.0
/*
 * align_flow.c - the constraints of one direction between two clocks, see align_edge.h. Analyzer, one thread;
 * pure but for memory. Messages come link by link, each link in the order of time: what is kept is the
 * fastest of each bin, so memory follows the time that was recorded and not the number of messages.
 */
#include "analyzer/pass/align_edge.h"
#include "analyzer/vec.h"

#define SETTLE_FIRST (1u << 16)
#define POINTS_MAX   (1u << 19) /* of one flow; more and bins are made longer */

static int point_compare(const void *a, const void *b)
{
	const struct align_point *x = a, *y = b;

	return x->at != y->at ? vec_compare(x->at, y->at) : vec_compare(x->slack, y->slack);
}

/* Keeps the least slack of each bin. Sorted. */
static void thin(struct align_flow *f)
{
	size_t kept = 0;

	for (size_t i = 1; i < f->count; i++) {
		struct align_point *last = &f->items[kept];

		if (f->items[i].at / f->bin_ns != last->at / f->bin_ns)
			f->items[++kept] = f->items[i];
		else if (f->items[i].slack < last->slack)
			*last = f->items[i];
	}
	f->count = f->count ? kept + 1 : 0;
}

void align_flow_settle(struct align_flow *f)
{
	bool sorted = true;

	if (!f->bin_ns)
		f->bin_ns = ALIGN_BIN_NS;
	for (size_t i = 1; i < f->count && sorted; i++)
		sorted = f->items[i - 1].at <= f->items[i].at;
	if (!sorted)
		vec_sort(f, point_compare);
	thin(f);
	while (f->count > POINTS_MAX) {
		f->bin_ns *= 2;
		thin(f);
	}
	f->full = f->count * 2 > SETTLE_FIRST ? f->count * 2 : SETTLE_FIRST;
	f->bin_from = f->bin_to = 0;
}

int align_flow_add(struct align_flow *f, int64_t at, int64_t slack)
{
	struct align_point p = {at, slack};
	int err;

	f->messages++;
	if (f->count && at >= f->bin_from && at < f->bin_to) {
		if (slack < vec_last(f)->slack)
			*vec_last(f) = p;
		return 0;
	}
	if (f->count >= f->full)
		align_flow_settle(f);
	err = vec_push(f, p);
	f->bin_from = at - at % f->bin_ns;
	f->bin_to = f->bin_from + f->bin_ns;
	return err;
}
