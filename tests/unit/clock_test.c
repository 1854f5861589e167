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
	assert_int_equal(clock_add(c, unit, 0, CLOCK_FOLLOWS, &a), 0);
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

/* ---- what happens to real machines ---- */

static void add_from(struct clock *c, int unit, uint32_t source, struct anchor a)
{
	assert_int_equal(clock_add(c, unit, source, CLOCK_FOLLOWS, &a), 0);
}

/* Somebody sets CLOCK_REALTIME, forward or back, while programs run: no order and no duration changes. */
static void test_set_realtime(void **state)
{
	static const int64_t by[] = {3600 * 1000000000ll, -5000000000ll, 40000000};

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct clock c = {0};
		int tsc = clock_unit(&c, "tsc");

		for (uint64_t s = 0; s <= 60; s++) {
			struct anchor a = reading(s * SECOND, s % 5);

			a.real_ns += s > 40 ? (uint64_t)by[k] : 0;
			add(&c, tsc, a);
		}
		assert_int_equal(clock_fit(&c), 0);
		for (uint64_t ns = 0; ns <= 60 * SECOND; ns += 777777777)
			assert_true(distance(clock_ns(&c, tsc, stamp_at(ns)), REAL_BASE + ns) <= 10);
		assert_int_equal(c.steps.count, 1);
		assert_true(distance((uint64_t)c.steps.items[0].by_ns, (uint64_t)by[k]) <= 10);
		assert_int_equal(c.steps.items[0].raw_ns, RAW_BASE + 40 * SECOND + SECOND / 2);
		assert_false(c.steps.items[0].followed);
		assert_int_equal(c.bad, 0);
		assert_true(c.wander_ns <= 10);
		clock_free(&c);
	}
}

/* NTP steers CLOCK_REALTIME by 500 ppm for a minute: no reading is bad for that, and nothing is a step. */
static void test_slewed_realtime(void **state)
{
	struct clock c = {0};
	int raw = clock_unit(&c, "raw");

	(void)state;
	for (uint64_t s = 0; s <= 600; s++) {
		uint64_t ns = RAW_BASE + s * SECOND, slewed = s < 300 ? 0 : s < 360 ? s - 300 : 60;

		add(&c, raw, (struct anchor){ns, ns, ns, REAL_BASE + s * SECOND + slewed * 500000});
	}
	assert_int_equal(clock_fit(&c), 0);
	assert_int_equal(c.bad, 0);
	assert_int_equal(c.steps.count, 0);
	assert_int_equal(c.error_ns, 0);
	assert_true(c.wander_ns >= 10000000 && c.wander_ns <= 30000000);
	/* A second is a second, by the stamps. */
	for (uint64_t s = 0; s < 600; s++) {
		uint64_t ns =
		    clock_ns(&c, raw, RAW_BASE + (s + 1) * SECOND) - clock_ns(&c, raw, RAW_BASE + s * SECOND);

		assert_true(distance(ns, SECOND) <= 100000);
	}
	clock_free(&c);
}

/* The machine slept for an hour; RAW stood still. Programs that ran before and after it stand where
 * CLOCK_REALTIME says; if one saw it all, its durations are those of RAW. */
static void test_suspend(void **state)
{
	(void)state;
	for (uint32_t witness = 0; witness < 2; witness++) {
		struct clock c = {0};
		int raw = clock_unit(&c, "raw");

		for (uint64_t s = 0; s <= 30; s++) {
			uint64_t ns = RAW_BASE + s * SECOND, real = REAL_BASE + s * SECOND;

			real += s > 10 ? 3600 * SECOND : 0;
			add_from(&c, raw, s > 10 && !witness, (struct anchor){ns, ns, ns, real});
		}
		assert_int_equal(clock_fit(&c), 0);
		assert_int_equal(c.steps.count, 1);
		assert_int_equal(c.steps.items[0].followed, !witness);
		assert_int_equal(clock_ns(&c, raw, RAW_BASE + 20 * SECOND), REAL_BASE + 3620 * SECOND);
		assert_int_equal(clock_ns(&c, raw, RAW_BASE + 5 * SECOND),
				 REAL_BASE + 5 * SECOND + (witness ? 3600 * SECOND : 0));
		clock_free(&c);
	}
}

/* Five minutes of sleep somewhere in three days between two programs: durations stay what they are. */
static void test_short_suspend_in_days(void **state)
{
	struct clock c = {0};
	int raw = clock_unit(&c, "raw");

	(void)state;
	for (uint64_t s = 0; s <= 40; s++) {
		uint64_t ns = RAW_BASE + s * SECOND + (s > 20 ? 3 * 86400 * SECOND : 0);

		add_from(
		    &c, raw, s > 20,
		    (struct anchor){ns, ns, ns, ns - RAW_BASE + REAL_BASE + (s > 20 ? 300 * SECOND : 0)});
	}
	assert_int_equal(clock_fit(&c), 0);
	assert_int_equal(c.steps.count, 1);
	assert_true(c.steps.items[0].followed);
	assert_int_equal(clock_ns(&c, raw, RAW_BASE + 10 * SECOND) - clock_ns(&c, raw, RAW_BASE + 5 * SECOND),
			 5 * SECOND);
	assert_int_equal(clock_ns(&c, raw, RAW_BASE + (3 * 86400 + 30) * SECOND),
			 REAL_BASE + (3 * 86400 + 330) * SECOND);
	clock_free(&c);
}

