/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto_guess_test.c - which grammar a connection is given: first bytes and mid-stream bytes of each, of
 * neighbours that look alike, and of nothing known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/proto/proto.h"

struct row {
	const char *name;
	const char *to_server;
	size_t to_server_len;
	const char *to_client;
	size_t to_client_len;
	uint16_t port;
};

#define ROW(name, to_server, to_client, port)                                                                \
	{                                                                                                    \
		name, to_server, sizeof(to_server) - 1, to_client, sizeof(to_client) - 1, port               \
	}

static const struct row rows[] = {
    /* HTTP */
    ROW("http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", 80),
    ROW("http", "GET / HTTP/1.1\r\n", "", 6379),
    ROW("http", "", "HTTP/1.0 404 Not Found\r\n", 9),
    ROW("http", "PROPFIND /a/very/long/path/that/does/not/end", "", 9),
    ROW("http", "FROB /x HTTP/1.1\r\n", "", 9),
    ROW("http", "POST /x HTTP/1.1\r\n", "{\"body\": \"seen first, mid-stream\"}", 9),
    ROW("raw", "GET", "", 80),
    ROW("raw", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", 80),
    ROW("raw", "OPTIONS rtsp://x/ RTSP/1.0\r\n", "RTSP/1.0 200 OK\r\n", 554),
    /* RESP */
    ROW("resp", "*1\r\n$4\r\nPING\r\n", "+PONG\r\n", 6379),
    ROW("resp", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "", 9),
    ROW("resp", "*3\r\n$3\r\nSET\r\n$100000\r\n", "", 9),
    ROW("resp", "PING\r\n", "", 9),
    ROW("resp", "", "$5\r\nhello\r\n", 9),
    ROW("resp", "", "-NOAUTH Authentication required.\r\n", 9),
    ROW("resp", "", "+OK\r\n", 9),
    ROW("resp", "", ":17\r\n", 9),
    ROW("resp", "", "*2\r\n$1\r\na\r\n$1\r\nb\r\n", 9),
    ROW("raw", "", "+\r\n", 6379),
    ROW("raw", "CONNECT {\"verbose\":false}\r\n", "INFO {\"server_id\":\"x\"}\r\n", 4222),
    ROW("raw", "get key\r", "VALUE key 0 5\r\nhello\r\nEND\r\n", 11211),
    ROW("raw", "EHLO me\r\n", "220 mail ESMTP\r\n", 25),
    /* MySQL */
    ROW("mysql", "",
	"\x4a\0\0\0\x0a"
	"5.5.5-10.11.6-MariaDB\0\x09\0\0\0abcdefgh\0",
	9),
    ROW("mysql", "\x20\0\0\1\x85\xae\x0a\0\0\0\0\1\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "", 9),
    ROW("mysql", "\x21\0\0\2\x85\xae\x0a\0\0\0\0\1\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0u",
	"\7\0\0\3\0\0\0\2\0\0\0", 9),
    ROW("mysql", "\x09\0\0\0\3SELECT 1", "", 9),
    ROW("mysql", "\x0b\0\0\0\3\0\1SELECT 1", "", 9),
    ROW("mysql", "\xe8\3\0\0\3UPDATE t SET a = 'and so on", "", 9),
    ROW("mysql", "\x0a\0\0\0\x16SELECT 1 ", "", 9),
    ROW("mysql", "\x0a\0\0\0\x17\7\0\0\0\0\1\0\0\0", "", 9),
    ROW("mysql", "\1\0\0\0\x0e", "\7\0\0\1\0\0\0\2\0\0\0", 9),
    ROW("mysql", "", "\1\0\0\1\1\x17\0\0\2\3def\0\0", 9),
    ROW("mysql", "", "\x17\0\0\1\xff\x28\4#42000You have an er", 9),
    /* a hint in each direction makes one that is believed */
    ROW("mysql", "\5\0\0\0\x1a\7\0\0\0", "\7\0\0\1\0\0\0\2\0\0\0 and more", 9),
    ROW("raw", "\5\0\0\0\x1a\7\0\0\0", "", 9),
    ROW("raw", "\x09\0\0\0\3hello 12 more", "", 3306),
    /* PostgreSQL */
    ROW("postgresql", "\0\0\0\x08\4\xd2\x16\x2f", "", 9),
    ROW("postgresql", "\0\0\0\x11\0\3\0\0user\0bob\0\0", "R\0\0\0\x08\0\0\0\0", 9),
    ROW("postgresql", "Q\0\0\0\x0dSELECT 1\0", "", 9),
    ROW("postgresql", "Q\0\0\1\0update t set a = 'and so on", "", 9),
    ROW("postgresql", "P\0\0\0\x11\0select 1\0\0\0", "", 9),
    ROW("postgresql", "B\0\0\0\x0f\0S_1\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\4", "", 9),
    ROW("postgresql", "", "T\0\0\0\x06\0\0C\0\0\0\x0dSELECT 0\0Z\0\0\0\5I", 9),
    ROW("postgresql", "",
	"1\0\0\0\4"
	"2\0\0\0\4",
	9),
    ROW("postgresql", "X\0\0\0\4", "", 9),
    ROW("raw", "X\0\0\0\4", "a banner of something else", 9),
    ROW("raw", "Q", "", 5432),
    ROW("raw", "Quick brown foxes", "Zebras are here", 5432),
    /* nothing known */
    ROW("raw", "", "", 80),
    ROW("raw", "\x16\3\1\2\0\1\0\1\xfc\3\3", "\x16\3\3\0\x7a\2\0\0\x76\3\3", 443),
    ROW("raw", "SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2\r\n", 22),
    ROW("raw", "AMQP\0\0\x09\1", "\1\0\0\0\0\2\x0d", 5672),
    ROW("raw", "\x3a\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0", "", 27017),
    ROW("raw", "\0\0\0\x2a\0\x12\0\4\0\0\0\1\0\x06", "", 9092),
    ROW("raw", "<?xml version='1.0'?>", "", 5222),
    ROW("raw", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 9),
};

static void test_rows(void **unused)
{
	int wrong = 0;

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		const struct proto *p = proto_guess((const uint8_t *)r->to_server, r->to_server_len,
						    (const uint8_t *)r->to_client, r->to_client_len, r->port);

		if (strcmp(p->name, r->name)) {
			print_error("row %zu: %.30s | %.30s: %s, not %s\n", i, r->to_server, r->to_client,
				    p->name, r->name);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* The port alone never decides, and the table ends with the grammar that takes all. */
static void test_raw_is_last(void **unused)
{
	const struct proto *const *p = proto_table;

	(void)unused;
	while (p[1])
		p++;
	assert_string_equal((*p)->name, "raw");
	assert_int_equal((*p)->sniff(PROTO_TO_SERVER, (const uint8_t *)"x", 1), 1);
	for (p = proto_table; *p; p++) {
		for (const uint16_t *port = (*p)->ports; port && *port; port++)
			assert_ptr_equal(proto_guess(NULL, 0, NULL, 0, *port), proto_find("raw"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_raw_is_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
