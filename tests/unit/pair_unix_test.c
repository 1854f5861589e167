// SPDX-License-Identifier: Apache-2.0
/* pair_unix_test.c - unix sockets: by inode, by order, socket pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/joined.h"

#define MS 1000000ull

struct local {
	uint32_t client, server, conn;
	uint64_t inode, t; /* the client's; the server's is one more */
	bool client_tells, server_tells;
	const char *request;
};

static void talk_local(struct story *s, const struct local *k)
{
	struct story_end e = {.process = k->client,
			      .conn = k->conn,
			      .flags = RECORD_FLAG_CONNECT,
			      .path = "/run/db",
			      .inode = k->inode,
			      .cookie = k->inode,
			      .peer_pid = 2};
	uint32_t len = (uint32_t)strlen(k->request);

	story_open(s, &e, k->t, k->t + 100);
	story_move(s, RECORD_OUT, k->client, k->conn, 0, k->request, len, RECORD_FLAG_BURST, k->t + 200,
		   k->t + 300);
	if (k->client_tells)
		story_record(s, k->client,
			     (struct store_record){.kind = RECORD_PEER, .conn = k->conn, .off = k->inode + 1},
			     NULL, 0);
	if (k->server == STORE_NONE)
		return;
	e = (struct story_end){.process = k->server,
			       .conn = k->conn + 100,
			       .flags = RECORD_FLAG_ACCEPT,
			       .path = "/run/db",
			       .inode = k->inode + 1,
			       .cookie = k->inode + 1,
			       .peer_pid = 1};
	story_open(s, &e, k->t - 1000, k->t + 250);
	story_move(s, RECORD_IN, k->server, k->conn + 100, 0, k->request, len, RECORD_FLAG_BURST, k->t + 300,
		   k->t + 350);
	if (k->server_tells)
		story_record(
		    s, k->server,
		    (struct store_record){.kind = RECORD_PEER, .conn = k->conn + 100, .off = k->inode}, NULL,
		    0);
}

static void test_unix_inode(void **state)
{
	uint64_t keys[3];

	(void)state;
	for (int tells = 0; tells < 3; tells++) {
		struct story *s = story_new();
		uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 0, 2, 0);
		struct result r;

		talk_local(s, &(struct local){.client = c,
					      .server = tells == 2 ? STORE_NONE : d,
					      .conn = 1,
					      .inode = 70,
					      .t = 5000,
					      .client_tells = tells != 1,
					      .server_tells = tells == 1,
					      .request = "hello"});
		r = run(s);
		assert_int_equal(r.links.link_count, 1);
		assert_int_equal(r.links.links[0].join, tells == 2 ? JOIN_NONE : JOIN_INODE);
		keys[tells] = r.links.links[0].key;
		end(s, &r);
	}
	assert_true(keys[0] == keys[1] && keys[0] == keys[2]);
}

/* Both ends must name each other. */
static void test_unix_inode_of_another(void **state)
{
	struct story *s = story_new();
	uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 0, 2, 0);
	struct result r;

	(void)state;
	talk_local(s, &(struct local){.client = c,
				      .server = d,
				      .conn = 1,
				      .inode = 70,
				      .t = 5000,
				      .client_tells = true,
				      .request = "hello"});
	story_record(s, d, (struct store_record){.kind = RECORD_PEER, .conn = 101, .off = 99}, NULL, 0);
	r = run(s);
	assert_int_equal(joined(&r), 0);
	end(s, &r);
}

static void test_unix_order(void **state)
{
	static const char *const requests[] = {"same", "same", "same", "same"};
	struct story *s = story_new();
	uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 0, 2, 0);
	struct result r;

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		talk_local(s, &(struct local){.client = c,
					      .server = d,
					      .conn = i + 1,
					      .inode = 70 + i * 2,
					      .t = (i + 1) * MS,
					      .request = requests[i]});
	r = run(s);
	assert_int_equal(joined(&r), 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(link_of(&r, c, i + 1)->join, JOIN_UNIX_ORDER);
		assert_ptr_equal(link_of(&r, c, i + 1), link_of(&r, d, i + 101));
	}
	end(s, &r);
}

/* Two connects at the same moment could have been accepted in either order. */
static void test_unix_order_ambiguous(void **state)
{
	for (int same = 0; same < 2; same++) {
		struct story *s = story_new();
		uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 0, 2, 0);
		struct result r;

		(void)state;
		talk_local(s, &(struct local){
				  .client = c, .server = d, .conn = 1, .inode = 70, .t = MS, .request = "a"});
		talk_local(s, &(struct local){.client = c,
					      .server = d,
					      .conn = 2,
					      .inode = 72,
					      .t = MS + 20,
					      .request = same ? "a" : "b"});
		r = run(s);
		assert_int_equal(joined(&r), same ? 0 : 2);
		assert_int_equal(r.links.ambiguous, same ? 4 : 0);
		end(s, &r);
	}
}

/* The kernel told the server which process connects. */
static void test_unix_order_by_process(void **state)
{
	struct story *s = story_new();
	uint32_t c = story_process(s, 0, 1, 0), d = story_process(s, 0, 2, 0),
		 other = story_process(s, 0, 3, 0);
	struct result r;

	(void)state;
	talk_local(s, &(struct local){.client = other,
				      .server = STORE_NONE,
				      .conn = 7,
				      .inode = 80,
				      .t = MS - 500,
				      .request = "a"});
	talk_local(
	    s, &(struct local){.client = c, .server = d, .conn = 1, .inode = 70, .t = MS, .request = "a"});
	r = run(s);
	assert_int_equal(joined(&r), 1);
	assert_ptr_equal(link_of(&r, c, 1), link_of(&r, d, 101));
	end(s, &r);
}

static void test_socketpair(void **state)
{
	struct story *s = story_new();
	uint32_t p = story_process(s, 0, 1, 0), child = story_process(s, 0, 2, 1);
	struct story_end e = {
	    .process = p, .conn = 1, .flags = RECORD_FLAG_PAIR, .path = "", .inode = 31, .cookie = 1};
	struct result r;

	(void)state;
	story_open(s, &e, 100, 200);
	story_record(s, p, (struct store_record){.kind = RECORD_PEER, .conn = 1, .off = 30}, NULL, 0);
	e.conn = 2;
	e.inode = 30;
	e.cookie = 2;
	story_open(s, &e, 100, 200);
	story_record(s, p, (struct store_record){.kind = RECORD_PEER, .conn = 2, .off = 31}, NULL, 0);
	e.process = child;
	e.flags = RECORD_FLAG_SEEN;
	e.conn = 1;
	story_open(s, &e, 300, 300);
	r = run(s);
	assert_int_equal(r.links.link_count, 1);
	assert_int_equal(r.links.links[0].join, JOIN_INODE);
	assert_int_equal(r.conns.views[r.links.links[0].ends[LINK_CLIENT].views[0]].inode, 30);
	assert_int_equal(r.links.links[0].ends[LINK_CLIENT].view_count, 2);
	end(s, &r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unix_inode),
	    cmocka_unit_test(test_unix_inode_of_another),
	    cmocka_unit_test(test_unix_order),
	    cmocka_unit_test(test_unix_order_ambiguous),
	    cmocka_unit_test(test_unix_order_by_process),
	    cmocka_unit_test(test_socketpair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