/* The counter jumps, as in a machine that is moved, or goes on at another rate: a line for each piece, and
 * never backwards. */
static void test_broken_stamps(void **state)
{
	static const int64_t jumps[] = {7000000000, 500000, -1500000000, 0};

	(void)state;
	for (size_t k = 0; k < 4; k++) {
		struct clock c = {0};
		int tsc = clock_unit(&c, "tsc");
		uint64_t last = 0;

		for (uint64_t s = 0; s <= 60; s++) {
			struct anchor a = reading(s * SECOND, s % 3);

			if (s > 25)
				a.stamp += (uint64_t)jumps[k] + (jumps[k] ? 0 : (s - 25) * 100000);
			add(&c, tsc, a);
		}
		assert_int_equal(clock_fit(&c), 0);
		assert_int_equal(c.breaks, 1);
		assert_int_equal(c.steps.count, 1);
		assert_true(c.error_ns <= 100);
		for (uint64_t ns = 0; ns <= 60 * SECOND; ns += 77777777) {
			uint64_t stamp = stamp_at(ns), at;

			if (ns > 25 * SECOND && ns < 26 * SECOND)
				continue;
			if (ns >= 26 * SECOND)
				stamp += (uint64_t)jumps[k] + (jumps[k] ? 0 : (ns - 25 * SECOND) / 10000);
			at = clock_ns(&c, tsc, stamp);
			assert_true(distance(at, REAL_BASE + ns) <= 50000 || jumps[k]);
			assert_true(distance(at, REAL_BASE + ns) <= 100 || !jumps[k]);
		}
		for (uint64_t stamp = stamp_at(0); stamp < stamp_at(64 * SECOND); stamp += 1234567) {
			assert_true(clock_ns(&c, tsc, stamp) >= last);
			last = clock_ns(&c, tsc, stamp);
		}
		clock_free(&c);
	}
}

/* The counter begins anew: a stamp alone does not say when it was, but the order of the records does. */
static void test_restarted_stamps(void **state)
{
	struct clock c = {0};
	int tsc = clock_unit(&c, "tsc");
	struct clock_cursor at;
	uint64_t last = 0;

	(void)state;
	for (uint64_t s = 0; s <= 100; s++) {
		struct anchor a = reading(s * SECOND, 0);

		if (s > 30)
			a.stamp -= stamp_at(20 * SECOND);
		add(&c, tsc, a);
	}
	assert_int_equal(clock_fit(&c), 0);
	assert_int_equal(c.breaks, 1);
	at = clock_begin(&c, tsc, RAW_BASE);
	assert_int_equal(at.group, 0);
	for (uint64_t ns = 0; ns < 100 * SECOND; ns += 300000000) {
		uint64_t stamp = stamp_at(ns) - (ns > 30 * SECOND + SECOND / 2 ? stamp_at(20 * SECOND) : 0);
		uint64_t to[2];

		clock_place(&c, tsc, &at, stamp, stamp + 25, to);
		assert_true(distance(to[0], REAL_BASE + ns) <= 10);
		assert_true(to[0] >= last && to[1] >= to[0]);
		last = to[1];
	}
	assert_int_equal(at.group, 1);
	assert_int_equal(at.back, 0);
	assert_int_equal(clock_begin(&c, tsc, RAW_BASE + 50 * SECOND).group, 1);
	clock_free(&c);
}

/* Stamps that go back, though no reading does. */
static void test_stamps_that_go_back(void **state)
{
	struct clock c = {0};
	int tsc = clock_unit(&c, "tsc");
	struct clock_cursor at;
	uint64_t ns[2];

	(void)state;
	for (uint64_t s = 0; s <= 10; s++)
		add(&c, tsc, reading(s * SECOND, 0));
	assert_int_equal(clock_fit(&c), 0);
	at = clock_begin(&c, tsc, RAW_BASE);
	clock_place(&c, tsc, &at, stamp_at(8 * SECOND), stamp_at(9 * SECOND), ns);
	clock_place(&c, tsc, &at, stamp_at(2 * SECOND), stamp_at(9 * SECOND - 1000), ns);
	assert_int_equal(at.back, 0);
	clock_place(&c, tsc, &at, stamp_at(4 * SECOND), stamp_at(5 * SECOND), ns);
	clock_place(&c, tsc, &at, stamp_at(6 * SECOND), stamp_at(7 * SECOND), ns);
	assert_int_equal(at.back, 1);
	assert_true(distance(at.back_ns, 4 * SECOND) <= 1000);
	assert_true(distance(ns[0], REAL_BASE + 6 * SECOND) <= 10);
	clock_free(&c);
}

