/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto_grammar_test.c - one test for every grammar: the talks of proto_samples.def, shown whole, byte by
 * byte, run together, cut, after garbage; and lengths made by an enemy. Every copy a grammar is shown is as
 * large as what was captured, so that a sanitizer sees each byte read too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/proto/proto.h"

#define WHOLE	  (-100)
#define MORE	  PROTO_MORE
#define TO_SERVER PROTO_TO_SERVER
#define TO_CLIENT PROTO_TO_CLIENT
#define SECRET	  "hunter2"
#define HOLE_MIN  16u /* of a message that is cut: a capture is never shorter */

struct sample {
	const char *grammar; /* first row of a talk only */
	const char *name;
	enum proto_dir dir;
	const char *bytes;
	size_t len;
	int64_t edge;
	const char *operation, *target, *status;
	unsigned int flags;
};

static const struct sample samples[] = {
#define TALK(grammar, name) {#grammar, name, 0, NULL, 0, 0, "", "", "", 0},
#define SAY(dir, bytes, edge, operation, target, status, flags)                                              \
	{NULL, NULL, dir, bytes, sizeof(bytes) - 1, edge, operation, target, status, flags},
#include "proto_samples.def"
};

#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static const struct proto *grammar;
static const char *talk;
static unsigned char state[PROTO_STATE_BYTES];

static void talk_start(const struct sample *s)
{
	grammar = proto_find(s->grammar);
	talk = s->name;
	assert_non_null(grammar);
	memset(state, 0, sizeof(state));
}

static int64_t length(const struct sample *s)
{
	return s->edge == WHOLE ? (int64_t)s->len : s->edge;
}

/* The edge of a copy that ends where the capture ends. It must not touch the state. */
static int64_t edge(enum proto_dir dir, const char *bytes, size_t len)
{
	uint8_t *copy = malloc(len);
	unsigned char before[PROTO_STATE_BYTES];

	memcpy(copy, bytes, len);
	memcpy(before, state, sizeof(state));
	int64_t n = grammar->edge(state, dir, copy, len);

	assert_memory_equal(before, state, sizeof(state));
	assert_true(n >= 1 || n == PROTO_MORE || n == PROTO_LOST);
	free(copy);
	return n;
}

static void check_text(const char *text, size_t cap)
{
	assert_non_null(memchr(text, 0, cap));
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		assert_true(*c >= ' ' && *c != 0x7f);
		assert_true(*c != 0xc0 && *c != 0xc1 && *c < 0xf5);
	}
	/* mbstowcs of a UTF-8 locale would do, but there may be none. */
	for (const unsigned char *c = (const unsigned char *)text; *c;) {
		int n = *c < 0x80 ? 0 : *c < 0xe0 ? 1 : *c < 0xf0 ? 2 : 3;

		assert_true(*c < 0x80 || *c >= 0xc2);
		for (c++; n--; c++)
			assert_true((*c & 0xc0) == 0x80);
	}
}

static void label(const struct sample *s, size_t len, bool full, struct label *out)
{
	uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, s->bytes, len);
	memset(out, 0, sizeof(*out));
	grammar->label(state, s->dir, copy, len, full, out);
	free(copy);
	check_text(out->operation, sizeof(out->operation));
	check_text(out->target, sizeof(out->target));
	check_text(out->status, sizeof(out->status));
	assert_null(strstr(out->operation, SECRET));
	assert_null(strstr(out->status, SECRET));
	if (!strstr(s->target, SECRET))
		assert_null(strstr(out->target, SECRET));
}

static bool same(const struct sample *s, const struct label *l, int64_t n)
{
	if (n == length(s) && !strcmp(l->operation, s->operation) && !strcmp(l->target, s->target) &&
	    !strcmp(l->status, s->status) && l->flags == s->flags)
		return true;
	print_error("%s: %s: %.40s\n  edge %ld, not %ld\n  [%s] [%s] [%s] %x\n  not [%s] [%s] [%s] %x\n",
		    grammar->name, talk, s->bytes, (long)n, (long)length(s), l->operation, l->target,
		    l->status, l->flags, s->operation, s->target, s->status, s->flags);
	return false;
}

static void test_whole(void **unused)
{
	struct label out;
	int wrong = 0;

	(void)unused;
	for (const struct sample *s = samples; s < samples + SAMPLES; s++) {
		if (s->grammar) {
			talk_start(s);
			continue;
		}
		int64_t n = edge(s->dir, s->bytes, s->len);

		label(s, s->len, n < 0 || (uint64_t)n <= s->len, &out);
		wrong += !same(s, &out, n);
	}
	assert_int_equal(wrong, 0);
}

