// SPDX-License-Identifier: Apache-2.0
/* conn_test.c - views from records, with records missing, out of order and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzer/pass/conn.h"
#include "tests/unit/story.h"

#define IN  RECORD_IN
#define OUT RECORD_OUT

static const char any[STORY_HEAD_BYTES];

static const struct story_end client = {.conn = 1,
					.flags = RECORD_FLAG_CONNECT,
					.local_host = 1,
					.local_port = 40000,
					.remote_host = 2,
					.remote_port = 80};

static struct conns run(struct story *s)
{
	struct conns c;

	assert_int_equal(conn_run(&s->store, &c), 0);
	return c;
}

static void end(struct story *s, struct conns *c)
{
	conn_free(c);
	story_free(s);
}

static void test_nothing(void **state)
{
	struct story *s = story_new();
	struct conns c = run(s);

	(void)state;
	assert_int_equal(c.view_count, 0);
	end(s, &c);
}

static void test_open_and_lists(void **state)
{
	struct story *s = story_new();
	uint32_t p = story_process(s, 0, 100, 1);
	struct conns c;
	const struct view *v;

	(void)state;
	story_open(s, &client, 1000, 2000);
	story_move(s, OUT, p, 1, 10, any, 5, 0, 5000, 5100); /* another thread's, later in the stream */
	story_move(s, OUT, p, 1, 0, any, 10, RECORD_FLAG_BURST, 4000, 4100);
	story_move(s, IN, p, 1, 0, NULL, 0, RECORD_FLAG_EOF, 9000, 9100);
	story_move(s, IN, p, 1, 0, any, 7, RECORD_FLAG_PEEK, 6000, 6100);
	story_move(s, IN, p, 1, 0, any, 7, RECORD_FLAG_BURST, 7000, 7100);
	story_close(s, p, 1, 15, 7, 10000);
	c = run(s);
	assert_int_equal(c.view_count, 1);
	v = &c.views[0];
	assert_int_equal(v->role, VIEW_CLIENT);
	assert_int_equal(v->local.port, 40000);
	assert_int_equal(v->remote.addr[3], 2);
	assert_int_equal(v->local.scope, 0);
	assert_int_equal(v->netns, 1);
	assert_int_equal(v->open_ns, 1000);
	assert_int_equal(v->close_ns, 10010);
	assert_int_equal(v->out_count, 2);
	assert_int_equal(v->out[0], 2);
	assert_int_equal(v->out[1], 1);
	assert_int_equal(v->in_count, 2); /* the peek is not in it, the end is last */
	assert_int_equal(v->in[0], 5);
	assert_int_equal(v->in[1], 3);
	assert_int_equal(v->seen_out, 15);
	assert_int_equal(v->seen_in, 7);
	assert_int_equal(v->unseen_out + v->unseen_in, 0);
	assert_int_equal(c.orphan_records, 0);
	end(s, &c);
}

static void test_unseen(void **state)
{
	struct story *s = story_new();
	uint32_t p = story_process(s, 0, 100, 1);
	struct conns c;

	(void)state;
	story_open(s, &client, 1000, 2000);
	story_move(s, OUT, p, 1, 0, any, 10, 0, 3000, 3100);
	/* 30 bytes went out unseen; then a record is lost: 5 bytes; at the end the kernel has 8 more */
	story_counts(s, RECORD_RESYNC, p, 1, 0, (struct counts){10, 0, 40, COUNT_UNKNOWN}, 4000);
	story_move(s, OUT, p, 1, 40, any, 10, 0, 5000, 5100);
	story_move(s, OUT, p, 1, 55, any, 10, 0, 6000, 6100);
	story_counts(s, RECORD_CLOSE, p, 1, 0, (struct counts){65, 20, 73, COUNT_UNKNOWN}, 9000);
	c = run(s);
	assert_int_equal(c.views[0].seen_out, 30);
	assert_int_equal(c.views[0].unseen_out, 30 + 5 + 8);
	assert_int_equal(c.views[0].unseen_in, 20); /* our own counter saw them, their records are lost */
	end(s, &c);
}

