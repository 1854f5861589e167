// SPDX-License-Identifier: Apache-2.0
/* model_test.c - the forest: no circles, self times that add up, names where the protocol has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/told.h"

#define FRONT 0u
#define BACK  1u

static void grow_again(struct told *t)
{
	model_fell(&t->m);
	t->m.root_count = 0;
	t->m.cycles = t->m.early = 0;
	assert_int_equal(model_grow(&t->m), 0);
}

/* A request to the front, which calls the back twice, for 20 and 40 ns. */
static struct told *nested(uint32_t rpcs[3])
{
	struct told *t = told_begin(2);
	uint32_t in = told_conn(t, TOLD_NOBODY, FRONT), out = TOLD_NOBODY;

	rpcs[0] = told_rpc(t, in);
	out = told_conn(t, FRONT, BACK);
	rpcs[1] = told_rpc(t, out);
	rpcs[2] = told_rpc(t, out);
	told_move(t, FRONT, 0, rpcs[0], ASKS);
	for (int i = 1; i < 3; i++) {
		told_move(t, FRONT, 0, rpcs[i], ASKS);
		told_move(t, BACK, 0, rpcs[i], ASKS);
		told_move(t, BACK, 0, rpcs[i], ANSWERS);
		told_move(t, FRONT, 0, rpcs[i], ANSWERS);
	}
	told_move(t, FRONT, 0, rpcs[0], ANSWERS);
	told_end(t);
	return t;
}

static void test_self_times_add_up(void **state)
{
	uint32_t rpcs[3];
	struct told *t = nested(rpcs);
	uint32_t root = told_span(t, rpcs[0], SPAN_SERVER);
	uint64_t sum = 0;

	(void)state;
	assert_int_equal(t->m.root_count, 1);
	assert_int_equal(t->m.roots[0], root);
	assert_int_equal(t->m.nodes[root].child_count, 2);
	for (uint32_t i = 0; i < t->m.spans.span_count; i++) {
		sum += t->m.nodes[i].self_ns;
		assert_int_equal(t->m.nodes[i].root, root);
	}
	assert_int_equal(sum, model_total_ns(&t->m, root));
	assert_int_equal(model_total_ns(&t->m, root), 90); /* 1005 to 1095 */
	assert_int_equal(t->m.nodes[root].self_ns, 20);
	told_free(t);
}

/* Overlapping children count once, asynchronous ones not at all. */
static void test_self_of_a_fan_out(void **state)
{
	uint32_t rpcs[3], first, second;
	struct told *t = nested(rpcs);
	uint32_t root = told_span(t, rpcs[0], SPAN_SERVER);

	(void)state;
	first = told_span(t, rpcs[1], SPAN_CLIENT);
	second = told_span(t, rpcs[2], SPAN_CLIENT);
	t->m.spans.spans[second].start_ns = t->m.spans.spans[first].start_ns + 5;
	grow_again(t);
	assert_int_equal(t->m.nodes[root].self_ns, 90 - (1085 - 1010));
	t->m.parents.edges[second].async = true;
	grow_again(t);
	assert_int_equal(t->m.nodes[root].self_ns, 90 - 35);
	told_free(t);
}

static void test_a_circle_is_cut(void **state)
{
	uint32_t rpcs[3], reached = 0;
	struct told *t = nested(rpcs);
	uint32_t root = told_span(t, rpcs[0], SPAN_SERVER);

	(void)state;
	t->m.parents.edges[root].parent = told_span(t, rpcs[2], SPAN_SERVER);
	grow_again(t);
	assert_int_equal(t->m.cycles, 1);
	assert_int_equal(t->m.root_count, 1);
	for (uint32_t i = 0; i < t->m.spans.span_count; i++)
		reached += t->m.nodes[i].root == t->m.roots[0];
	assert_int_equal(reached, t->m.spans.span_count);
	t->m.parents.edges[root].parent = root;
	grow_again(t);
	assert_int_equal(t->m.cycles, 1);
	told_free(t);
}

static void test_losses_and_doubts_reach_the_root(void **state)
{
	uint32_t rpcs[3];
	struct told *t = nested(rpcs);
	uint32_t root = told_span(t, rpcs[0], SPAN_SERVER);

	(void)state;
	assert_false(t->m.nodes[root].lost);
	assert_true(t->m.nodes[root].least > .99f && t->m.nodes[root].least < 1);
	t->m.spans.spans[told_span(t, rpcs[2], SPAN_SERVER)].lost = true;
	t->m.parents.edges[told_span(t, rpcs[1], SPAN_CLIENT)].probability = .75f;
	grow_again(t);
	assert_true(t->m.nodes[root].lost);
	assert_true(t->m.nodes[root].least == .75f);
	assert_true(t->m.nodes[root].probability == 1);
	assert_true(t->m.nodes[told_span(t, rpcs[1], SPAN_SERVER)].probability == .75f);
	assert_false(t->m.nodes[told_span(t, rpcs[1], SPAN_SERVER)].lost);
	told_free(t);
}

static void test_names_without_a_grammar(void **state)
{
	static const struct proto raw = {.name = "raw"};
	uint32_t rpcs[3], root;
	struct told *t = nested(rpcs);

	(void)state;
	root = told_span(t, rpcs[0], SPAN_SERVER);
	assert_string_equal(model_operation(&t->m, root), "test message");
	assert_string_equal(model_peer(&t->m, root), "10.0.0.1");
	assert_null(model_peer(&t->m, told_span(t, rpcs[1], SPAN_CLIENT)));
	t->protos[0].proto = &raw;
	grow_again(t);
	assert_string_equal(model_operation(&t->m, root), "port 80");
	t->links[0].address[LINK_SERVER].family = ENDPOINT_UNIX;
	t->m.conns.views[t->ends[0][LINK_SERVER]].path = (const uint8_t *)"/run/x.sock?";
	t->m.conns.views[t->ends[0][LINK_SERVER]].path_len = 11;
	grow_again(t);
	assert_string_equal(model_operation(&t->m, root), "unix /run/x.sock");
	t->m.spans.spans[root].control = true;
	grow_again(t);
	assert_string_equal(model_operation(&t->m, root), "connect");
	told_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_self_times_add_up),
	    cmocka_unit_test(test_self_of_a_fan_out),
	    cmocka_unit_test(test_a_circle_is_cut),
	    cmocka_unit_test(test_losses_and_doubts_reach_the_root),
	    cmocka_unit_test(test_names_without_a_grammar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
