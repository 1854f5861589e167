/* SPDX-License-Identifier: Apache-2.0 */
/* clock_test.c - stamps to ns: exact, monotonic, and not led astray by a bad reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "analyzer/clock.h"

#define REAL_BASE 1767225600000000000ull
#define RAW_BASE  987654321000ull
#define SECOND	  1000000000ull

/* A TSC of 2.5 GHz that began before the machine did; `late` ns passed between its reading and the others'.
 */
static struct anchor reading(uint64_t ns, uint64_t late)
{
	return (struct anchor){.stamp = 123456789012ull + ns / 2 * 5,
			       .raw_ns = RAW_BASE + ns + late,
			       .mono_ns = RAW_BASE + ns + late,
			       .real_ns = REAL_BASE + ns + late};
}

static uint64_t stamp_at(uint64_t ns)
{
	return reading(ns, 0).stamp;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static void add(struct clock *c, int unit, struct anchor a)
{
	assert_int_equal(clock_add(c, unit, &a), 0);
}

static void test_raw_is_exact(void **state)
{
	struct clock c = {0};
	int raw = clock_unit(&c, "raw");

	(void)state;
	add(&c, raw, (struct anchor){RAW_BASE, RAW_BASE, RAW_BASE, REAL_BASE});
	assert_int_equal(clock_fit(&c), 0);
	for (uint64_t ns = 0; ns < 50; ns++)
		assert_int_equal(clock_ns(&c, raw, RAW_BASE + ns), REAL_BASE + ns);
	assert_int_equal(clock_ns(&c, raw, RAW_BASE - 7), REAL_BASE - 7);
	assert_int_equal(clock_ns(&c, raw, RAW_BASE + 3600 * SECOND), REAL_BASE + 3600 * SECOND);
	assert_false(c.guessed);
	assert_int_equal(c.used, 1);
	clock_free(&c);
}

/* An hour of readings, one each second: right to some ns at epoch scale, at any time between. */
static void test_tsc_over_an_hour(void **state)
{
	struct clock c = {0};
	int tsc = clock_unit(&c, "tsc");

	(void)state;
	for (uint64_t s = 0; s <= 3600; s++)
		add(&c, tsc, reading(s * SECOND, s % 7 * 10));
	assert_int_equal(clock_fit(&c), 0);
	for (uint64_t ns = 0; ns <= 3600 * SECOND; ns += 7777777777)
		assert_true(distance(clock_ns(&c, tsc, stamp_at(ns)), REAL_BASE + ns) <= 100);
	assert_true(c.error_ns <= 100);
	assert_int_equal(c.bad, 0);
	clock_free(&c);
}

static void test_bad_readings_are_set_aside(void **state)
{
	struct clock c = {0};
	int tsc = clock_unit(&c, "tsc");

	(void)state;
	for (uint64_t s = 0; s < 100; s++)
		add(&c, tsc, reading(s * SECOND, s % 10 == 3 ? 50000000 : 0));
	add(&c, tsc, (struct anchor){0});
	add(&c, tsc, (struct anchor){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX});
	add(&c, tsc, (struct anchor){stamp_at(5 * SECOND), 0, 0, UINT64_MAX});
	assert_int_equal(clock_fit(&c), 0);
	for (uint64_t ns = 0; ns <= 100 * SECOND; ns += 777777777)
		assert_true(distance(clock_ns(&c, tsc, stamp_at(ns)), REAL_BASE + ns) <= 100);
	assert_true(c.bad >= 3);
	assert_true(c.error_ns < SECOND);
	clock_free(&c);
}

/* Also where good readings are hundreds of ns apart, and the one in the middle is bad. */
static void test_bad_readings_among_rough_ones(void **state)
{
	struct clock c = {0};
	int tsc = clock_unit(&c, "tsc");

	(void)state;
	for (uint64_t s = 0; s < 101; s++)
		add(&c, tsc, reading(s * SECOND, s % 10 == 0 ? 50000000 : s % 7 * 100));
	assert_int_equal(clock_fit(&c), 0);
	for (uint64_t ns = 0; ns <= 100 * SECOND; ns += 777777777)
		assert_true(distance(clock_ns(&c, tsc, stamp_at(ns)), REAL_BASE + ns) <= 1000);
	assert_int_equal(c.bad, 11);
	assert_int_equal(c.used, 90);
	assert_true(c.error_ns < 1000);
	clock_free(&c);
}

static void test_never_backwards(void **state)
{
	struct clock c = {0};
	int tsc = clock_unit(&c, "tsc");
	uint64_t last = 0;

	(void)state;
	for (uint64_t s = 0; s < 20; s++)
		add(&c, tsc, reading(s * SECOND, s * s % 11 * 100));
	assert_int_equal(clock_fit(&c), 0);
	for (uint64_t stamp = stamp_at(0); stamp < stamp_at(0) + 100000; stamp++) {
		uint64_t ns = clock_ns(&c, tsc, stamp);

		assert_true(ns >= last);
		last = ns;
	}
	/* Not even at the ends of the number line. */
	assert_true(clock_ns(&c, tsc, 0) <= clock_ns(&c, tsc, 1));
	assert_true(clock_ns(&c, tsc, UINT64_MAX - 1) <= clock_ns(&c, tsc, UINT64_MAX));
	assert_true(last <= clock_ns(&c, tsc, UINT64_MAX));
	clock_free(&c);
}

/* Processes that stamp in different units on one kernel agree. */
static void test_units_agree(void **state)
{
	struct clock c = {0};
	int tsc = clock_unit(&c, "tsc"), raw = clock_unit(&c, "raw");

	(void)state;
	assert_int_equal(clock_unit(&c, "tsc"), tsc);
	for (uint64_t s = 0; s < 60; s++) {
		struct anchor a = reading(s * SECOND, 0);

		add(&c, tsc, a);
		a.stamp = a.raw_ns;
		add(&c, raw, a);
	}
	assert_int_equal(clock_fit(&c), 0);
	for (uint64_t ns = 0; ns < 60 * SECOND; ns += 333333333)
		assert_true(distance(clock_ns(&c, tsc, stamp_at(ns)), clock_ns(&c, raw, RAW_BASE + ns)) <= 2);
	clock_free(&c);
}

/* CLOCK_REALTIME is steered: its rate is taken from the readings if they are far enough apart, else it is 1.
 */
static void test_steered_realtime(void **state)
{
	struct clock c = {0}, brief = {0};
	int raw = clock_unit(&c, "raw");

	(void)state;
	for (uint64_t s = 0; s <= 1000; s += 10) {
		uint64_t real = REAL_BASE + s * SECOND + s * 50000; /* 50 ppm fast */

		add(&c, raw, (struct anchor){RAW_BASE + s * SECOND, RAW_BASE + s * SECOND, 0, real});
	}
	assert_int_equal(clock_fit(&c), 0);
	assert_true(
	    distance(clock_ns(&c, raw, RAW_BASE + 500 * SECOND), REAL_BASE + 500 * SECOND + 25000000) < 10);
	assert_int_equal(clock_unit(&brief, "raw"), raw);
	add(&brief, raw, (struct anchor){RAW_BASE, RAW_BASE, 0, REAL_BASE});
	add(&brief, raw,
	    (struct anchor){RAW_BASE + SECOND, RAW_BASE + SECOND, 0, REAL_BASE + SECOND + 20000});
	assert_int_equal(clock_fit(&brief), 0);
	assert_int_equal(clock_ns(&brief, raw, RAW_BASE + SECOND) - clock_ns(&brief, raw, RAW_BASE), SECOND);
	clock_free(&c);
	clock_free(&brief);
}

static void test_too_few_readings_are_a_guess(void **state)
{
	struct clock c = {0}, none = {0};
	int tsc = clock_unit(&c, "tsc");

	(void)state;
	add(&c, tsc, (struct anchor){30 * SECOND, 10 * SECOND, 0, REAL_BASE});
	assert_int_equal(clock_fit(&c), 0);
	assert_true(c.guessed);
	assert_int_equal(clock_ns(&c, tsc, 30 * SECOND), REAL_BASE);
	assert_true(distance(clock_ns(&c, tsc, 33 * SECOND), REAL_BASE + SECOND) <= 2);
	clock_free(&c);
	tsc = clock_unit(&none, "tsc");
	assert_int_equal(clock_fit(&none), 0);
	clock_ns(&none, tsc, 5);
	clock_free(&none);
}

static void test_names(void **state)
{
	struct clock c = {0};

	(void)state;
	assert_true(clock_unit(&c, "") < 0);
	assert_true(clock_unit(&c, "a name that is much too long") < 0);
	assert_int_equal(clock_unit(&c, "cntvct"), 0);
	clock_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_raw_is_exact),
	    cmocka_unit_test(test_tsc_over_an_hour),
	    cmocka_unit_test(test_bad_readings_are_set_aside),
	    cmocka_unit_test(test_bad_readings_among_rough_ones),
	    cmocka_unit_test(test_never_backwards),
	    cmocka_unit_test(test_units_agree),
	    cmocka_unit_test(test_steered_realtime),
	    cmocka_unit_test(test_too_few_readings_are_a_guess),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
