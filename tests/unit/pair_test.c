// SPDX-License-Identifier: Apache-2.0
/* pair_test.c - which views are one connection: port re-use, missing processes, forks, keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/joined.h"

#define MS 1000000ull

/* A connection of 10.0.0.1:port to 10.0.0.2:80 at time t; a process of STORE_NONE leaves no records. */
struct talk {
	uint32_t client, server, client_conn, server_conn;
	uint16_t port;
	uint64_t t;
	const char *request, *answer; /* NULL: none sent */
	uint64_t accept_late;	      /* the server is slow to accept */
	uint64_t server_skew;
	int lost_answer; /* whose record the server has lost */
};

static void talk(struct story *s, const struct talk *k)
{
	uint32_t sent = k->request ? (uint32_t)strlen(k->request) : 0;
	uint32_t answered = k->answer ? (uint32_t)strlen(k->answer) : 0;
	uint64_t t = k->t, u = t + k->server_skew + k->accept_late;
	struct story_end e = {.process = k->client,
			      .conn = k->client_conn,
			      .flags = RECORD_FLAG_CONNECT,
			      .local_host = 1,
			      .local_port = k->port,
			      .remote_host = 2,
			      .remote_port = 80,
			      .cookie = k->client_conn + 1000};

	if (k->client != STORE_NONE) {
		story_open(s, &e, t, t + 100);
		if (sent)
			story_move(s, RECORD_OUT, k->client, k->client_conn, 0, k->request, sent,
				   RECORD_FLAG_BURST, t + 200, t + 300);
		if (answered)
			story_move(s, RECORD_IN, k->client, k->client_conn, 0, k->answer, answered,
				   RECORD_FLAG_BURST, t + 400 + k->accept_late, t + 700 + k->accept_late);
		story_close(s, k->client, k->client_conn, sent, answered,
			    t + 800 + (answered ? k->accept_late : 0));
	}
	if (k->server == STORE_NONE)
		return;
	e = (struct story_end){.process = k->server,
			       .conn = k->server_conn,
			       .flags = RECORD_FLAG_ACCEPT,
			       .local_host = 2,
			       .local_port = 80,
			       .remote_host = 1,
			       .remote_port = k->port,
			       .cookie = k->server_conn + 2000};
	story_open(s, &e, u > 1000 ? u - 1000 : 0, u + 150);
	if (sent)
		story_move(s, RECORD_IN, k->server, k->server_conn, 0, k->request, sent, RECORD_FLAG_BURST,
			   u + 400, u + 450);
	if (answered && !k->lost_answer)
		story_move(s, RECORD_OUT, k->server, k->server_conn, 0, k->answer, answered,
			   RECORD_FLAG_BURST, u + 500, u + 600);
	story_close(s, k->server, k->server_conn, answered, sent, u + 900);
}

static void test_plain(void **state)
{
	struct story *s = story_new();
	uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 1, 1, 0);
	struct result r;

	(void)state;
	talk(s, &(struct talk){.client = c,
			       .server = d,
			       .client_conn = 1,
			       .server_conn = 1,
			       .port = 40000,
			       .t = 5000,
			       .request = "ping",
			       .answer = "pong!",
			       .server_skew = 77777777});
	r = run(s);
	assert_int_equal(r.links.link_count, 1);
	assert_int_equal(r.links.links[0].join, JOIN_ADDRESS);
	assert_int_equal(r.links.links[0].address[LINK_CLIENT].port, 40000);
	assert_int_equal(r.links.links[0].address[LINK_SERVER].port, 80);
	assert_int_equal(r.links.links[0].bytes_joined[LINK_CLIENT], 4);
	assert_int_equal(r.links.links[0].bytes_joined[LINK_SERVER], 5);
	assert_int_equal(r.links.links[0].bytes_one_sided[LINK_CLIENT], 0);
	assert_int_equal(r.conns.views[r.links.links[0].ends[LINK_SERVER].views[0]].process, d);
	assert_int_equal(r.links.links[0].open_ns, 5000);
	end(s, &r);
}

