// SPDX-License-Identifier: Apache-2.0
/* report_test.c - the numbers of the report, and which traces `tree` shows. Views are asked for JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "analyzer/err.h"
#include "analyzer/view/spread.h"
#include "analyzer/view/view.h"
#include "tests/unit/told.h"

#define CLIENT 0u
#define SERVER 1u

static void test_percentiles_are_nearest_rank(void **state)
{
	uint64_t values[100], one[] = {7}, three[] = {30, 10, 20};
	struct spread s;

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		values[i] = (i * 37) % 100 + 1; /* 1 to 100, out of order */
	s = spread_of(values, 100);
	assert_int_equal(s.p50, 50);
	assert_int_equal(s.p90, 90);
	assert_int_equal(s.p99, 99);
	assert_int_equal(s.min, 1);
	assert_int_equal(s.max, 100);
	assert_int_equal(s.mean, 50);
	s = spread_of(one, 1);
	assert_int_equal(s.p50, 7);
	assert_int_equal(s.p99, 7);
	s = spread_of(three, 3);
	assert_int_equal(s.p50, 20);
	assert_int_equal(s.p90, 30);
	assert_int_equal(spread_of(NULL, 0).count, 0);
	values[0] = values[1] = UINT64_MAX;
	assert_int_equal(spread_of(values, 2).mean, UINT64_MAX); /* the sum does not overflow */
}

static uint32_t text(struct told *t, const char *s)
{
	return strings_add(t->m.strings, s, strlen(s));
}

/* Three calls of 35, 135 and 235 ns with the answers 200, 503 and none; and a login. */
static struct told *four_calls(void)
{
	struct told *t = told_begin(2);
	uint32_t conn = told_conn(t, CLIENT, SERVER);

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t rpc = told_rpc(t, conn);

		t->messages[2 * rpc].operation = text(t, i ? "GET /x" : "LOGIN");
		t->messages[2 * rpc].flags = i ? 0 : PROTO_CONTROL;
		t->messages[2 * rpc + 1].status = text(t, i == 2 ? "503" : "200");
		t->messages[2 * rpc + 1].flags = i == 2 ? PROTO_ERROR : 0;
		told_move(t, CLIENT, 0, rpc, ASKS);
		told_move(t, SERVER, 0, rpc, ASKS);
		if (i == 3) {
			t->rpcs[rpc].response = STORE_NONE;
			break;
		}
		t->now_ns += i == 2 ? 100 : 0;
		told_move(t, SERVER, 0, rpc, ANSWERS);
		told_move(t, CLIENT, 0, rpc, ANSWERS);
	}
	told_end(t);
	return t;
}

/* What the view says, as JSON; NULL if it says that there is nothing. */
static char *said(const struct told *t, const struct tree_options *tree)
{
	char *json = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&json, &size);
	struct out *out = out_open("json", to);
	int err = tree ? view_tree(&t->m, tree, out) : view_report(&t->m, out);

	assert_int_equal(out_close(out), 0);
	fclose(to);
	if (err) {
		assert_int_equal(err, -ENOENT);
		free(json);
		return NULL;
	}
	return json;
}

static void contains(const char *json, const char *part)
{
	if (!json || !strstr(json, part))
		fail_msg("no %s in %s", part, json ? json : "nothing");
}

static void test_operations(void **state)
{
	struct told *t = four_calls();
	char *json = said(t, NULL);

	(void)state;
	contains(
	    json,
	    "\"operation\": \"GET /x\", \"side\": \"client\", \"protocol\": \"test\", \"control\": false, "
	    "\"count\": 3, \"errors\": 1, \"unanswered\": 1, \"bytes_in\": 16, \"bytes_out\": 24, ");
	contains(json, "\"total_ns\": {\"min\": 35, \"p50\": 35, \"p90\": 135, \"p99\": 135, \"max\": 135, "
		       "\"mean\": 85}, \"handle_ns\": {\"min\": 10, \"p50\": 10, \"p90\": 110, ");
	contains(json,
		 "\"operation\": \"LOGIN\", \"side\": \"client\", \"protocol\": \"test\", \"control\": true, "
		 "\"count\": 1, \"errors\": 0, \"unanswered\": 0, ");
	contains(json, "\"operation\": \"GET /x\", \"side\": \"server\", ");
	free(json);
	told_free(t);
}