/* What was captured may end anywhere: the length is right or not given. */
static void test_every_prefix(void **unused)
{
	struct label out;

	(void)unused;
	for (const struct sample *s = samples; s < samples + SAMPLES; s++) {
		if (s->grammar) {
			talk_start(s);
			continue;
		}
		for (size_t len = 1; len < s->len; len++) {
			unsigned char before[PROTO_STATE_BYTES];
			int64_t n = edge(s->dir, s->bytes, len);

			if (n != PROTO_MORE && n != length(s))
				fail_msg("%s: %s: %.30s: edge of %zu bytes is %ld", grammar->name, talk,
					 s->bytes, len, (long)n);
			memcpy(before, state, sizeof(state));
			label(s, len, false, &out);
			memcpy(state, before, sizeof(state));
		}
		label(s, s->len, true, &out);
	}
}

/* Messages that follow in the same capture: every edge is found at its place. */
static void test_run_together(void **unused)
{
	struct label out;

	(void)unused;
	for (const struct sample *s = samples; s < samples + SAMPLES; s++) {
		char joined[4096];
		size_t len = 0;

		if (s->grammar) {
			talk_start(s);
			continue;
		}
		for (const struct sample *t = s; t < samples + SAMPLES && !t->grammar; t++) {
			if (t->dir == s->dir && len + t->len <= sizeof(joined)) {
				memcpy(joined + len, t->bytes, t->len);
				len += t->len;
			}
		}
		if (s->edge == WHOLE) {
			int64_t n = edge(s->dir, joined, len);

			if (n != length(s))
				fail_msg("%s: %s: %.30s: edge is %ld of %zu", grammar->name, talk, s->bytes,
					 (long)n, s->len);
		}
		label(s, s->len, true, &out);
	}
}

/* One message of a talk is cut: the others still find their edges, or say that they cannot. */
static void test_hole(void **unused)
{
	struct label out;

	(void)unused;
	for (const struct sample *start = samples; start < samples + SAMPLES; start++) {
		if (!start->grammar)
			continue;
		for (const struct sample *cut = start + 1; cut < samples + SAMPLES && !cut->grammar; cut++) {
			talk_start(start);
			for (const struct sample *s = start + 1; s < samples + SAMPLES && !s->grammar; s++) {
				int64_t n = edge(s->dir, s->bytes, s->len);

				if (n != PROTO_MORE && n != length(s))
					fail_msg("%s: %s: %.30s after a cut in %.30s: %ld", grammar->name,
						 talk, s->bytes, cut->bytes, (long)n);
				bool half = s == cut && s->len > HOLE_MIN;

				label(s, half ? HOLE_MIN : s->len, !half, &out);
			}
		}
	}
}

static void test_garbage_before(void **unused)
{
	static const char *const garbage[] = {"\xde\xad\xbe\xef\x01\x02\x03\x04\x05", "hello, this is text\n",
					      "\xff\xff\xff\xff\xff\xff\xff\xff"};

	(void)unused;
	for (const struct sample *s = samples; s < samples + SAMPLES; s++) {
		struct label out;

		if (s->grammar) {
			talk_start(s);
			continue;
		}
		for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
			char joined[4096];
			size_t n = strlen(garbage[i]);

			memcpy(joined, garbage[i], n);
			memcpy(joined + n, s->bytes, s->len);
			int64_t at = edge(s->dir, joined, n + s->len);

			if (at != (strcmp(grammar->name, "raw") ? PROTO_LOST : PROTO_MORE))
				fail_msg("%s: %s: %.30s after garbage %zu: %ld", grammar->name, talk,
					 s->bytes, i, (long)at);
		}
		label(s, s->len, true, &out);
	}
}

/* ---- lengths made by an enemy ---- */

static void hostile(const char *name, enum proto_dir dir, const char *bytes, size_t len, int64_t expected)
{
	struct sample s = {NULL, NULL, dir, bytes, len, expected, "", "", "", 0};
	struct label out;

	grammar = proto_find(name);
	memset(state, 0, sizeof(state));
	int64_t n = edge(dir, bytes, len);

	if (n != expected)
		fail_msg("%s: %.40s: edge is %ld, not %ld", name, bytes, (long)n, (long)expected);
	label(&s, len, false, &out);
}

#define HOSTILE(name, dir, bytes, expected) hostile(name, dir, bytes, sizeof(bytes) - 1, expected)