/* The key, and so every cid, is the same whether one end was traced or both. */
static void test_key_from_either_end(void **state)
{
	uint64_t keys[3], cids[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct story *s = story_new();
		uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 1, 1, 0);
		struct result r;

		talk(s, &(struct talk){.client = i == 1 ? STORE_NONE : c,
				       .server = i == 2 ? STORE_NONE : d,
				       .client_conn = 1,
				       .server_conn = 1,
				       .port = 40000,
				       .t = 5000,
				       .request = "ping",
				       .answer = "pong!"});
		r = run(s);
		assert_int_equal(r.links.link_count, 1);
		assert_int_equal(r.links.links[0].join, i ? JOIN_NONE : JOIN_ADDRESS);
		keys[i] = r.links.links[0].key;
		cids[i] = pair_cid(keys[i], LINK_SERVER, 0);
		end(s, &r);
	}
	assert_true(keys[0] == keys[1] && keys[0] == keys[2]);
	assert_true(cids[0] == cids[1] && cids[0] == cids[2]);
	assert_true(pair_cid(keys[0], LINK_CLIENT, 0) != cids[0]);
	assert_true(pair_cid(keys[0], LINK_SERVER, 1) != cids[0]);
}

/* README.md of the passes defines the hash for strangers. These values were computed from its text by another
 * program. */
static void test_key_is_the_documented_one(void **state)
{
	struct story *s = story_new();
	uint32_t c = story_process(s, 0, 1, 0);
	struct story_end e = {.process = c,
			      .conn = 2,
			      .flags = RECORD_FLAG_CONNECT,
			      .local_host = 127,
			      .local_port = 40000,
			      .remote_host = 127,
			      .remote_port = 80,
			      .cookie = 2};
	struct result r;

	(void)state;
	talk(s,
	     &(struct talk){.client = c, .server = STORE_NONE, .client_conn = 1, .port = 40000, .t = 5000});
	story_open(s, &e, 6000, 6100);
	e = (struct story_end){
	    .process = c, .conn = 3, .flags = RECORD_FLAG_CONNECT, .path = "/x", .inode = 70};
	story_open(s, &e, 7000, 7100);
	story_record(s, c, (struct store_record){.kind = RECORD_PEER, .conn = 3, .off = 71}, NULL, 0);
	r = run(s);
	assert_true(r.links.links[0].key == 0xe804b476fd0b656);
	assert_true(pair_cid(r.links.links[0].key, LINK_CLIENT, 0) == 0xdb99aeb45069bd55);
	assert_true(pair_cid(r.links.links[0].key, LINK_SERVER, 7) == 0x1e868e5a76a0ad52);
	assert_true(r.links.links[1].key == 0x537ca5859e09bc15);
	assert_true(pair_cid(r.links.links[1].key, LINK_CLIENT, 0) == 0xc767ca7154779a45);
	assert_true(r.links.links[2].key == 0x3b2c05b3fa3f53fe);
	assert_true(pair_cid(r.links.links[2].key, LINK_CLIENT, 0) == 0xf78e8756d29c198e);
	end(s, &r);
}

/* A port is used again and again; the dump of one of two workers is missing. */
static void test_port_used_again(void **state)
{
	for (int missing = 0; missing < 3; missing++) {
		struct story *s = story_new();
		uint32_t c = story_process(s, 0, 1, 0), d[2];
		struct result r;
		char request[32];

		(void)state;
		d[0] = story_process(s, 0, 2, 0);
		d[1] = story_process(s, 0, 3, 0);
		for (uint32_t i = 0; i < 200; i++) {
			bool lost = missing && (i * 7 % 5 < 2);

			snprintf(request, sizeof(request), missing == 2 ? "GET /same" : "GET /%u", i);
			talk(s, &(struct talk){.client = c,
					       .server = lost ? STORE_NONE : d[i % 2],
					       .client_conn = i + 1,
					       .server_conn = i + 1,
					       .port = 40000,
					       .t = (i + 1) * 10000,
					       .request = request,
					       .answer = "fine"});
		}
		r = run(s);
		assert_int_equal(r.links.link_count, 200);
		assert_int_equal(r.links.ambiguous, 0);
		for (uint32_t i = 0; i < 200; i++) {
			const struct link *l = link_of(&r, c, i + 1);

			assert_int_equal(l->incarnation, i);
			if (missing && (i * 7 % 5 < 2)) {
				assert_int_equal(l->join, JOIN_NONE);
				continue;
			}
			assert_ptr_equal(l, link_of(&r, d[i % 2], i + 1));
			assert_int_equal(l->join, JOIN_ADDRESS);
		}
		end(s, &r);
	}
}

