/* SPDX-License-Identifier: Apache-2.0 */
/* load_test.c - files to a store: order, copies, gaps, and what is missing. Dumps are made here, block by
 * block. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

#include "analyzer/err.h"
#include "analyzer/store.h"
#include "common/dump.h"

#define FILES 4

static char directory[] = "/tmp/dprof-load.XXXXXX";
static char names[FILES][64];
static char *paths[FILES];
static uint8_t object[1 << 20];

/* ---- making dumps ---- */

static FILE *create(unsigned int file)
{
	FILE *to = fopen(paths[file], "wb");

	assert_non_null(to);
	return to;
}

static int checksums = 1;

static void put_frame(FILE *to, const struct pack *p)
{
	static uint8_t frame[1 << 20];
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	size_t len;

	assert_false(p->full);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, checksums);
	len = ZSTD_compress2(zstd, frame, sizeof(frame), p->bytes, p->len);
	assert_false(ZSTD_isError(len));
	assert_int_equal(fwrite(frame, 1, len, to), len);
	ZSTD_freeCCtx(zstd);
}

static bool hide_anchor; /* headers have none */

static void put_header(FILE *to, const char *host, const char *program, uint64_t pid)
{
	uint8_t *key;
	const struct dump_header h = {
	    .host = host,
	    .boot_id = "boot",
	    .service = "",
	    .program = program,
	    .exe = "/x",
	    .version = "1",
	    .stamp = "raw",
	    .pid = pid,
	    .start_ns = 5,
	    .anchor = {0, 0, 0, 1000000},
	    .settings = (const char *const[]){NULL},
	    .calls = (const char *const[]){"", NULL},
	};
	struct pack p;

	pack_start(&p, object, sizeof(object));
	dump_pack_header(&p, &h);
	key = memmem(p.bytes, p.len,
		     "\xa6"
		     "anchor",
		     7);
	assert_non_null(key);
	if (hide_anchor)
		key[6] = 'X';
	put_frame(to, &p);
}

/* Records that know their number: `len` is seq. */
struct numbers {
	uint64_t at, end;
	struct record record;
};

static const struct record *next_number(void *from)
{
	struct numbers *n = from;

	if (n->at == n->end)
		return NULL;
	n->record = (struct record){.size_bytes = sizeof(struct record),
				    .kind = RECORD_WAIT,
				    .len = (uint32_t)n->at,
				    .t0 = n->at * 10,
				    .t1 = n->at * 10 + 5};
	n->at++;
	return &n->record;
}

static void put_block(FILE *to, uint32_t thread, uint64_t first, uint64_t count)
{
	static struct block_scratch *scratch;
	struct numbers n = {.at = first, .end = first + count};
	struct pack p;

	if (!scratch)
		scratch = calloc(1, block_scratch_bytes());
	pack_start(&p, object, sizeof(object));
	assert_int_equal(dump_pack_block(&p, scratch, thread, first, next_number, &n), count);
	put_frame(to, &p);
}

static void put_end(FILE *to, uint64_t records)
{
	const struct dump_end e = {.reason = "exit", .records = records, .dropped = 3};
	struct pack p;

	pack_start(&p, object, sizeof(object));
	dump_pack_end(&p, &e);
	put_frame(to, &p);
	fclose(to);
}

/* A whole dump of one thread: [0, count). */
static void make_whole(unsigned int file, const char *host, const char *program, uint64_t pid, uint64_t count)
{
	FILE *to = create(file);

	put_header(to, host, program, pid);
	put_block(to, 1, 0, count);
	put_end(to, count);
}

/* The only process; its records are in order, without one twice. */
static const struct store_process *the_process(const struct store *s)
{
	const struct store_process *p = &s->processes[0];

	assert_int_equal(s->process_count, 1);
	for (uint32_t t = 0; t < p->thread_count; t++) {
		for (uint32_t i = p->threads[t].first + 1; i < p->threads[t].first + p->threads[t].count; i++)
			assert_true(p->records[i].len > p->records[i - 1].len);
	}
	return p;
}

/* ---- tests ---- */

static void test_whole(void **state)
{
	struct store s;
	const struct store_process *p;

	(void)state;
	make_whole(0, "h", "a", 7, 100);
	assert_int_equal(store_load(&s, paths, 1), 0);
	p = the_process(&s);
	assert_int_equal(p->record_count, 100);
	assert_int_equal(p->missing, 0);
	assert_int_equal(p->dropped, 3);
	assert_string_equal(p->end_reason, "exit");
	assert_string_equal(p->service, "a");
	assert_int_equal(p->records[7].t0_ns, 1000000 + 70);
	assert_int_equal(p->records[7].t1_ns, 1000000 + 75);
	assert_null(p->stamps);
	assert_int_equal(s.note_count, 0);
	store_free(&s);
	assert_int_equal(store_load_stamps(&s, paths, 1), 0);
	assert_int_equal(s.processes[0].stamps[7].t0, 70);
	store_free(&s);
}

