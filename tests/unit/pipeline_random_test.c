// SPDX-License-Identifier: Apache-2.0
/*
 * pipeline_random_test.c - every pass and both views on records that no program can have made: offsets near
 * 2^64, lengths of 4 GiB, times that go back, connections that are not there. Nothing may crash (the test is
 * worth most under sanitizers), and what comes out must still be a forest with times that add up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/model.h"
#include "analyzer/pass/pipeline.h"
#include "analyzer/view/view.h"

#define ROUNDS	  1500u
#define PROCESSES 3u
#define THREADS	  3u
#define CONNS	  6u
#define RECORDS	  60u /* of each thread */

static uint64_t seed;

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)((any() >> 33) % n);
}

static const char *const heads[] = {
    "GET /a/1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\nGET /d",
    "POST /p HTTP/1.1\r\nContent-Length: 4294967295\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
    "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n",
    "+OK\r\n-ERR no\r\n$-1\r\n:5\r\n",
    "\x0a\x00\x00\x00\x03SELECT 1 FROM t",
    "\x07\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00",
    "Q\x00\x00\x00\x0dSELECT 1\x00",
    "\x00\xff\xfe binary \x80",
};

/* Mostly what follows the last record of the stream, sometimes anything. */
static uint64_t offset(uint64_t *next, uint32_t len)
{
	uint64_t at = *next;

	if (below(20) == 0)
		at = any();
	else if (below(30) == 0)
		at = UINT64_MAX - below(100);
	else if (below(10) == 0)
		at += below(50);
	*next = at + len;
	return at;
}

static void make_open(struct store_record *r, uint32_t process, struct endpoint *e)
{
	bool connects = below(2);
	uint16_t port = (uint16_t)(80 + below(3));

	*e = (struct endpoint){.family = below(8) ? ENDPOINT_IPV4 : ENDPOINT_UNIX,
			       .local_port = connects ? (uint16_t)(r->conn % 3 + 4000) : port,
			       .remote_port = connects ? port : (uint16_t)(r->conn % 3 + 4000),
			       .local_addr = {10, 0, 0, (uint8_t)(process % 2)},
			       .remote_addr = {10, 0, 0, (uint8_t)(1 - process % 2)},
			       .inode = below(5),
			       .cookie = below(10) ? 1 + process * CONNS + r->conn : below(4),
			       .off_in = below(10) ? 0 : any(),
			       .off_out = below(10) ? 0 : any(),
			       .path_bytes = below(6) ? 0 : (uint32_t)any()};
	r->flags = connects ? RECORD_FLAG_CONNECT : below(3) ? RECORD_FLAG_ACCEPT : RECORD_FLAG_SEEN;
	r->data = (const uint8_t *)e;
	r->data_len = below(20) ? sizeof(*e) : below(sizeof(*e));
}

static void make_io(struct store_record *r, uint64_t next[2])
{
	const char *head = heads[below(sizeof(heads) / sizeof(heads[0]))];
	uint32_t size = (uint32_t)strlen(head) + 1;

	r->kind = below(2) ? RECORD_OUT : RECORD_IN;
	r->len = below(15) ? size - 1 : below(4) ? below(40) : UINT32_MAX - below(3);
	r->off = offset(&next[r->kind == RECORD_IN], r->len);
	r->flags = (uint16_t)(below(6) ? below(2) : any() & 0x7ff);
	r->data = (const uint8_t *)head;
	r->data_len = below(4) ? size - 1 : below(size);
	if (r->data_len > r->len)
		r->data_len = r->len;
}

struct made {
	struct store_record records[THREADS * RECORDS];
	struct store_thread threads[THREADS];
	struct endpoint endpoints[THREADS * RECORDS];
	struct counts counts;
	struct store_gap gaps[THREADS];
};