/* The parent accepts, the child serves: what one of them moved is not unseen for the other. */
static void test_unseen_shared(void **state)
{
	struct story *s = story_new();
	uint32_t parent = story_process(s, 0, 100, 1), child = story_process(s, 0, 101, 100);
	struct story_end e = client;
	struct conns c;

	(void)state;
	e.flags = RECORD_FLAG_ACCEPT;
	e.cookie = 7;
	e.inode = 8;
	e.process = parent;
	story_open(s, &e, 1000, 2000);
	story_move(s, IN, parent, 1, 0, any, 10, 0, 3000, 3100);
	story_close(s, parent, 1, 100, 60, 9000);
	e.flags = RECORD_FLAG_SEEN;
	e.process = child;
	e.conn = 5;
	e.off_in = 10;
	story_open(s, &e, 4000, 4000);
	story_move(s, IN, child, 5, 10, any, 40, 0, 5000, 5100);
	story_move(s, OUT, child, 5, 0, any, 70, 0, 6000, 6100);
	story_close(s, child, 5, 100, 60, 10000);
	c = run(s);
	assert_int_equal(c.view_count, 2);
	assert_int_equal(c.views[0].role, VIEW_SERVER);
	assert_int_equal(c.views[0].open_ns, 2000);
	assert_int_equal(c.views[1].role, VIEW_UNKNOWN);
	assert_int_equal(c.views[1].first_off_in, 10);
	assert_int_equal(c.views[0].unseen_in + c.views[1].unseen_in, 10);
	assert_int_equal(c.views[0].unseen_out + c.views[1].unseen_out, 30);
	end(s, &c);
}

static void test_lost_open(void **state)
{
	struct story *s = story_new();
	uint32_t p = story_process(s, 0, 100, 1);
	struct conns c;

	(void)state;
	story_move(s, OUT, p, 9, 500, any, 10, 0, 3000, 3100);
	story_move(s, IN, p, 9, 90, any, 10, 0, 4000, 4100);
	story_record(s, p, (struct store_record){.kind = RECORD_PEER, .conn = 12, .off = 77}, NULL, 0);
	c = run(s);
	assert_int_equal(c.view_count, 1); /* an inode alone is no connection */
	assert_int_equal(c.orphan_records, 2);
	assert_int_equal(c.views[0].local.family, 0);
	assert_int_equal(c.views[0].open_record, STORE_NONE);
	assert_int_equal(c.views[0].open_ns, 3000);
	assert_int_equal(c.views[0].first_off_out, 500);
	assert_int_equal(c.views[0].unseen_out, 0);
	end(s, &c);
}

static void test_descriptor_used_again(void **state)
{
	struct story *s = story_new();
	uint32_t p = story_process(s, 0, 100, 1);
	struct story_end e = client;
	struct conns c;

	(void)state;
	e.fd = 5;
	story_open(s, &e, 1000, 2000);
	e.conn = 2;
	e.fd = 6;
	story_open(s, &e, 1100, 2100);
	e.conn = 3;
	e.fd = 5;
	story_open(s, &e, 7000, 7100);
	e.conn = 4;
	e.fd = 6;
	story_open(s, &e, 7200, 7300);
	story_move(s, OUT, p, 2, 0, any, 1, 0, 8000, 8100); /* by another descriptor */
	c = run(s);
	assert_int_equal(c.views[0].close_ns, 7000);
	assert_true(c.views[1].close_ns == UINT64_MAX);
	assert_true(c.views[2].close_ns == UINT64_MAX);
	end(s, &c);
}

static void test_scopes(void **state)
{
	struct story *s = story_new();
	struct story_end e = {.conn = 1, .flags = RECORD_FLAG_CONNECT, .local_host = 127, .remote_host = 127};
	struct conns c;

	(void)state;
	e.process = story_process(s, 0, 100, 1);
	story_open(s, &e, 1, 2);
	e.process = story_process(s, 0, 101, 1);
	story_open(s, &e, 1, 2);
	e.netns = 9;
	e.process = story_process(s, 0, 102, 1);
	story_open(s, &e, 1, 2);
	e.netns = 0;
	e.process = story_process(s, 1, 100, 1);
	story_open(s, &e, 1, 2);
	c = run(s);
	assert_int_equal(c.views[0].local.scope, 1);
	assert_int_equal(c.views[0].remote.scope, 1);
	assert_int_equal(c.views[1].local.scope, 1);
	assert_int_equal(c.views[2].local.scope, 2);
	assert_int_equal(c.views[3].local.scope, 3);
	end(s, &c);
}

static void test_told_again(void **state)
{
	struct story *s = story_new();
	uint32_t p = story_process(s, 0, 100, 1);
	struct story_end e = client;
	struct conns c;

	(void)state;
	e.flags = RECORD_FLAG_SEEN;
	e.off_out = 10;
	story_move(s, OUT, p, 1, 0, any, 10, RECORD_FLAG_BURST, 500, 600);
	story_open(s, &e, 1000, 1000);
	e.flags = RECORD_FLAG_CONNECT;
	e.off_out = 0;
	story_open(s, &e, 300, 400);
	e.flags = RECORD_FLAG_SEEN;
	e.off_out = 10;
	story_open(s, &e, 1500, 1500);
	c = run(s);
	assert_int_equal(c.views[0].role, VIEW_CLIENT);
	assert_int_equal(c.views[0].open_ns, 300);
	assert_int_equal(c.views[0].first_off_out, 0);
	end(s, &c);
}

