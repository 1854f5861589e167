// SPDX-License-Identifier: Apache-2.0
/* dgram_test.c - sends and receives of datagrams: what is joined, and what is left apart. */
#include "analyzer/pass/align.h"
#include "dgram_world.h"

#define SERVER_PORT 53

/* A client at host 1 that is connected to a server at host 2, which is bound to any address. */
static struct story *pair_of(uint32_t clocks, struct sock *client, struct sock *server)
{
	struct story *s = world(2, clocks);

	*client = (struct sock){.process = 0,
				.conn = 1,
				.host = 1,
				.remote_host = 2,
				.port = 40000,
				.remote_port = SERVER_PORT,
				.cookie = 11,
				.inode = 21};
	*server = (struct sock){.process = 1, .conn = 1, .port = SERVER_PORT, .cookie = 12, .inode = 22};
	sock_open(s, client);
	sock_open(s, server);
	return s;
}

static void test_equal_payload(void **state)
{
	struct sock c, v;
	struct story *s = pair_of(2, &c, &v);
	uint32_t out[3], in[3];
	struct dgrams d;

	(void)state;
	for (int i = 0; i < 3; i++) {
		out[i] = text_out(s, &c, S + (uint64_t)i * US * 9, "hits:1|c", 0, 0);
		in[i] = text_in(s, &v, 90 * S + (uint64_t)i * US * 9, "hits:1|c", 1, 40000);
	}
	d = run(s);
	assert_int_equal(d.flow_count, 1);
	assert_int_equal(d.flows[0].join, DGRAM_ADDRESS);
	assert_int_equal(d.all.joined, 3);
	assert_int_equal(d.all.bytes_joined, 24);
	for (int i = 0; i < 3; i++)
		assert_int_equal(joined_with(&d, 1, in[i]), out[i]);
	assert_int_equal(d.edge_count, 1);
	assert_int_equal(d.edges[0].joined, 3);
	dgram_free(&d);
	/* one more send: one of four is lost, and nobody can say which */
	text_out(s, &c, 2 * S, "hits:1|c", 0, 0);
	d = run(s);
	assert_int_equal(d.all.joined, 0);
	assert_int_equal(d.all.lost, 1);
	assert_int_equal(d.all.ambiguous, 3);
	assert_int_equal(d.all.unclear, 3);
	dgram_free(&d);
	story_free(s);
}

/* On one clock nothing is received before it is sent: what came early is the early one. */
static void test_time(void **state)
{
	struct sock c, v;
	struct story *s = pair_of(1, &c, &v);
	uint32_t out, in;
	struct dgrams d;

	(void)state;
	out = text_out(s, &c, S, "ping", 0, 0);
	in = text_in(s, &v, S + 9 * US, "ping", 1, 40000);
	text_out(s, &c, 2 * S, "ping", 0, 0);
	d = run(s);
	assert_int_equal(d.all.joined, 1);
	assert_int_equal(joined_with(&d, 1, in), out);
	assert_int_equal(d.all.lost, 1);
	dgram_free(&d);
	story_free(s);
}

static void test_loss_copy_reorder(void **state)
{
	struct sock c, v;
	struct story *s = pair_of(2, &c, &v);
	static const char *const texts[] = {"one", "two", "three", "four"};
	uint32_t out[4], in[4];
	struct dgrams d;

	(void)state;
	for (int i = 0; i < 4; i++)
		out[i] = text_out(s, &c, S + (uint64_t)i * S, texts[i], 0, 0);
	in[0] = text_in(s, &v, 9 * S, "one", 1, 40000);
	in[1] = text_in(s, &v, 10 * S, "four", 1, 40000);
	in[2] = text_in(s, &v, 11 * S, "three", 1, 40000);
	in[3] = text_in(s, &v, 12 * S, "four", 1, 40000);
	d = run(s);
	assert_int_equal(d.all.joined, 3);
	assert_int_equal(d.all.lost, 1);
	assert_int_equal(d.all.copies, 1);
	assert_int_equal(d.all.reordered, 1);
	assert_int_equal(d.all.ambiguous + d.all.unclear + d.all.unsent, 0);
	assert_int_equal(joined_with(&d, 1, in[0]), out[0]);
	assert_int_equal(joined_with(&d, 1, in[1]), out[3]);
	assert_int_equal(joined_with(&d, 1, in[2]), out[2]);
	assert_int_equal(d.pair_count, 4);
	assert_true(d.pairs[3].copy);
	assert_false(d.pairs[3].sure);
	dgram_free(&d);
	story_free(s);
}