/* RAW and the stamps go back by three seconds: two dumps that saw it stay in order, and 7 seconds are 7
 * seconds on either side. */
static void test_raw_goes_back(void **state)
{
	(void)state;
	for (uint32_t all = 0; all < 2; all++) { /* CLOCK_REALTIME, too? */
		struct clock c = {0};
		int raw = clock_unit(&c, "raw");
		struct clock_cursor at;
		uint64_t last = 0, first_half = 0, ns[2];

		for (uint64_t s = 0; s <= 40; s++)
			for (uint32_t source = 0; source < 2; source++) {
				uint64_t t = s * SECOND + source * 300000000, back = s > 19 ? 3 * SECOND : 0;

				add_from(&c, raw, source,
					 (struct anchor){RAW_BASE + t - back, RAW_BASE + t - back, 0,
							 REAL_BASE + t - (all ? back : 0)});
			}
		assert_int_equal(clock_fit(&c), 0);
		assert_int_equal(c.bad, 0);
		assert_int_equal(c.breaks, 0);
		at = clock_begin(&c, raw, RAW_BASE);
		for (uint64_t t = 0; t < 40 * SECOND; t += SECOND / 5) {
			uint64_t stamp = RAW_BASE + t - (t > 19 * SECOND + SECOND / 2 ? 3 * SECOND : 0);

			clock_place(&c, raw, &at, stamp, stamp + 1000, ns);
			assert_true(ns[0] >= last && ns[1] == ns[0] + 1000);
			last = ns[1];
			if (t == 12 * SECOND)
				first_half = ns[0];
			if (t == 19 * SECOND)
				assert_int_equal(ns[0] - first_half, 7 * SECOND);
			if (!all)
				assert_true(distance(ns[0], REAL_BASE + t) <= 10);
		}
		assert_int_equal(at.group, 1);
		assert_int_equal(at.back, 0);
		clock_free(&c);
	}
}

/* Two machines, one boot id: `late` ns lie between their clocks. */
static uint32_t parts_of(uint64_t late, uint32_t *part)
{
	struct clock c = {0};
	int raw = clock_unit(&c, "raw");
	uint32_t parts;

	memset(part, 0, 6 * sizeof(*part));
	for (uint32_t source = 0; source < 6; source++)
		for (uint64_t s = 0; s < 5; s++) {
			uint64_t ns = RAW_BASE + (source * 2 + s) * SECOND + source * 100;

			add_from(&c, raw, source,
				 (struct anchor){ns, ns, ns, ns - RAW_BASE + REAL_BASE + source % 2 * late});
		}
	assert_int_equal(clock_fit(&c), 0);
	assert_int_equal(clock_part(&c, part, &parts), 0);
	clock_free(&c);
	return parts;
}

static void test_cloned_machines(void **state)
{
	uint32_t part[6];

	(void)state;
	assert_int_equal(parts_of(0, part), 1);
	assert_int_equal(parts_of(500000, part), 1); /* could be one */
	assert_int_equal(parts_of(700000000, part), 2);
	for (uint32_t source = 0; source < 6; source++)
		assert_int_equal(part[source], source % 2);
}

/* One that was set while they ran is one. */
static void test_set_is_no_clone(void **state)
{
	struct clock c = {0};
	int raw = clock_unit(&c, "raw");
	uint32_t part[4] = {0}, parts;

	(void)state;
	for (uint32_t source = 0; source < 4; source++)
		for (uint64_t s = 0; s < 20; s++) {
			uint64_t ns = RAW_BASE + s * SECOND + source * 1000;

			add_from(&c, raw, source,
				 (struct anchor){ns, ns, ns,
						 ns - RAW_BASE + REAL_BASE - (s > 9 ? 90 * SECOND : 0)});
		}
	assert_int_equal(clock_fit(&c), 0);
	assert_int_equal(c.steps.count, 1);
	assert_int_equal(clock_part(&c, part, &parts), 0);
	assert_int_equal(parts, 1);
	clock_free(&c);
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
	    cmocka_unit_test(test_set_realtime),
	    cmocka_unit_test(test_slewed_realtime),
	    cmocka_unit_test(test_suspend),
	    cmocka_unit_test(test_short_suspend_in_days),
	    cmocka_unit_test(test_broken_stamps),
	    cmocka_unit_test(test_restarted_stamps),
	    cmocka_unit_test(test_stamps_that_go_back),
	    cmocka_unit_test(test_raw_goes_back),
	    cmocka_unit_test(test_cloned_machines),
	    cmocka_unit_test(test_set_is_no_clone),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
