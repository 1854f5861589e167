// SPDX-License-Identifier: Apache-2.0
/*
 * parent_test.c - the rules of pass/parent for threads, parts and losses, and the cases in which a simpler
 * rule would name the wrong request.
 */
#include "tests/unit/cast.h"

/* ---- one request at a time ---- */

static void test_worker_calls_one_after_another(void **state)
{
	struct cast c = cast_of(1, 2);

	(void)state;
	read_request(&c, 0, 0);
	send_call(&c, 0, 0);
	read_answer(&c, 0, 0);
	send_call(&c, 0, 1);
	read_answer(&c, 0, 1);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_THREAD);
	check(&c, 1, 0, EVIDENCE_THREAD);
	assert_true(p_of(&c, 0) >= .998f && !told_edge(c.t, c.q[0])->async);
	told_free(c.t);
}

static void test_pool_workers_do_not_mix(void **state)
{
	struct cast c = cast_of(2, 2);

	(void)state;
	read_request(&c, 0, 0);
	read_request(&c, 1, 1);
	send_call(&c, 1, 1); /* the newest request of the process, and yet... */
	send_call(&c, 0, 0); /* ...this one is of the older */
	read_answer(&c, 1, 1);
	read_answer(&c, 0, 0);
	send_answer(&c, 1, 1);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_THREAD);
	check(&c, 1, 1, EVIDENCE_THREAD);
	told_free(c.t);
}

static void test_worker_that_polls_one_connection(void **state)
{
	struct cast c = cast_of(1, 1);
	struct told_move *poll;

	(void)state;
	read_request(&c, 0, 0);
	wait_for_any(&c, 0);
	poll = &c.t->moves[c.t->move_count - 1];
	poll->record.conn = c.q_conn[0] + 1;
	send_call(&c, 0, 0);
	read_answer(&c, 0, 0);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_THREAD);
	assert_true(p_of(&c, 0) >= .998f);
	told_free(c.t);
}

/* ---- parts, pipelines, connections ---- */

static void test_request_in_parts(void **state)
{
	struct cast c = cast_of(2, 2);

	(void)state;
	wait_for_any(&c, 0);
	told_bytes(c.t, P, 0, c.r[0], ASKS, 0, 4);
	wait_for_any(&c, 0);
	read_request(&c, 0, 1);
	send_call(&c, 0, 1);
	told_bytes(c.t, P, 0, c.r[0], ASKS, 4, TOLD_BYTES);
	send_call(&c, 0, 0);
	wait_for_any(&c, 0);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_TURN);
	check(&c, 1, 1, EVIDENCE_TURN);
	told_free(c.t);
}

/* A proxy that passes a body on while it arrives: the call begins before the request is there. */
static void test_request_passed_on_while_it_comes(void **state)
{
	struct cast c = cast_of(1, 1);

	(void)state;
	wait_for_any(&c, 0);
	told_bytes(c.t, P, 0, c.r[0], ASKS, 0, 4);
	told_bytes(c.t, P, 0, c.q[0], ASKS, 0, 4);
	wait_for_any(&c, 0);
	told_bytes(c.t, P, 0, c.r[0], ASKS, 4, TOLD_BYTES);
	told_bytes(c.t, P, 0, c.q[0], ASKS, 4, TOLD_BYTES);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 0);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_TURN);
	assert_int_equal(c.t->m.early, 1);
	for (uint32_t i = 0; i < c.t->m.spans.span_count; i++) /* both begin together now */
		assert_int_equal(c.t->m.nodes[i].start_ns, c.t->m.nodes[0].start_ns);
	told_free(c.t);
}

/* Two requests of one connection in one record; calls q0 and q1. */
static struct told *pipelined(uint32_t r[2], uint32_t q[2])
{
	struct told *t = told_begin(1);
	uint32_t front = told_conn(t, TOLD_NOBODY, P), back;

	r[0] = told_rpc(t, front);
	r[1] = told_rpc(t, front);
	for (int i = 0; i < 2; i++) {
		back = told_conn(t, P, TOLD_NOBODY);
		q[i] = told_rpc(t, back);
	}
	return t;
}

static void test_pipelined_requests_of_a_worker(void **state)
{
	uint32_t r[2], q[2];
	struct told *t = pipelined(r, q);

	(void)state;
	told_bytes(t, P, 0, r[0], ASKS, 0, 2 * TOLD_BYTES);
	for (int i = 0; i < 2; i++) {
		told_move(t, P, 0, q[i], ASKS);
		told_move(t, P, 0, q[i], ANSWERS);
		told_move(t, P, 0, r[i], ANSWERS);
	}
	told_end(t);
	assert_int_equal(told_parent(t, q[0]), r[0]);
	assert_int_equal(told_parent(t, q[1]), r[1]);
	told_free(t);
}

