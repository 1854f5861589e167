// SPDX-License-Identifier: Apache-2.0
/* message_gap_test.c - which answers are believed where messages are missing or hidden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/scene.h"

/* Where an unknown length may have swallowed the next answer, what follows is not shifted by one. */
static void test_swallowed_answer(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "C>Q000100000bQ000200000b", "S<Q000100000bQ000200000b", "S>M0001000000!!R000200000b",
	     "C<M0001000000!!R000200000b", "C>Q000300000b", "S<Q000300000b", "S>R000300000b", "C<R000300000b",
	     "C>Q000400000b", "S<Q000400000b", "S>R000400000b", "C<R000400000b");
	expect(&c, "Q0001-M0001 Q0002- Q0003-R0003 Q0004-R0004 ", 0);
	assert_true(c.m.rpcs[2].confidence < 0.7f);
	assert_true(c.m.rpcs[3].confidence < 0.7f); /* it asks several at once: never quite sure again */
	scene_end(&c);
}

/* One end loses a stretch of records: an answer and the next request. The other end was not traced. */
static void test_lost_stretch(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, only_client, "C>Q000100000b", "-C<R000100000b", "-C>Q000200000b", "C<R000200000b",
	     "C>Q000300000b", "C<R000300000b");
	expect(&c, "Q0001- Q0003-R0003 ", 1);
	scene_end(&c);

	toy_fresh_states = 0;
	PLAY(&c, only_client, "C>Q000100000b", "-C<R000100000b", "C>Q000200000b", "C<R000200000b",
	     "C>Q000300000b", "C<R000300000b");
	assert_int_equal(toy_fresh_states, 2); /* what it remembers of the requests is off after the gap */
	expect(&c, "Q0001- Q0002-R0002 Q0003-R0003 ", 0);
	assert_true(c.m.rpcs[1].confidence < 0.7f);
	assert_true(c.m.rpcs[2].confidence > 0.98f);
	scene_end(&c);

	PLAY(&c, only_client, "C>Q000100000b", "C<R000100000b", "-C>Q000200000b", "C<R000200000b",
	     "C>Q000300000b", "C<R000300000b");
	expect(&c, "Q0001-R0001 Q0003-R0003 ", 1);
	scene_end(&c);
}

/* What one end lost the other one has. */
static void test_other_end_fills_in(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "-C>Q000100000b", "S<Q000100000b", "-S>R000100000b", "C<R000100000b", "C>Q000200000b",
	     "-S<Q000200000b", "S>R000200000b", "-C<R000200000b");
	expect(&c, "Q0001-R0001 Q0002-R0002 ", 0);
	assert_true(c.m.rpcs[1].confidence > 0.98f);
	assert_true(c.m.messages[0].sent.holes);
	assert_int_equal(c.m.messages[0].sent.view, STORE_NONE);
	assert_false(c.m.messages[0].received.holes);
	scene_end(&c);
}

/* More pipelined messages than a head of 256 bytes shows. */
static void test_behind_the_head(void **state)
{
	uint8_t requests[400], answers[44];
	struct scene c;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		toy_write(requests + 100 * i, 'Q', i + 1, 100);
		toy_write(answers + 11 * i, 'R', i + 1, 11);
	}
	scene_open(&c, NULL, NULL);
	scene_do(&c, CLIENT, 1, (char *)requests, 400, 0);
	scene_do(&c, SERVER, 0, (char *)requests, 400, 0);
	scene_do(&c, SERVER, 1, (char *)answers, 44, 0);
	scene_do(&c, CLIENT, 0, (char *)answers, 44, 0);
	toy_write(requests, 'Q', 9, 20);
	toy_write(answers, 'R', 9, 20);
	for (int i = 0; i < 2; i++) {
		scene_do(&c, CLIENT, 1, (char *)requests, 20, 0);
		scene_do(&c, SERVER, 0, (char *)requests, 20, 0);
		scene_do(&c, SERVER, 1, (char *)answers, 20, 0);
		scene_do(&c, CLIENT, 0, (char *)answers, 20, 0);
	}
	scene_run(&c);
	expect(&c, "Q0001-R0001 Q0002-R0002 Q0003-R0003 Q0009-R0009 Q0009-R0009 ", 1);
	assert_int_equal(c.m.protos[0].bursts_only, 1);
	assert_true(c.m.rpcs[0].confidence > 0.98f);
	assert_true(c.m.rpcs[4].confidence < 0.7f);
	scene_end(&c);
}

