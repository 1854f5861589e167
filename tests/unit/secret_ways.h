/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_ways.h - secret_samples.def as an array, and whether a masked run of bytes still shows a secret. For
 * preload_secret_test and secret_fuzz.
 */
#ifndef TESTS_UNIT_SECRET_WAYS_H
#define TESTS_UNIT_SECRET_WAYS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/record.h"
#include "preload/secret.h"

#define WAY_BYTES 2048
#define WAY_PARTS 8
#define WAYS_MAX  64
#define WAY_LEAK  4 /* so many bytes of a secret in a row are too many */

struct way {
	const char *name;
	const uint8_t *bytes;
	size_t total, messages, keeps;
	size_t len[WAY_PARTS];
	const char *keep[WAY_PARTS];
	size_t keep_len[WAY_PARTS];
};

static const struct way_row {
	char what;
	const char *bytes;
	size_t len;
} way_rows[] = {
#define WAY(name)   {'w', name, sizeof(name) - 1},
#define SAY(bytes)  {'s', bytes, sizeof(bytes) - 1},
#define KEEP(bytes) {'k', bytes, sizeof(bytes) - 1},
#include "tests/unit/secret_samples.def"
};

static const struct way_row way_secrets[] = {
    {0, S1, sizeof S1 - 1}, {0, S2, sizeof S2 - 1}, {0, B1, sizeof B1 - 1},
    {0, B2, sizeof B2 - 1}, {0, B3, sizeof B3 - 1}, {0, H1, sizeof H1 - 1},
};

static struct way way_list[WAYS_MAX];
static uint8_t way_bytes[WAYS_MAX][WAY_BYTES];

static inline size_t ways_count(void)
{
	static size_t count;

	for (size_t i = 0; count == 0 || i < sizeof way_rows / sizeof way_rows[0]; i++) {
		const struct way_row *row = &way_rows[i];
		struct way *w = &way_list[count - (count > 0)];

		if (i == 0 && count > 0)
			return count;
		if (row->what == 'w') {
			way_list[count].name = row->bytes;
			way_list[count].bytes = way_bytes[count];
			count++;
		} else if (row->what == 's') {
			memcpy(way_bytes[count - 1] + w->total, row->bytes, row->len);
			w->total += row->len;
			w->len[w->messages++] = row->len;
		} else {
			w->keep[w->keeps] = row->bytes;
			w->keep_len[w->keeps++] = row->len;
		}
		if (i + 1 == sizeof way_rows / sizeof way_rows[0])
			break;
	}
	return count;
}

static inline const struct way *way_get(size_t i)
{
	return &way_list[i];
}

/* One record through the mask. */
static inline void way_mask(struct secrets *table, uint32_t conn, uint64_t off, const uint8_t *bytes,
			    size_t n, bool burst, uint8_t *out)
{
	static _Alignas(8) uint8_t place[sizeof(struct record) + WAY_BYTES];
	struct record *r = (struct record *)place;

	*r = (struct record){.size_bytes = (uint32_t)(sizeof *r + n),
			     .kind = RECORD_OUT,
			     .flags = burst ? RECORD_FLAG_BURST : 0,
			     .conn = conn,
			     .len = (uint32_t)n,
			     .off = off};
	memcpy(r + 1, bytes, n);
	secrets_mask(table, 0, r);
	memcpy(out, r + 1, n);
}

/* The first part of a secret that is to be seen; NULL: none is. */
static inline const char *way_leak(const uint8_t *out, size_t n)
{
	static char part[WAY_LEAK + 1];

	for (size_t i = 0; i < sizeof way_secrets / sizeof way_secrets[0]; i++) {
		for (size_t at = 0; at + WAY_LEAK <= way_secrets[i].len; at++) {
			if (memmem(out, n, way_secrets[i].bytes + at, WAY_LEAK) != NULL) {
				memcpy(part, way_secrets[i].bytes + at, WAY_LEAK);
				return part;
			}
		}
	}
	return NULL;
}

static inline void way_print(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf(bytes[i] >= ' ' && bytes[i] < 0x7f ? "%c" : "\\x%02x", bytes[i]);
	printf("\n");
}

#endif
