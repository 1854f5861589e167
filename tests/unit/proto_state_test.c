/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto_state_test.c - what a grammar remembers between messages when it is too much, late or wrong: deep
 * pipelines, lost responses, responses that are shown in part.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/proto/pending.h"
#include "analyzer/proto/proto.h"

static const struct proto *grammar;
static unsigned char state[PROTO_STATE_BYTES];
static struct label last;

static int start(const char *name)
{
	grammar = proto_find(name);
	memset(state, 0, sizeof(state));
	return 0;
}

static int64_t show_bytes(enum proto_dir dir, const char *bytes, size_t len, int full)
{
	int64_t n = grammar->edge(state, dir, (const uint8_t *)bytes, len);

	memset(&last, 0, sizeof(last));
	grammar->label(state, dir, (const uint8_t *)bytes, len, full, &last);
	return n;
}

#define REQUEST(bytes)	     show_bytes(PROTO_TO_SERVER, bytes, sizeof(bytes) - 1, 1)
#define RESPONSE(bytes)	     show_bytes(PROTO_TO_CLIENT, bytes, sizeof(bytes) - 1, 1)
#define RESPONSE_PART(bytes) show_bytes(PROTO_TO_CLIENT, bytes, sizeof(bytes) - 1, 0)
#define HEAD_REQUEST	     "HEAD / HTTP/1.1\r\n\r\n"
#define GET_REQUEST	     "GET / HTTP/1.1\r\n\r\n"
#define FIELDS_ONLY	     "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
#define FIELDS_ONLY_LEN	     (sizeof(FIELDS_ONLY) - 1)
#define HTTP_OK		     FIELDS_ONLY "body"

static void test_deep_pipeline(void **unused)
{
	(void)unused;
	start("http");
	for (unsigned int i = 0; i < PENDING_SLOTS; i++)
		REQUEST(HEAD_REQUEST);
	for (unsigned int i = 0; i < PENDING_SLOTS; i++)
		assert_int_equal(RESPONSE(FIELDS_ONLY), FIELDS_ONLY_LEN);

	/* More than are remembered: ordinary responses until the last of them. */
	for (unsigned int i = 0; i < PENDING_SLOTS + 1; i++)
		REQUEST(GET_REQUEST);
	for (unsigned int i = 0; i < PENDING_SLOTS + 1; i++)
		assert_int_equal(RESPONSE(HTTP_OK), FIELDS_ONLY_LEN + 4);
	REQUEST(HEAD_REQUEST);
	assert_int_equal(RESPONSE(FIELDS_ONLY), FIELDS_ONLY_LEN);
}

/* The response to GET was lost: the one to HEAD comes when GET's is expected, and so on. */
static void test_late_head(void **unused)
{
	(void)unused;
	start("http");
	REQUEST(HEAD_REQUEST);
	REQUEST(GET_REQUEST);
	assert_int_equal(RESPONSE(HTTP_OK), FIELDS_ONLY_LEN + 4);
	/* Bodiless as the queue says, where nothing contradicts. */
	start("http");
	REQUEST(HEAD_REQUEST);
	assert_int_equal(RESPONSE(FIELDS_ONLY "HTTP/1.1 200 OK\r\n"), FIELDS_ONLY_LEN);
}

static void test_interim_keeps_its_request(void **unused)
{
	(void)unused;
	start("http");
	REQUEST(HEAD_REQUEST);
	for (int i = 0; i < 3; i++) {
		RESPONSE("HTTP/1.1 102 Processing\r\n\r\n");
		assert_int_equal(last.flags, PROTO_INTERIM);
	}
	assert_int_equal(RESPONSE(FIELDS_ONLY), FIELDS_ONLY_LEN);
}

