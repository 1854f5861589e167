/* SPDX-License-Identifier: Apache-2.0 */
/* records.h - records one after another in memory, as the encoder takes them. For traffic.c and skew.c only.
 */
#ifndef TESTS_TOOLS_RECORDS_H
#define TESTS_TOOLS_RECORDS_H

#include "analyzer/vec.h"
#include "tests/tools/frame.h"

struct records {
	VEC(uint8_t) bytes; /* struct record + data, rounded up */
	uint32_t count;
};

static void add_record(struct records *to, struct record r, const void *data, size_t len)
{
	static const uint8_t zeros[RECORD_ALIGN];

	r.size_bytes = (uint32_t)(sizeof(r) + len);
	must(!vec_append(&to->bytes, (const uint8_t *)&r, sizeof(r)) &&
	     !vec_append(&to->bytes, (const uint8_t *)data, len) &&
	     !vec_append(&to->bytes, zeros, -(sizeof(r) + len) % RECORD_ALIGN));
	to->count++;
}

/* Hands them out. */
struct source {
	const uint8_t *at, *end;
};

static const struct record *next_record(void *from)
{
	struct source *s = from;
	const struct record *r = (const struct record *)s->at;

	if (s->at == s->end)
		return NULL;
	s->at += (r->size_bytes + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
	return r;
}

/* Writes them as blocks of a thread, from `seq` on, and forgets them. */
static void write_blocks(FILE *to, struct records *records, uint32_t thread, uint64_t seq)
{
	static struct block_scratch *scratch;
	const uint8_t *at = records->bytes.items;

	if (!scratch)
		scratch = calloc(1, block_scratch_bytes());
	must(scratch);
	while (records->count) {
		struct source from = {at, records->bytes.items + records->bytes.count}, passed = from;
		struct pack pack;
		uint32_t n;

		pack_start(&pack, object, sizeof(object));
		n = dump_pack_block(&pack, scratch, thread, seq, next_record, &from);
		must(n);
		write_frame(to, &pack);
		for (uint32_t i = 0; i < n; i++)
			next_record(&passed);
		at = passed.at;
		seq += n;
		records->count -= n;
	}
	vec_clear(&records->bytes);
}

#endif
