// SPDX-License-Identifier: Apache-2.0
/* window.c - see window.h. Analyzer, one thread; pure. */
#include "analyzer/pass/window.h"

#include <errno.h>
#include <stdlib.h>

#include "analyzer/vec.h"

#define CORES_MAX 1000000u /* of one opening: a day of windows of 100 ms is less */

struct parts {
	VEC(struct window_part) list;
};

static int part_compare(const void *a, const void *b)
{
	const struct window_part *x = a, *y = b;

	return x->from_ns != y->from_ns ? vec_compare(x->from_ns, y->from_ns)
					: vec_compare(x->to_ns, y->to_ns);
}

static int add_part(struct parts *p, uint64_t from_ns, uint64_t to_ns)
{
	return from_ns < to_ns ? vec_push(&p->list, (struct window_part){from_ns, to_ns}) : 0;
}

/* The windows of an opening, without margins. The plan went by CLOCK_REALTIME as it was at the opening; where
 * that was set since, distances from there still hold. */
static int add_cores(struct parts *cores, const struct store_window *w, uint64_t end_ns)
{
	uint64_t to_ns = w->closed_ns != UINT64_MAX ? w->closed_ns : end_ns, k, last;
	uint64_t real_ns = w->opened_real_ns;
	int err = 0;

	if (to_ns <= w->opened_ns)
		return 0;
	if (!w->plan.period_ns)
		return add_part(cores, w->opened_ns, to_ns);
	k = real_ns / w->plan.period_ns;
	last = (real_ns + (to_ns - w->opened_ns)) / w->plan.period_ns;
	if (last - k > CORES_MAX)
		last = k + CORES_MAX;
	for (k = k ? k - 1 : 0; k <= last && !err; k++) {
		struct window_span core = window_at(&w->plan, k);
		uint64_t from = core.from_ns > real_ns ? core.from_ns - real_ns : 0;
		uint64_t to = core.to_ns > real_ns ? core.to_ns - real_ns : 0;

		if (to > to_ns - w->opened_ns)
			to = to_ns - w->opened_ns;
		err = add_part(cores, w->opened_ns + from, w->opened_ns + to);
	}
	return err;
}

/* From when to when a process was there, as far as its dump tells. False: nothing tells. */
static bool lived(const struct store_process *p, struct window_part *life)
{
	*life = (struct window_part){UINT64_MAX, 0};
	for (uint32_t i = 0; i < p->record_count; i++) {
		if (p->records[i].t0_ns < life->from_ns)
			life->from_ns = p->records[i].t0_ns;
		if (p->records[i].t1_ns > life->to_ns)
			life->to_ns = p->records[i].t1_ns;
	}
	for (uint32_t i = 0; i < p->window_count; i++) {
		const struct store_window *w = &p->windows[i];

		if (w->opened_ns < life->from_ns)
			life->from_ns = w->opened_ns;
		if (w->closed_ns != UINT64_MAX && w->closed_ns > life->to_ns)
			life->to_ns = w->closed_ns;
	}
	if (p->gated && p->began_ns < life->from_ns)
		life->from_ns = p->began_ns;
	return life->from_ns <= life->to_ns;
}

/* When its gate was shut. */
static int add_shut(struct parts *shut, const struct store_process *p, const struct window_part *life)
{
	struct parts cores = {0};
	uint64_t at_ns = life->from_ns;
	int err = 0;

	for (uint32_t i = 0; i < p->window_count && !err; i++)
		err = add_cores(&cores, &p->windows[i], life->to_ns);
	vec_sort(&cores.list, part_compare);
	for (size_t i = 0; i < cores.list.count && !err; i++) {
		const struct window_part *core = &cores.list.items[i];

		err = add_part(shut, at_ns, core->from_ns);
		at_ns = core->to_ns > at_ns ? core->to_ns : at_ns;
	}
	if (!err)
		err = add_part(shut, at_ns, life->to_ns);
	vec_free(&cores.list);
	return err;
}

static int keep_rest(struct windows *out, struct parts *shut)
{
	struct parts parts = {0};
	uint64_t at_ns = out->from_ns;
	int err = 0;

	vec_sort(&shut->list, part_compare);
	for (size_t i = 0; i < shut->list.count && !err; i++) {
		err = add_part(&parts, at_ns, shut->list.items[i].from_ns);
		at_ns = shut->list.items[i].to_ns > at_ns ? shut->list.items[i].to_ns : at_ns;
	}
	if (!err)
		err = add_part(&parts, at_ns, out->to_ns);
	out->parts = parts.list.items;
	out->part_count = (uint32_t)parts.list.count;
	return err;
}

int window_run(const struct store *store, struct windows *out)
{
	struct parts shut = {0};
	int err = 0;

	*out = (struct windows){.from_ns = UINT64_MAX};
	for (uint32_t i = 0; i < store->process_count; i++)
		out->sampled |= store->processes[i].gated;
	for (uint32_t i = 0; out->sampled && i < store->process_count && !err; i++) {
		const struct store_process *p = &store->processes[i];
		struct window_part life;

		if (!lived(p, &life))
			continue;
		out->from_ns = life.from_ns < out->from_ns ? life.from_ns : out->from_ns;
		out->to_ns = life.to_ns > out->to_ns ? life.to_ns : out->to_ns;
		if (p->gated)
			err = add_shut(&shut, p, &life);
	}
	if (!err && out->sampled)
		err = keep_rest(out, &shut);
	vec_free(&shut.list);
	return err;
}

void window_free(struct windows *w)
{
	free(w->parts);
	*w = (struct windows){0};
}

uint32_t window_part_at(const struct windows *w, uint64_t ns)
{
	uint32_t low = 0, high = w->part_count;

	if (!w->sampled)
		return 0;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (w->parts[middle].to_ns <= ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->part_count && w->parts[low].from_ns <= ns ? low : STORE_NONE;
}

uint64_t window_part_ns(const struct windows *w, uint32_t part, uint64_t from_ns, uint64_t to_ns)
{
	const struct window_part *p = &w->parts[part];
	uint64_t from = p->from_ns > from_ns ? p->from_ns : from_ns, to = p->to_ns < to_ns ? p->to_ns : to_ns;

	return to > from ? to - from : 0;
}

uint64_t window_open_ns(const struct windows *w, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < w->part_count; i++)
		sum += window_part_ns(w, i, from_ns, to_ns);
	return sum;
}

uint64_t window_shut_after(const struct store_process *p, uint64_t ns)
{
	for (uint32_t i = 0; i < p->window_count; i++)
		if (p->windows[i].closed_ns > ns)
			return p->windows[i].closed_ns;
	return UINT64_MAX;
}
