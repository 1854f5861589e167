// SPDX-License-Identifier: Apache-2.0
/*
 * parent_serving_test.c - pass/parent where something happens that no record shows: timers, free connections,
 * name servers. What came in last is not behind it then.
 */
#include "tests/unit/cast.h"

/* The request of the answer was over before the call was: the call took the connection that became free. */
static void test_a_freed_connection_is_taken_by_another(void **state)
{
	struct told *t = told_begin(1);
	uint32_t a = told_conn(t, TOLD_NOBODY, P), r0 = told_rpc(t, a), b = told_conn(t, TOLD_NOBODY, P);
	uint32_t r1 = told_rpc(t, b), pool = told_conn(t, P, TOLD_NOBODY), q0 = told_rpc(t, pool);
	uint32_t q1 = told_rpc(t, pool);

	(void)state;
	told_wait(t, P, 0);
	told_move(t, P, 0, r0, ASKS);
	told_move(t, P, 0, q0, ASKS);
	told_wait(t, P, 0);
	told_move(t, P, 0, r1, ASKS); /* has to wait for the connection */
	told_wait(t, P, 0);
	told_move(t, P, 0, q0, ANSWERS);
	told_move(t, P, 0, q1, ASKS);
	told_move(t, P, 0, r0, ANSWERS);
	told_wait(t, P, 0);
	told_move(t, P, 0, q1, ANSWERS);
	told_move(t, P, 0, r1, ANSWERS);
	told_end(t);
	assert_int_equal(told_parent(t, q0), r0);
	assert_int_equal(told_parent(t, q1), r1);
	assert_int_equal(told_edge(t, q1)->class, EVIDENCE_OWNER);
	told_free(t);
}

/* The same, but the request of the answer goes on, too: nothing shows whose the call is. */
static void test_a_freed_connection_with_two_who_want_it(void **state)
{
	struct told *t = told_begin(1);
	uint32_t a = told_conn(t, TOLD_NOBODY, P), r0 = told_rpc(t, a), b = told_conn(t, TOLD_NOBODY, P);
	uint32_t r1 = told_rpc(t, b), pool = told_conn(t, P, TOLD_NOBODY), q0 = told_rpc(t, pool);
	uint32_t q1 = told_rpc(t, pool), q2 = told_rpc(t, pool);

	(void)state;
	told_wait(t, P, 0);
	told_move(t, P, 0, r0, ASKS);
	told_move(t, P, 0, q0, ASKS);
	told_wait(t, P, 0);
	told_move(t, P, 0, r1, ASKS);
	told_wait(t, P, 0);
	told_move(t, P, 0, q0, ANSWERS);
	told_move(t, P, 0, q1, ASKS); /* of r1 */
	told_wait(t, P, 0);
	told_move(t, P, 0, q1, ANSWERS);
	told_move(t, P, 0, q2, ASKS); /* of r0 */
	told_wait(t, P, 0);
	told_move(t, P, 0, q2, ANSWERS);
	told_move(t, P, 0, r0, ANSWERS);
	told_move(t, P, 0, r1, ANSWERS);
	told_end(t);
	assert_int_equal(told_parent(t, q0), r0);
	assert_int_equal(told_parent(t, q1), TOLD_NOBODY);
	assert_int_equal(told_parent(t, q2), r0);
	told_free(t);
}

/* A timer's call uses whatever turn there is; that it also comes when nothing did gives it away. */
static void test_timers_are_nobodys(void **state)
{
	struct cast c = cast_of(2, 4);

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		c.t->messages[2 * c.q[i]].operation = i < 2 ? 1 : 2;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	read_request(&c, 0, 1);
	send_answer(&c, 0, 1);
	send_call(&c, 0, 0);
	send_call(&c, 0, 2); /* the timer */
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	send_call(&c, 0, 1);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 2);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 1);
	send_answer(&c, 0, 0);
	wait_for_any(&c, 0);
	send_call(&c, 0, 3); /* the timer, alone */
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_TURN);
	check(&c, 1, 0, EVIDENCE_CHAIN);
	check(&c, 2, TOLD_NOBODY, EVIDENCE_AMBIGUOUS);
	check(&c, 3, TOLD_NOBODY, EVIDENCE_ROOT);
	told_free(c.t);
}

/* With one request in the process there is little choice; with two, too much. */
static void test_the_only_request(void **state)
{
	struct cast c = cast_of(3, 3);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	wait_for_any(&c, 0);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	wait_for_any(&c, 0);
	send_answer(&c, 0, 0);
	wait_for_any(&c, 0);
	read_request(&c, 0, 1);
	wait_for_any(&c, 0);
	read_request(&c, 1, 2); /* on another thread */
	send_call(&c, 0, 1);
	wait_for_any(&c, 0);
	send_answer(&c, 0, 1);
	send_answer(&c, 1, 2);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_THREAD);
	assert_true(p_of(&c, 0) < .98f);
	check(&c, 1, TOLD_NOBODY, EVIDENCE_ROOT);
	told_free(c.t);
}

/* The timer's calls come while nothing is served; so this one is not of the only request either. */
static void test_timers_are_not_of_the_only_request(void **state)
{
	struct cast c = cast_of(1, 2);

	(void)state;
	wait_for_any(&c, 0);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	wait_for_any(&c, 0);
	send_call(&c, 0, 1);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 1);
	wait_for_any(&c, 0);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, TOLD_NOBODY, EVIDENCE_ROOT);
	check(&c, 1, TOLD_NOBODY, EVIDENCE_ROOT);
	told_free(c.t);
}