static void test_unix(void **state)
{
	struct story *s = story_new();
	struct story_end e = {
	    .conn = 1, .flags = RECORD_FLAG_PAIR, .path = "/run/x", .inode = 20, .peer_pid = 5};
	struct conns c;

	(void)state;
	e.process = story_process(s, 0, 100, 1);
	story_open(s, &e, 1, 2);
	story_record(s, 0, (struct store_record){.kind = RECORD_PEER, .conn = 1, .off = 0}, NULL, 0);
	story_record(s, 0, (struct store_record){.kind = RECORD_PEER, .conn = 1, .off = 21}, NULL, 0);
	e.conn = 2;
	e.inode = 21;
	story_open(s, &e, 1, 2);
	story_record(s, 0, (struct store_record){.kind = RECORD_PEER, .conn = 2, .off = 20}, NULL, 0);
	c = run(s);
	assert_int_equal(c.views[0].peer_inode, 21);
	assert_int_equal(c.views[0].role, VIEW_CLIENT);
	assert_int_equal(c.views[1].role, VIEW_SERVER);
	assert_int_equal(c.views[0].path_len, 6);
	assert_memory_equal(c.views[0].path, "/run/x", 6);
	assert_int_equal(c.views[0].peer_pid, 5);
	end(s, &c);
}

static void test_hostile(void **state)
{
	struct story *s = story_new();
	uint32_t p = story_process(s, 0, 100, 1);
	struct story_end e = client;
	uint8_t bad[sizeof(struct endpoint)] = {ENDPOINT_UNIX};
	struct conns c;

	(void)state;
	e.conn = UINT32_MAX;
	e.off_in = UINT64_MAX;
	story_open(s, &e, UINT64_MAX, 0);
	story_move(s, OUT, p, UINT32_MAX, UINT64_MAX - 1, any, UINT32_MAX, 0, UINT64_MAX, 0);
	story_move(s, IN, p, UINT32_MAX, UINT64_MAX, any, UINT32_MAX, 0, 0, 0);
	story_close(s, p, UINT32_MAX, UINT64_MAX - 1, 0, 0);
	story_record(s, p, (struct store_record){.kind = RECORD_OPEN, .conn = 7}, bad, 10);
	memset(bad + offsetof(struct endpoint, path_bytes), 0xff, 4);
	story_record(s, p, (struct store_record){.kind = RECORD_OPEN, .conn = 8}, bad, sizeof(bad));
	story_record(s, p, (struct store_record){.kind = RECORD_CLOSE, .conn = 8}, bad, 3);
	story_record(s, p, (struct store_record){.kind = RECORD_IN, .conn = 0}, NULL, 0);
	c = run(s);
	assert_int_equal(c.view_count, 3);
	assert_int_equal(c.views[1].path_len, 0);
	assert_int_equal(c.views[2].conn, UINT32_MAX);
	end(s, &c);
}

/* Where cookies count per network namespace, two sockets of a kernel may have the same. */
static void test_same_cookie_other_socket(void **state)
{
	struct story *s = story_new();
	struct story_end e = client;
	struct conns c;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		e.process = story_process(s, 0, 100 + i, 1);
		e.cookie = 5;
		e.inode = 10 + i;
		story_open(s, &e, 1000, 2000);
		story_close(s, e.process, 1, 30, 0, 9000);
	}
	c = run(s);
	assert_int_equal(c.views[0].unseen_out, 30);
	assert_int_equal(c.views[1].unseen_out, 30);
	end(s, &c);
}

/* Somebody who is not traced had the socket after the first holder closed it and before the next one came. */
static void test_unseen_between(void **state)
{
	struct story *s = story_new();
	uint32_t first = story_process(s, 0, 100, 1), next = story_process(s, 0, 101, 1);
	struct story_end e = client;
	struct conns c;

	(void)state;
	e.cookie = 7;
	e.process = first;
	story_open(s, &e, 1000, 2000);
	story_move(s, OUT, first, 1, 0, any, 10, 0, 3000, 3100);
	story_close(s, first, 1, 10, 0, 4000);
	e.flags = RECORD_FLAG_SEEN;
	e.process = next;
	e.off_out = 35;
	story_open(s, &e, 5000, 5000);
	story_move(s, OUT, next, 1, 35, any, 5, 0, 6000, 6100);
	story_close(s, next, 1, 40, 0, 7000);
	c = run(s);
	assert_int_equal(c.views[0].unseen_out + c.views[1].unseen_out, 25);
	assert_int_equal(c.views[0].unseen_in + c.views[1].unseen_in, 0);
	end(s, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_open_and_lists),
	    cmocka_unit_test(test_unseen),
	    cmocka_unit_test(test_unseen_shared),
	    cmocka_unit_test(test_unseen_between),
	    cmocka_unit_test(test_lost_open),
	    cmocka_unit_test(test_descriptor_used_again),
	    cmocka_unit_test(test_scopes),
	    cmocka_unit_test(test_told_again),
	    cmocka_unit_test(test_same_cookie_other_socket),
	    cmocka_unit_test(test_unix),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
