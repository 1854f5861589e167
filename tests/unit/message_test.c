// SPDX-License-Identifier: Apache-2.0
/* message_test.c - messages and RPCs of hand-made conversations, one rule each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/scene.h"

static void test_ping_pong(void **state)
{
	const int *const traced[] = {NULL, only_client, only_server};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct scene c;
		const struct message *m;

		PLAY(&c, traced[i], "C>Q000100000b", "S<Q000100000b", "S>R000100000cx", "C<R000100",
		     "C<000cx", "C>Q000200000b", "S<Q000200000b", "S>R000200000b", "C<R000200000b");
		expect(&c, "Q0001-R0001 Q0002-R0002 ", 0);
		assert_int_equal(c.m.message_count, 4);
		m = &c.m.messages[1];
		assert_int_equal(m->sender, LINK_SERVER);
		assert_int_equal(m->dir, PROTO_TO_CLIENT);
		assert_int_equal(m->off0, 0);
		assert_int_equal(m->off1, 12);
		assert_string_equal(strings_get(c.strings, m->status), "ok");
		assert_true(c.m.rpcs[0].confidence > 0.98f);
		assert_int_equal(c.m.protos[0].bursts_only, 0);
		if (i != 2) {
			assert_true(m->received.last_record == m->received.first_record + 1);
			assert_true(m->received.last_t1_ns > m->received.first_t1_ns);
			assert_false(m->received.holes);
		} else {
			assert_int_equal(m->received.view, STORE_NONE);
		}
		scene_end(&c);
	}
	assert_int_equal(toy_broken_promises, 0);
}

/* Two requests in one write, two answers in one read. */
static void test_pipelined(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "C>Q000100000bQ000200000b", "S<Q000100000bQ0002", "S>R000100000b", "S<00000b",
	     "S>R000200000b", "C<R000100000bR000200000b");
	expect(&c, "Q0001-R0001 Q0002-R0002 ", 0);
	assert_int_equal(c.m.messages[2].off0, 11); /* a burst start of the server inside it is no edge */
	assert_int_equal(c.m.messages[2].off1, 22);
	scene_end(&c);
}

static void test_interim_push_no_response(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "S>P000900000b", "C<P000900000b", "C>Q000100000b", "S<Q000100000b", "S>I000100000b",
	     "C<I000100000b", "C>N000200000b", "S<N000200000b", "S>R000100000b", "C<R000100000b",
	     "C>Q000300000b");
	expect(&c, "P0009! Q0001-R0001 N0002! Q0003- ", 0);
	assert_int_equal(c.m.rpcs[1].first_response, 2);
	assert_int_equal(c.m.messages[2].flags, PROTO_INTERIM);
	assert_int_equal(c.m.rpcs[1].response, 4);
	scene_end(&c);
}

/* A message that spans bursts: its body waits for an interim answer. */
static void test_spans_bursts(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "C>Q0001000014", "S<Q0001000014", "S>I000100000b", "C<I000100000b", "C>!!!!!!!!!",
	     "S<!!!!!!!!!", "S>R000100000b", "C<R000100000b");
	expect(&c, "Q0001-R0001 ", 0);
	assert_int_equal(c.m.messages[0].off1, 20);
	scene_end(&c);
}

/* The same with a length that nobody knows: what makes no sense alone goes on with the message before. */
static void test_unknown_length(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "C>W0001000000!!", "S<W0001000000!!", "S>I000100000b", "C<I000100000b", "C>!!!!",
	     "S<!!!!", "S>M0001000000", "S>!!!!!!!!", "C<M0001000000!!!!!!!!", "C>Q000200000b",
	     "S<Q000200000b", "S>R000200000b", "C<R000200000b");
	expect(&c, "W0001-M0001 Q0002-R0002 ", 0);
	assert_int_equal(c.m.messages[0].off1, 17);
	assert_int_equal(c.m.messages[2].off1, 11 + 19);
	assert_int_equal(c.m.protos[0].bursts_only, 2);
	assert_true(c.m.rpcs[1].confidence > 0.98f);
	scene_end(&c);
}

static void test_by_key(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "C>q000100000bq000200000b", "S<q000100000bq000200000b", "S>r000200000b",
	     "C<r000200000b", "C>q000200000b", "S<q000200000b",
	     "S>i000100000br000100000br000700000br000200000br000200000b",
	     "C<i000100000br000100000br000700000br000200000br000200000b");
	expect(&c, "q0001-r0001 q0002-r0002 q0002-r0002 ", 2);
	assert_true(c.m.rpcs[0].confidence > 0.995f);
	assert_true(c.m.rpcs[0].first_response != c.m.rpcs[0].response);
	scene_end(&c);
}

