/* SPDX-License-Identifier: Apache-2.0 */
/* clocks_test.c - what views say of the clocks of several hosts, from an alignment that is made up here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "analyzer/view/clocks.h"
#include "analyzer/view/quality.h"
#include "analyzer/view/view.h"
#include "tests/unit/told.h"

#define T0 1767225600000000000ull

static char boots[3][8] = {"boot-a", "boot-b", "boot-c"};

struct made {
	struct told *told;
	struct store_clock clocks[3];
	struct store_step step;
	struct align_clock aligned[3];
	struct align_knot knots[4];
	struct align_pair pair;
};

/* alpha is the reference, beta 5 us behind it and drifting by 10 ppm, gamma on its own. */
static void make(struct made *d)
{
	struct told *t = d->told = told_begin(3);

	for (uint32_t i = 0; i < 3; i++) {
		t->processes[i].clock = t->hosts[i].clock = i;
		d->clocks[i] = (struct store_clock){.boot_id = boots[i], .anchors = 7, .bad_anchors = i};
		d->aligned[i] = (struct align_clock){.how = ALIGN_REALTIME, .reference = i};
	}
	t->m.store.clocks = d->clocks;
	t->m.store.clock_count = 3;
	told_end(t);
	d->step = (struct store_step){T0, 500, -7, false};
	d->clocks[2].steps = &d->step;
	d->clocks[2].step_count = 1;
	for (uint32_t i = 0; i < 4; i++)
		d->knots[i] = (struct align_knot){T0 + i * 100000000ull, -5000 + (int64_t)i * 1000,
						  -5000 + (int64_t)i * 1000 - 20000 - (int64_t)i,
						  -5000 + (int64_t)i * 1000 + 19000};
	d->aligned[0].how = ALIGN_REFERENCE;
	d->aligned[1] = (struct align_clock){.how = ALIGN_MESSAGES, .knots = d->knots, .knot_count = 4};
	d->pair = (struct align_pair){.a = 0,
				      .b = 1,
				      .messages = {100, 90},
				      .rate_ppb = 300,
				      .splits = 1,
				      .outliers = 3,
				      .clamped = 2,
				      .half_width_ns = {19000, 20000, 21000}};
	t->m.alignment =
	    (struct alignment){.clocks = d->aligned, .clock_count = 3, .pairs = &d->pair, .pair_count = 1};
}

static void unmake(struct made *d)
{
	d->told->m.alignment = (struct alignment){0};
	told_free(d->told);
}

static char *said(const struct model *m, const char *format,
		  int (*view)(const struct model *m, struct out *out))
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	struct out *out = out_open(format, to);

	assert_int_equal(view(m, out), 0);
	assert_int_equal(out_close(out), 0);
	fclose(to);
	return text;
}

static int clocks_short(const struct model *m, struct out *out)
{
	return view_clocks(m, false, out);
}

static int clocks_all(const struct model *m, struct out *out)
{
	return view_clocks(m, true, out);
}

static int quality(const struct model *m, struct out *out)
{
	int err;

	out_object_begin(out, NULL, NULL);
	err = quality_put(m, out);
	out_object_end(out);
	return err;
}

static void contains(const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		fail_msg("no %s in\n%s", part, text ? text : "nothing");
}

static void test_clocks(void **state)
{
	struct made d;
	char *json;

	(void)state;
	make(&d);
	json = said(&d.told->m, "json", clocks_all);
	contains(json,
		 "\"hosts\": [\"beta\"], \"boot_id\": \"boot-b\", \"how\": \"messages\", \"reference\": "
		 "\"alpha\", \"readings\": 7, \"bad\": 1");
	contains(json, "\"offset_start_ns\": -5000, \"offset_end_ns\": -2000, \"drift_ppm\": 10, "
		       "\"bound_ns\": {\"least\": 20000, \"median\": 20001, \"most\": 20003}, \"why\": null");
	contains(json, "\"how\": \"realtime\", \"reference\": null");
	contains(json, "\"why\": \"no joined bytes went to or from another clock\"");
	contains(json, "\"a\": \"alpha\", \"b\": \"beta\", \"messages_there\": 100, \"messages_back\": 90, "
		       "\"rate_ppb\": 300, \"splits\": 1, \"outliers\": 3, \"clamped\": 2, "
		       "\"contradictory\": false, \"one_way\": false, \"bound_ns\": "
		       "{\"least\": 19000, \"median\": 20000, \"most\": 21000}");
	contains(json,
		 "\"host\": \"gamma\", \"at_ns\": 1767225600000000000, \"within_ns\": 500, \"by_ns\": -7");
	contains(json,
		 "{\"host\": \"beta\", \"at_ns\": 1767225600300000000, \"offset_ns\": -2000, \"low_ns\": "
		 "-22003, \"high_ns\": 17000}");
	free(json);
	json = said(&d.told->m, "json", clocks_short);
	assert_null(strstr(json, "\"knots\""));
	free(json);
	unmake(&d);
}

/* Messages one way only: one side is open, and that is no number. */
static void test_open_side(void **state)
{
	struct made d;
	char *json;

	(void)state;
	make(&d);
	for (uint32_t i = 0; i < 4; i++)
		d.knots[i].high_ns = INT64_MAX;
	d.pair.messages[1] = 0;
	for (uint32_t i = 0; i < 3; i++)
		d.pair.half_width_ns[i] = ALIGN_UNKNOWN;
	json = said(&d.told->m, "json", clocks_all);
	contains(json, "\"bound_ns\": {\"least\": null, \"median\": null, \"most\": null}, \"why\": null");
	contains(json,
		 "\"one_way\": true, \"bound_ns\": {\"least\": null, \"median\": null, \"most\": null}");
	contains(json, "\"low_ns\": -25000, \"high_ns\": null");
	free(json);
	unmake(&d);
}

static void test_quality(void **state)
{
	struct made d;
	char *text;

	(void)state;
	make(&d);
	text = said(&d.told->m, "json", quality);
	contains(text, "\"count\": 3,");
	contains(text, "\"aligned\": 2,");
	contains(text, "\"not_aligned\": 1,");
	contains(text, "\"bound_median_ns\": 20000,");
	contains(text, "\"bound_most_ns\": 21000,");
	contains(text, "\"steps\": 1");
	free(text);
	text = said(&d.told->m, "text", quality);
	contains(text,
		 "3, 2 of them aligned by messages to ± 20.0 µs (median), 21.0 µs at most; of the others");
	contains(text, "2 messages would have arrived before they were sent: moved to 0");
	free(text);
	d.told->m.options.raw_clock = true;
	text = said(&d.told->m, "text", quality);
	contains(text, "3, as they are");
	free(text);
	unmake(&d);
}

static void test_words(void **state)
{
	struct made d;
	char text[CLOCKS_TEXT_BYTES];

	(void)state;
	make(&d);
	clocks_words(&d.told->m, 0, text);
	assert_string_equal(text, "reference");
	clocks_words(&d.told->m, 1, text);
	assert_string_equal(text, "by messages, ± 20.0 µs");
	clocks_words(&d.told->m, 2, text);
	assert_string_equal(text, "not aligned");
	unmake(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clocks),
	    cmocka_unit_test(test_open_side),
	    cmocka_unit_test(test_quality),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
