// SPDX-License-Identifier: Apache-2.0
/*
 * parent_loop_test.c - the rules of pass/parent for event loops, and the cases in which a simpler rule would
 * name the wrong request.
 */
#include "tests/unit/cast.h"

/* ---- event loops ---- */

static void test_turn_without_request_names_none(void **state)
{
	struct cast c = cast_of(2, 1);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	wait_for_any(&c, 0);
	read_request(&c, 0, 1);
	wait_for_any(&c, 0);
	send_call(&c, 0, 0); /* a timer, or request 0; not the latest, 1 */
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	wait_for_any(&c, 0);
	send_answer(&c, 0, 0);
	send_answer(&c, 0, 1);
	told_end(c.t);
	check(&c, 0, TOLD_NOBODY, EVIDENCE_ROOT);
	assert_int_equal(c.t->m.parents.unexplained, 1);
	told_free(c.t);
}

static void test_loop_with_kept_connections(void **state)
{
	struct cast c = cast_of(2, 2);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	send_call(&c, 0, 0);
	read_request(&c, 0, 1);
	send_call(&c, 0, 1);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 1);
	send_answer(&c, 0, 1);
	read_answer(&c, 0, 0);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_TURN);
	check(&c, 1, 1, EVIDENCE_TURN);
	assert_true(p_of(&c, 0) >= .998f && p_of(&c, 1) >= .998f);
	told_free(c.t);
}

static void test_loop_that_connects_first(void **state)
{
	struct cast c = cast_of(3, 3);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	told_connect(c.t, P, 0, c.q_conn[0]);
	read_request(&c, 0, 1);
	told_connect(c.t, P, 0, c.q_conn[1]);
	wait_for_any(&c, 0);
	read_request(&c, 0, 2);
	told_connect(c.t, P, 0, c.q_conn[2]);
	send_call(&c, 0, 1); /* its connect is done; the latest request is 2 */
	wait_for_any(&c, 0);
	send_call(&c, 0, 0);
	send_call(&c, 0, 2);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	send_answer(&c, 0, 0);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 1);
	send_answer(&c, 0, 1);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 2);
	send_answer(&c, 0, 2);
	told_end(c.t);
	for (uint32_t i = 0; i < 3; i++) {
		check(&c, i, i, EVIDENCE_CONNECT);
		assert_true(p_of(&c, i) >= .99f);
	}
	assert_int_equal(runner_up(&c, 0), TOLD_NOBODY);
	told_free(c.t);
}

/* A connection that a pool opened for one request and gave to another. */
static void test_connection_opened_for_another(void **state)
{
	struct cast c = cast_of(2, 1);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	told_connect(c.t, P, 0, c.q_conn[0]);
	wait_for_any(&c, 0);
	read_request(&c, 0, 1);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	send_answer(&c, 0, 1);
	wait_for_any(&c, 0);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, 1, EVIDENCE_OWNER);
	assert_int_equal(runner_up(&c, 0), c.r[0]);
	told_free(c.t);
}

static void test_loop_goes_on_after_an_answer(void **state)
{
	struct cast c = cast_of(2, 3);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	read_request(&c, 0, 1);
	send_call(&c, 0, 2);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	send_call(&c, 0, 1); /* latest request: 1; latest answer: to a call of 0 */
	wait_for_any(&c, 0);
	read_answer(&c, 0, 1);
	send_answer(&c, 0, 0);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 2);
	send_answer(&c, 0, 1);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_TURN);
	check(&c, 1, 0, EVIDENCE_CHAIN);
	check(&c, 2, 1, EVIDENCE_TURN);
	told_free(c.t);
}

static void test_several_requests_in_a_turn_are_ambiguous(void **state)
{
	struct cast c = cast_of(2, 2);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	read_request(&c, 0, 1);
	send_call(&c, 0, 0);
	send_call(&c, 0, 1);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	read_answer(&c, 0, 1);
	send_answer(&c, 0, 0);
	send_answer(&c, 0, 1);
	told_end(c.t);
	check(&c, 0, TOLD_NOBODY, EVIDENCE_AMBIGUOUS);
	check(&c, 1, TOLD_NOBODY, EVIDENCE_AMBIGUOUS);
	assert_int_not_equal(runner_up(&c, 0), TOLD_NOBODY);
	assert_int_equal(c.t->m.parents.by_class[EVIDENCE_AMBIGUOUS], 2);
	told_free(c.t);
}

static void test_the_answer_decides_between_several(void **state)
{
	struct cast c = cast_of(2, 2);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	read_request(&c, 0, 1);
	send_call(&c, 0, 0);
	send_call(&c, 0, 1);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 1);
	send_answer(&c, 0, 1);
	read_answer(&c, 0, 0);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_OWNER);
	check(&c, 1, 1, EVIDENCE_OWNER);
	assert_int_equal(runner_up(&c, 0), c.r[1]);
	told_free(c.t);
}

/* Reads only schedule; what they lead to stands at the start of the next turn, before the next reads. */
static void test_asyncio_names_nobody_wrongly(void **state)
{
	struct cast c = cast_of(3, 3);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	read_request(&c, 0, 1);
	wait_for_any(&c, 0);
	send_call(&c, 0, 0);
	send_call(&c, 0, 1);
	read_request(&c, 0, 2);
	wait_for_any(&c, 0);
	send_call(&c, 0, 2);
	read_answer(&c, 0, 1);
	wait_for_any(&c, 0);
	send_answer(&c, 0, 1);
	read_answer(&c, 0, 0);
	read_answer(&c, 0, 2);
	wait_for_any(&c, 0);
	send_answer(&c, 0, 0);
	send_answer(&c, 0, 2);
	told_end(c.t);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(told_parent(c.t, c.q[i]), TOLD_NOBODY);
	told_free(c.t);
}