/* The client was recorded from 1000 to 1225: 3 calls in 225 ns. */
static void test_rates(void **state)
{
	struct told *t = four_calls();
	char *json = said(t, NULL);

	(void)state;
	assert_int_equal(t->m.recorded[CLIENT].from_ns, 1000);
	assert_int_equal(t->m.recorded[CLIENT].to_ns, 1225);
	contains(json, "\"bytes_out\": 24, \"rate_per_s\": 13333333.33");
	free(json);
	told_free(t);
}

static void test_quality_and_edges(void **state)
{
	struct told *t = four_calls();
	char *json;

	(void)state;
	t->links[0].bytes_joined[0] = 24;
	t->links[0].bytes_one_sided[1] = 8;
	t->processes[0].dropped = 5;
	json = said(t, NULL);
	contains(json, "\"dropped\": 5,");
	contains(json, "\"bytes_seen\": 32,");
	contains(json, "\"bytes_joined\": 24,");
	contains(json, "\"bytes_unseen\": 0,");
	contains(json, "{\"from\": \"alpha\", \"to\": \"beta\", \"operation\": \"GET /x\", \"count\": 3, "
		       "\"class\": \"root\", \"probability\": 1}");
	contains(json, "\"open_spans\": 2,");
	contains(json, "\"not_traced\": []");
	free(json);
	told_free(t);
}

static void test_one_sided_edges(void **state)
{
	struct told *t = told_begin(1);
	uint32_t in = told_conn(t, TOLD_NOBODY, 0), r = told_rpc(t, in), out = told_conn(t, 0, TOLD_NOBODY);
	uint32_t q = told_rpc(t, out);
	char *json;

	(void)state;
	told_move(t, 0, 0, r, ASKS);
	told_move(t, 0, 0, q, ASKS);
	told_move(t, 0, 0, q, ANSWERS);
	told_move(t, 0, 0, r, ANSWERS);
	told_end(t);
	json = said(t, NULL);
	contains(json, "{\"from\": \"10.0.0.1\", \"to\": \"alpha\", ");
	contains(json, "{\"from\": \"alpha\", \"to\": \"10.0.0.1:80\", ");
	contains(json, "{\"address\": \"10.0.0.1:80\", \"service\": \"alpha\", \"role\": \"server\", "
		       "\"connections\": 1, \"calls\": 1,");
	free(json);
	told_free(t);
}

/* ---- which traces ---- */

static uint32_t count_traces(const struct told *t, const struct tree_options *options)
{
	char *json = said(t, options);
	uint32_t count = 0;

	for (const char *at = json; at && (at = strstr(at, "\"root\": {")); at++)
		count++;
	free(json);
	return count;
}

static void test_choice_of_traces(void **state)
{
	struct told *t = four_calls();
	char *json;

	(void)state;
	err_be_quiet();
	assert_int_equal(count_traces(t, &(struct tree_options){0}), 4);
	assert_int_equal(count_traces(t, &(struct tree_options){.has_slowest = true, .slowest = 2}), 2);
	assert_int_equal(count_traces(t, &(struct tree_options){.has_slowest = true}), 0);
	assert_int_equal(count_traces(t, &(struct tree_options){.operation = "GET /x"}), 3);
	assert_int_equal(count_traces(t, &(struct tree_options){.operation = "LOG"}), 1);
	assert_int_equal(count_traces(t, &(struct tree_options){.has_cid = true, .cid = 1002}), 1);
	assert_null(said(t, &(struct tree_options){.has_cid = true, .cid = 5}));
	assert_null(said(t, &(struct tree_options){.operation = "nothing"}));
	json = said(t, &(struct tree_options){.has_slowest = true, .slowest = 1});
	contains(json, "\"cid\": \"00000000000003ea\""); /* 1002, the one that failed */
	contains(json, "\"status\": \"503\"");
	free(json);
	told_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_percentiles_are_nearest_rank),
	    cmocka_unit_test(test_operations),
	    cmocka_unit_test(test_rates),
	    cmocka_unit_test(test_quality_and_edges),
	    cmocka_unit_test(test_one_sided_edges),
	    cmocka_unit_test(test_choice_of_traces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
