/* SPDX-License-Identifier: Apache-2.0 */
/*
 * align_test.c - clocks on one timeline: the truth lies inside the bounds, at every message and between, and
 * nothing is received before it was sent; errors and bounds are as small as the design's simulation found.
 * DPROF_TEST_WORLDS=n plays more random worlds; DPROF_TEST_VERBOSE=1 prints what was measured.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/align_world.h"

/* What is printed of a clock at a time of its own: knots, and straight lines between them. */
static struct align_knot world_printed(const struct align_clock *c, uint64_t at)
{
	uint32_t low = 0, high = c->knot_count;
	struct align_knot k, next;
	__int128 part, whole;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (c->knots[middle].at_ns <= at)
			low = middle + 1;
		else
			high = middle;
	}
	k = c->knots[low ? low - 1 : 0];
	if (!low || low == c->knot_count)
		return k;
	next = c->knots[low];
	part = (__int128)at - k.at_ns;
	whole = next.at_ns - k.at_ns;
	k.offset_ns += (int64_t)(((__int128)next.offset_ns - k.offset_ns) * part / whole);
	if (k.low_ns != INT64_MIN)
		k.low_ns = next.low_ns == INT64_MIN
			       ? INT64_MIN
			       : k.low_ns + (int64_t)(((__int128)next.low_ns - k.low_ns) * part / whole);
	if (k.high_ns != INT64_MAX)
		k.high_ns = next.high_ns == INT64_MAX
				? INT64_MAX
				: k.high_ns + (int64_t)(((__int128)next.high_ns - k.high_ns) * part / whole);
	return k;
}

struct measured {
	uint64_t messages, negative, outside, looked;
	int64_t error_p50, error_p99, half_p50, half_most;
	int64_t worst_outside;
};

static int int64_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static struct world *world_new(uint32_t n, int64_t length_ns, uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));

	w->n = n;
	w->length_ns = length_ns;
	w->seed = seed;
	w->queue_ns = 10 * US;
	return w;
}

/* Looks at the offsets of all clocks at a true time. */
static void look(const struct world *w, int64_t at, struct measured *m, int64_t *errors, int64_t *halves)
{
	for (uint32_t j = 0; j < w->n; j++) {
		const struct align_clock *c = &w->alignment.clocks[j];
		int64_t there = world_clock_at(w, j, at), truth, half;
		struct align_knot k;

		if (c->how != ALIGN_MESSAGES)
			continue;
		truth = there - world_clock_at(w, c->reference, at);
		k = world_printed(c, (uint64_t)there);
		if ((k.low_ns != INT64_MIN && truth < k.low_ns) ||
		    (k.high_ns != INT64_MAX && truth > k.high_ns)) {
			int64_t by = truth < k.low_ns ? k.low_ns - truth : truth - k.high_ns;

			m->outside++;
			if (by > m->worst_outside)
				m->worst_outside = by;
		}
		half =
		    k.low_ns == INT64_MIN || k.high_ns == INT64_MAX ? INT64_MAX : (k.high_ns - k.low_ns) / 2;
		errors[m->looked] = llabs(truth - k.offset_ns);
		halves[m->looked++] = half;
	}
}

static struct measured measure(const struct world *w)
{
	size_t looks = w->count + 2000;
	int64_t *errors = malloc(looks * w->n * sizeof(*errors)),
		*halves = malloc(looks * w->n * sizeof(*halves));
	struct measured m = {.messages = w->count};

	for (size_t i = 0; i < w->count; i++) {
		const struct world_message *s = &w->messages[i];
		const struct align_clock *from = &w->alignment.clocks[s->from],
					 *to = &w->alignment.clocks[s->to];
		uint64_t sent = (uint64_t)world_clock_at(w, s->from, s->sent),
			 received = (uint64_t)world_clock_at(w, s->to, s->received);

		look(w, s->received, &m, errors, halves);
		if (from->how != ALIGN_REALTIME && to->how != ALIGN_REALTIME)
			m.negative += align_time_ns(to, received) < align_time_ns(from, sent);
	}
	for (int i = 0; i < 1000; i++)
		look(w, w->length_ns / 1000 * i, &m, errors, halves);
	if (m.looked) {
		qsort(errors, m.looked, sizeof(*errors), int64_compare);
		qsort(halves, m.looked, sizeof(*halves), int64_compare);
		m.error_p50 = errors[m.looked / 2];
		m.error_p99 = errors[m.looked / 100 * 99];
		m.half_p50 = halves[m.looked / 2];
		m.half_most = halves[m.looked - 1];
	}
	free(errors);
	free(halves);
	return m;
}