/* A loop may begin the second request before it has answered the first. */
static void test_pipelined_requests_of_a_loop(void **state)
{
	uint32_t r[2], q[2];
	struct told *t = pipelined(r, q);

	(void)state;
	told_wait(t, P, 0);
	told_bytes(t, P, 0, r[0], ASKS, 0, 2 * TOLD_BYTES);
	told_move(t, P, 0, q[0], ASKS);
	told_move(t, P, 0, q[1], ASKS);
	for (int i = 0; i < 2; i++) {
		told_wait(t, P, 0);
		told_move(t, P, 0, q[i], ANSWERS);
		told_move(t, P, 0, r[i], ANSWERS);
	}
	told_end(t);
	assert_int_equal(told_parent(t, q[0]), r[0]);
	assert_int_not_equal(told_parent(t, q[1]), r[0]);
	told_free(t);
}

/* The same, but the second is begun when the first is answered, before anything else comes in. */
static void test_pipelined_requests_one_after_the_other(void **state)
{
	uint32_t r[2], q[2];
	struct told *t = pipelined(r, q);

	(void)state;
	told_wait(t, P, 0);
	told_bytes(t, P, 0, r[0], ASKS, 0, 2 * TOLD_BYTES);
	told_move(t, P, 0, q[0], ASKS);
	told_wait(t, P, 0);
	told_move(t, P, 0, q[0], ANSWERS);
	told_move(t, P, 0, r[0], ANSWERS);
	told_move(t, P, 0, q[1], ASKS);
	told_wait(t, P, 0);
	told_move(t, P, 0, q[1], ANSWERS);
	told_wait(t, P, 0);
	told_move(t, P, 0, r[1], ANSWERS);
	told_end(t);
	assert_int_equal(told_parent(t, q[0]), r[0]);
	assert_int_equal(told_parent(t, q[1]), r[1]);
	assert_false(told_edge(t, q[1])->async);
	told_free(t);
}

/* Nothing shows which of the two a loop began. */
static void test_pipelined_requests_and_no_more_to_see(void **state)
{
	uint32_t r[2], q[2];
	struct told *t = pipelined(r, q);

	(void)state;
	told_wait(t, P, 0);
	told_bytes(t, P, 0, r[0], ASKS, 0, 2 * TOLD_BYTES);
	told_move(t, P, 0, q[1], ASKS);
	told_wait(t, P, 0);
	told_move(t, P, 0, q[1], ANSWERS);
	told_wait(t, P, 0);
	told_move(t, P, 0, r[0], ANSWERS);
	told_move(t, P, 0, r[1], ANSWERS);
	told_end(t);
	assert_int_equal(told_parent(t, q[1]), TOLD_NOBODY);
	told_free(t);
}

/* The beginning of the next request, in the same record, is nothing that can be worked on. */
static void test_a_request_and_part_of_the_next(void **state)
{
	struct told *t = told_begin(1);
	uint32_t front = told_conn(t, TOLD_NOBODY, P), r0 = told_rpc(t, front), r1 = told_rpc(t, front);
	uint32_t back = told_conn(t, P, TOLD_NOBODY), q = told_rpc(t, back);

	(void)state;
	told_wait(t, P, 0);
	told_bytes(t, P, 0, r0, ASKS, 0, TOLD_BYTES + 3);
	told_move(t, P, 0, q, ASKS);
	told_wait(t, P, 0);
	told_bytes(t, P, 0, r1, ASKS, 3, TOLD_BYTES);
	told_end(t);
	assert_int_equal(told_parent(t, q), r0);
	told_free(t);
}

static void test_greeting_belongs_to_who_connected(void **state)
{
	struct cast c = cast_of(1, 2);

	(void)state;
	/* The first "call" is a greeting: its request is what the server says first. */
	c.t->messages[2 * c.q[0]].sender = LINK_SERVER;
	c.t->messages[2 * c.q[0]].flags = PROTO_PUSH | PROTO_CONTROL;
	c.t->rpcs[c.q[0]].response = STORE_NONE;
	c.t->rpcs[c.q[0]].one_way = true;
	wait_for_any(&c, 0);
	read_request(&c, 0, 0);
	told_connect(c.t, P, 0, c.q_conn[0]);
	wait_for_any(&c, 0);
	told_move(c.t, P, 0, c.q[0], ASKS); /* received */
	send_call(&c, 0, 1);
	wait_for_any(&c, 0);
	read_answer(&c, 0, 1);
	send_answer(&c, 0, 0);
	told_end(c.t);
	assert_int_equal(told_parent(c.t, c.q[0]), c.r[0]);
	assert_int_equal(told_parent(c.t, c.q[1]), c.r[0]);
	assert_true(c.t->m.spans.spans[told_span(c.t, c.q[0], SPAN_CLIENT)].control);
	told_free(c.t);
}