static void make_process(struct store_process *p, struct made *made, uint32_t number)
{
	static char *const names[PROCESSES] = {"a", "b", "c"};
	uint64_t next[CONNS + 1][2] = {{0}}, now_ns = 1000000;

	made->counts = (struct counts){any(), below(100), COUNT_UNKNOWN, below(100)};
	for (uint32_t i = 0; i < THREADS * RECORDS; i++) {
		struct store_record *r = &made->records[i];
		uint32_t kind = below(20);

		now_ns = i % RECORDS ? now_ns : 1000000;
		now_ns += below(1000);
		*r = (struct store_record){.t0_ns = below(50) ? now_ns : any(),
					   .thread = i / RECORDS,
					   .conn = below(40) ? 1 + below(CONNS) : (uint32_t)any()};
		r->t1_ns = below(50) ? r->t0_ns + below(500) : any();
		if (i % RECORDS < CONNS / THREADS || kind == 0) {
			r->kind = RECORD_OPEN;
			make_open(r, number, &made->endpoints[i]);
		} else if (kind < 3) {
			*r = (struct store_record){.t0_ns = r->t0_ns,
						   .t1_ns = r->t1_ns,
						   .thread = r->thread,
						   .kind = RECORD_WAIT,
						   .conn = below(3) ? 0 : 1};
		} else if (kind == 3) {
			r->kind = below(2) ? RECORD_CLOSE : RECORD_RESYNC;
			r->data = (const uint8_t *)&made->counts;
			r->data_len = below(9) ? sizeof(made->counts) : below(32);
		} else if (kind == 4) {
			r->kind = (uint8_t)below(RECORD_KINDS + 2);
			r->off = any();
			r->len = (uint32_t)any();
		} else {
			make_io(r, next[r->conn <= CONNS ? r->conn : 0]);
		}
	}
	for (uint32_t t = 0; t < THREADS; t++) {
		made->gaps[t] = (struct store_gap){.before = t * RECORDS + below(RECORDS + 1), .missing = 3};
		made->threads[t] = (struct store_thread){.number = t,
							 .tid = t,
							 .first = t * RECORDS,
							 .count = RECORDS,
							 .gaps = &made->gaps[t],
							 .gap_count = below(3) == 0,
							 .name = ""};
	}
	*p = (struct store_process){.host = number % 2,
				    .clock = below(5) == 0,
				    .service = names[number],
				    .program = names[number],
				    .exe = "",
				    .version = "",
				    .path = "",
				    .end_reason = below(2) ? "exit" : NULL,
				    .pid = number,
				    .netns = 1,
				    .records = made->records,
				    .record_count = THREADS * RECORDS,
				    .threads = made->threads,
				    .thread_count = THREADS};
}

static void check_forest(const struct model *m)
{
	uint32_t reached = m->root_count;

	for (uint32_t i = 0; i < m->spans.span_count; i++) {
		const struct span *s = &m->spans.spans[i];
		const struct edge *e = &m->parents.edges[i];

		assert_true(s->start_ns <= s->end_ns);
		assert_true(m->nodes[i].start_ns <= s->end_ns);
		assert_true(m->nodes[i].self_ns <= model_total_ns(m, i));
		assert_true(e->probability >= 0 && e->probability <= 1);
		reached += m->nodes[i].child_count;
		if (s->side == SPAN_CLIENT && e->parent != STORE_NONE) {
			assert_int_equal(m->spans.spans[e->parent].side, SPAN_SERVER);
			assert_int_equal(m->spans.spans[e->parent].process, s->process);
			assert_true(e->class != EVIDENCE_ROOT && e->class != EVIDENCE_AMBIGUOUS);
			assert_true(e->probability >= .5f && e->probability < 1);
		}
	}
	assert_int_equal(reached, m->spans.span_count);
}

static void show(const struct model *m)
{
	static const char *const formats[] = {"json", "text"};

	for (int i = 0; i < 2; i++) {
		FILE *to = fopen("/dev/null", "w");
		struct out *out = out_open(formats[i], to);

		assert_int_equal(view_report(m, out), 0);
		assert_int_equal(out_close(out), 0);
		out = out_open(formats[i], to);
		assert_int_equal(view_tree(m, &(struct tree_options){0}, out), 0);
		assert_int_equal(out_close(out), 0);
		fclose(to);
	}
}

static void test_hostile_records(void **state)
{
	struct made *made = calloc(PROCESSES, sizeof(*made));
	struct store_process processes[PROCESSES];
	struct store_host hosts[2] = {{"h1", 0}, {"h2", 0}};
	struct store_clock clocks[2] = {{.boot_id = "b1"}, {.boot_id = "b2"}};
	uint64_t spans = 0, parents = 0;

	(void)state;
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		struct model m = {.strings = strings_new()};
		const char *failed = NULL;

		seed = round * 0x9e3779b97f4a7c15ull;
		for (uint32_t p = 0; p < PROCESSES; p++)
			make_process(&processes[p], &made[p], p);
		m.store = (struct store){.processes = processes,
					 .process_count = PROCESSES,
					 .hosts = hosts,
					 .host_count = 2,
					 .clocks = clocks,
					 .clock_count = 2,
					 .record_count = PROCESSES * THREADS * RECORDS};
		if (pipeline_run(&m, NULL, &failed))
			fail_msg("pass %s failed in round %u", failed, round);
		check_forest(&m);
		show(&m);
		spans += m.spans.span_count;
		for (uint32_t i = 0; i < m.spans.span_count; i++)
			parents += m.parents.edges[i].parent != STORE_NONE;
		pipeline_free(&m);
		strings_free(m.strings);
	}
	free(made);
	assert_true(spans > ROUNDS && parents > ROUNDS / 10); /* it does look at something */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile_records)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
