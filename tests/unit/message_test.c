// SPDX-License-Identifier: Apache-2.0
/*
 * message_test.c - messages and RPCs of hand-made conversations, one rule each.A conversation is a list of
 * what each end did, in the order of time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzer/pass/message.h"
#include "analyzer/strings.h"
#include "tests/unit/story.h"
#include "tests/unit/toy.h"

#define CLIENT 0
#define SERVER 1

struct scene {
	struct story *story;
	struct conns conns;
	struct links links;
	struct strings *strings;
	struct messages m;
	uint64_t off[2][2];
	int way[2];
	uint32_t head_left[2];
	uint64_t t;
};

static void scene_open(struct scene *c, const int traced[2], uint16_t how[2])
{
	memset(c, 0, sizeof(*c));
	c->story = story_new();
	c->t = 1000;
	c->way[0] = c->way[1] = -1;
	for (int who = 0; who < 2; who++) {
		struct story_end e = {.conn = 1,
				      .flags = how	       ? how[who]
					       : who == CLIENT ? RECORD_FLAG_CONNECT
							       : RECORD_FLAG_ACCEPT,
				      .local_host = (uint8_t)(who + 1),
				      .local_port = who == CLIENT ? 40000 : 80,
				      .remote_host = (uint8_t)(2 - who),
				      .remote_port = who == CLIENT ? 80 : 40000,
				      .cookie = (uint64_t)who + 1};

		e.process = story_process(c->story, 0, (uint64_t)who + 10, 1);
		if (!traced || traced[who])
			story_open(c->story, &e, c->t, c->t + 10);
	}
}

static void scene_do(struct scene *c, int who, int out, const char *bytes, uint32_t len, int lost)
{
	uint16_t flags = c->way[who] == out ? 0 : RECORD_FLAG_BURST;
	uint32_t head;

	if (flags)
		c->head_left[who] = STORY_HEAD_BYTES;
	c->way[who] = out;
	head = len < c->head_left[who] ? len : c->head_left[who];
	c->head_left[who] -= head;
	c->t += 100;
	if (!lost)
		story_record(c->story, (uint32_t)who,
			     (struct store_record){.kind = out ? RECORD_OUT : RECORD_IN,
						   .flags = flags,
						   .conn = 1,
						   .off = c->off[who][out],
						   .len = len,
						   .t0_ns = c->t,
						   .t1_ns = c->t + 50},
			     bytes, head);
	c->off[who][out] += len;
}

static void scene_run(struct scene *c)
{
	c->strings = strings_new();
	assert_int_equal(conn_run(&c->story->store, &c->conns), 0);
	assert_int_equal(pair_run(&c->story->store, &c->conns, &c->links), 0);
	assert_int_equal(message_run(&c->story->store, &c->conns, &c->links, c->strings, &c->m), 0);
	for (uint32_t i = 0; i < c->m.message_count; i++) {
		const struct message *m = &c->m.messages[i];

		assert_true(m->off0 < m->off1);
		assert_true(m->cid == pair_cid(c->links.links[m->link].key, m->sender, m->off0));
	}
}

/* A deed is "C>bytes" (the client writes), "S<bytes" (the server reads), with "-" in front if its record is
 * lost. */
static void scene_play(struct scene *c, const int traced[2], const char *const *deeds, size_t n)
{
	scene_open(c, traced, NULL);
	for (size_t i = 0; i < n; i++) {
		int lost = deeds[i][0] == '-', who = deeds[i][lost] == 'C' ? CLIENT : SERVER;
		const char *bytes = deeds[i] + lost + 2;

		scene_do(c, who, bytes[-1] == '>', bytes, (uint32_t)strlen(bytes),
			 lost || (traced && !traced[who]));
	}
	scene_run(c);
}

static void scene_end(struct scene *c)
{
	message_free(&c->m);
	strings_free(c->strings);
	pair_free(&c->links);
	conn_free(&c->conns);
	story_free(c->story);
}

#define PLAY(c, traced, ...)                                                                                 \
	do {                                                                                                 \
		static const char *const deeds[] = {__VA_ARGS__};                                            \
		scene_play(c, traced, deeds, sizeof(deeds) / sizeof(deeds[0]));                              \
	} while (0)

/* An RPC as text: first letters and ids of request and response, e.g. "Q0001-R0001", "Q0001-", "P0007!" (one
 * way). */
static void describe(const struct scene *c, const struct rpc *r, char *to, size_t room)
{
	const char *q = strings_get(c->strings, c->m.messages[r->request].target);
	const char *a =
	    r->response == RPC_NO_RESPONSE ? "" : strings_get(c->strings, c->m.messages[r->response].target);

	snprintf(to, room, "%.5s%s%.5s ", q, r->one_way ? "!" : "-", a);
}

static void expect(struct scene *c, const char *rpcs, uint64_t unpaired)
{
	char all[512] = "", one[32];

	for (uint32_t i = 0; i < c->m.rpc_count; i++) {
		describe(c, &c->m.rpcs[i], one, sizeof(one));
		strcat(all, one);
	}
	assert_string_equal(all, rpcs);
	assert_int_equal(c->m.unpaired_responses, unpaired);
}

static const int only_client[2] = {1, 0}, only_server[2] = {0, 1};

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

	PLAY(&c, only_client, "C>Q000100000b", "-C<R000100000b", "C>Q000200000b", "C<R000200000b",
	     "C>Q000300000b", "C<R000300000b");
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

static void test_by_key(void **state)
{
	struct scene c;

	(void)state;
	PLAY(&c, NULL, "C>q000100000bq000200000b", "S<q000100000bq000200000b", "S>r000200000b",
	     "C<r000200000b", "C>q000200000b", "S<q000200000b",
	     "S>i000100000br000100000br000700000br000200000b",
	     "C<i000100000br000100000br000700000br000200000b");
	expect(&c, "q0001-r0001 q0002-r0002 q0002-r0002 ", 1);
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
	    cmocka_unit_test(test_swallowed_answer),
	    cmocka_unit_test(test_lost_stretch),
	    cmocka_unit_test(test_other_end_fills_in),
	    cmocka_unit_test(test_behind_the_head),
	    cmocka_unit_test(test_by_key),
	    cmocka_unit_test(test_raw),
	    cmocka_unit_test(test_raw_crossing),
	    cmocka_unit_test(test_raw_server_first),
	    cmocka_unit_test(test_raw_gap),
	    cmocka_unit_test(test_upgrade),
	    cmocka_unit_test(test_turns_into_another),
	    cmocka_unit_test(test_server_by_bytes),
	    cmocka_unit_test(test_middle_of_stream),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_nothing_captured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
