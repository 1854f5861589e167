/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto_name_test.c - names of operations: identifiers in paths and keys are replaced, words are kept, and
 * 100,000 random identifiers give a handful of names. Text of the wire is bounded and valid.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/proto/id.h"
#include "analyzer/proto/path.h"
#include "analyzer/proto/pending.h"

#define RANDOM_NAMES 100000
#define DISTINCT_MAX 200

struct row {
	const char *in, *out;
};

static void check_rows(const struct row *rows,
		       void (*normalise)(struct text *out, const uint8_t *s, size_t len))
{
	int wrong = 0;

	for (; rows->in; rows++) {
		char name[192];
		struct text out;

		text_start(&out, name, sizeof(name));
		normalise(&out, (const uint8_t *)rows->in, strlen(rows->in));
		if (strcmp(name, rows->out)) {
			print_error("%s: %s, not %s\n", rows->in, name, rows->out);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void path(struct text *out, const uint8_t *s, size_t len)
{
	path_normalise(out, s, len, false);
}

static void path_cut(struct text *out, const uint8_t *s, size_t len)
{
	path_normalise(out, s, len, true);
}

static void key(struct text *out, const uint8_t *s, size_t len)
{
	id_replace(out, s, len, ":/|");
}

static void test_path(void **unused)
{
	static const struct row rows[] = {
	    {"/", "/"},
	    {"", "/"},
	    {"*", "*"},
	    {"//a///b/", "/a/b/"},
	    {"/order/17", "/order/{id}"},
	    {"/order/17/", "/order/{id}/"},
	    {"/order/17?x=/a/9#f", "/order/{id}"},
	    {"/a;jsessionid=0F3A/b;v=1", "/a/b"},
	    {"https://u:p@host:8080/x/17?q", "/x/{id}"},
	    {"http://host", "/"},
	    {"http://host?q", "/"},
	    {"/u/6b7a1ad2-1c5f-4c0a-9a3d-5e1b9a0c2f77", "/u/{id}"},
	    {"/u/{6B7A1AD2-1C5F-4C0A-9A3D-5E1B9A0C2F77}", "/u/{{id}}"},
	    {"/img/task-6b7a1ad2-1c5f-4c0a-9a3d-5e1b9a0c2f77.png", "/img/task-{id}.png"},
	    {"/c/9f86d081/x", "/c/{id}/x"},
	    {"/c/deadbeef", "/c/{id}"},
	    {"/img/red-deadbeef", "/img/red-{id}"},
	    {"/static/main.3f2a9c81d4.js", "/static/main.{id}.js"},
	    {"/t/dQw4w9WgXcQ", "/t/{id}"},
	    {"/t/eyJhbGciOiJIUzI1NiJ9", "/t/{id}"},
	    {"/m/bob@example.com", "/m/{id}"},
	    {"/m/bob%40example.com", "/m/{id}"},
	    {"/d/2024-01-31/x", "/d/{id}/x"},
	    {"/d/2024-01-31T10:20:30.5Z", "/d/{id}"},
	    {"/d/20240131T102030Z", "/d/{id}"},
	    {"/geo/52.5,-13.4", "/geo/{id}"},
	    {"/h/192.168.1.1", "/h/{id}"},
	    {"/o/ORD-000123", "/o/ORD-{id}"},
	    {"/users/user17", "/users/user{id}"},
	    {"/blog/why-we-moved-all-our-tests-to-make", "/blog/{id}"},
	    {"/caf\xc3\xa9", "/{id}"},
	    /* words that stay */
	    {"/api/v1/orders", "/api/v1/orders"},
	    {"/apis/apps/v1beta1/x", "/apis/apps/v1beta1/x"},
	    {"/oauth2/token", "/oauth2/token"},
	    {"/.well-known/openid-configuration", "/.well-known/openid-configuration"},
	    {"/getAllCustomersWithInvoices", "/getAllCustomersWithInvoices"},
	    {"/XMLHttpRequest", "/XMLHttpRequest"},
	    {"/index.html", "/index.html"},
	    {"/sign-in-with-google", "/sign-in-with-google"},
	    {"/wp-content/phpmyadmin/xmlrpc.php", "/wp-content/phpmyadmin/xmlrpc.php"},
	    {"/kubernetes/healthz", "/kubernetes/healthz"},
	    {"/benutzer/wunschliste/przelewy", "/benutzer/wunschliste/przelewy"},
	    {"/s3/i18n/2fa/b2b/base64/ipv4", "/s3/i18n/2fa/b2b/base64/ipv4"},
	    {"/page2/t1/t2", "/page2/t1/t2"},
	    {NULL, NULL},
	};
	static const struct row cut[] = {
	    {"/order/17", "/order/\xe2\x80\xa6"},
	    {"/order/17?x", "/order/{id}"},
	    {"", "\xe2\x80\xa6"},
	    {NULL, NULL},
	};

	(void)unused;
	check_rows(rows, path);
	check_rows(cut, path_cut);
}

static void test_key(void **unused)
{
	static const struct row rows[] = {
	    {"cart:17", "cart:{id}"},
	    {"cart:17:items", "cart:{id}:items"},
	    {"{user:1000}.following", "{user:{id}}.following"},
	    {"user_42_cart", "user_{id}_cart"},
	    {"session:9f86d081884c7d65", "session:{id}"},
	    {"celery-task-meta-6b7a1ad2-1c5f-4c0a-9a3d-5e1b9a0c2f77", "celery-task-meta-{id}"},
	    {"a|b/17", "a|b/{id}"},
	    {"rate:1.2.3.4", "rate:{id}"},
	    {"mail:bob@example.com", "mail:{id}"},
	    {"page:home", "page:home"},
	    {"with space", "{id}"},
	    {"\x01\x02\xff", "{id}"},
	    {"", ""},
	    {NULL, NULL},
	};

	(void)unused;
	check_rows(rows, key);
}

/* ---- few names for many identifiers ---- */

static uint64_t chance;

static unsigned int pick(unsigned int below)
{
	chance ^= chance >> 12;
	chance ^= chance << 25;
	chance ^= chance >> 27;
	return (unsigned int)((chance * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

static void put_random(char *to, const char *alphabet, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = alphabet[pick((unsigned int)strlen(alphabet))];
	to[n] = 0;
}

#define HEX	"0123456789abcdef"
#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define UPPER	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS	"0123456789"

/* An identifier of the n-th kind; false if there is none. */
static bool make_id(int kind, char *to)
{
	char part[5][64];

	switch (kind) {
	case 0:
		put_random(to, DIGITS, 1 + pick(18));
		return true;
	case 1:
		for (int i = 0; i < 5; i++)
			put_random(part[i], HEX, i == 0 ? 8 : i == 4 ? 12 : 4);
		sprintf(to, "%s-%s-%s-%s-%s", part[0], part[1], part[2], part[3], part[4]);
		return true;
	case 2:
		put_random(to, HEX, 8 + pick(57));
		return true;
	case 3:
		put_random(to, "0123456789ABCDEF", 8);
		return true;
	case 4: /* base64 of 16 bytes */
		put_random(to, LETTERS UPPER DIGITS "-_", 22);
		return true;
	case 5: /* base64 of 12 bytes */
		put_random(to, LETTERS UPPER DIGITS "-_", 16);
		return true;
	case 6: /* a short link's */
		put_random(to, LETTERS UPPER DIGITS, 11);
		return true;
	case 7:
		put_random(to, LETTERS DIGITS, 12);
		return true;
	case 8: /* ULID */
		put_random(to, "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26);
		return true;
	case 9:
		put_random(part[0], LETTERS, 3 + pick(8));
		sprintf(to, "%s.%u@example.com", part[0], pick(1000));
		return true;
	case 10:
		sprintf(to, "%04u-%02u-%02u", 1990 + pick(60), 1 + pick(12), 1 + pick(28));
		return true;
	case 11:
		sprintf(to, "%04u-%02u-%02uT%02u:%02u:%02u.%uZ", 1990 + pick(60), 1 + pick(12), 1 + pick(28),
			pick(24), pick(60), pick(60), pick(1000));
		return true;
	case 12:
		sprintf(to, "user%u", pick(1000000));
		return true;
	case 13:
		sprintf(to, "ORD-%06u-%u", pick(1000000), pick(10));
		return true;
	case 14:
		put_random(part[0], LETTERS UPPER DIGITS, 14);
		sprintf(to, "cus_%s", part[0]);
		return true;
	case 15:
		sprintf(to, "%u.%u.%u.%u", pick(256), pick(256), pick(256), pick(256));
		return true;
	default:
		return false;
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static size_t distinct(char (*names)[64], size_t n)
{
	size_t count = n > 0;

	qsort(names, n, sizeof(*names), by_text);
	for (size_t i = 1; i < n; i++)
		count += strcmp(names[i - 1], names[i]) != 0;
	return count;
}

static void test_few_names(void **unused)
{
	char(*names)[64] = malloc(RANDOM_NAMES * sizeof(*names));
	char id[128], target[160];
	struct text out;

	(void)unused;
	chance = 42;
	for (int kind = 0; make_id(kind, id); kind++) {
		for (int as_key = 0; as_key < 2; as_key++) {
			for (size_t i = 0; i < RANDOM_NAMES; i++) {
				make_id(kind, id);
				text_start(&out, names[i], sizeof(names[i]));
				sprintf(target, as_key ? "cart:%s:items" : "/shop/%s/items?q=1", id);
				(as_key ? key : path)(&out, (const uint8_t *)target, strlen(target));
			}
			size_t n = distinct(names, RANDOM_NAMES);

			if (n >= DISTINCT_MAX)
				fail_msg("identifiers like %s give %zu names", id, n);
		}
	}
	free(names);
}

/* ---- text ---- */

static void test_text(void **unused)
{
	static const struct row rows[] = {
	    {"a\tb\r\nc", "a b  c"},
	    {"\x01\x7f\x1b[31m", "\\x01\\x7F\\x1B[31m"},
	    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
	    {"\xc0\xaf", "\\xC0\\xAF"},
	    {"\xed\xa0\x80", "\\xED\\xA0\\x80"},
	    {"\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"},
	    {"\xc2\x9b"
	     "0m",
	     "\\xC2\\x9B0m"},
	    {"ab\xe2\x82", "ab"},
	    {NULL, NULL},
	};
	char small[12];
	struct text t;

	(void)unused;
	check_rows(rows, text_bytes);
	text_start(&t, small, sizeof(small));
	text_bytes(&t, (const uint8_t *)"1234567\xc3\xa9", 9);
	assert_string_equal(small, "1234567" TEXT_ELLIPSIS);
	text_bytes(&t, (const uint8_t *)"x", 1);
	assert_string_equal(small, "1234567" TEXT_ELLIPSIS);
	text_back(&t, 3);
	text_number(&t, 90);
	assert_string_equal(small, "12390");
}

/* ---- the queue of requests ---- */

static void test_pending(void **unused)
{
	struct pending p = {0};

	(void)unused;
	assert_int_equal(pending_pop(&p), PENDING_UNKNOWN);
	for (int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < PENDING_SLOTS; i++)
			pending_push(&p, (uint8_t)(1 + i));
		for (unsigned int i = 0; i < PENDING_SLOTS; i++)
			assert_int_equal(pending_pop(&p), 1 + i);
		pending_push(&p, 9); /* moves the ring by one */
		assert_int_equal(pending_pop(&p), 9);
	}
	/* Too many: all that were in flight then are forgotten, later ones are not. */
	for (unsigned int i = 0; i < PENDING_SLOTS + 5; i++)
		pending_push(&p, 7);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(pending_pop(&p), PENDING_UNKNOWN);
	pending_push(&p, 8);
	for (unsigned int i = 0; i < PENDING_SLOTS - 5; i++)
		assert_int_equal(pending_pop(&p), PENDING_UNKNOWN);
	assert_int_equal(pending_peek(&p), 8);
	assert_int_equal(pending_pop(&p), 8);
	assert_int_equal(p.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_path), cmocka_unit_test(test_key),	 cmocka_unit_test(test_few_names),
	    cmocka_unit_test(test_text), cmocka_unit_test(test_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