/* Where the network doubles and drops, as many of a kind need not be the same ones. */
static void test_signs(void **state)
{
	struct sock c, v;
	struct story *s = pair_of(2, &c, &v);
	struct dgrams d;

	(void)state;
	text_out(s, &c, S, "same", 0, 0);
	text_out(s, &c, 2 * S, "same", 0, 0);
	text_out(s, &c, 3 * S, "other", 0, 0);
	text_in(s, &v, 7 * S, "same", 1, 40000);
	text_in(s, &v, 7 * S + 9 * US, "same", 1, 40000);
	d = run(s);
	assert_int_equal(d.all.joined, 2);
	dgram_free(&d);
	text_in(s, &v, 8 * S, "other", 1, 40000);
	text_in(s, &v, 9 * S, "other", 1, 40000);
	d = run(s);
	assert_int_equal(d.all.joined, 1);
	assert_int_equal(d.all.copies, 1);
	assert_int_equal(d.all.unclear, 2);
	dgram_free(&d);
	story_free(s);
}

static void test_heads(void **state)
{
	struct sock c, v;
	struct story *s = pair_of(2, &c, &v);
	uint32_t out[4], in[4];
	struct dgrams d;

	(void)state;
	/* masked at one end only; less captured; cut by the program; no bytes at all */
	out[0] = moved(s, &c, RECORD_DGRAM_OUT, &(struct shot){"token=abc", 9, 9, 0, 0, 0, S});
	in[0] = moved(s, &v, RECORD_DGRAM_IN, &(struct shot){"token=***", 9, 9, 1, 40000, 0, S});
	out[1] = moved(s, &c, RECORD_DGRAM_OUT, &(struct shot){"0123456789abcdef", 30, 16, 0, 0, 0, 2 * S});
	in[1] = moved(s, &v, RECORD_DGRAM_IN, &(struct shot){"01234567", 30, 8, 1, 40000, 0, 2 * S});
	out[2] = moved(s, &c, RECORD_DGRAM_OUT, &(struct shot){"a long one", 10, 10, 0, 0, 0, 3 * S});
	in[2] =
	    moved(s, &v, RECORD_DGRAM_IN, &(struct shot){"a lo", 4, 4, 1, 40000, RECORD_FLAG_PARTIAL, 3 * S});
	text_out(s, &c, 3 * S + 9 * US, "between", 0, 0);
	text_in(s, &v, 3 * S + 9 * US, "between", 1, 40000);
	out[3] = moved(s, &c, RECORD_DGRAM_OUT, &(struct shot){"", 77, 0, 0, 0, RECORD_FLAG_NOCOPY, 4 * S});
	in[3] = moved(s, &v, RECORD_DGRAM_IN, &(struct shot){"bytes...", 77, 8, 1, 40000, 0, 4 * S});
	d = run(s);
	assert_int_equal(d.all.joined, 5);
	for (int i = 0; i < 4; i++)
		assert_int_equal(joined_with(&d, 1, in[i]), out[i]);
	dgram_free(&d);
	/* a second one that the cut one fits */
	text_out(s, &c, 3 * S + 9, "a loud one", 0, 0);
	d = run(s);
	assert_int_equal(joined_with(&d, 1, in[2]), STORE_NONE);
	assert_int_equal(d.all.joined, 4);
	assert_int_equal(d.all.unclear, 1);
	assert_int_equal(d.all.ambiguous, 2);
	dgram_free(&d);
	story_free(s);
}