static void test_hostile_lengths(void **unused)
{
	(void)unused;
	HOSTILE("http", TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
		MORE);
	HOSTILE("http", TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", MORE);
	HOSTILE("http", TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", MORE);
	HOSTILE("http", TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", MORE);
	HOSTILE("http", TO_SERVER, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		MORE);
	HOSTILE("http", TO_SERVER, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
		MORE);
	HOSTILE("http", TO_SERVER, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", MORE);
	HOSTILE("http", TO_CLIENT, "HTTP/1.1 099 OK\r\n\r\n", PROTO_LOST);
	HOSTILE("resp", TO_CLIENT, "$9223372036854775807\r\n", PROTO_LOST);
	HOSTILE("resp", TO_CLIENT, "$-2\r\n", PROTO_LOST);
	HOSTILE("resp", TO_CLIENT, "*99999999999\r\n+a\r\n", PROTO_LOST);
	HOSTILE("resp", TO_CLIENT,
		"*4294967296\r\n*4294967296\r\n*4294967296\r\n*4294967296\r\n*4294967296\r\n", PROTO_LOST);
	HOSTILE("resp", TO_SERVER, "*3\r\n$-1\r\n", PROTO_LOST);
	HOSTILE("resp", TO_SERVER, "*1\r\n$3\r\nabcdef", PROTO_LOST);
	HOSTILE("resp", TO_SERVER, "*1\r\n*1\r\n$1\r\na\r\n", PROTO_LOST);
	HOSTILE("mysql", TO_SERVER, "\xff\xff\xff\0\x03SELECT 1", MORE);
	HOSTILE("mysql", TO_SERVER, "\0\0\0\0", PROTO_LOST);
	HOSTILE("mysql", TO_SERVER, "\x09\0\0\0\x0e", PROTO_LOST); /* a PING is one byte */
	HOSTILE("mysql", TO_CLIENT, "\x09\0\0\x01\xfe\xff\xff\xff\xff\xff\xff\xff\xff", MORE);
	HOSTILE("mysql", TO_CLIENT, "\x03\0\0\x01\xfc\xff\xff\x01\0\0\x02\x01", MORE);
	HOSTILE("mysql", TO_SERVER, "\x08\0\0\0\x03\x1f\x01\xff\xff\xff\xff\xff", 12);
	HOSTILE("postgresql", TO_SERVER,
		"Q\xff\xff\xff\xff"
		"a",
		PROTO_LOST);
	HOSTILE("postgresql", TO_SERVER, "Q\0\0\0\x03", PROTO_LOST);
	HOSTILE("postgresql", TO_SERVER, "\0\0\0\x04\0\x03\0\0", PROTO_LOST);
	HOSTILE("postgresql", TO_SERVER, "\0\xff\xff\xff\0\x03\0\0", PROTO_LOST);
	HOSTILE("postgresql", TO_CLIENT, "T\x7f\xff\xff\xff", PROTO_LOST);
	HOSTILE("postgresql", TO_CLIENT, "R\0\0\0\x05\xff", MORE);
}

/* Deep nesting and long runs of tiny messages take linear time and no stack. */
static void test_hostile_depth(void **unused)
{
	enum { BYTES = 4 << 20 };
	char *bytes = malloc(BYTES);

	(void)unused;
	for (size_t i = 0; i + 4 <= BYTES; i += 4)
		memcpy(bytes + i, "*1\r\n", 4);
	grammar = proto_find("resp");
	memset(state, 0, sizeof(state));
	assert_int_equal(edge(TO_CLIENT, bytes, BYTES), PROTO_MORE);
	for (size_t i = 0; i + 8 <= BYTES; i += 8)
		memcpy(bytes + i, "H\0\0\0\4H\0\0", 8);
	grammar = proto_find("postgresql");
	assert_int_equal(edge(TO_SERVER, bytes, BYTES), PROTO_MORE);
	memset(bytes, '\n', BYTES);
	memcpy(bytes, "HTTP/1.1 200 OK\r\n", 17);
	memset(bytes + 17, ' ', BYTES - 17);
	grammar = proto_find("http");
	assert_int_equal(edge(TO_CLIENT, bytes, BYTES), PROTO_MORE);
	free(bytes);
}

/* Every grammar of the table is in the samples. */
static void test_all_sampled(void **unused)
{
	(void)unused;
	for (const struct proto *const *p = proto_table; *p; p++) {
		bool found = false;

		for (size_t i = 0; i < SAMPLES; i++)
			found |= samples[i].grammar && !strcmp(samples[i].grammar, (*p)->name);
		if (!found)
			fail_msg("%s has no talk in proto_samples.def", (*p)->name);
		assert_true((*p)->state_bytes <= PROTO_STATE_BYTES);
		assert_ptr_equal(proto_find((*p)->name), *p);
	}
	assert_null(proto_find("gopher"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),	   cmocka_unit_test(test_every_prefix),
	    cmocka_unit_test(test_run_together),   cmocka_unit_test(test_hole),
	    cmocka_unit_test(test_garbage_before), cmocka_unit_test(test_hostile_lengths),
	    cmocka_unit_test(test_hostile_depth),  cmocka_unit_test(test_all_sampled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
