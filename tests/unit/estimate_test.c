// SPDX-License-Identifier: Apache-2.0
/* estimate_test - bounds against known values, and against samples of what is known: do they hold as
 * promised? */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "analyzer/view/estimate.h"

#define PARTS 20
#define TRIES 2000

static uint64_t dice = 1;

static double uniform(void)
{
	dice = dice * 6364136223846793005ull + 1442695040888963407ull;
	return ((double)(dice >> 11) + 0.5) / 9007199254740992.0;
}

static unsigned int poisson(double mean)
{
	double limit = exp(-mean), product = uniform();
	unsigned int n = 0;

	for (; product > limit; product *= uniform())
		n++;
	return n;
}

static void near(double value, double wanted, double by)
{
	if (!(fabs(value - wanted) <= by))
		fail_msg("%.6f, must be %.6f +- %.6f", value, wanted, by);
}

/* Tables of Student's t. */
static void student(void **state)
{
	(void)state;
	near(estimate_t(1), 12.7062, 1e-4);
	near(estimate_t(10), 2.2281, 1e-4);
	near(estimate_t(30), 2.0423, 2e-4);
	near(estimate_t(100), 1.9840, 1e-4);
	near(estimate_t(1000000), 1.9600, 1e-4);
}

/* One window: the exact limits of a Poisson count (Garwood 1936): 10 gives 4.795 to 18.390, 0 up to 3.689. */
static void one_window(void **state)
{
	struct estimate_window w = {10, 1000000000};
	struct bounds b = estimate_rate(&w, 1);

	(void)state;
	near(b.low, 4.795, 0.02);
	near(b.high, 18.390, 0.02);
	w.count = 0;
	b = estimate_rate(&w, 1);
	near(b.low, 0, 0);
	near(b.high, 3.689, 0.3);
	w.open_ns = 0;
	assert_true(isinf(estimate_rate(&w, 1).high));
	assert_true(isinf(estimate_rate(NULL, 0).high));
}

/* Rates of 50/s in windows of 100 ms; `burst` windows of ten have ten times as much, half of the windows have
 * none. */
static double rate_coverage(bool bursts)
{
	unsigned int held = 0;

	for (int i = 0; i < TRIES; i++) {
		struct estimate_window w[PARTS];
		struct bounds b;

		for (int k = 0; k < PARTS; k++) {
			double mean = !bursts ? 5 : uniform() < 0.5 ? 0 : 10;

			w[k] = (struct estimate_window){poisson(mean), 100000000};
		}
		b = estimate_rate(w, PARTS);
		held += b.low <= 50 && b.high >= 50;
	}
	return (double)held / TRIES;
}

static void rates(void **state)
{
	(void)state;
	assert_true(rate_coverage(false) > 0.93 && rate_coverage(false) < 0.995);
	assert_true(rate_coverage(true) > 0.90);
}

static int compare(const void *a, const void *b)
{
	const struct estimate_value *x = a, *y = b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

/* Exponential latencies; `alike`: each window has a speed of its own. How often the bounds hold the quantile.
 */
static double quantile_coverage(double quantile, bool alike)
{
	static struct estimate_value values[4096];
	double truth = -log(1 - quantile) * 1e6, scratch[2 * PARTS];
	unsigned int held = 0;

	for (int i = 0; i < TRIES / 4; i++) {
		struct estimate_quantile q;
		size_t n = 0;

		for (uint32_t k = 0; k < PARTS; k++) {
			/* a shared part of the exponent, so that the whole is exponential all the same */
			double shared = uniform();

			for (unsigned int j = 0; j < 100; j++) {
				double u = alike && uniform() < 0.3 ? shared : uniform();

				values[n++] = (struct estimate_value){(uint64_t)(-log(u) * 1e6), k, false};
			}
		}
		qsort(values, n, sizeof(values[0]), compare);
		q = estimate_quantile(values, n, PARTS, quantile, scratch);
		held += (double)q.low_ns <= truth && (!q.high_known || (double)q.high_ns >= truth);
	}
	return (double)held / (TRIES / 4);
}

static void quantiles(void **state)
{
	(void)state;
	assert_true(quantile_coverage(0.5, false) > 0.93);
	assert_true(quantile_coverage(0.99, false) > 0.93);
	assert_true(quantile_coverage(0.5, true) > 0.91);
	/* a window in fifty that is slow as a whole: twenty windows often have none, and nothing can tell */
	assert_true(quantile_coverage(0.99, true) > 0.60);
}

/* 1 to 1000 in one window: the textbook's order statistics for the median are about 469 and 532. */
static void order_statistics(void **state)
{
	static struct estimate_value values[1000];
	double scratch[2];
	struct estimate_quantile q;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		values[i].ns = i + 1;
	q = estimate_quantile(values, 1000, 1, 0.5, scratch);
	near((double)q.low_ns, 469, 2);
	near((double)q.high_ns, 532, 2);
	q = estimate_quantile(values, 1000, 1, 0.99, scratch);
	assert_true(q.high_known && q.low_ns >= 980 && q.high_ns <= 1000);
	q = estimate_quantile(values, 100, 1, 0.99, scratch);
	assert_false(q.high_known);
	q = estimate_quantile(values, 1, 1, 0.5, scratch);
	assert_int_equal(q.low_ns, 1);
	assert_false(q.high_known);
	q = estimate_quantile(values, 0, 1, 0.5, scratch);
	assert_false(q.high_known);
}

/* The remissions of 6-MP of Freireich 1963, in weeks (+: censored): median 23. */
static void survival(void **state)
{
	static const struct estimate_value weeks[] = {
	    {6, 0, false},  {6, 0, false}, {6, 0, false},  {6, 0, true},   {7, 0, false},  {9, 0, true},
	    {10, 0, false}, {10, 0, true}, {11, 0, true},  {13, 0, false}, {16, 0, false}, {17, 0, true},
	    {19, 0, true},  {20, 0, true}, {22, 0, false}, {23, 0, false}, {25, 0, true},  {32, 0, true},
	    {32, 0, true},  {34, 0, true}, {35, 0, true}};
	uint64_t ns;

	(void)state;
	assert_true(estimate_survival(weeks, 21, 0.5, &ns));
	assert_int_equal(ns, 23);
	assert_false(estimate_survival(weeks, 21, 0.99, &ns)); /* nobody was followed that long */
	assert_true(estimate_survival(weeks, 3, 0.99, &ns));
	assert_int_equal(ns, 6);
	assert_false(estimate_survival(weeks, 0, 0.5, &ns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(student),	 cmocka_unit_test(one_window),	     cmocka_unit_test(rates),
	    cmocka_unit_test(quantiles), cmocka_unit_test(order_statistics), cmocka_unit_test(survival)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