/* Records of the sender are missing: what is alike need not be the same. */
static void test_gaps(void **state)
{
	struct sock c, v;
	struct story *s = pair_of(2, &c, &v);
	struct dgrams d;

	(void)state;
	s->processes[0].dropped = 1;
	text_out(s, &c, S, "same", 0, 0);
	text_out(s, &c, 2 * S, "same", 0, 0);
	text_out(s, &c, 3 * S, "once only", 0, 0);
	text_in(s, &v, 7 * S, "same", 1, 40000);
	text_in(s, &v, 8 * S, "same", 1, 40000);
	text_in(s, &v, 9 * S, "once only", 1, 40000);
	text_in(s, &v, 10 * S, "of what is missing", 1, 40000);
	d = run(s);
	assert_int_equal(d.all.joined, 1);
	assert_int_equal(d.all.lost, 0);
	assert_int_equal(d.all.unsent, 1);
	assert_int_equal(d.all.unclear, 2);
	dgram_free(&d);
	story_free(s);
}

static void test_untraced(void **state)
{
	struct sock c, v;
	struct story *s = pair_of(2, &c, &v);
	struct dgrams d;

	(void)state;
	c.conn = 2;
	c.host = c.remote_host = 0;
	c.remote_port = 0;
	c.port = 41000;
	c.cookie = 31;
	sock_open(s, &c);
	text_out(s, &c, S, "a question", 99, 53);
	text_in(s, &c, 2 * S, "an answer", 99, 53);
	text_in(s, &v, 3 * S, "from nobody", 77, 40001);
	d = run(s);
	assert_int_equal(d.all.joined, 0);
	assert_int_equal(d.all.lost, 0);
	assert_int_equal(d.sent_untraced, 1);
	assert_int_equal(d.from_untraced, 2);
	assert_int_equal(d.flow_count, 3);
	assert_int_equal(d.edge_count, 3);
	assert_int_equal(d.edges[0].process[0], 0);
	assert_int_equal(d.edges[0].process[1], STORE_NONE);
	dgram_free(&d);
	story_free(s);
}

/* A traced socket that took nothing of it: all lost. */
static void test_all_lost(void **state)
{
	struct sock c, v;
	struct story *s = pair_of(2, &c, &v);
	struct dgrams d;

	(void)state;
	v.conn = 2;
	v.host = 2;
	v.port = 54;
	v.cookie = 99;
	sock_open(s, &v);
	c.conn = 3;
	c.remote_port = 54;
	c.cookie = 98;
	sock_open(s, &c);
	text_out(s, &c, S, "lost", 0, 0);
	d = run(s);
	assert_int_equal(d.all.lost, 1);
	assert_int_equal(d.sent_untraced, 0);
	assert_int_equal(d.flows[0].ends[DGRAM_RECEIVER].process, 1);
	assert_int_equal(d.flows[0].ends[DGRAM_RECEIVER].conn, 2);
	dgram_free(&d);
	story_free(s);
}

/* Neither address is left: the bytes are, if they are found nowhere else. */
static void test_translated(void **state)
{
	struct sock c, v;
	struct story *s = pair_of(2, &c, &v);
	uint32_t out, in;
	struct dgrams d;

	(void)state;
	v.conn = 2;
	v.port = 5353;
	v.cookie = 77;
	sock_open(s, &v);
	out = text_out(s, &c, S, "\x12\x77 what is the address of example.org", 0, 0);
	in = text_in(s, &v, 3 * S, "\x12\x77 what is the address of example.org", 88, 61000);
	d = run(s);
	assert_int_equal(d.all.joined, 1);
	assert_int_equal(joined_with(&d, 1, in), out);
	assert_int_equal(d.flows[0].join, DGRAM_PAYLOAD);
	assert_true(d.flows[0].bits >= 40);
	dgram_free(&d);
	/* the same bytes come from somewhere else, too */
	text_in(s, &v, 4 * S, "\x12\x77 what is the address of example.org", 89, 61001);
	d = run(s);
	assert_int_equal(d.all.joined, 0);
	assert_int_equal(d.sent_untraced + d.all.lost, 1);
	dgram_free(&d);
	story_free(s);
}