/* What the other turns show decides: this loop serves each thing as it comes. */
static void test_a_loop_that_serves_at_once(void **state)
{
	struct cast c = cast_of(8, 8);

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		wait_for_any(&c, 0);
		read_request(&c, 0, i);
		send_call(&c, 0, i);
	}
	wait_for_any(&c, 0);
	for (uint32_t i = 0; i < 4; i++) {
		read_answer(&c, 0, i);
		send_answer(&c, 0, i);
	}
	for (uint32_t i = 4; i < 6; i++) {
		read_request(&c, 0, i);
		send_call(&c, 0, i);
	}
	wait_for_any(&c, 0);
	read_request(&c, 0, 6); /* for a file, perhaps: nothing goes out */
	read_request(&c, 0, 7);
	send_call(&c, 0, 7);
	wait_for_any(&c, 0);
	told_end(c.t);
	check(&c, 7, 7, EVIDENCE_TURN);
	told_free(c.t);
}

/* It followed an answer of request 0, which was over before the call was; request 1 was answered after it. */
static void test_who_was_over_cannot_have_needed_it(void **state)
{
	struct cast c = cast_of(2, 3);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	read_request(&c, 0, 1);
	send_call(&c, 0, 2);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	send_call(&c, 0, 1); /* a task of request 1 that was put off */
	send_answer(&c, 0, 0);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 1);
	send_answer(&c, 0, 1);
	told_end(c.t);
	check(&c, 1, 1, EVIDENCE_OWNER);
	assert_int_equal(runner_up(&c, 1), c.r[0]);
	told_free(c.t);
}

/* What followed its answer belongs to two requests: that says nothing of the call itself. */
static void test_two_followers_of_different_requests(void **state)
{
	struct cast c = cast_of(2, 3);

	(void)state;
	wait_for_any(&c, 1);
	read_request(&c, 1, 0);
	wait_for_any(&c, 1);
	read_request(&c, 1, 1);
	wait_for_any(&c, 0);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	send_call(&c, 0, 1);
	send_call(&c, 0, 2);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 1);
	send_answer(&c, 0, 0);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 2);
	send_answer(&c, 0, 1);
	told_end(c.t);
	check(&c, 0, TOLD_NOBODY, EVIDENCE_ROOT);
	check(&c, 1, 0, EVIDENCE_OWNER);
	check(&c, 2, 1, EVIDENCE_OWNER);
	told_free(c.t);
}

static void test_a_later_request_cannot_own_a_call(void **state)
{
	struct cast c = cast_of(2, 1);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	wait_for_any(&c, 0);
	read_request(&c, 1, 0);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	read_request(&c, 0, 1);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	send_answer(&c, 0, 1); /* a timer's */
	told_end(c.t);
	assert_int_not_equal(told_parent(c.t, c.q[0]), c.r[1]);
	told_free(c.t);
}

static void test_a_connection_used_at_once(void **state)
{
	struct cast c = cast_of(1, 1);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	told_connect(c.t, P, 0, c.q_conn[0]);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_TURN);
	told_free(c.t);
}

/* The server went away; the request is tried again elsewhere. */
static void test_retry_after_a_cut_call(void **state)
{
	struct cast c = cast_of(2, 3);

	(void)state;
	c.t->rpcs[c.q[0]].response = STORE_NONE;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	read_request(&c, 0, 1);
	send_call(&c, 0, 1);
	wait_for_any(&c, 0);
	told_bytes(c.t, P, 0, c.q[0], ANSWERS, 0, 0);
	c.t->moves[c.t->move_count - 1].record.flags = RECORD_FLAG_EOF;
	told_connect(c.t, P, 0, c.q_conn[2]);
	wait_for_any(&c, 0);
	send_call(&c, 0, 2);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 2);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_TURN);
	check(&c, 1, 1, EVIDENCE_TURN);
	check(&c, 2, 0, EVIDENCE_CONNECT);
	told_free(c.t);
}

static void test_contradiction_chooses_none(void **state)
{
	struct cast c = cast_of(2, 1);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 1);
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	send_answer(&c, 0, 1);
	wait_for_any(&c, 0);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, TOLD_NOBODY, EVIDENCE_AMBIGUOUS);
	assert_int_equal(runner_up(&c, 0), c.r[0]);
	told_free(c.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_turn_without_request_names_none),
	    cmocka_unit_test(test_loop_with_kept_connections),
	    cmocka_unit_test(test_loop_that_connects_first),
	    cmocka_unit_test(test_connection_opened_for_another),
	    cmocka_unit_test(test_loop_goes_on_after_an_answer),
	    cmocka_unit_test(test_several_requests_in_a_turn_are_ambiguous),
	    cmocka_unit_test(test_the_answer_decides_between_several),
	    cmocka_unit_test(test_asyncio_names_nobody_wrongly),
	    cmocka_unit_test(test_a_loop_that_serves_at_once),
	    cmocka_unit_test(test_who_was_over_cannot_have_needed_it),
	    cmocka_unit_test(test_two_followers_of_different_requests),
	    cmocka_unit_test(test_a_later_request_cannot_own_a_call),
	    cmocka_unit_test(test_a_connection_used_at_once),
	    cmocka_unit_test(test_retry_after_a_cut_call),
	    cmocka_unit_test(test_contradiction_chooses_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
