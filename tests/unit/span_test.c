// SPDX-License-Identifier: Apache-2.0
/* span_test.c - which times, bytes and marks a span gets from what was seen at its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/told.h"

#define CLIENT 0u
#define SERVER 1u

/* A client, a server, one connection, `rpcs` RPCs numbered from 0. */
static struct told *two(uint32_t rpcs)
{
	struct told *t = told_begin(2);
	uint32_t conn = told_conn(t, CLIENT, SERVER);

	while (rpcs--)
		told_rpc(t, conn);
	return t;
}

static const struct span *span_of(const struct told *t, uint32_t rpc, enum span_side side)
{
	uint32_t number = told_span(t, rpc, side);

	assert_int_not_equal(number, STORE_NONE);
	return &t->m.spans.spans[number];
}

static struct store_record *last_record(struct told *t)
{
	return &t->moves[t->move_count - 1].record;
}

static void exchange(struct told *t, uint32_t rpc)
{
	told_move(t, CLIENT, 0, rpc, ASKS);
	told_move(t, SERVER, 0, rpc, ASKS);
	told_move(t, SERVER, 0, rpc, ANSWERS);
	told_move(t, CLIENT, 0, rpc, ANSWERS);
}

static void test_both_sides(void **state)
{
	struct told *t = two(1);
	const struct span *client, *server;

	(void)state;
	exchange(t, 0);
	told_end(t);
	client = span_of(t, 0, SPAN_CLIENT);
	server = span_of(t, 0, SPAN_SERVER);
	assert_int_equal(client->start_ns, 1000); /* entry of the first send */
	assert_int_equal(server->start_ns, 1015); /* return of the receive */
	assert_int_equal(server->end_ns, 1025);	  /* return of the send */
	assert_int_equal(client->end_ns, 1035);	  /* return of the last receive */
	assert_int_equal(client->handle_ns, 10);
	assert_int_equal(server->handle_ns, 10);
	assert_int_equal(client->first_byte_ns, 1035);
	assert_int_equal(server->first_byte_ns, 1020);
	assert_int_equal(client->bytes_out, TOLD_BYTES);
	assert_int_equal(server->bytes_in, TOLD_BYTES);
	assert_ptr_equal(&t->m.spans.spans[client->peer], server);
	assert_ptr_equal(&t->m.spans.spans[server->peer], client);
	assert_int_equal(client->cid, server->cid);
	assert_false(client->lost || client->open || server->lost || server->open);
	assert_int_equal(t->m.spans.clamped, 0);
	told_free(t);
}

static void test_one_side_is_enough(void **state)
{
	struct told *t = told_begin(1);
	uint32_t conn = told_conn(t, CLIENT, TOLD_NOBODY), rpc = told_rpc(t, conn);

	(void)state;
	told_move(t, CLIENT, 0, rpc, ASKS);
	told_move(t, CLIENT, 0, rpc, ANSWERS);
	told_end(t);
	assert_int_equal(t->m.spans.span_count, 1);
	assert_int_equal(span_of(t, rpc, SPAN_CLIENT)->peer, STORE_NONE);
	assert_int_equal(span_of(t, rpc, SPAN_CLIENT)->handle_ns, 0);
	assert_int_equal(span_of(t, rpc, SPAN_CLIENT)->end_ns, 1015);
	told_free(t);
}

/* The send returned when the client had long got the bytes. */
static void test_server_ends_no_later_than_its_client(void **state)
{
	struct told *t = two(1);

	(void)state;
	exchange(t, 0);
	t->moves[2].record.t1_ns = 1300;
	told_end(t);
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->end_ns, 1035);
	assert_int_equal(t->m.spans.clamped, 1);
	assert_int_equal(t->m.spans.clamped_ns, 265);
	told_free(t);
}

/* The receive cannot have returned before the send was entered. */
static void test_server_begins_no_earlier_than_its_client(void **state)
{
	struct told *t = two(1);

	(void)state;
	exchange(t, 0);
	t->moves[1].record.t0_ns = t->moves[1].record.t1_ns = 500;
	told_end(t);
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->start_ns, 1000);
	assert_int_equal(t->m.spans.clamped, 1);
	told_free(t);
}

/* A request and its answer, 5 us later by the clocks of the server, which may be on the client's timeline. */
static struct told *two_clocks(struct store_clock clocks[2])
{
	struct told *t = two(1);

	exchange(t, 0);
	t->processes[SERVER].clock = 1;
	t->m.store.clocks = clocks;
	for (uint32_t i = 1; i <= 2; i++) {
		t->moves[i].record.t0_ns += 5000;
		t->moves[i].record.t1_ns += 5000;
	}
	told_end(t);
	t->m.store.clocks = NULL;
	return t;
}