/* Two networks with the same addresses: bytes tell, and where they do not nothing does. */
static void test_private(void **state)
{
	struct story *s = world(4, 4);
	struct sock k[4];
	uint32_t out[2], in[2];
	struct dgrams d;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		bool client = i < 2;

		k[i] = (struct sock){.process = i,
				     .conn = 1,
				     .host = client ? 1 : 2,
				     .port = client ? 700 : 800,
				     .remote_host = client ? 2 : 0,
				     .remote_port = client ? 800 : 0,
				     .cookie = 5 + i,
				     .inode = 6 + i};
		sock_open(s, &k[i]);
	}
	for (uint32_t i = 0; i < 2; i++) {
		out[i] = text_out(s, &k[i], S, i ? "of the second" : "of the first", 0, 0);
		in[i] = text_in(s, &k[2 + i], S, i ? "of the second" : "of the first", 1, 700);
		text_out(s, &k[i], 2 * S, "of either", 0, 0);
		text_in(s, &k[2 + i], 2 * S, "of either", 1, 700);
	}
	d = run(s);
	assert_int_equal(d.all.joined, 2);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(joined_with(&d, 2 + i, in[i]), out[i]);
	assert_int_equal(d.all.unclear, 2);
	dgram_free(&d);
	story_free(s);
}

static void test_multicast(void **state)
{
	struct story *s = world(4, 4);
	struct sock sender = {.process = 0, .conn = 1, .host = 1, .port = 9000, .cookie = 1};
	uint32_t out, in[3];
	struct dgrams d;

	(void)state;
	sock_open(s, &sender);
	out = text_out(s, &sender, S, "to all", 239, 5353);
	for (uint32_t i = 1; i < 4; i++) {
		struct sock k = {.process = i, .conn = 1, .port = 5353, .cookie = 1};

		sock_open(s, &k);
		in[i - 1] = text_in(s, &k, i * S, "to all", 1, 9000);
	}
	d = run(s);
	assert_int_equal(d.all.sent, 1);
	assert_int_equal(d.all.joined, 1);
	assert_int_equal(d.all.received, 3);
	assert_int_equal(d.all.copies, 0);
	assert_int_equal(d.edge_count, 3);
	for (uint32_t i = 1; i < 4; i++)
		assert_int_equal(joined_with(&d, i, in[i - 1]), out);
	dgram_free(&d);
	story_free(s);
}

