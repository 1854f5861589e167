/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_dump.h - for tests of the flusher and of salvage: reads a dump strictly (every byte must be a good
 * frame) and keeps the records that a test asks about; and starts this test program again as the process to
 * be traced, since settings are read once, at the start.
 */
#ifndef DPROF_TESTS_PRELOAD_DUMP_H
#define DPROF_TESTS_PRELOAD_DUMP_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <zstd.h>

#include "common/dump.h"
#include "tests/unit/preload_dir.h"

#define DUMP_THREADS 256

/* What a dump held, per thread. */
struct dump_facts {
	uint64_t next_seq[DUMP_THREADS];
	uint64_t out[DUMP_THREADS]; /* records of kind OUT; their off counts up from 0 if `numbered` */
	uint64_t lost[DUMP_THREADS];
	uint64_t records, headers, anchors, windows, ends, dropped;
	uint64_t end_records;
	char reason[32];
	uint32_t thread; /* of the block that is read */
	bool numbered;	 /* off of the OUT records counts up */
};

static inline void dump_take_anchor(void *to, const struct anchor *a)
{
	struct dump_facts *f = to;

	f->anchors += a->real_ns > 0;
}

static inline int dump_take_record(void *to, const struct record *r, struct slice data)
{
	struct dump_facts *f = to;

	(void)data;
	assert_true(r->t1 >= r->t0);
	f->records++;
	f->next_seq[f->thread]++;
	if (r->kind == RECORD_LOST)
		f->lost[f->thread] += r->off;
	if (r->kind == RECORD_OUT) {
		/* numbered by the producer, also those that were dropped */
		if (f->numbered)
			assert_int_equal(r->off, f->out[f->thread] + f->lost[f->thread]);
		f->out[f->thread]++;
	}
	return 0;
}

static inline void dump_take_object(void *to, struct slice object)
{
	struct dump_facts *f = to;
	struct dump_header_read header;
	struct dump_block block;
	struct dump_window_read window;
	struct dump_end_read end;
	enum dump_kind kind;
	uint64_t major;

	assert_int_equal(dump_kind(object, &kind, &major), 0);
	switch (kind) {
	case DUMP_HEADER:
		assert_int_equal(dump_read_header(object, &header), 0);
		f->headers++;
		break;
	case DUMP_ANCHORS:
		assert_int_equal(dump_read_anchors(object, dump_take_anchor, f), 0);
		break;
	case DUMP_BLOCK:
		assert_int_equal(dump_read_block(object, &block), 0);
		assert_true(block.thread < DUMP_THREADS);
		f->thread = block.thread;
		assert_int_equal(block.seq, f->next_seq[block.thread]); /* neither twice nor missing */
		assert_int_equal(dump_read_records(object, dump_take_record, f), 0);
		break;
	case DUMP_WINDOW:
		assert_int_equal(dump_read_window(object, &window), 0);
		f->windows += window.closed.stamp != 0;
		break;
	case DUMP_END:
		assert_int_equal(dump_read_end(object, &end), 0);
		f->ends++;
		f->dropped = end.dropped;
		f->end_records = end.records;
		snprintf(f->reason, sizeof f->reason, "%.*s", (int)end.reason.len,
			 (const char *)end.reason.bytes);
		break;
	default:
		fail_msg("object of unknown kind");
	}
}

/* Hands out the objects of a dump. */
static inline void dump_objects_of(const char *path, void (*take)(void *to, struct slice object), void *to)
{
	FILE *in = fopen(path, "rb");
	static uint8_t object[DUMP_OBJECT_BYTES_MAX];
	struct stat st;
	uint8_t *bytes;

	assert_non_null(in);
	assert_int_equal(fstat(fileno(in), &st), 0);
	bytes = malloc((size_t)st.st_size + 1);
	assert_int_equal(fread(bytes, 1, (size_t)st.st_size, in), st.st_size);
	fclose(in);
	for (size_t at = 0; at < (size_t)st.st_size;) {
		size_t frame = ZSTD_findFrameCompressedSize(bytes + at, (size_t)st.st_size - at), n;

		assert_false(ZSTD_isError(frame));
		n = ZSTD_decompress(object, sizeof object, bytes + at, frame);
		assert_false(ZSTD_isError(n));
		take(to, (struct slice){object, n});
		at += frame;
	}
	free(bytes);
}

static inline void dump_facts_of(const char *path, struct dump_facts *f, bool numbered)
{
	memset(f, 0, sizeof *f);
	f->numbered = numbered;
	dump_objects_of(path, dump_take_object, f);
}

struct dump_taking {
	int (*take)(void *to, const struct record *r, struct slice data);
	void *to;
};

static inline void dump_take_block(void *to, struct slice object)
{
	struct dump_taking *t = to;
	enum dump_kind kind;
	uint64_t major;

	if (dump_kind(object, &kind, &major) == 0 && kind == DUMP_BLOCK)
		assert_int_equal(dump_read_records(object, t->take, t->to), 0);
}

/* Hands out its records. */
static inline void dump_records_of(const char *path,
				   int (*take)(void *to, const struct record *r, struct slice data), void *to)
{
	dump_objects_of(path, dump_take_block, &(struct dump_taking){take, to});
}

#endif