/* ---- several threads ---- */

static void test_handed_over_to_a_worker(void **state)
{
	struct cast c = cast_of(2, 3);

	(void)state;
	read_request(&c, 0, 0);
	read_request(&c, 0, 1);
	send_call(&c, 1, 0);
	read_answer(&c, 1, 0);
	send_call(&c, 1, 1);
	read_answer(&c, 1, 1);
	send_answer(&c, 1, 0);
	send_call(&c, 1, 2); /* the next task, not work left over from request 0 */
	read_answer(&c, 1, 2);
	send_answer(&c, 1, 1);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_OWNER);
	check(&c, 1, 0, EVIDENCE_CHAIN);
	check(&c, 2, 1, EVIDENCE_OWNER);
	assert_true(p_of(&c, 1) < .98f); /* what follows the first call knows no more than that */
	told_free(c.t);
}

/* Some requests have the same call twice, others never: the tasks of this pool are parts of requests. */
static void test_handed_over_in_parts(void **state)
{
	struct cast c = cast_of(4, 4);

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		read_request(&c, 0, i);
	for (uint32_t i = 0; i < 4; i++) {
		send_call(&c, 1, i);
		read_answer(&c, 1, i);
		if (i % 2 == 0)
			continue;
		send_answer(&c, 1, i - 1);
		send_answer(&c, 1, i);
	}
	told_end(c.t);
	check(&c, 0, TOLD_NOBODY, EVIDENCE_ROOT);
	check(&c, 1, 0, EVIDENCE_OWNER); /* its answer came right before that of the request */
	check(&c, 2, TOLD_NOBODY, EVIDENCE_ROOT);
	check(&c, 3, 2, EVIDENCE_OWNER);
	told_free(c.t);
}

static void test_handed_over_and_answered_elsewhere(void **state)
{
	struct cast c = cast_of(2, 2);

	(void)state;
	read_request(&c, 0, 0);
	read_request(&c, 0, 1);
	send_call(&c, 1, 0);
	read_answer(&c, 1, 0);
	send_call(&c, 1, 1);
	read_answer(&c, 1, 1);
	send_answer(&c, 0, 0);
	send_answer(&c, 0, 1);
	told_end(c.t);
	check(&c, 0, TOLD_NOBODY, EVIDENCE_ROOT);
	check(&c, 1, TOLD_NOBODY, EVIDENCE_ROOT);
	told_free(c.t);
}

static void test_one_thread_per_direction(void **state)
{
	struct cast c = cast_of(1, 1);

	(void)state;
	read_request(&c, 0, 0);
	send_call(&c, 0, 0);
	read_answer(&c, 1, 0);
	send_answer(&c, 1, 0);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_TURN);
	assert_true(p_of(&c, 0) >= .998f);
	told_free(c.t);
}

static void test_fan_out_over_threads_is_not_guessed(void **state)
{
	struct cast c = cast_of(1, 2);

	(void)state;
	read_request(&c, 0, 0);
	send_call(&c, 1, 0);
	send_call(&c, 2, 1);
	read_answer(&c, 1, 0);
	read_answer(&c, 2, 1);
	send_answer(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, TOLD_NOBODY, EVIDENCE_ROOT);
	assert_int_equal(c.t->m.parents.unexplained, 2);
	told_free(c.t);
}

/* ---- after the answer, and losses ---- */

static void test_work_after_the_answer(void **state)
{
	struct cast c = cast_of(2, 3);

	(void)state;
	read_request(&c, 0, 0);
	send_answer(&c, 0, 0);
	send_call(&c, 0, 0);
	read_answer(&c, 0, 0);
	send_call(&c, 0, 1);
	read_answer(&c, 0, 1);
	read_request(&c, 0, 1);
	send_call(&c, 0, 2);
	read_answer(&c, 0, 2);
	send_answer(&c, 0, 1);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_TURN);
	check(&c, 1, 0, EVIDENCE_CHAIN);
	check(&c, 2, 1, EVIDENCE_THREAD);
	assert_true(told_edge(c.t, c.q[0])->async && told_edge(c.t, c.q[1])->async);
	assert_false(told_edge(c.t, c.q[2])->async);
	assert_true(p_of(&c, 0) < .98f);
	told_free(c.t);
}

/* After its connection has ended, a thread's work is nobody's. */
static void test_work_after_the_connection(void **state)
{
	struct cast c = cast_of(1, 1);

	(void)state;
	read_request(&c, 0, 0);
	send_answer(&c, 0, 0);
	told_bytes(c.t, P, 0, c.r[0], ASKS, TOLD_BYTES, TOLD_BYTES);
	c.t->moves[c.t->move_count - 1].record.flags = RECORD_FLAG_EOF;
	send_call(&c, 0, 0);
	told_end(c.t);
	check(&c, 0, TOLD_NOBODY, EVIDENCE_ROOT);
	told_free(c.t);
}