/* On one timeline nobody answers after the answer was there. */
static void test_aligned_clocks_are_clamped(void **state)
{
	struct store_clock clocks[2] = {{.timeline = 1}, {.timeline = 1}};
	struct told *t = two_clocks(clocks);

	(void)state;
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->end_ns, span_of(t, 0, SPAN_CLIENT)->end_ns);
	assert_int_equal(t->m.spans.clamped, 1);
	told_free(t);
}

/* Another kernel's clock may be wrong: its times are left as they are. */
static void test_other_clocks_are_not_clamped(void **state)
{
	struct store_clock clocks[2] = {{.boot_id = NULL}, {.boot_id = NULL}};
	struct told *t = two_clocks(clocks);

	(void)state;
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->start_ns, 6015);
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->end_ns, 6025);
	assert_int_equal(t->m.spans.clamped, 0);
	told_free(t);
}

static void test_answered_before_the_request_was_whole(void **state)
{
	struct told *t = two(1);

	(void)state;
	told_move(t, CLIENT, 0, 0, ASKS);
	told_bytes(t, SERVER, 0, 0, ASKS, 0, 4); /* too large, says the server */
	told_move(t, SERVER, 0, 0, ANSWERS);
	told_bytes(t, SERVER, 0, 0, ASKS, 4, TOLD_BYTES);
	told_move(t, CLIENT, 0, 0, ANSWERS);
	told_end(t);
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->start_ns, 1015);
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->end_ns, 1025);
	told_free(t);
}

static void test_unanswered_lasts_until_the_connection_ends(void **state)
{
	struct told *t = two(1);
	struct store_record *end;

	(void)state;
	told_move(t, CLIENT, 0, 0, ASKS);
	told_move(t, SERVER, 0, 0, ASKS);
	told_bytes(t, CLIENT, 0, 0, ANSWERS, 0, 0);
	end = last_record(t);
	end->flags = RECORD_FLAG_EOF;
	told_wait(t, CLIENT, 0);
	t->rpcs[0].response = t->rpcs[0].first_response = STORE_NONE;
	t->processes[SERVER].end_reason = NULL; /* killed */
	told_end(t);
	assert_true(span_of(t, 0, SPAN_CLIENT)->open);
	assert_false(span_of(t, 0, SPAN_CLIENT)->lost);
	assert_int_equal(span_of(t, 0, SPAN_CLIENT)->end_ns, 1025);
	assert_true(span_of(t, 0, SPAN_SERVER)->open);
	assert_true(span_of(t, 0, SPAN_SERVER)->lost);
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->end_ns, 1015);
	told_free(t);
}

/* The next request on the connection shows that there must have been an answer. */
static void test_missed_answer_ends_before_the_next_request(void **state)
{
	struct told *t = two(2);

	(void)state;
	told_move(t, CLIENT, 0, 0, ASKS);
	told_lost(t, CLIENT, 0);
	exchange(t, 1);
	t->rpcs[0].response = t->rpcs[0].first_response = STORE_NONE;
	told_end(t);
	assert_true(span_of(t, 0, SPAN_CLIENT)->open && span_of(t, 0, SPAN_CLIENT)->lost);
	assert_int_equal(span_of(t, 0, SPAN_CLIENT)->end_ns, 1020);
	assert_false(span_of(t, 1, SPAN_CLIENT)->lost || span_of(t, 1, SPAN_SERVER)->lost);
	told_free(t);
}

static void test_half_seen_is_lost(void **state)
{
	struct told *t = two(2);

	(void)state;
	told_move(t, SERVER, 0, 0, ASKS); /* the client's send is missing, */
	told_move(t, SERVER, 0, 0, ANSWERS);
	told_move(t, CLIENT, 0, 0, ANSWERS);
	told_move(t, CLIENT, 0, 1, ASKS); /* and here its receive */
	told_move(t, SERVER, 0, 1, ASKS);
	told_move(t, SERVER, 0, 1, ANSWERS);
	told_wait(t, CLIENT, 0);
	told_end(t);
	assert_true(span_of(t, 0, SPAN_CLIENT)->lost);
	assert_int_equal(span_of(t, 0, SPAN_CLIENT)->start_record, STORE_NONE);
	assert_true(span_of(t, 1, SPAN_CLIENT)->lost && span_of(t, 1, SPAN_CLIENT)->open);
	assert_int_equal(span_of(t, 1, SPAN_CLIENT)->end_ns, 1055); /* when the server had sent it */
	assert_false(span_of(t, 1, SPAN_SERVER)->lost);
	told_free(t);
}