static void test_many_subscriptions(void **unused)
{
	(void)unused;
	start("resp");
	for (int i = 0; i < 100; i++)
		REQUEST("*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n");
	for (int i = 0; i < 100; i++)
		RESPONSE("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
	RESPONSE("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n");
	assert_int_equal(last.flags, PROTO_PUSH);
	/* A list whose first element reads like a message is one only where messages are expected. */
	start("resp");
	REQUEST("*4\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$1\r\n0\r\n$1\r\n2\r\n");
	RESPONSE("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n");
	assert_int_equal(last.flags, 0);
}

static void test_skipped_reply(void **unused)
{
	(void)unused;
	start("resp");
	REQUEST("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n");
	assert_int_equal(last.flags, PROTO_NO_RESPONSE);
	REQUEST("*2\r\n$4\r\nINCR\r\n$1\r\nc\r\n");
	assert_int_equal(last.flags, PROTO_NO_RESPONSE);
	REQUEST("*2\r\n$4\r\nINCR\r\n$1\r\nc\r\n");
	assert_int_equal(last.flags, 0);
}

#define NOTICE "N\0\0\0\x0dSNOTICE\0\0"

static void test_notices(void **unused)
{
	(void)unused;
	start("postgresql");
	REQUEST("Q\0\0\0\x0d"
		"DROP IF\0\0");
	/* The head of a response that goes on is no push, though it holds only notices. */
	assert_int_equal(RESPONSE_PART(NOTICE NOTICE), PROTO_MORE);
	assert_int_equal(last.flags, 0);
	RESPONSE(NOTICE);
	assert_int_equal(last.flags, PROTO_PUSH);
}

#define LOGIN_FIELDS "\0\0\0\1\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

/* Compression begins after the login: from there it is not this grammar's. */
static void test_compression(void **unused)
{
	(void)unused;
	start("mysql");
	REQUEST("\x21\0\0\1\xa5\xa2\0\0" LOGIN_FIELDS "\0");
	assert_int_equal(last.flags, PROTO_CONTROL);
	RESPONSE("\7\0\0\2\0\0\0\2\0\0\0");
	assert_int_equal(last.flags, PROTO_CONTROL | PROTO_UPGRADE);
}

/* The server says when a backslash is no escape; a literal that ends in one must not open the next. */
static void test_plain_backslash(void **unused)
{
	(void)unused;
	start("mysql");
	REQUEST("\x0f\0\0\0\3SET sql_mode=1");
	RESPONSE("\7\0\0\1\0\0\0\2\2\0\0"); /* status flag NO_BACKSLASH_ESCAPES */
	REQUEST("\x15\0\0\0\3SELECT 'a\\', 'b\\', c");
	assert_string_equal(last.operation, "SELECT ?, ?, c");
	RESPONSE("\7\0\0\1\0\0\0\2\0\0\0");
	REQUEST("\x13\0\0\0\3SELECT 'a\\', b', c");
	assert_string_equal(last.operation, "SELECT ?, c");
}

/* A command in the middle of what looked like a login ends it. */
static void test_login_ends(void **unused)
{
	(void)unused;
	start("mysql");
	REQUEST("\x21\0\0\1\x85\xa2\0\0" LOGIN_FIELDS "\0");
	assert_int_equal(REQUEST("\1\0\0\3x"), 5);
	RESPONSE("\7\0\0\4\0\0\0\2\0\0\0");
	assert_int_equal(grammar->edge(state, PROTO_TO_SERVER, (const uint8_t *)"\1\0\0\3x", 5), PROTO_LOST);
	assert_int_equal(REQUEST("\1\0\0\0\x0e"), 5);
	assert_string_equal(last.operation, "PING");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_deep_pipeline),
	    cmocka_unit_test(test_late_head),
	    cmocka_unit_test(test_interim_keeps_its_request),
	    cmocka_unit_test(test_many_subscriptions),
	    cmocka_unit_test(test_skipped_reply),
	    cmocka_unit_test(test_notices),
	    cmocka_unit_test(test_compression),
	    cmocka_unit_test(test_plain_backslash),
	    cmocka_unit_test(test_login_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
