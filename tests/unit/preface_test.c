// SPDX-License-Identifier: Apache-2.0
/* preface_test.c - headers of the PROXY protocol: whole, cut, and things that only look like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/pass/preface.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

static const struct {
	const char *bytes;
	size_t n;
	uint32_t len;
	uint8_t family;
	uint16_t port;
	uint8_t first;
} rows[] = {
#define TEXT(text, ...)                                                                                      \
	{                                                                                                    \
		text, sizeof(text) - 1, __VA_ARGS__                                                          \
	}
    TEXT("PROXY TCP4 10.1.2.3 10.0.0.9 40000 80\r\nGET /", 39, ENDPOINT_IPV4, 40000, 10),
    TEXT("PROXY TCP6 fd00::1 fd00::2 65535 443\r\n\x16", 38, ENDPOINT_IPV6, 65535, 0xfd),
    TEXT("PROXY TCP6 ::ffff:10.1.2.3 ::1 1 2\r\n", 36, ENDPOINT_IPV4, 1, 10),
    TEXT("PROXY UNKNOWN\r\n", 15, 0, 0, 0),
    TEXT("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", 43, 0, 0, 0),
    TEXT("PROXY TCP4 10.1.2.3 10.0.0.9 70000 80\r\n", 39, 0, 0, 0),
    TEXT("PROXY TCP4 10.1.2.3 10.0.0.9 40000 80\r", 0, 0, 0, 0),
    TEXT("PROXY TCP4 10.1.2.3", 0, 0, 0, 0),
    TEXT("PROXY", 0, 0, 0, 0),
    TEXT("GET / HTTP/1.1\r\n", 0, 0, 0, 0),
    TEXT(V2 "\x21\x11\0\x0c\x0a\x01\x02\x03\x0a\0\0\x09\x9c\x40\0\x50GET", 28, ENDPOINT_IPV4, 40000, 10),
    TEXT(V2 "\x21\x11\0\x10\x0a\x01\x02\x03\x0a\0\0\x09\x9c\x40\0\x50\x04\0\x01X", 32, ENDPOINT_IPV4, 40000,
	 10),
    TEXT(V2 "\x21\x21\0\x24\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\x9c\x40\0"
	    "\x50",
	 52, ENDPOINT_IPV6, 40000, 0xfd),
    TEXT(V2 "\x20\0\0\0", 16, 0, 0, 0),
    TEXT(V2 "\x21\x31\0\xd8", 232, 0, 0, 0),
    TEXT(V2 "\x21\x11\xff\xff", 65551, 0, 0, 0),
    TEXT(V2 "\x21\x11\0\x04\x0a\x01\x02\x03\x0a\0\0\x09\x9c\x40\0\x50", 20, 0, 0, 0),
    TEXT(V2 "\x31\x11\0\x0c", 0, 0, 0, 0),
    TEXT(V2 "\x22\x11\0\x0c", 0, 0, 0, 0),
    TEXT(V2, 0, 0, 0, 0),
};

static void test_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct preface p = preface_read((const uint8_t *)rows[i].bytes, rows[i].n);

		assert_int_equal(p.len, rows[i].len);
		assert_int_equal(p.from.family, rows[i].family);
		assert_int_equal(p.from.port, rows[i].port);
		assert_int_equal(p.from.addr[0], rows[i].first);
	}
}

/* Every beginning of every row, in memory of just that size, so that sanitizers see a byte too far. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t n = 0; n <= rows[i].n; n++) {
			uint8_t *bytes = malloc(n + !n);
			struct preface p;

			assert_non_null(bytes);
			memcpy(bytes, rows[i].bytes, n);
			p = preface_read(bytes, n);
			assert_true(!p.from.family || p.len);
			assert_true(p.len == 0 || p.len == rows[i].len);
			free(bytes);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
