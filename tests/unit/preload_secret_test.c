/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_secret_test - what secrets_mask() leaves of secret_samples.def, however it is cut: no four bytes of
 * a secret, every length, all that is no secret; and what it does where bytes are missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/record.h"
#include "preload/secret.h"
#include "preload/secret_scan.h"
#include "tests/unit/secret_ways.h"

static struct secrets *table;

static int fresh(void **state)
{
	(void)state;
	table = calloc(1, secrets_bytes());
	return table == NULL ? -1 : 0;
}

static int gone(void **state)
{
	(void)state;
	free(table);
	return 0;
}

/* Masks one way, in records of `step` bytes (0: a message is one), as connection `conn`. */
static void mask_way(const struct way *w, uint8_t *out, size_t step, uint32_t conn)
{
	size_t at = 0;

	for (size_t i = 0; i < w->messages; i++) {
		size_t end = at + w->len[i];

		for (bool burst = true; at < end; burst = false) {
			size_t n = step == 0 || step > end - at ? end - at : step;

			way_mask(table, conn, at, w->bytes + at, n, burst, out + at);
			at += n;
		}
	}
}

static void check_kept(const struct way *w, const uint8_t *out)
{
	for (size_t i = 0; i < w->keeps; i++)
		if (memmem(out, w->total, w->keep[i], w->keep_len[i]) == NULL)
			fail_msg("%s: part %zu is not kept", w->name, i + 1);
}

static void check_way(const struct way *w, size_t step, uint32_t conn, bool whole)
{
	static uint8_t out[WAY_BYTES];

	mask_way(w, out, step, conn);
	if (way_leak(out, w->total) != NULL) {
		way_print(out, w->total);
		fail_msg("%s: in steps of %zu: '%s' is seen", w->name, step, way_leak(out, w->total));
	}
	if (!whole)
		return;
	if (getenv("SHOW"))
		way_print(out, w->total);
	check_kept(w, out);
}

static void test_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ways_count(); i++)
		check_way(way_get(i), 0, (uint32_t)i + 1, true);
}

static void test_steps(void **state)
{
	(void)state;
	for (size_t step = 1; step < 70; step++)
		for (size_t i = 0; i < ways_count(); i++)
			check_way(way_get(i), step, (uint32_t)(1000 * step + i), false);
}

/* Text reads the same whether it comes whole or byte by byte. */
static void test_bytes_keep_text(void **state)
{
	static uint8_t out[WAY_BYTES];

	(void)state;
	for (size_t i = 0; i < ways_count(); i++) {
		const struct way *w = way_get(i);

		if (strncmp(w->name, "header", 6) != 0 && strncmp(w->name, "redis", 5) != 0 &&
		    strncmp(w->name, "postgresql", 10) != 0)
			continue;
		mask_way(w, out, 1, (uint32_t)i + 1);
		check_kept(w, out);
	}
}

/* Each message but its first 40 bytes is not seen: what follows must not be taken for something else. */
static void test_holes(void **state)
{
	static uint8_t out[WAY_BYTES];

	(void)state;
	for (size_t i = 0; i < ways_count(); i++) {
		const struct way *w = way_get(i);
		size_t at = 0, n;

		/* a login must be known for one: 16 bytes */
		for (size_t skip = 16; skip < w->total; skip += 3) {
			memset(out, 0, sizeof out);
			at = 0;
			for (size_t k = 0; k < w->messages; k++) {
				n = w->len[k];
				/* the first part, and, after the hole, another that begins no burst */
				way_mask(table, (uint32_t)(i * 5000 + skip), at, w->bytes + at,
					 n < skip ? n : skip, true, out + at);
				if (n > skip + 3)
					way_mask(table, (uint32_t)(i * 5000 + skip), at + skip + 3,
						 w->bytes + at + skip + 3, n - skip - 3, false,
						 out + at + skip + 3);
				at += n;
			}
			if (way_leak(out, w->total) != NULL) {
				way_print(out, w->total);
				fail_msg("%s: with a hole at %zu: '%s' is seen", w->name, skip,
					 way_leak(out, w->total));
			}
		}
	}
}

static void test_twice(void **state)
{
	static uint8_t once[WAY_BYTES], twice[WAY_BYTES];
	struct way w;

	(void)state;
	for (size_t i = 0; i < ways_count(); i++) {
		w = *way_get(i);
		mask_way(&w, once, 0, (uint32_t)i + 1);
		w.bytes = once;
		mask_way(&w, twice, 0, (uint32_t)(i + 1000));
		if (memcmp(once, twice, w.total) != 0) {
			way_print(once, w.total);
			way_print(twice, w.total);
			fail_msg("%s: twice is not once", w.name);
		}
	}
}