/* One that has other calls under way may want the freed connection, too. */
static void test_a_freed_connection_is_not_needed_any_more(void **state)
{
	struct told *t = told_begin(1);
	uint32_t a = told_conn(t, TOLD_NOBODY, P), r0 = told_rpc(t, a), b = told_conn(t, TOLD_NOBODY, P);
	uint32_t r1 = told_rpc(t, b), pool = told_conn(t, P, TOLD_NOBODY), q0 = told_rpc(t, pool);
	uint32_t q1 = told_rpc(t, pool), other = told_conn(t, P, TOLD_NOBODY), q2 = told_rpc(t, other);

	(void)state;
	told_wait(t, P, 0);
	told_move(t, P, 0, r0, ASKS);
	told_move(t, P, 0, q0, ASKS);
	told_wait(t, P, 0);
	told_move(t, P, 0, r1, ASKS);
	told_move(t, P, 0, q2, ASKS);
	told_wait(t, P, 0);
	told_move(t, P, 0, q0, ANSWERS);
	told_move(t, P, 0, q1, ASKS); /* of r1 */
	told_move(t, P, 0, r0, ANSWERS);
	told_wait(t, P, 0);
	told_move(t, P, 0, q1, ANSWERS);
	told_wait(t, P, 0);
	told_move(t, P, 0, q2, ANSWERS);
	told_move(t, P, 0, r1, ANSWERS);
	told_end(t);
	assert_int_equal(told_parent(t, q1), TOLD_NOBODY);
	assert_int_equal(told_edge(t, q1)->class, EVIDENCE_AMBIGUOUS);
	told_free(t);
}

/* It waited for a name server, say; when that answers, unseen, others have been served in the same turn. */
static void test_a_connect_of_one_who_waited_unseen(void **state)
{
	struct cast c = cast_of(3, 4);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	read_request(&c, 0, 1); /* asks for an address */
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	send_call(&c, 0, 2);
	told_connect(c.t, P, 0, c.q_conn[1]); /* of request 1 */
	wait_for_any(&c, 0);
	read_request(&c, 0, 2);
	send_call(&c, 0, 1);
	send_call(&c, 0, 3);
	for (uint32_t i = 0; i < 3; i++) {
		wait_for_any(&c, 0);
		send_answer(&c, 0, i);
	}
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_TURN);
	check(&c, 1, TOLD_NOBODY, EVIDENCE_AMBIGUOUS);
	check(&c, 2, 0, EVIDENCE_CHAIN);
	assert_int_not_equal(told_parent(c.t, c.q[3]), c.r[1]);
	told_free(c.t);
}

/* Nobody else waits: a request goes on with the connection that it has. */
static void test_the_same_connection_again(void **state)
{
	struct told *t = told_begin(1);
	uint32_t a = told_conn(t, TOLD_NOBODY, P), r0 = told_rpc(t, a), b = told_conn(t, TOLD_NOBODY, P);
	uint32_t r1 = told_rpc(t, b), own = told_conn(t, P, TOLD_NOBODY), q0 = told_rpc(t, own);
	uint32_t q1 = told_rpc(t, own);

	(void)state;
	told_wait(t, P, 0);
	told_move(t, P, 0, r1, ASKS);
	told_bytes(t, P, 0, r1, ANSWERS, 0, 4); /* a long answer, that goes out by and by */
	told_wait(t, P, 0);
	told_move(t, P, 0, r0, ASKS);
	told_move(t, P, 0, q0, ASKS);
	told_wait(t, P, 0);
	told_move(t, P, 0, q0, ANSWERS);
	told_move(t, P, 0, q1, ASKS);
	told_wait(t, P, 0);
	told_move(t, P, 0, q1, ANSWERS);
	told_wait(t, P, 0);
	told_move(t, P, 0, r0, ANSWERS);
	told_wait(t, P, 0);
	told_bytes(t, P, 0, r1, ANSWERS, 4, TOLD_BYTES);
	told_end(t);
	assert_int_equal(told_parent(t, q0), r0);
	assert_int_equal(told_parent(t, q1), r0);
	told_free(t);
}

static void test_a_connect_of_the_only_request(void **state)
{
	struct cast c = cast_of(1, 1);

	(void)state;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	wait_for_any(&c, 0);
	told_connect(c.t, P, 0, c.q_conn[0]);
	wait_for_any(&c, 0);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	wait_for_any(&c, 0);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_CONNECT);
	told_free(c.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_freed_connection_is_taken_by_another),
	    cmocka_unit_test(test_a_freed_connection_with_two_who_want_it),
	    cmocka_unit_test(test_timers_are_nobodys),
	    cmocka_unit_test(test_the_only_request),
	    cmocka_unit_test(test_timers_are_not_of_the_only_request),
	    cmocka_unit_test(test_a_freed_connection_is_not_needed_any_more),
	    cmocka_unit_test(test_a_connect_of_one_who_waited_unseen),
	    cmocka_unit_test(test_the_same_connection_again),
	    cmocka_unit_test(test_a_connect_of_the_only_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