/* Holes in front, in the middle and at the end are counted, and where they are is known. */
static void test_gaps(void **state)
{
	FILE *to = create(0);
	struct store s;
	const struct store_process *p;
	const struct store_thread *t;

	(void)state;
	put_header(to, "h", "a", 7);
	put_block(to, 2, 30, 10);
	put_block(to, 1, 0, 5);
	put_block(to, 2, 10, 10);
	put_end(to, 60);
	assert_int_equal(store_load(&s, paths, 1), 0);
	p = the_process(&s);
	assert_int_equal(p->record_count, 25);
	assert_int_equal(p->missing, 35);
	assert_int_equal(p->thread_count, 2);
	assert_int_equal(p->threads[0].missing, 0);
	t = &p->threads[1];
	assert_int_equal(t->number, 2);
	assert_int_equal(t->missing, 20);
	assert_int_equal(t->gap_count, 2);
	assert_int_equal(t->gaps[0].before, t->first);
	assert_int_equal(t->gaps[0].missing, 10);
	assert_int_equal(t->gaps[1].before, t->first + 10);
	assert_int_equal(t->gaps[1].missing, 10);
	assert_int_equal(t->first_seq, 10);
	assert_int_equal(s.note_count, 1);
	assert_non_null(strstr(s.notes[0].text, "35 of 60 records are missing"));
	store_free(&s);
}

/* Blocks that overlap, in one file and across files: each record counts once. */
static void test_overlaps(void **state)
{
	FILE *to = create(0);
	struct store s;
	const struct store_process *p;

	(void)state;
	put_header(to, "h", "a", 7);
	put_block(to, 1, 0, 50);
	put_block(to, 1, 40, 20);
	put_block(to, 1, 45, 5);
	fclose(to);
	to = create(1);
	put_header(to, "h", "a", 7);
	put_block(to, 1, 55, 45);
	put_block(to, 1, 0, 10);
	put_end(to, 55);
	assert_int_equal(store_load(&s, paths, 2), 0);
	p = the_process(&s);
	assert_int_equal(p->record_count, 100);
	assert_int_equal(p->missing, 0);
	assert_int_equal(s.duplicate_records, 10 + 5 + 5 + 10);
	assert_int_equal(s.files_read, 2);
	store_free(&s);
}

static void test_copies(void **state)
{
	struct store s;

	(void)state;
	make_whole(0, "h", "a", 7, 100);
	make_whole(1, "h", "a", 7, 100);
	assert_int_equal(store_load(&s, paths, 2), 0);
	assert_int_equal(the_process(&s)->record_count, 100);
	assert_int_equal(s.copies, 1);
	assert_int_equal(s.duplicate_records, 100);
	store_free(&s);
	assert_int_equal(store_load(&s, (char *[]){paths[0], paths[0]}, 2), 0);
	assert_int_equal(the_process(&s)->record_count, 100);
	assert_int_equal(s.copies, 1);
	store_free(&s);
}

/* Ordered by host, program, pid, whatever the order of the files; a directory gives its *.zst. */
static void test_order(void **state)
{
	char *one[] = {directory};
	struct store s;

	(void)state;
	make_whole(0, "h2", "a", 1, 10);
	make_whole(1, "h1", "b", 9, 10);
	make_whole(2, "h1", "b", 10, 10);
	make_whole(3, "h1", "a", 50, 10);
	assert_int_equal(store_load(&s, one, 1), 0);
	assert_int_equal(s.process_count, 4);
	assert_int_equal(s.host_count, 2);
	assert_int_equal(s.clock_count, 1);
	assert_int_equal(s.record_count, 40);
	assert_string_equal(s.hosts[s.processes[0].host].name, "h1");
	assert_int_equal(s.processes[0].pid, 50);
	assert_int_equal(s.processes[1].pid, 9);
	assert_int_equal(s.processes[2].pid, 10);
	assert_int_equal(s.processes[3].pid, 1);
	store_free(&s);
}

/* Dumps that were put together stay apart, and a block whose header is not there belongs to nobody. */
static void test_one_file_of_many(void **state)
{
	FILE *to = create(0);
	struct store s;

	(void)state;
	put_header(to, "h", "a", 1);
	put_block(to, 1, 0, 10);
	put_end(to, 10);
	to = fopen(paths[0], "ab");
	put_block(to, 1, 10, 10);
	put_header(to, "h", "a", 2);
	put_block(to, 1, 0, 20);
	put_end(to, 20);
	assert_int_equal(store_load(&s, paths, 1), 0);
	assert_int_equal(s.process_count, 2);
	assert_int_equal(s.processes[0].record_count, 10);
	assert_int_equal(s.processes[1].record_count, 20);
	assert_int_equal(s.note_count, 1);
	assert_non_null(strstr(s.notes[0].text, "1 frames break the rules"));
	store_free(&s);
}