/* Two hosts whose clocks disagree by an hour: order decides, and nothing else is there. */
static void test_port_used_again_other_clock(void **state)
{
	struct story *s = story_new();
	uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 1, 2, 0);
	struct result r;

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		talk(s, &(struct talk){.client = c,
				       .server = d,
				       .client_conn = i + 1,
				       .server_conn = i + 1,
				       .port = 40000,
				       .t = (i + 1) * 10000,
				       .request = "GET",
				       .answer = "fine",
				       .server_skew = 3600000 * MS});
	r = run(s);
	assert_int_equal(joined(&r), 300);
	for (uint32_t i = 0; i < 300; i++)
		assert_ptr_equal(link_of(&r, c, i + 1), link_of(&r, d, i + 1));
	end(s, &r);
}

/* The process's only connection was there before the library looked. */
static void become_seen(struct story *s, uint32_t process)
{
	struct store_record *open = &s->processes[process].records[0];

	open->flags = RECORD_FLAG_SEEN;
	open->t0_ns = open->t1_ns = 5000;
}

/* The client only sends, and comes back on its port before the server accepts: two clients' ends, one
 * server's end, all alike. */
static void test_ambiguous_is_left_apart(void **state)
{
	struct story *s = story_new();
	uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 0, 2, 0);
	struct result r;

	(void)state;
	talk(s, &(struct talk){.client = c,
			       .server = STORE_NONE,
			       .client_conn = 1,
			       .port = 40000,
			       .t = 10000,
			       .request = "log"});
	talk(s, &(struct talk){.client = c,
			       .server = d,
			       .client_conn = 2,
			       .server_conn = 1,
			       .port = 40000,
			       .t = 20000,
			       .request = "log",
			       .accept_late = 10000});
	r = run(s);
	assert_int_equal(joined(&r), 0);
	assert_int_equal(r.links.link_count, 3);
	assert_int_equal(r.links.ambiguous, 3);
	end(s, &r);
}

/* The same with an answer: the first client had it before the server accepted, or before it sent it. */
static void test_answer_tells_clients_apart(void **state)
{
	(void)state;
	for (int seen = 0; seen < 2; seen++) {
		struct story *s = story_new();
		uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 0, 2, 0);
		struct result r;

		talk(s, &(struct talk){.client = c,
				       .server = STORE_NONE,
				       .client_conn = 1,
				       .port = 40000,
				       .t = 10000,
				       .request = "log",
				       .answer = "ok"});
		talk(s, &(struct talk){.client = c,
				       .server = d,
				       .client_conn = 2,
				       .server_conn = 1,
				       .port = 40000,
				       .t = 20000,
				       .request = "log",
				       .answer = "ok",
				       .accept_late = 10000,
				       .lost_answer = !seen});
		if (seen)
			become_seen(s, d);
		r = run(s);
		assert_int_equal(joined(&r), 1);
		assert_ptr_equal(link_of(&r, c, 2), link_of(&r, d, 1));
		end(s, &r);
	}
}

/* The same with bytes that tell. */
static void test_bytes_tell_clients_apart(void **state)
{
	struct story *s = story_new();
	uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 0, 2, 0);
	struct result r;

	(void)state;
	talk(s, &(struct talk){.client = c,
			       .server = STORE_NONE,
			       .client_conn = 1,
			       .port = 40000,
			       .t = 10000,
			       .request = "lag"});
	talk(s, &(struct talk){.client = c,
			       .server = d,
			       .client_conn = 2,
			       .server_conn = 1,
			       .port = 40000,
			       .t = 20000,
			       .request = "log",
			       .accept_late = 10000});
	r = run(s);
	assert_int_equal(joined(&r), 1);
	assert_ptr_equal(link_of(&r, c, 2), link_of(&r, d, 1));
	end(s, &r);
}

/* Where the captured bytes are alike, how many there were tells. */
static void test_byte_counts_decide(void **state)
{
	static const struct {
		const char *first, *second, *received;
		uint32_t joined;
	} cases[] = {{"log", "log it", "log it", 2},
		     {"log", "log it", "log", 1},
		     {"log it", "log", "log it", 1},
		     {"log it", "log", "log ", 1}};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct story *s = story_new();
		uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 0, 2, 0);
		struct result r;

		talk(s, &(struct talk){.client = c,
				       .server = STORE_NONE,
				       .client_conn = 1,
				       .port = 40000,
				       .t = 10000,
				       .request = cases[i].first});
		talk(s, &(struct talk){.client = c,
				       .server = STORE_NONE,
				       .client_conn = 2,
				       .port = 40000,
				       .t = 20000,
				       .request = cases[i].second});
		talk(s, &(struct talk){.client = STORE_NONE,
				       .server = d,
				       .server_conn = 1,
				       .port = 40000,
				       .t = 30000,
				       .request = cases[i].received});
		r = run(s);
		assert_int_equal(joined(&r), 1);
		assert_ptr_equal(link_of(&r, c, cases[i].joined), link_of(&r, d, 1));
		end(s, &r);
	}
}