static void tell(const char *name, const struct world *w, const struct measured *m)
{
	uint64_t rate = 0;

	for (uint32_t i = 0; i < w->alignment.pair_count; i++)
		if (w->alignment.pairs[i].rate_ppb > rate)
			rate = w->alignment.pairs[i].rate_ppb;
	if (getenv("DPROF_TEST_VERBOSE"))
		printf("%-28s n %2u  %7llu messages  error %6lld %6lld  half %6lld most %8lld  negative %llu "
		       " outside "
		       "%llu of %llu by %lld  rate %llu ppb\n",
		       name, w->n, (unsigned long long)m->messages, (long long)m->error_p50,
		       (long long)m->error_p99, (long long)m->half_p50, (long long)m->half_most,
		       (unsigned long long)m->negative, (unsigned long long)m->outside,
		       (unsigned long long)m->looked, (long long)m->worst_outside, (unsigned long long)rate);
}

/* ---- the rows of the design's table ---- */

struct row {
	const char *name;
	uint32_t hosts;
	bool chain;
	int64_t gap_ns, queue_ns, steer_ppb, asymmetry_percent;
	int64_t error_p50, error_p99, half_ns; /* in the table; here 1.5 times that is allowed */
};

static void row_connect(struct world *w, const struct row *r)
{
	for (uint32_t i = 0; i < w->n; i++) {
		for (uint32_t j = i + 1; j < w->n; j++) {
			int64_t by = 20 * US * r->asymmetry_percent / 100;

			if (r->chain && j != i + 1)
				continue;
			world_connect(w, i, j, 20 * US, r->gap_ns);
			by = world_below(w, 2) ? by : -by;
			w->delay[i][j] += by;
			w->delay[j][i] -= by;
		}
	}
}

static void play_row(const struct row *r, uint64_t seed)
{
	struct world *w = world_new(r->hosts, 60 * SECOND, seed);
	struct measured m;

	w->queue_ns = r->queue_ns;
	for (uint32_t i = 0; i < w->n; i++) {
		w->clocks[i].offset_ns = world_between(w, -300 * SECOND, 300 * SECOND);
		w->clocks[i].drift_ppb = world_between(w, -50000, 50000);
		w->clocks[i].steer_ppb = r->steer_ppb;
		w->clocks[i].steer_ns = r->steer_ppb ? 4 * SECOND : 0;
	}
	row_connect(w, r);
	world_talk(w);
	world_align(w);
	m = measure(w);
	tell(r->name, w, &m);
	if (!getenv("DPROF_TEST_VERBOSE")) {
		assert_int_equal(m.outside, 0);
		assert_int_equal(m.negative, 0);
		assert_true(m.error_p50 <= r->error_p50 * 3 / 2);
		assert_true(m.error_p99 <= r->error_p99 * 3 / 2);
		assert_true(m.half_p50 <= r->half_ns * 3 / 2);
	}
	world_end(w);
}

static void test_table(void **state)
{
	static const struct row rows[] = {
	    {"free-running, 10/s", 6, false, SECOND / 10, 10 * US, 0, 0, 200, 1100, 21 * US},
	    {"free-running, 100/s", 6, false, SECOND / 100, 10 * US, 0, 0, 100, 300, 20 * US},
	    {"asymmetric", 6, false, SECOND / 100, 10 * US, 0, 30, 6000, 6300, 20 * US},
	    {"chain", 5, true, SECOND / 100, 10 * US, 0, 0, 100, 400, 51 * US},
	    {"steered, 500 ppm", 5, false, SECOND / 100, 10 * US, 250000, 0, 3000, 13000, 31 * US},
	    {"steered, heavier queues", 6, false, SECOND / 100, 50 * US, 250000, 0, 6800, 24000, 48 * US},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (uint64_t seed = 1; seed <= 2; seed++)
			play_row(&rows[i], seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
