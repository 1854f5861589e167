// SPDX-License-Identifier: Apache-2.0
/* window_test - common/window.c: plans as text, where windows lie, and when the gate must move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/window.h"

#define MS 1000000ull
#define S  (1000 * MS)

static struct window_plan plan_of(const char *text)
{
	struct window_plan p;

	if (!window_parse(text, &p))
		fail_msg("%s is a plan", text);
	return p;
}

static void texts(void **state)
{
	static const char *const bad[] = {"",
					  "1s",
					  "1s/",
					  "/10s",
					  "1s/10",
					  "10s/1s",
					  "1us/1s",
					  "0s/1s",
					  "1s/25h",
					  "1s/10s,",
					  "1s/10s,seed=",
					  "1s/10s,seed=x",
					  "1s /10s",
					  "1s/10s,margin=11s",
					  "-1s/10s",
					  "1.5s/10s",
					  "offf",
					  "99999999999s/99999999999s"};
	struct window_plan p;

	(void)state;
	p = plan_of("off");
	assert_int_equal(p.period_ns, 0);
	p = plan_of("1s/10s");
	assert_int_equal(p.window_ns, S);
	assert_int_equal(p.period_ns, 10 * S);
	assert_int_equal(p.margin_ns, S / 2);
	assert_int_equal(p.seed, 0);
	assert_int_equal(plan_of("10s/1m").margin_ns, WINDOW_MARGIN_NS);
	p = plan_of("100ms/1s,seed=7,margin=20ms");
	assert_int_equal(p.margin_ns, 20 * MS);
	assert_int_equal(p.seed, 7);
	assert_int_equal(plan_of("1s/1s,margin=0").margin_ns, 0);
	assert_int_equal(plan_of("1h/24h").period_ns, WINDOW_PERIOD_MAX_NS);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (window_parse(bad[i], &p) || p.period_ns != 0)
			fail_msg("%s is no plan", bad[i]);
}

/* The numbers of FORMAT.md, worked out by hand with another program. */
static void phases(void **state)
{
	struct window_plan p = plan_of("100ms/1s,seed=3");

	(void)state;
	assert_int_equal(window_at(&p, 0).from_ns, 486732217);
	assert_int_equal(window_at(&p, 1795270213).from_ns, 1795270213127660702ull);
	assert_int_equal(window_at(&p, 5).to_ns - window_at(&p, 5).from_ns, 100 * MS);
}

/* Inside its period, never the same place, each place as likely: the mean phase is half of P - W. */
static void spread(void **state)
{
	struct window_plan p = plan_of("100ms/1s");
	uint64_t sum = 0;

	(void)state;
	for (uint64_t k = 0; k < 10000; k++) {
		struct window_span w = window_at(&p, k);

		assert_true(w.from_ns >= k * p.period_ns && w.to_ns <= (k + 1) * p.period_ns);
		sum += w.from_ns - k * p.period_ns;
	}
	assert_in_range(sum / 10000, 440 * MS, 460 * MS);
}

/* Followed from edge to edge, it is open exactly where windows and margins are. */
static void edges(void **state)
{
	static const char *const plans[] = {"100ms/1s", "100ms/1s,margin=0", "500ms/1s,margin=1s", "1s/1s",
					    "1ms/24h"};

	(void)state;
	for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
		struct window_plan p = plan_of(plans[i]);
		uint64_t now = 1000 * p.period_ns + 17, end = now + 50 * p.period_ns, until, steps = 0;

		for (; now < end; now = until, steps++) {
			bool open = window_is_open(&p, now, &until), wanted = false, unused;
			uint64_t later;

			for (uint64_t k = now / p.period_ns - 2; k < now / p.period_ns + 3; k++) {
				struct window_span w = window_at(&p, k);

				wanted |= now + p.margin_ns >= w.from_ns && now < w.to_ns + p.margin_ns;
			}
			assert_int_equal(open, wanted);
			assert_true(until > now);
			unused = window_is_open(&p, now + (until - now) / 2, &later);
			assert_int_equal(unused, open);
			assert_int_equal(later, until);
		}
		assert_in_range(steps, 50, 202);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(phases),
					   cmocka_unit_test(spread), cmocka_unit_test(edges)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