static void test_raw(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "C>hello", "C>world", "S<helloworld", "S>ok", "C<ok", "C>more", "S<more", "S>fine",
	     "C<fi", "C<ne");
	assert_ptr_equal(c.m.protos[0].proto, &toy_raw);
	assert_int_equal(c.m.rpc_count, 2);
	assert_int_equal(c.m.messages[0].off1, 10);
	assert_int_equal(c.m.rpcs[0].response, 1);
	assert_int_equal(c.m.rpcs[1].response, 3);
	assert_true(c.m.rpcs[0].confidence > 0.9f);
	scene_end(&c);
}

/* Bursts that cross in flight: the server's sight decides, and it is not sure. */
static void test_raw_crossing(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "C>one", "C>two", "S<one", "S>ONE", "S<two", "S>TWO", "C<ONETWO", "C>end", "S<end",
	     "S>END", "C<END");
	assert_int_equal(c.m.rpc_count, 3);
	assert_int_equal(c.m.messages[2].off0, 3);
	assert_true(c.m.rpcs[0].confidence < 0.6f);
	assert_true(c.m.rpcs[1].confidence < 0.6f);
	assert_true(c.m.rpcs[2].confidence > 0.9f);
	scene_end(&c);
}

static void test_raw_server_first(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "S>welcome", "C<welcome", "C>one", "S<one", "S>ONE", "C<ONE");
	assert_int_equal(c.m.rpc_count, 2);
	assert_true(c.m.rpcs[0].one_way);
	assert_int_equal(c.m.rpcs[1].response, 2);
	scene_end(&c);
}

static void test_upgrade(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "C>Q000100000b", "S<Q000100000b", "S>U000100000b", "C<U000100000b", "C>Q000200000b",
	     "S<Q000200000b", "S>????", "C<????");
	assert_int_equal(c.m.rpc_count, 2);
	assert_int_equal(c.m.messages[2].operation, 0); /* a burst, whatever it looks like */
	assert_int_equal(c.m.rpcs[1].response, 3);
	assert_true(c.m.rpcs[1].confidence < 0.96f);
	scene_end(&c);
}

/* Without a word the stream becomes something else: bursts from the first that makes no sense. */
static void test_turns_into_another(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "C>Q000100000b", "S<Q000100000b", "S>R000100000b", "C<R000100000b",
	     "C>"
	     "\x16\x03\x01",
	     "S<"
	     "\x16\x03\x01",
	     "S>"
	     "\x16\x03\x02",
	     "C<"
	     "\x16\x03\x02",
	     "C>abc", "S<abc", "S>def", "C<def");
	assert_int_equal(c.m.message_count, 6);
	assert_int_equal(c.m.messages[2].off0, 11);
	assert_int_equal(c.m.rpc_count, 3);
	scene_end(&c);
}

/* Nobody knows who opened it, or the opener is the one that answers: the bytes decide. */
static void test_server_by_bytes(void **state)
{
	uint16_t seen[2] = {RECORD_FLAG_SEEN, RECORD_FLAG_SEEN};

	(void)state;
	for (int known = 0; known < 2; known++) {
		struct scene c;

		scene_open(&c, NULL, known ? NULL : seen);
		scene_do(&c, SERVER, 1, "Q000100000b", 11, 0);
		scene_do(&c, CLIENT, 0, "Q000100000b", 11, 0);
		scene_do(&c, CLIENT, 1, "R000100000b", 11, 0);
		scene_do(&c, SERVER, 0, "R000100000b", 11, 0);
		scene_run(&c);
		assert_int_equal(c.m.protos[0].server, LINK_CLIENT);
		expect(&c, "Q0001-R0001 ", 0);
		assert_int_equal(c.m.messages[0].sender, LINK_SERVER);
		assert_int_equal(c.m.messages[0].dir, PROTO_TO_SERVER);
		scene_end(&c);
	}
}

