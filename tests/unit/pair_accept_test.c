// SPDX-License-Identifier: Apache-2.0
/* pair_accept_test.c - connections of one pair of addresses that several processes accept: in which order? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzer/pass/pair.h"
#include "tests/unit/story.h"

#define CONNECTIONS 3u

/* Client on clock 0; each connection is accepted by a process of its own on clock 1, whose accept begins at
 * `began` and returns at `came`. */
struct arrival {
	uint64_t began, came;
	uint32_t bytes;
};

static void tell(struct story *s, const struct arrival *arrivals)
{
	static const char any[STORY_HEAD_BYTES];
	uint32_t client = story_process(s, 0, 100, 1);

	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		uint64_t t = 1000000 * (i + 1);
		uint32_t server = story_process(s, 1, 200 + i, 1), bytes = arrivals[i].bytes;
		struct story_end end = {.process = client,
					.conn = i + 1,
					.flags = RECORD_FLAG_CONNECT,
					.local_host = 1,
					.local_port = 40000,
					.remote_host = 2,
					.remote_port = 80,
					.cookie = 10 + i};

		story_open(s, &end, t, t + 10);
		story_move(s, RECORD_OUT, client, i + 1, 0, any, bytes, 0, t + 20, t + 30);
		story_close(s, client, i + 1, bytes, 0, t + 40);
		end = (struct story_end){.process = server,
					 .conn = 1,
					 .flags = RECORD_FLAG_ACCEPT,
					 .local_host = 2,
					 .local_port = 80,
					 .remote_host = 1,
					 .remote_port = 40000,
					 .cookie = 20 + i};
		story_open(s, &end, arrivals[i].began, arrivals[i].came);
		story_move(s, RECORD_IN, server, 1, 0, any, bytes, 0, arrivals[i].came + 5000000,
			   arrivals[i].came + 5000010);
		story_close(s, server, 1, 0, bytes, arrivals[i].came + 6000000);
	}
}

static uint32_t joined(const struct arrival *arrivals, uint64_t *ambiguous)
{
	struct story *s = story_new();
	struct conns conns;
	struct links links;
	uint32_t found = 0;

	tell(s, arrivals);
	assert_int_equal(conn_run(&s->store, &conns), 0);
	assert_int_equal(pair_run(&s->store, &conns, &links), 0);
	for (uint32_t i = 0; i < links.link_count; i++)
		found += links.links[i].join == JOIN_ADDRESS;
	*ambiguous = links.ambiguous;
	pair_free(&links);
	conn_free(&conns);
	story_free(s);
	return found;
}

/* Each accept began when the one before had returned. */
static void test_in_order(void **state)
{
	const struct arrival arrivals[CONNECTIONS] = {{100, 200, 7}, {300, 400, 7}, {500, 600, 7}};
	uint64_t ambiguous;

	(void)state;
	assert_int_equal(joined(arrivals, &ambiguous), CONNECTIONS);
	assert_int_equal(ambiguous, 0);
}

/* The first two were in accept at once: one may have got its connection first and returned last. */
static void test_at_once(void **state)
{
	const struct arrival arrivals[CONNECTIONS] = {{100, 200, 7}, {150, 400, 7}, {500, 600, 7}};
	uint64_t ambiguous;

	(void)state;
	assert_int_equal(joined(arrivals, &ambiguous), 1);
	assert_true(ambiguous > 0);
}

/* All three, in any order. */
static void test_all_at_once(void **state)
{
	const struct arrival arrivals[CONNECTIONS] = {{100, 200, 7}, {150, 400, 7}, {150, 600, 7}};
	uint64_t ambiguous;

	(void)state;
	assert_int_equal(joined(arrivals, &ambiguous), 0);
	assert_true(ambiguous > 0);
}

/* What they moved tells them apart. */
static void test_other_lengths(void **state)
{
	const struct arrival arrivals[CONNECTIONS] = {{100, 200, 7}, {150, 400, 8}, {150, 600, 9}};
	uint64_t ambiguous;

	(void)state;
	assert_int_equal(joined(arrivals, &ambiguous), CONNECTIONS);
	assert_int_equal(ambiguous, 0);
}

/* ---- unix ---- */

/* One connect and one accept on a path, by two processes; `text` was captured at both ends (NULL: nothing
 * was). */
static uint32_t joined_unix(const char *text, uint64_t dropped)
{
	struct story *s = story_new();
	uint32_t client = story_process(s, 0, 100, 1), server = story_process(s, 0, 101, 1), found = 0;
	struct story_end end = {.process = client,
				.conn = 1,
				.flags = RECORD_FLAG_CONNECT,
				.path = "/run/x",
				.cookie = 7,
				.inode = 70};
	struct conns conns;
	struct links links;

	story_open(s, &end, 1000, 1010);
	story_move(s, RECORD_OUT, client, 1, 0, text, 20, 0, 1020, 1030);
	end = (struct story_end){.process = server,
				 .conn = 1,
				 .flags = RECORD_FLAG_ACCEPT,
				 .path = "/run/x",
				 .cookie = 8,
				 .inode = 80};
	story_open(s, &end, 2000, 2010);
	story_move(s, RECORD_IN, server, 1, 0, text, 20, 0, 2020, 2030);
	s->processes[server].dropped = dropped;
	assert_int_equal(conn_run(&s->store, &conns), 0);
	assert_int_equal(pair_run(&s->store, &conns, &links), 0);
	for (uint32_t i = 0; i < links.link_count; i++)
		found += links.links[i].join == JOIN_UNIX_ORDER;
	pair_free(&links);
	conn_free(&conns);
	story_free(s);
	return found;
}

static void test_unix_order(void **state)
{
	(void)state;
	assert_int_equal(joined_unix(NULL, 0), 1);
	assert_int_equal(joined_unix(NULL, 5), 0); /* the accept that belongs to it may be missing */
	assert_int_equal(joined_unix("twenty bytes of text", 5), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_order),	cmocka_unit_test(test_at_once),
	    cmocka_unit_test(test_all_at_once), cmocka_unit_test(test_other_lengths),
	    cmocka_unit_test(test_unix_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
