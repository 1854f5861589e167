/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_names_test - masking costs no name: each message of proto_samples.def says the same to its grammar
 * masked as it did before, but for its target, of which only the secrets may be missing.
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

#include "analyzer/proto/proto.h"
#include "common/record.h"
#include "preload/secret.h"

#define BYTES_MAX 16384

static const struct row {
	const char *talk; /* begins one */
	const char *grammar;
	enum proto_dir dir;
	const char *bytes;
	size_t len;
} rows[] = {
#define TALK(grammar, name) {name, #grammar, 0, NULL, 0},
#define SAY(dir, bytes, edge, operation, target, status, flags)                                              \
	{NULL, NULL, PROTO_##dir, bytes, sizeof(bytes) - 1},
#include "tests/unit/proto_samples.def"
};

/* One talk's connection, before and after. */
struct talk {
	const char *name;
	const struct proto *proto;
	unsigned char state[2][PROTO_STATE_BYTES];
	uint64_t off[2];
	int last;
	uint32_t conn;
};

static const uint8_t *mask(struct secrets *table, struct talk *t, const struct row *row)
{
	static _Alignas(8) uint8_t place[sizeof(struct record) + BYTES_MAX];
	struct record *r = (struct record *)place;

	*r = (struct record){.size_bytes = (uint32_t)(sizeof *r + row->len),
			     .kind = row->dir == PROTO_TO_SERVER ? RECORD_OUT : RECORD_IN,
			     .flags = t->last != (int)row->dir ? RECORD_FLAG_BURST : 0,
			     .conn = t->conn,
			     .len = (uint32_t)row->len,
			     .off = t->off[row->dir]};
	memcpy(r + 1, row->bytes, row->len);
	secrets_mask(table, 0, r);
	t->off[row->dir] += row->len;
	t->last = row->dir;
	return (const uint8_t *)(r + 1);
}

static void check(struct secrets *table, struct talk *t, const struct row *row)
{
	const uint8_t *masked = mask(table, t, row);
	struct label a = {0}, b = {0};

	int64_t edge;

	if (row->len == 0)
		return;
	edge = t->proto->edge(t->state[0], row->dir, (const uint8_t *)row->bytes, row->len);
	if (edge != (int64_t)row->len) { /* a cut message: the next one is not its rest */
		t->conn += sizeof rows / sizeof rows[0];
		t->off[0] = t->off[1] = 0;
		t->last = -1;
	}
	if (edge != t->proto->edge(t->state[1], row->dir, masked, row->len))
		fail_msg("%s: another edge: %.60s", t->name, (const char *)masked);
	t->proto->label(t->state[0], row->dir, (const uint8_t *)row->bytes, row->len, 1, &a);
	t->proto->label(t->state[1], row->dir, masked, row->len, 1, &b);
	if (strcmp(a.operation, b.operation) != 0 || strcmp(a.status, b.status) != 0 || a.flags != b.flags ||
	    a.key != b.key || a.remember != b.remember || a.recall != b.recall)
		fail_msg("%s: '%s' '%s' %x is now '%s' '%s' %x", t->name, a.operation, a.status, a.flags,
			 b.operation, b.status, b.flags);
}

static void test_names(void **state)
{
	struct secrets *table = calloc(1, secrets_bytes());
	struct talk t = {0};

	(void)state;
	assert_non_null(table);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].talk != NULL) {
			t = (struct talk){.name = rows[i].talk, .last = -1, .conn = (uint32_t)i + 1};
			t.proto = proto_find(rows[i].grammar);
			assert_non_null(t.proto);
		} else {
			check(table, &t, &rows[i]);
		}
	}
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