/* A record in the middle of a burst whose beginning is lost begins no message, whatever it looks like. */
static void test_looks_like_a_message(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, only_client, "C>Q000100000b", "C<R000100000b", "-C>Q000200001c!!!!!!", "C>Q000900000b",
	     "C<R000200000b", "C>Q000300000b", "C<R000300000b");
	expect(&c, "Q0001-R0001 Q0003-R0003 ", 1);
	scene_end(&c);
}

static void big_round(struct scene *c, uint8_t *requests, const char *answers, int read_all)
{
	scene_do(c, CLIENT, 1, (char *)requests, 400, 0);
	scene_do(c, SERVER, 0, (char *)requests, 400, 0);
	scene_do(c, SERVER, 1, answers, (uint32_t)strlen(answers), 0);
	if (read_all)
		scene_do(c, CLIENT, 0, answers, (uint32_t)strlen(answers), 0);
}

static void small_round(struct scene *c, const char *request, const char *answer)
{
	scene_do(c, CLIENT, 1, request, (uint32_t)strlen(request), 0);
	scene_do(c, SERVER, 0, request, (uint32_t)strlen(request), 0);
	scene_do(c, SERVER, 1, answer, (uint32_t)strlen(answer), 0);
	scene_do(c, CLIENT, 0, answer, (uint32_t)strlen(answer), 0);
}

/* A client that does not wait, and requests that nobody sees: later answers may be theirs. */
static void test_ahead_and_hidden(void **state)
{
	uint8_t requests[400];

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		toy_write(requests + 100 * i, 'Q', i + 1, 100);
	for (int ahead = 0; ahead < 2; ahead++) {
		struct scene c;

		scene_open(&c, NULL, NULL);
		if (ahead) { /* the second request leaves before the first answer is there */
			small_round(&c, "Q000500000b", "P000000000b");
			small_round(&c, "Q000600000b", "R000500000bR000600000b");
		}
		big_round(&c, requests, "R000100000bR000200000bR000300000bR000400000b", 1);
		/* one round for the client, whatever the server does in between */
		scene_do(&c, CLIENT, 1, "Q000800000bQ000900000b", 22, 0);
		scene_do(&c, SERVER, 0, "Q000800000b", 11, 0);
		scene_do(&c, SERVER, 1, "P000000000b", 11, 0);
		scene_do(&c, SERVER, 0, "Q000900000b", 11, 0);
		scene_do(&c, SERVER, 1, "R000800000bR000900000b", 22, 0);
		scene_do(&c, CLIENT, 0, "P000000000bR000800000bR000900000b", 33, 0);
		small_round(&c, "Q000700000b", "R000700000b");
		scene_run(&c);
		expect(
		    &c,
		    ahead ? "Q0005-R0005 P0000! Q0006-R0006 Q0001-R0001 Q0002-R0002 Q0003-R0003 Q0008- "
			    "P0000! Q0009- Q0007- "
			  : "Q0001-R0001 Q0002-R0002 Q0003-R0003 Q0008-R0008 P0000! Q0009-R0009 Q0007-R0007 ",
		    ahead ? 4 : 1);
		scene_end(&c);
	}
}