/* A record in the middle of a stream that nothing is known of, and the message after it. */
static void test_unknown(void **state)
{
	static const char text[] = "tail of something", next[] = "GET /a HTTP/1.1\r\n\r\n";
	uint8_t out[64];

	(void)state;
	way_mask(table, 7, 5000, (const uint8_t *)text, sizeof text - 1, false, out);
	for (size_t i = 0; i < sizeof text - 1; i++)
		assert_int_equal(out[i], '*');
	way_mask(table, 7, 5000 + sizeof text - 1, (const uint8_t *)next, sizeof next - 1, true, out);
	assert_memory_equal(out, next, sizeof next - 1);
}

/* What is first seen in the middle of a connection stays readable, unless it looks like the rest of a login.
 */
static void test_late(void **state)
{
	static const struct {
		const char *text;
		bool masked;
	} rows[] = {{":1\r\n", false},		{"+OK\r\n", false},	   {"$-1\r\n", false},
		    {"$5\r\nhello\r\n", false}, {"-ERR no\r\n", false},	   {"get key\r\n", false},
		    {"NOT_STORED\r\n", false},	{"{\"a\": 1}", false},	   {"zation: Basic x\r\n", true},
		    {" folded\r\n", true},	{"cGFzc3dvcmQ=\r\n", true}};
	uint8_t out[64];

	(void)state;
	for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n = strlen(rows[i].text);

		way_mask(table, i + 1, 100, (const uint8_t *)rows[i].text, n, true, out);
		if ((memcmp(out, rows[i].text, n) != 0) != rows[i].masked)
			fail_msg("%s: %.*s", rows[i].text, (int)n, out);
	}
}

/* More connections than the table holds: those that were forgotten are masked up to their next turn. */
static void test_many(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nCookie: qzXv", tail[] = "7Kwp9f\r\n\r\n";
	uint8_t out[64];

	(void)state;
	for (uint32_t conn = 1; conn <= 30000; conn++)
		way_mask(table, conn, 0, (const uint8_t *)head, sizeof head - 1, true, out);
	for (uint32_t conn = 1; conn <= 30000; conn++) {
		way_mask(table, conn, sizeof head - 1, (const uint8_t *)tail, sizeof tail - 1, false, out);
		assert_memory_equal(out, "******", 6);
	}
}

static void test_words(void **state)
{
	static const char *const secret[] = {
	    "Authorization", "Proxy-Authorization", "Cookie",	"Set-Cookie",	"X-Api-Key",   "X_API_KEY",
	    "apikey",	     "x-auth-token",	    "password", "passwd",	"pwd",	       "db_pass",
	    "secret",	     "client_secret",	    "token",	"access_token", "signature",   "auth",
	    "sid",	     "PHPSESSID",	    "jwt",	"otp",		"private-key", "privatekey",
	    "accesskey",     "access_key",	    "auth-key", "authkey",	"credential",  "csrf",
	    "xsrf",	     "passphrase",	    "passcode", "sig",		"masteruser",  "identified",
	    "X-Session-Id",  "Authentication-Info"};
	static const char *const plain[] = {
	    "traceparent", "tracestate", "X-Request-ID",   "correlation-id", "x-b3-traceid", "Host", "author",
	    "authority",   "Accept",	 "Content-Length", "user",	     "path",	     "side", "to",
	    "b3"};

	(void)state;
	for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++)
		if (!secret_word(secret[i], strlen(secret[i])))
			fail_msg("%s is no secret", secret[i]);
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		if (secret_word(plain[i], strlen(plain[i])))
			fail_msg("%s is a secret", plain[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_whole, fresh, gone),
	    cmocka_unit_test_setup_teardown(test_steps, fresh, gone),
	    cmocka_unit_test_setup_teardown(test_bytes_keep_text, fresh, gone),
	    cmocka_unit_test_setup_teardown(test_holes, fresh, gone),
	    cmocka_unit_test_setup_teardown(test_twice, fresh, gone),
	    cmocka_unit_test_setup_teardown(test_unknown, fresh, gone),
	    cmocka_unit_test_setup_teardown(test_late, fresh, gone),
	    cmocka_unit_test_setup_teardown(test_many, fresh, gone),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
