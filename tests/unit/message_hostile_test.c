// SPDX-License-Identifier: Apache-2.0
/*
 * message_hostile_test.c - passes conn, pair and message on records that no program left: any kind, any
 * offset, any time, with the real grammars. They must come to an end, and to the same end twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzer/pass/message.h"
#include "analyzer/strings.h"
#include "tests/unit/story.h"

#define STORIES 1500

static uint64_t dice;

static uint64_t roll(uint64_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice % n;
}

static uint64_t any_offset(void)
{
	switch (roll(8)) {
	case 0:
		return UINT64_MAX - roll(50);
	case 1:
		return 1ull << 63;
	case 2:
		return roll(1ull << 40);
	default:
		return roll(200);
	}
}

static uint64_t any_time(void)
{
	return roll(3) ? roll(1000) : any_offset();
}

static uint32_t any_conn(void)
{
	return roll(10) ? 1 + (uint32_t)roll(3) : (uint32_t)any_offset();
}

static void tell_open(struct story *s, uint32_t process)
{
	static const uint16_t ports[] = {80, 4000};
	static const uint8_t hosts[] = {127, 0, 1, 2};
	struct story_end e = {.process = process,
			      .conn = any_conn(),
			      .flags = (uint16_t)(RECORD_FLAG_CONNECT << roll(4)),
			      .local_port = ports[roll(2)],
			      .remote_port = ports[roll(2)],
			      .local_host = hosts[roll(4)],
			      .remote_host = hosts[roll(4)],
			      .path = roll(4) ? NULL : "/x",
			      .inode = roll(5),
			      .cookie = roll(4),
			      .off_in = roll(6) ? 0 : any_offset(),
			      .off_out = roll(6) ? 0 : any_offset(),
			      .peer_pid = (uint32_t)roll(4),
			      .fd = roll(3),
			      .netns = roll(2)};

	story_open(s, &e, any_time(), any_time());
}

static void tell_counts(struct story *s, uint32_t process)
{
	struct counts c = {any_offset(), any_offset(), COUNT_UNKNOWN, COUNT_UNKNOWN};

	if (roll(2)) {
		c.out_kernel = any_offset();
		c.in_kernel = any_offset();
	}
	story_counts(s, roll(2) ? RECORD_CLOSE : RECORD_RESYNC, process, any_conn(), roll(3), c, any_time());
}

static void tell_bytes(struct story *s, uint32_t process, bool any_kind)
{
	static const char *const bytes[] = {
	    "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
	    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
	    "*1\r\n$4\r\nPING\r\n",
	    "+PONG\r\n",
	    "\x03\x01\x01\x01SELECT 1",
	    "anything",
	};
	const char *text = bytes[roll(8)];
	size_t len = strlen(text);

	story_record(
	    s, process,
	    (struct store_record){.kind = any_kind ? (uint8_t)roll(16) : RECORD_OUT + (uint8_t)roll(2),
				  .flags = (uint16_t)(roll(3) ? roll(2) : roll(2048)),
				  .conn = any_conn(),
				  .off = any_offset(),
				  .len = roll(8)   ? (uint32_t)len
					 : roll(2) ? UINT32_MAX
						   : 0,
				  .t0_ns = any_time(),
				  .t1_ns = any_time()},
	    text, roll(4) ? len : roll(len));
}

static struct story *any_story(void)
{
	struct story *s = story_new();
	uint32_t processes = 1 + (uint32_t)roll(4);

	for (uint32_t i = 0; i < processes; i++)
		story_process(s, (uint32_t)roll(2), 1 + roll(4), roll(4));
	for (uint64_t n = roll(120); n > 0; n--) {
		uint32_t process = (uint32_t)roll(processes);

		switch (roll(8)) {
		case 0:
			tell_open(s, process);
			break;
		case 1:
			tell_counts(s, process);
			break;
		default:
			tell_bytes(s, process, roll(8) == 0);
		}
	}
	return s;
}

/* Runs the passes, checks what must hold of any result, and sums it up. */
static uint64_t run(const struct story *s)
{
	struct strings *strings = strings_new();
	struct conns conns;
	struct links links;
	struct messages m;
	uint64_t sum;

	assert_int_equal(conn_run(&s->store, &conns), 0);
	assert_int_equal(pair_run(&s->store, &conns, &links), 0);
	assert_int_equal(message_run(&s->store, &conns, &links, strings, &m), 0);
	sum = links.link_count + 1000 * conns.view_count;
	for (uint32_t i = 0; i < conns.view_count; i++)
		assert_true(links.of_view[i] < links.link_count);
	for (uint32_t i = 0; i < m.message_count; i++) {
		assert_true(m.messages[i].off0 < m.messages[i].off1);
		assert_true(m.messages[i].cid != 0);
		sum = sum * 31 + m.messages[i].cid + m.messages[i].off1;
	}
	for (uint32_t i = 0; i < m.rpc_count; i++) {
		const struct rpc *r = &m.rpcs[i];

		assert_true(r->request < m.message_count);
		if (r->response != RPC_NO_RESPONSE) {
			assert_true(r->response < m.message_count && r->response > r->request);
			assert_int_equal(m.messages[r->response].link, m.messages[r->request].link);
		}
		sum = sum * 31 + r->request * 7 + r->response;
	}
	message_free(&m);
	pair_free(&links);
	conn_free(&conns);
	strings_free(strings);
	return sum;
}

static void test_hostile_stories(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= STORIES; seed++) {
		struct story *s;

		dice = seed * 0x9e3779b97f4a7c15ull;
		s = any_story();
		assert_true(run(s) == run(s));
		story_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile_stories)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