/* Unix: many senders know one path; a packet socket knows its other end. */
static void test_unix(void **state)
{
	struct story *s = world(3, 1);
	struct sock log = {.process = 2,
			   .conn = 1,
			   .path = "/dev/log",
			   .type = ENDPOINT_DATAGRAM,
			   .inode = 70,
			   .cookie = 70};
	struct sock a = {.process = 0,
			 .conn = 1,
			 .path = "/dev/log",
			 .type = ENDPOINT_DATAGRAM,
			 .inode = 71,
			 .cookie = 71,
			 .flags = RECORD_FLAG_CONNECT};
	struct sock b = a,
		    left = {.process = 0, .conn = 2, .type = ENDPOINT_SEQPACKET, .inode = 80, .cookie = 80},
		    right = {.process = 1, .conn = 2, .type = ENDPOINT_SEQPACKET, .inode = 81, .cookie = 81};
	struct dgrams d;
	uint32_t out[3], in[3];

	(void)state;
	b.process = 1;
	b.inode = b.cookie = 72;
	sock_open(s, &log);
	sock_open(s, &a);
	sock_open(s, &b);
	sock_open(s, &left);
	sock_open(s, &right);
	story_record(s, 0, (struct store_record){.kind = RECORD_PEER, .conn = 2, .off = 81}, NULL, 0);
	story_record(s, 1, (struct store_record){.kind = RECORD_PEER, .conn = 2, .off = 80}, NULL, 0);
	out[0] = text_out(s, &a, S, "same line", 0, 0);
	out[1] = text_out(s, &b, 2 * S, "same line", 0, 0);
	out[2] = text_out(s, &left, 3 * S, "packet", 0, 0);
	in[0] = text_in(s, &log, 4 * S, "same line", 0, 0);
	in[1] = text_in(s, &log, 5 * S, "same line", 0, 0);
	in[2] = text_in(s, &right, 6 * S, "packet", 0, 0);
	d = run(s);
	assert_int_equal(d.all.joined, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(joined_with(&d, i < 2 ? 2 : 1, in[i]), out[i]);
	assert_int_equal(d.flows[0].join, DGRAM_INODE);
	dgram_free(&d);
	story_free(s);
}

/* What bytes alone prove says how clocks stand; what order was needed for does not. */
static void test_clocks(void **state)
{
	struct sock c, v;
	struct story *s = pair_of(2, &c, &v);
	struct links links = {0};
	struct alignment a;
	struct conns conns;
	struct dgrams d;

	(void)state;
	for (uint64_t i = 0; i < 20; i++) {
		char text[2][32];

		snprintf(text[0], sizeof(text[0]), "question %d", (int)i);
		snprintf(text[1], sizeof(text[1]), "answer %d", (int)i);
		text_out(s, &c, S + i * 100 * US, text[0], 0, 0);
		text_in(s, &v, 31 * S + i * 100 * US + 20 * US, text[0], 1, 40000);
		text_out(s, &v, 31 * S + i * 100 * US + 30 * US, text[1], 1, 40000);
		text_in(s, &c, S + i * 100 * US + 50 * US, text[1], 0, 0);
	}
	text_out(s, &c, 2 * S, "alike", 0, 0);
	text_out(s, &c, 2 * S + 2 * US, "alike", 0, 0);
	text_in(s, &v, 32 * S + 30 * US, "alike", 1, 40000);
	text_in(s, &v, 32 * S + 40 * US, "alike", 1, 40000);
	assert_int_equal(conn_run(&s->store, &conns), 0);
	assert_int_equal(dgram_run(&s->store, &conns, &d), 0);
	assert_int_equal(d.all.joined, 42);
	for (uint32_t i = 0; i < d.pair_count; i++)
		assert_int_equal(d.pairs[i].sure,
				 s->processes[d.pairs[i].process[0]].records[d.pairs[i].record[0]].len != 5);
	assert_int_equal(align_run(&s->store, &conns, &links, &d, false, &a), 0);
	assert_int_equal(a.pair_count, 1);
	assert_int_equal(a.pairs[0].messages[0] + a.pairs[0].messages[1], 40);
	assert_int_equal(a.clocks[0].how == ALIGN_MESSAGES, a.clocks[1].how != ALIGN_MESSAGES);
	align_free(&a);
	dgram_free(&d);
	conn_free(&conns);
	story_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_equal_payload),
	    cmocka_unit_test(test_time),
	    cmocka_unit_test(test_loss_copy_reorder),
	    cmocka_unit_test(test_signs),
	    cmocka_unit_test(test_heads),
	    cmocka_unit_test(test_gaps),
	    cmocka_unit_test(test_untraced),
	    cmocka_unit_test(test_all_lost),
	    cmocka_unit_test(test_translated),
	    cmocka_unit_test(test_private),
	    cmocka_unit_test(test_multicast),
	    cmocka_unit_test(test_unix),
	    cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
