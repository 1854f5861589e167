// SPDX-License-Identifier: Apache-2.0
/*
 * match.c - see match.h. Analyzer, one thread; pure but for memory.
 *
 * before(b, x) is the best sum that the b's up to b reach with the a's below x, after(b, x) the best of the
 * b's from b on with the a's from x on. A join (a, b) is part of a best assignment if before(b - 1, a) +
 * score + after(b + 1, a + 1) is the best sum. Each b looks at a window of a's; the windows ascend, so a sum
 * outside of a window is the one at its rim.
 */
#include "analyzer/pass/match.h"

#include "analyzer/vec.h"

#define FULL_MAX (1u << 14) /* up to so many pairs, every a is in every window */
#define REACH	 16u	    /* else so many on each side */

struct table {
	struct match *m;
	uint32_t width; /* of a window, in a's */
	uint32_t reach;
	uint64_t *before; /* width + 1 sums per b */
	uint64_t *after;
	uint32_t *score; /* width per b */
};

static uint32_t window_first(const struct table *t, uint32_t b)
{
	uint32_t near = t->m->near[b], most = t->m->a_count - t->width;
	uint32_t first = near > t->reach ? near - t->reach : 0;

	return first < most ? first : most;
}

static uint64_t sum_at(const struct table *t, const uint64_t *sums, uint32_t b, uint32_t x)
{
	uint32_t first = window_first(t, b);
	uint32_t at = x > first ? x - first : 0;

	return sums[(size_t)b * (t->width + 1) + (at < t->width ? at : t->width)];
}

static uint64_t before(const struct table *t, uint32_t b, uint32_t x)
{
	return b == 0 ? 0 : sum_at(t, t->before, b - 1, x);
}

static uint64_t after(const struct table *t, uint32_t b, uint32_t x)
{
	return b + 1 >= t->m->b_count ? 0 : sum_at(t, t->after, b + 1, x);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void fill(struct table *t)
{
	const struct match *m = t->m;

	for (uint32_t b = 0; b < m->b_count; b++) {
		uint64_t *row = &t->before[(size_t)b * (t->width + 1)];
		uint32_t *score = &t->score[(size_t)b * t->width], first = window_first(t, b);

		row[0] = before(t, b, first);
		for (uint32_t i = 0; i < t->width; i++) {
			uint32_t a = first + i;

			score[i] = m->score(m->with, a, b);
			row[i + 1] = larger(row[i], before(t, b, a + 1));
			if (score[i])
				row[i + 1] = larger(row[i + 1], before(t, b, a) + score[i]);
		}
	}
	for (uint32_t b = m->b_count; b-- > 0;) {
		uint64_t *row = &t->after[(size_t)b * (t->width + 1)];
		uint32_t *score = &t->score[(size_t)b * t->width], first = window_first(t, b);

		row[t->width] = after(t, b, first + t->width);
		for (uint32_t i = t->width; i-- > 0;) {
			uint32_t a = first + i;

			row[i] = larger(row[i + 1], after(t, b, a));
			if (score[i])
				row[i] = larger(row[i], after(t, b, a + 1) + score[i]);
		}
	}
}

/* Of each a and each b: how many joins are in an assignment that is best or nearly so. */
static void count_choices(const struct table *t, uint64_t best, uint32_t *of_a, uint32_t *of_b)
{
	const struct match *m = t->m;

	for (uint32_t b = 0; b < m->b_count; b++) {
		uint32_t first = window_first(t, b);

		for (uint32_t i = 0; i < t->width; i++) {
			uint32_t a = first + i, score = t->score[(size_t)b * t->width + i];

			if (!score || before(t, b, a) + score + after(t, b, a + 1) + MATCH_MARGIN <= best)
				continue;
			of_a[a]++;
			of_b[b]++;
			m->partner[b] = a;
		}
	}
}

static void decide(const struct table *t, uint32_t *of_a, uint32_t *of_b)
{
	struct match *m = t->m;

	count_choices(t, before(t, m->b_count, m->a_count), of_a, of_b);
	for (uint32_t b = 0; b < m->b_count; b++) {
		if (m->partner[b] != MATCH_NONE && (of_b[b] > 1 || of_a[m->partner[b]] > 1)) {
			m->partner[b] = MATCH_NONE;
			m->torn[m->a_count + b] = true;
		}
	}
	for (uint32_t a = 0; a < m->a_count; a++)
		m->torn[a] = of_a[a] > 0;
	for (uint32_t b = 0; b < m->b_count; b++) {
		if (m->partner[b] != MATCH_NONE)
			m->torn[m->partner[b]] = false;
	}
}

int match_run(struct match *m)
{
	struct table t = {.m = m, .reach = REACH, .width = 2 * REACH + 1};
	size_t cells;
	uint32_t *choices;
	int err = -ENOMEM;

	for (uint32_t b = 0; b < m->b_count; b++)
		m->partner[b] = MATCH_NONE;
	memset(m->torn, 0, ((size_t)m->a_count + m->b_count) * sizeof(*m->torn));
	if (m->a_count == 0 || m->b_count == 0)
		return 0;
	if (t.width > m->a_count || (uint64_t)m->a_count * m->b_count <= FULL_MAX) {
		t.width = m->a_count;
		t.reach = m->a_count;
	}
	cells = (size_t)m->b_count * (t.width + 1);
	t.before = malloc(cells * sizeof(*t.before));
	t.after = malloc(cells * sizeof(*t.after));
	t.score = malloc(cells * sizeof(*t.score));
	choices = calloc((size_t)m->a_count + m->b_count, sizeof(*choices));
	if (t.before && t.after && t.score && choices) {
		fill(&t);
		decide(&t, choices, choices + m->a_count);
		err = 0;
	}
	free(t.before);
	free(t.after);
	free(t.score);
	free(choices);
	return err;
}