/* As many answers as requests are seen, and there are more requests: the rest will come in the next round. */
static void test_round_is_short(void **state)
{
	uint8_t requests[400];
	struct scene c;

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		toy_write(requests + 100 * i, 'Q', i + 1, 100);
	/* answered to the end, round after round: what is seen before the hidden ones is believed */
	scene_open(&c, NULL, NULL);
	big_round(&c, requests, "R000100000bR000200000bR000300000bR000400000b", 1);
	big_round(&c, requests, "R000100000bR000200000bR000300000bR000400000b", 1);
	scene_run(&c);
	expect(&c, "Q0001-R0001 Q0002-R0002 Q0003-R0003 Q0001-R0001 Q0002-R0002 Q0003-R0003 ", 2);
	assert_true(c.m.rpcs[2].confidence > 0.98f); /* it came before what is missing */
	assert_true(c.m.rpcs[5].confidence < 0.7f);
	scene_end(&c);

	scene_open(&c, NULL, NULL);
	big_round(&c, requests, "R000100000bR000200000bR000300000bR000400000b", 1);
	big_round(&c, requests, "R000100000bR000200000bR000300000b", 1);
	small_round(&c, "Q000700000b", "R000400000b");
	scene_run(&c);
	expect(&c, "Q0001-R0001 Q0002-R0002 Q0003-R0003 Q0001- Q0002- Q0003- Q0007- ", 5);
	scene_end(&c);
}

/* The same the other way round: an answer whose successors are hidden, and no more than there are requests.
 */
static void test_hidden_answers(void **state)
{
	uint8_t requests[400], answers[411];
	struct scene c;

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		toy_write(requests + 100 * i, 'Q', i + 1, 100);
	toy_write(answers, 'R', 4, 400);
	toy_write(answers + 400, 'R', 7, 11);
	scene_open(&c, NULL, NULL);
	big_round(&c, requests, "R000100000bR000200000bR000300000b", 1);
	scene_do(&c, CLIENT, 1, "Q000700000b", 11, 0);
	scene_do(&c, SERVER, 0, "Q000700000b", 11, 0);
	scene_do(&c, SERVER, 1, (char *)answers, 411, 0);
	scene_do(&c, CLIENT, 0, (char *)answers, 411, 0);
	small_round(&c, "Q000800000b", "R000800000b");
	scene_run(&c);
	expect(&c, "Q0001-R0001 Q0002-R0002 Q0003-R0003 Q0007- Q0008-R0008 ", 1);
	scene_end(&c);
}

static void test_raw_gap(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, only_server, "S<one", "-S>ONE", "S<two", "S>TWO", "S<three", "-S>THREE", "-S<four",
	     "S>FOUR");
	assert_int_equal(c.m.rpc_count, 3);
	assert_int_equal(c.m.rpcs[0].response, RPC_NO_RESPONSE);
	assert_int_equal(c.m.messages[c.m.rpcs[1].response].off0, 3);
	assert_int_equal(c.m.rpcs[2].response, RPC_NO_RESPONSE);
	assert_int_equal(c.m.unpaired_responses, 1);
	scene_end(&c);
}

/* Whether a request is missing behind the last one is known if somebody closed and told how much there was.
 */
static void test_gap_at_the_end(void **state)
{
	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		struct scene c;

		scene_open(&c, only_client, NULL);
		scene_do(&c, CLIENT, 1, "Q000100000b", 11, 0);
		scene_do(&c, CLIENT, 0, "P000000000b", 11, 1);
		scene_do(&c, CLIENT, 0, "R000100000b", 11, 0);
		if (closed)
			story_close(c.story, 0, 1, 11, 22, 9000);
		/* the answer is read on its own */
		c.story->processes[0].records[2].flags = RECORD_FLAG_BURST;
		scene_run(&c);
		expect(&c, closed ? "Q0001-R0001 " : "Q0001- ", closed ? 0 : 1);
		scene_end(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_swallowed_answer),
	    cmocka_unit_test(test_lost_stretch),
	    cmocka_unit_test(test_other_end_fills_in),
	    cmocka_unit_test(test_behind_the_head),
	    cmocka_unit_test(test_looks_like_a_message),
	    cmocka_unit_test(test_ahead_and_hidden),
	    cmocka_unit_test(test_round_is_short),
	    cmocka_unit_test(test_hidden_answers),
	    cmocka_unit_test(test_raw_gap),
	    cmocka_unit_test(test_gap_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
