/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_dump.h - for tests of the flusher and of salvage: reads a dump strictly (every byte must be a good
 * frame) and keeps the records that a test asks about; and starts this test program again as the process to
 * be traced, since settings are read once, at the start.
 */
#ifndef DPROF_TESTS_PRELOAD_DUMP_H
#define DPROF_TESTS_PRELOAD_DUMP_H

#include <dirent.h>
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
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "common/dump.h"

#define DUMP_THREADS 256

/* What a dump held, per thread. */
struct dump_facts {
	uint64_t next_seq[DUMP_THREADS];
	uint64_t out[DUMP_THREADS]; /* records of kind OUT; their off counts up from 0 if `numbered` */
	uint64_t lost[DUMP_THREADS];
	uint64_t records, headers, anchors, ends, dropped;
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

static inline void dump_take_object(struct dump_facts *f, struct slice object)
{
	struct dump_header_read header;
	struct dump_block block;
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

static inline void dump_facts_of(const char *path, struct dump_facts *f, bool numbered)
{
	FILE *in = fopen(path, "rb");
	static uint8_t object[DUMP_OBJECT_BYTES_MAX];
	struct stat st;
	uint8_t *bytes;

	memset(f, 0, sizeof *f);
	f->numbered = numbered;
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
		dump_take_object(f, (struct slice){object, n});
		at += frame;
	}
	free(bytes);
}

/* A fresh directory for a test; 0 or -1. */
static inline int dump_top(char *path, size_t cap, const char *test)
{
	const char *where = getenv("TMPDIR");

	snprintf(path, cap, "%s/%s_XXXXXX", where != NULL ? where : "/tmp", test);
	return mkdtemp(path) == NULL ? -1 : 0;
}

/* The only dump in `dir`; its path. */
static inline const char *dump_only(const char *dir)
{
	static char path[600];
	DIR *d = opendir(dir);
	struct dirent *e;
	int found = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
			found++;
		}
	closedir(d);
	assert_int_equal(found, 1);
	return path;
}

static inline void dump_dir_remove(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[600];

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		unlink(path);
	}
	closedir(d);
	rmdir(dir);
}

/* How many regions of process `pid` there are. */
static inline int dump_regions(pid_t pid)
{
	DIR *d = opendir("/dev/shm");
	struct dirent *e;
	int found = 0;
	unsigned int uid, owner;

	while (d != NULL && (e = readdir(d)) != NULL)
		found += sscanf(e->d_name, "dprof.%u.%u.", &uid, &owner) == 2 && owner == (unsigned int)pid;
	if (d != NULL)
		closedir(d);
	return found;
}

#endif