/* Where threads take turns at a connection, nobody sees a thread wait for its next one. */
static void test_work_after_the_answer_in_a_pool(void **state)
{
	struct told *t = told_begin(1);
	uint32_t front = told_conn(t, TOLD_NOBODY, P), r0 = told_rpc(t, front), r1 = told_rpc(t, front);
	uint32_t r2 = told_rpc(t, front), back = told_conn(t, P, TOLD_NOBODY), q = told_rpc(t, back);
	uint32_t q2 = told_rpc(t, back);

	(void)state;
	told_move(t, P, 0, r0, ASKS);
	told_move(t, P, 0, r0, ANSWERS);
	told_move(t, P, 1, r1, ASKS);
	told_move(t, P, 1, r1, ANSWERS);
	told_move(t, P, 0, q, ASKS);
	told_move(t, P, 0, q, ANSWERS);
	told_move(t, P, 0, r2, ASKS);
	told_move(t, P, 0, q2, ASKS); /* has nothing to do with q */
	told_move(t, P, 0, q2, ANSWERS);
	told_move(t, P, 0, r2, ANSWERS);
	told_end(t);
	assert_int_equal(told_parent(t, q), TOLD_NOBODY);
	assert_int_equal(told_parent(t, q2), r2);
	told_free(t);
}

/* A thread that also answers what others have read may have got its next task from them. */
static void test_work_after_the_answer_of_a_shared_thread(void **state)
{
	struct cast c = cast_of(3, 1);

	(void)state;
	read_request(&c, 1, 1);
	send_answer(&c, 0, 1);
	read_request(&c, 1, 2);
	read_request(&c, 0, 0);
	send_answer(&c, 0, 0);
	send_call(&c, 0, 0);
	read_answer(&c, 0, 0);
	send_answer(&c, 1, 2);
	told_end(c.t);
	check(&c, 0, TOLD_NOBODY, EVIDENCE_ROOT);
	told_free(c.t);
}

static void test_nothing_is_carried_over_lost_records(void **state)
{
	struct cast c = cast_of(2, 2);

	(void)state;
	read_request(&c, 0, 0);
	send_call(&c, 0, 0);
	told_lost(c.t, P, 0); /* an answer, and request 1 */
	send_call(&c, 0, 1);
	send_answer(&c, 0, 1);
	told_end(c.t);
	check(&c, 0, 0, EVIDENCE_TURN);
	check(&c, 1, TOLD_NOBODY, EVIDENCE_ROOT);
	assert_true(c.t->m.spans.spans[told_span(c.t, c.r[0], SPAN_SERVER)].lost);
	told_free(c.t);
}

static void test_spontaneous_work_is_a_root(void **state)
{
	struct cast c = cast_of(1, 1);

	(void)state;
	send_call(&c, 0, 0);
	read_answer(&c, 0, 0);
	read_request(&c, 1, 0);
	send_answer(&c, 1, 0);
	told_end(c.t);
	check(&c, 0, TOLD_NOBODY, EVIDENCE_ROOT);
	assert_int_equal(c.t->m.parents.unexplained, 0);
	told_free(c.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_worker_calls_one_after_another),
	    cmocka_unit_test(test_pool_workers_do_not_mix),
	    cmocka_unit_test(test_worker_that_polls_one_connection),
	    cmocka_unit_test(test_request_in_parts),
	    cmocka_unit_test(test_request_passed_on_while_it_comes),
	    cmocka_unit_test(test_pipelined_requests_of_a_worker),
	    cmocka_unit_test(test_pipelined_requests_of_a_loop),
	    cmocka_unit_test(test_pipelined_requests_one_after_the_other),
	    cmocka_unit_test(test_pipelined_requests_and_no_more_to_see),
	    cmocka_unit_test(test_a_request_and_part_of_the_next),
	    cmocka_unit_test(test_greeting_belongs_to_who_connected),
	    cmocka_unit_test(test_handed_over_to_a_worker),
	    cmocka_unit_test(test_handed_over_in_parts),
	    cmocka_unit_test(test_handed_over_and_answered_elsewhere),
	    cmocka_unit_test(test_one_thread_per_direction),
	    cmocka_unit_test(test_fan_out_over_threads_is_not_guessed),
	    cmocka_unit_test(test_work_after_the_answer),
	    cmocka_unit_test(test_work_after_the_connection),
	    cmocka_unit_test(test_work_after_the_answer_in_a_pool),
	    cmocka_unit_test(test_work_after_the_answer_of_a_shared_thread),
	    cmocka_unit_test(test_nothing_is_carried_over_lost_records),
	    cmocka_unit_test(test_spontaneous_work_is_a_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
