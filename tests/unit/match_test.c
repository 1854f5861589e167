// SPDX-License-Identifier: Apache-2.0
/* match_test.c - joins of two lists in one order, with gaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/pass/match.h"

struct lists {
	const int *a, *b;
};

static uint32_t equal(void *with, uint32_t a, uint32_t b)
{
	const struct lists *l = with;

	return l->a[a] == l->b[b] || l->a[a] == 0 || l->b[b] == 0 ? MATCH_SURE : 0;
}

static uint32_t torn_count(const struct match *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->a_count + m->b_count; i++)
		n += m->torn[i];
	return n;
}

static void test_match(void **state)
{
	enum { MANY = 2000 };
	static int a[MANY], b[MANY];
	static uint32_t near[MANY], partner[MANY];
	static bool torn[2 * MANY];
	struct lists lists = {a, b};
	struct match m = {
	    .score = equal, .with = &lists, .a_count = MANY, .near = near, .partner = partner, .torn = torn};

	(void)state;
	/* every third is missing on the one side; all can be told apart */
	for (int i = 0; i < MANY; i++) {
		a[i] = i + 1;
		if (i % 3 == 0)
			continue;
		near[m.b_count] = (uint32_t)(i > 7 ? i - 7 : 0);
		b[m.b_count++] = i + 1;
	}
	assert_int_equal(match_run(&m), 0);
	assert_int_equal(torn_count(&m), 0);
	for (uint32_t i = 0; i < m.b_count; i++)
		assert_int_equal(a[partner[i]], b[i]);
	/* the same, but each comes back after eight others: only the whole says which is which */
	for (int i = 0, n = 0; i < MANY; i++) {
		a[i] = i % 8 + 1;
		if (i % 3 != 0)
			b[n++] = i % 8 + 1;
	}
	assert_int_equal(match_run(&m), 0);
	assert_int_equal(torn_count(&m), 0);
	for (uint32_t i = 0; i < m.b_count; i++)
		assert_int_equal(partner[i], i / 2 * 3 + i % 2 + 1);
	/* nothing can be told apart, one is missing */
	memset(a, 0, sizeof(a));
	m.a_count = 3;
	m.b_count = 2;
	assert_int_equal(match_run(&m), 0);
	assert_int_equal(torn_count(&m), 5);
	assert_int_equal(partner[0], MATCH_NONE);
	/* nothing can be told apart, none is missing */
	m.b_count = 3;
	assert_int_equal(match_run(&m), 0);
	assert_int_equal(torn_count(&m), 0);
	assert_int_equal(partner[2], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