/* Other bytes at the same offsets: not the same connection, whatever the addresses say. But what one end
 * masked (salvage knows less of the stream, and masks more) is no contradiction. */
static void test_mismatch_rejects(void **state)
{
	static const struct {
		const char *sent, *received;
		uint32_t links;
	} cases[] = {{"one", "two", 2}, {"AUTH ****", "AUTH tom1", 1}, {"AUTH ***1", "AUTH tom2", 2}};

	(void)state;
	for (size_t n = 0; n < sizeof(cases) / sizeof(*cases); n++) {
		struct story *s = story_new();
		uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 1, 2, 0);
		struct talk half = {
		    .port = 40000, .t = 10000, .client = c, .server = STORE_NONE, .client_conn = 1};
		struct result r;

		half.request = cases[n].sent;
		talk(s, &half);
		half = (struct talk){
		    .port = 40000, .t = 10000, .client = STORE_NONE, .server = d, .server_conn = 1};
		half.request = cases[n].received;
		talk(s, &half);
		r = run(s);
		assert_int_equal(r.links.link_count, cases[n].links);
		assert_int_equal(joined(&r), cases[n].links == 1);
		assert_true(cases[n].links == 1 || r.links.links[0].key != r.links.links[1].key);
		for (uint32_t i = 0; i < r.links.link_count; i++)
			assert_int_equal(r.links.links[i].mismatched, 0);
		end(s, &r);
	}
}

static void test_one_process_talks_to_itself(void **state)
{
	struct story *s = story_new();
	uint32_t c = story_process(s, 0, 1, 0);
	struct result r;

	(void)state;
	talk(s, &(struct talk){.client = c,
			       .server = c,
			       .client_conn = 1,
			       .server_conn = 2,
			       .port = 40000,
			       .t = 5000,
			       .request = "ping",
			       .answer = "pong"});
	r = run(s);
	assert_int_equal(r.links.link_count, 1);
	assert_int_equal(r.links.links[0].ends[LINK_CLIENT].view_count, 1);
	assert_int_equal(r.links.links[0].ends[LINK_SERVER].view_count, 1);
	assert_ptr_equal(link_of(&r, c, 1), link_of(&r, c, 2));
	end(s, &r);
}

/* 127.0.0.1 of two namespaces are two places. */
static void test_loopback_scopes(void **state)
{
	struct story *s = story_new();
	struct story_end e = {.conn = 1,
			      .flags = RECORD_FLAG_CONNECT,
			      .local_host = 127,
			      .local_port = 40000,
			      .remote_host = 127,
			      .remote_port = 80,
			      .cookie = 1};
	struct result r;
	uint64_t key;

	(void)state;
	e.process = story_process(s, 0, 1, 0);
	story_open(s, &e, 100, 200);
	e = (struct story_end){.conn = 1,
			       .flags = RECORD_FLAG_ACCEPT,
			       .local_host = 127,
			       .local_port = 80,
			       .remote_host = 127,
			       .remote_port = 40000,
			       .cookie = 2,
			       .netns = 5};
	e.process = story_process(s, 0, 2, 0);
	story_open(s, &e, 100, 200);
	r = run(s);
	assert_int_equal(joined(&r), 0);
	key = r.links.links[0].key;
	assert_true(key != r.links.links[1].key);
	end(s, &r);
}