static void test_missing_records_mark_what_they_touch(void **state)
{
	struct told *t = two(3);
	struct store_gap gap = {.before = 5, .missing = 7};

	(void)state;
	exchange(t, 0);
	exchange(t, 1);
	exchange(t, 2);
	told_end(t);
	/* A gap in front of the client's last receive, found by the loader. */
	t->processes[CLIENT].threads[0].gaps = &gap;
	t->processes[CLIENT].threads[0].gap_count = 1;
	span_free(&t->m.spans);
	assert_int_equal(span_run(&t->m.store, &t->m.conns, &t->m.links, &t->m.messages, &t->m.spans), 0);
	assert_false(span_of(t, 0, SPAN_CLIENT)->lost || span_of(t, 1, SPAN_CLIENT)->lost);
	assert_true(span_of(t, 2, SPAN_CLIENT)->lost);
	assert_false(span_of(t, 2, SPAN_SERVER)->lost);
	told_free(t);
}

static void test_one_way(void **state)
{
	struct told *t = two(1);

	(void)state;
	told_bytes(t, CLIENT, 0, 0, ASKS, 0, 4);
	told_bytes(t, CLIENT, 0, 0, ASKS, 4, TOLD_BYTES);
	told_bytes(t, SERVER, 0, 0, ASKS, 0, 4);
	told_bytes(t, SERVER, 0, 0, ASKS, 4, TOLD_BYTES);
	t->rpcs[0].response = t->rpcs[0].first_response = STORE_NONE;
	t->rpcs[0].one_way = true;
	told_end(t);
	assert_int_equal(span_of(t, 0, SPAN_CLIENT)->end_ns, 1015);
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->start_ns, 1025);
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->end_ns, 1035);
	assert_false(span_of(t, 0, SPAN_CLIENT)->open || span_of(t, 0, SPAN_SERVER)->open);
	assert_true(t->m.parents.edges[told_span(t, 0, SPAN_SERVER)].async);
	told_free(t);
}

/* Nobody knows whether unknown bytes want an answer: without one they are a message. */
static void test_raw_bytes_without_an_answer(void **state)
{
	static const struct proto raw = {.name = "raw", .pairing = PROTO_FIFO};
	struct told *t = two(1);

	(void)state;
	t->protos[0].proto = &raw;
	t->rpcs[0].response = t->rpcs[0].first_response = STORE_NONE;
	told_move(t, CLIENT, 0, 0, ASKS);
	told_move(t, SERVER, 0, 0, ASKS);
	told_end(t);
	assert_true(span_of(t, 0, SPAN_CLIENT)->one_way && !span_of(t, 0, SPAN_CLIENT)->open);
	assert_int_equal(span_of(t, 0, SPAN_CLIENT)->end_ns, 1005);
	told_free(t);
}

/* The server speaks first: the client's span is its connect. */
static void test_greeting(void **state)
{
	struct told *t = two(1);

	(void)state;
	t->messages[0].sender = LINK_SERVER;
	t->messages[0].flags = PROTO_PUSH | PROTO_CONTROL;
	t->rpcs[0].response = t->rpcs[0].first_response = STORE_NONE;
	t->rpcs[0].one_way = true;
	told_connect(t, CLIENT, 0, 0);
	told_move(t, SERVER, 0, 0, ASKS);
	told_move(t, CLIENT, 0, 0, ASKS);
	told_end(t);
	assert_int_equal(span_of(t, 0, SPAN_CLIENT)->process, CLIENT);
	assert_int_equal(span_of(t, 0, SPAN_CLIENT)->start_ns, 1000);
	assert_int_equal(span_of(t, 0, SPAN_CLIENT)->end_ns, 1025);
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->process, SERVER);
	assert_int_equal(span_of(t, 0, SPAN_SERVER)->end_ns, 1015);
	assert_int_equal(span_of(t, 0, SPAN_CLIENT)->bytes_in, TOLD_BYTES);
	assert_int_equal(span_of(t, 0, SPAN_CLIENT)->bytes_out, 0);
	told_free(t);
}

static void test_no_records_no_spans(void **state)
{
	struct told *t = two(1);

	(void)state;
	told_end(t);
	assert_int_equal(t->m.spans.span_count, 0);
	assert_int_equal(t->m.root_count, 0);
	told_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both_sides),
	    cmocka_unit_test(test_one_side_is_enough),
	    cmocka_unit_test(test_server_ends_no_later_than_its_client),
	    cmocka_unit_test(test_server_begins_no_earlier_than_its_client),
	    cmocka_unit_test(test_other_clocks_are_not_clamped),
	    cmocka_unit_test(test_aligned_clocks_are_clamped),
	    cmocka_unit_test(test_answered_before_the_request_was_whole),
	    cmocka_unit_test(test_unanswered_lasts_until_the_connection_ends),
	    cmocka_unit_test(test_missed_answer_ends_before_the_next_request),
	    cmocka_unit_test(test_half_seen_is_lost),
	    cmocka_unit_test(test_missing_records_mark_what_they_touch),
	    cmocka_unit_test(test_one_way),
	    cmocka_unit_test(test_raw_bytes_without_an_answer),
	    cmocka_unit_test(test_greeting),
	    cmocka_unit_test(test_no_records_no_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