/* Types and keys of a newer minor version are passed over. */
static void test_unknown_objects(void **state)
{
	FILE *to = create(0);
	struct store s;
	struct pack p;

	(void)state;
	put_header(to, "h", "a", 1);
	pack_start(&p, object, sizeof(object));
	pack_map(&p, 2);
	pack_str(&p, "type");
	pack_str(&p, "stacks");
	pack_str(&p, "more");
	pack_array(&p, 0);
	put_frame(to, &p);
	put_block(to, 1, 0, 10);
	put_end(to, 10);
	assert_int_equal(store_load(&s, paths, 1), 0);
	assert_int_equal(the_process(&s)->record_count, 10);
	assert_int_equal(s.note_count, 0);
	store_free(&s);
}

/* Without a checksum nothing vouches for a frame. */
static void test_checksum_is_asked_for(void **state)
{
	FILE *to = create(0);
	struct store s;

	(void)state;
	put_header(to, "h", "a", 1);
	checksums = 0;
	put_block(to, 1, 0, 10);
	checksums = 1;
	put_block(to, 1, 10, 10);
	put_end(to, 20);
	assert_int_equal(store_load(&s, paths, 1), 0);
	assert_int_equal(the_process(&s)->record_count, 10);
	assert_int_equal(the_process(&s)->missing, 10);
	assert_true(the_process(&s)->damaged);
	store_free(&s);
}

/* Numbers that no writer means must not be believed with memory, or turn around. */
static void test_hostile_numbers(void **state)
{
	FILE *to = create(0);
	struct store s;

	(void)state;
	put_header(to, "h", "a", 1);
	put_block(to, 1, UINT64_MAX - 20, 10);
	put_block(to, 1, UINT64_MAX - 5, 10); /* beyond the end of the numbers */
	put_block(to, UINT32_MAX, 0, 1);
	put_end(to, UINT64_MAX);
	assert_int_equal(store_load(&s, paths, 1), 0);
	assert_int_equal(s.processes[0].record_count, 11);
	assert_int_equal(s.processes[0].threads[0].missing, UINT64_MAX - 20);
	store_free(&s);
}

static void test_nothing_usable(void **state)
{
	char *nowhere[] = {"/nonexistent/dump.zst"};
	struct store s;

	(void)state;
	assert_int_equal(store_load(&s, nowhere, 1), -ENODATA);
	assert_int_equal(s.files_skipped, 1);
	assert_int_equal(s.note_count, 1);
	store_free(&s);
	assert_int_equal(store_load(&s, nowhere, 0), -ENODATA);
	store_free(&s);
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	for (int i = 0; i < FILES; i++) {
		snprintf(names[i], sizeof(names[i]), "%s/%d.zst", directory, i);
		paths[i] = names[i];
	}
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	for (int i = 0; i < FILES; i++)
		unlink(paths[i]);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

/* A header without a reading of the clocks: another dump of the boot has one, or the time of the header and
 * of the first record must do. */
static void test_no_reading(void **state)
{
	struct store s;

	(void)state;
	hide_anchor = true;
	make_whole(0, "h", "a", 7, 100);
	hide_anchor = false;
	make_whole(1, "h", "b", 8, 10);
	assert_int_equal(store_load(&s, paths, 1), 0);
	assert_int_equal(the_process(&s)->record_count, 100);
	assert_int_equal(s.processes[0].records[0].t1_ns, 5);
	assert_int_equal(s.processes[0].records[7].t1_ns, 5 + 70);
	assert_int_equal(s.note_count, 1);
	assert_non_null(strstr(s.notes[0].text, "guesses"));
	store_free(&s);
	assert_int_equal(store_load(&s, paths, 2), 0);
	assert_int_equal(s.processes[0].records[7].t0_ns, 1000000 + 70);
	assert_int_equal(s.note_count, 1);
	assert_non_null(strstr(s.notes[0].text, "other dumps of this boot"));
	store_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_whole, remove_files),
	    cmocka_unit_test_teardown(test_gaps, remove_files),
	    cmocka_unit_test_teardown(test_overlaps, remove_files),
	    cmocka_unit_test_teardown(test_copies, remove_files),
	    cmocka_unit_test_teardown(test_order, remove_files),
	    cmocka_unit_test_teardown(test_one_file_of_many, remove_files),
	    cmocka_unit_test_teardown(test_unknown_objects, remove_files),
	    cmocka_unit_test_teardown(test_checksum_is_asked_for, remove_files),
	    cmocka_unit_test_teardown(test_hostile_numbers, remove_files),
	    cmocka_unit_test_teardown(test_nothing_usable, remove_files),
	    cmocka_unit_test_teardown(test_no_reading, remove_files),
	};

	err_be_quiet();
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