/* postmaster accepts, its child serves: one end with two views. */
static void test_forked_holder(void **state)
{
	for (int cookie = 0; cookie < 3; cookie++) {
		struct story *s = story_new();
		uint32_t c = story_process(s, 0, 1, 0), parent = story_process(s, 0, 2, 1);
		uint32_t child = story_process(s, 0, 3, 2);
		struct story_end e = {.conn = 4,
				      .flags = RECORD_FLAG_ACCEPT,
				      .local_host = 2,
				      .local_port = 80,
				      .remote_host = 1,
				      .remote_port = 40000,
				      .cookie = cookie == 0 ? 55 : 0,
				      .inode = cookie < 2 ? 66 : 0};
		struct result r;
		const struct link *l;

		(void)state;
		talk(s, &(struct talk){.client = c,
				       .server = STORE_NONE,
				       .client_conn = 1,
				       .port = 40000,
				       .t = 5000,
				       .request = "ping",
				       .answer = "pong"});
		e.process = parent;
		story_open(s, &e, 4000, 5150);
		e.process = child;
		e.conn = 9;
		e.flags = RECORD_FLAG_SEEN;
		story_open(s, &e, 5300, 5300);
		story_move(s, RECORD_IN, child, 9, 0, "ping", 4, RECORD_FLAG_BURST, 5400, 5450);
		story_move(s, RECORD_OUT, child, 9, 0, "pong", 4, RECORD_FLAG_BURST, 5500, 5600);
		r = run(s);
		assert_int_equal(r.links.link_count, 1);
		l = &r.links.links[0];
		assert_int_equal(l->ends[LINK_SERVER].view_count, 2);
		assert_int_equal(l->bytes_joined[LINK_CLIENT], 4);
		assert_int_equal(l->join, JOIN_ADDRESS);
		end(s, &r);
	}
}

/* Nobody saw the connection being made. */
static void test_unknown_sides(void **state)
{
	struct story *s = story_new();
	uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 0, 2, 0);
	struct story_end e = {.process = d,
			      .conn = 1,
			      .flags = RECORD_FLAG_SEEN,
			      .local_host = 2,
			      .local_port = 50000,
			      .remote_host = 1,
			      .remote_port = 40000,
			      .cookie = 1,
			      .off_in = 10,
			      .off_out = 20};
	struct result r;

	(void)state;
	story_open(s, &e, 100, 200);
	e = (struct story_end){.process = c,
			       .conn = 1,
			       .flags = RECORD_FLAG_SEEN,
			       .local_host = 1,
			       .local_port = 40000,
			       .remote_host = 2,
			       .remote_port = 50000,
			       .cookie = 2};
	story_open(s, &e, 100, 200);
	/* that somebody accepts on 50000 says who the server is, against the ports */
	e = (struct story_end){.process = d,
			       .conn = 2,
			       .flags = RECORD_FLAG_ACCEPT,
			       .local_host = 2,
			       .local_port = 50000,
			       .remote_host = 1,
			       .remote_port = 1234,
			       .cookie = 3};
	story_open(s, &e, 100, 200);
	r = run(s);
	assert_int_equal(r.links.link_count, 2);
	assert_ptr_equal(link_of(&r, c, 1), link_of(&r, d, 1));
	assert_int_equal(link_of(&r, c, 1)->address[LINK_SERVER].port, 50000);
	end(s, &r);
}

static void test_lost_open_is_kept(void **state)
{
	struct story *s = story_new();
	uint32_t c = story_process(s, 0, 1, 0);
	struct result r;

	(void)state;
	story_move(s, RECORD_OUT, c, 7, 0, "abc", 3, 0, 100, 200);
	story_move(s, RECORD_OUT, c, 8, 0, "abc", 3, 0, 100, 200);
	r = run(s);
	assert_int_equal(r.links.link_count, 2);
	assert_int_equal(r.links.links[0].bytes_one_sided[0] + r.links.links[0].bytes_one_sided[1], 3);
	assert_true(r.links.links[0].key != r.links.links[1].key);
	end(s, &r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_key_from_either_end),
	    cmocka_unit_test(test_key_is_the_documented_one),
	    cmocka_unit_test(test_port_used_again),
	    cmocka_unit_test(test_port_used_again_other_clock),
	    cmocka_unit_test(test_ambiguous_is_left_apart),
	    cmocka_unit_test(test_answer_tells_clients_apart),
	    cmocka_unit_test(test_bytes_tell_clients_apart),
	    cmocka_unit_test(test_byte_counts_decide),
	    cmocka_unit_test(test_mismatch_rejects),
	    cmocka_unit_test(test_one_process_talks_to_itself),
	    cmocka_unit_test(test_loopback_scopes),
	    cmocka_unit_test(test_forked_holder),
	    cmocka_unit_test(test_unknown_sides),
	    cmocka_unit_test(test_lost_open_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
