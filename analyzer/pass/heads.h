/* SPDX-License-Identifier: Apache-2.0 */
/* heads.h - the captured bytes of one end of a connection, by stream offset. Part of pass 2. */
#ifndef DPROF_PASS_HEADS_H
#define DPROF_PASS_HEADS_H

#include "analyzer/pass/party.h"

/* Captured bytes at a stream offset. */
struct head {
	uint64_t off;
	const uint8_t *bytes;
	uint32_t len;
};

/* Ascending; those of calls that raced are left out. */
struct heads {
	struct head *items;
	size_t count;
	size_t cap;
};

/* What p's end captured of the bytes from `from` on, of at most `limit` records of each of its views. 0 or
 * -ENOMEM. */
int heads_gather(const struct store *store, const struct conns *conns, const struct party *p,
		 enum party_way way, uint64_t from, size_t limit, struct heads *out);

/* Adds how the bytes of both compare; b's offsets are larger by `shift`. */
void heads_compare(const struct heads *a, const struct heads *b, uint64_t shift, struct agreement *out);

/* Copies [off, off + n), up to where the first byte is not captured; gives how many there were. */
size_t heads_copy(const struct heads *h, uint64_t off, uint8_t *to, size_t n);

/* What captured bytes tell by themselves, in quarters of a bit: little for letters, much for what no text
 * has, nothing for what may be a mask or repeats what was before it. */
uint32_t heads_worth(const uint8_t *bytes, size_t n);

/* The index in a view's list (in or out) of the first record that may reach beyond `off`. */
uint32_t heads_find(const struct store_record *records, const uint32_t *list, uint32_t n, uint64_t off);

/* Offsets of calls that raced are only likely: their bytes prove nothing. */
#define HEADS_UNSURE (RECORD_FLAG_RACE | RECORD_FLAG_LATE)

#endif