/* The library came in the middle of a message. */
static void test_middle_of_stream(void **state)
{
	struct story_end e = {.conn = 1,
			      .flags = RECORD_FLAG_SEEN,
			      .local_host = 1,
			      .local_port = 40000,
			      .remote_host = 2,
			      .remote_port = 80,
			      .off_in = 500,
			      .off_out = 700};
	struct scene c = {.t = 1000, .off = {{500, 700}}, .way = {-1, -1}};

	(void)state;
	c.story = story_new();
	e.process = story_process(c.story, 0, 10, 1);
	story_open(c.story, &e, 1000, 1000);
	scene_do(&c, CLIENT, 0, "!!!!!!", 6, 0);
	scene_do(&c, CLIENT, 1, "Q000100000b", 11, 0);
	scene_do(&c, CLIENT, 0, "R000100000b", 11, 0);
	scene_do(&c, CLIENT, 1, "Q000200000b", 11, 0);
	scene_do(&c, CLIENT, 0, "R000200000b", 11, 0);
	scene_run(&c);
	assert_ptr_equal(c.m.protos[0].proto, &toy_fifo);
	expect(&c, "Q0001-R0001 Q0002-R0002 ", 0);
	assert_int_equal(c.m.messages[0].off0, 700);
	scene_end(&c);
}

/* A length beyond the end of the stream, and everything else that is too large. */
static void test_hostile(void **state)
{
	static const char large[STORY_HEAD_BYTES] = "Q0001ffffff";
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "C>Q0001ffffff", "S<Q0001ffffff", "S>R0001000001");
	assert_int_equal(c.m.messages[0].off1, 11);
	scene_end(&c);

	scene_open(&c, NULL, NULL);
	story_move(c.story, RECORD_OUT, 0, 1, UINT64_MAX - 5, large, 72, RECORD_FLAG_BURST, 1, 2);
	story_move(c.story, RECORD_OUT, 0, 1, 1ull << 63, NULL, UINT32_MAX, RECORD_FLAG_BURST, 1, 2);
	story_move(c.story, RECORD_IN, 0, 1, UINT64_MAX, NULL, UINT32_MAX, RECORD_FLAG_BURST, 1, 2);
	story_move(c.story, RECORD_IN, 1, 1, 0, large, 11, RECORD_FLAG_BURST | RECORD_FLAG_RACE, 1, 2);
	story_counts(c.story, RECORD_CLOSE, 0, 1, 0, (struct counts){0, 1ull << 62, 1ull << 63, 0}, 9);
	scene_run(&c);
	scene_end(&c);
}

/* Two threads of the sender wrote at once, and what was captured may be the other one's: the receiver knows
 * better. */
static void test_raced_bytes_give_way(void **state)
{
	struct scene c;

	(void)state;
	scene_open(&c, NULL, NULL);
	story_move(c.story, RECORD_OUT, 0, 1, 0, "Q000200000b", 11, RECORD_FLAG_BURST | RECORD_FLAG_RACE, 100,
		   110);
	story_move(c.story, RECORD_OUT, 0, 1, 11, "Q000100000b", 11, RECORD_FLAG_RACE, 100, 110);
	story_move(c.story, RECORD_IN, 1, 1, 0, "Q000100000bQ000200000b", 22, RECORD_FLAG_BURST, 200, 210);
	scene_run(&c);
	expect(&c, "Q0001- Q0002- ", 0);
	scene_end(&c);
}

static void test_nothing_captured(void **state)
{
	struct scene c;

	(void)state;
	scene_open(&c, NULL, NULL);
	for (int i = 0; i < 3; i++) {
		story_move(c.story, RECORD_OUT, 0, 1, (uint64_t)i * 10, NULL, 10, RECORD_FLAG_BURST,
			   100 + i * 100u, 110 + i * 100u);
		story_move(c.story, RECORD_IN, 0, 1, (uint64_t)i * 20, NULL, 20, RECORD_FLAG_BURST,
			   150 + i * 100u, 160 + i * 100u);
	}
	scene_run(&c);
	assert_int_equal(c.m.rpc_count, 3);
	assert_int_equal(c.m.rpcs[2].response, 5);
	scene_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ping_pong),
	    cmocka_unit_test(test_pipelined),
	    cmocka_unit_test(test_interim_push_no_response),
	    cmocka_unit_test(test_spans_bursts),
	    cmocka_unit_test(test_unknown_length),
	    cmocka_unit_test(test_by_key),
	    cmocka_unit_test(test_raw),
	    cmocka_unit_test(test_raw_crossing),
	    cmocka_unit_test(test_raw_server_first),
	    cmocka_unit_test(test_upgrade),
	    cmocka_unit_test(test_turns_into_another),
	    cmocka_unit_test(test_server_by_bytes),
	    cmocka_unit_test(test_middle_of_stream),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_raced_bytes_give_way),
	    cmocka_unit_test(test_nothing_captured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
