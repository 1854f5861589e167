/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump_test.c - common/encode.c and common/decode.c: what goes in comes out, whatever the records hold; and
 * no damage to an object is more than -EBADMSG (run under SAN=address,undefined for the full worth of it).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/vec.h"
#include "common/dump.h"

/* ---- made-up records ---- */

static uint64_t seed;

static uint64_t dice(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return seed >> 33 ^ seed << 31;
}

/* Numbers of all magnitudes, and those at the edges. */
static uint64_t wild(void)
{
	switch (dice() % 8) {
	case 0:
		return UINT64_MAX - dice() % 3;
	case 1:
		return (uint64_t)1 << 63 ^ dice() % 3;
	default:
		return dice() >> dice() % 64;
	}
}

struct made {
	struct record record;
	uint8_t data[600];
	size_t data_len;
};

struct made_list {
	struct made *items;
	size_t count, cap;
};

static struct made make_record(unsigned int style)
{
	struct made m = {.data_len = 0};
	bool tame = style == 0;

	m.record.kind = (uint8_t)(tame ? 1 + dice() % (RECORD_KINDS - 1) : dice() % 256);
	m.record.call = (uint8_t)dice();
	m.record.flags = (uint16_t)(tame ? dice() % 4 : dice());
	m.record.conn = (uint32_t)(tame ? dice() % 20 : wild());
	m.record.len = (uint32_t)(tame ? dice() % 5000 : wild());
	m.record.t0 = wild();
	m.record.t1 = m.record.t0 + (tame ? dice() % 100000 : wild());
	m.record.off = wild();
	m.data_len = dice() % 3 ? 0 : (size_t)(dice() % sizeof(m.data));
	for (size_t i = 0; i < m.data_len; i++)
		m.data[i] = (uint8_t)dice();
	m.record.size_bytes = (uint32_t)(sizeof(m.record) + m.data_len);
	return m;
}

/* ---- encoding ---- */

struct feed {
	const struct made_list *list;
	size_t at;
	uint8_t record[sizeof(struct record) + 600] __attribute__((aligned(8)));
};

static const struct record *feed_next(void *from)
{
	struct feed *f = from;
	const struct made *m;

	if (f->at == f->list->count)
		return NULL;
	m = &f->list->items[f->at++];
	memcpy(f->record, &m->record, sizeof(m->record));
	memcpy(f->record + sizeof(m->record), m->data, m->data_len);
	return (const struct record *)f->record;
}

/* Encodes from record `first` on; the object's memory is static. */
static struct slice encode(const struct made_list *list, size_t first, uint64_t seq, uint32_t *taken)
{
	static uint8_t memory[DUMP_OBJECT_BYTES_MAX];
	static struct block_scratch *scratch;
	struct feed feed = {.list = list, .at = first};
	struct pack p;

	if (!scratch)
		scratch = calloc(1, block_scratch_bytes());
	pack_start(&p, memory, sizeof(memory));
	*taken = dump_pack_block(&p, scratch, 7, seq, feed_next, &feed);
	assert_false(p.full);
	return (struct slice){p.bytes, p.len};
}

/* ---- decoding ---- */

struct expected {
	const struct made_list *list;
	size_t at;
	bool compare;
};

static int take_record(void *to, const struct record *r, struct slice data)
{
	struct expected *e = to;
	struct record want;

	if (e->compare) {
		const struct made *m = &e->list->items[e->at];

		want = m->record;
		want.size_bytes = 0;
		assert_memory_equal(r, &want, sizeof(want));
		assert_int_equal(data.len, m->data_len);
		assert_memory_equal(data.bytes, m->data, data.len);
	} else {
		/* Touch what we were given: the sanitizer looks. */
		for (size_t i = 0; i < data.len; i++)
			seed += data.bytes[i];
		seed += r->off;
	}
	e->at++;
	return 0;
}

static void test_round_trip(void **state)
{
	(void)state;
	seed = 1;
	for (unsigned int round = 0; round < 30; round++) {
		size_t n = dice() % 3000;
		struct made_list list = {0};
		size_t done = 0;

		for (size_t i = 0; i < n; i++)
			assert_int_equal(vec_push(&list, make_record(round % 3)), 0);
		while (done < n) {
			uint32_t taken;
			struct slice object = encode(&list, done, done + 5, &taken);
			struct expected e = {.list = &list, .at = done, .compare = true};
			enum dump_kind kind;
			struct dump_block b;
			uint64_t major;

			assert_true(taken > 0 && taken <= n - done);
			assert_int_equal(dump_kind(object, &kind, &major), 0);
			assert_int_equal(kind, DUMP_BLOCK);
			assert_int_equal(dump_read_block(object, &b), 0);
			assert_int_equal(b.thread, 7);
			assert_int_equal(b.seq, done + 5);
			assert_int_equal(b.count, taken);
			assert_int_equal(dump_read_records(object, take_record, &e), 0);
			assert_int_equal(e.at, done + taken);
			done += taken;
		}
		vec_free(&list);
	}
}

/* A block takes no more than it may hold, and tells where to go on. */
static void test_limits(void **state)
{
	struct made_list list = {0};
	struct made m = {.record = {.kind = RECORD_OUT, .size_bytes = sizeof(struct record)}};
	uint32_t taken;

	(void)state;
	for (uint32_t i = 0; i < DUMP_BLOCK_RECORDS + 10; i++)
		assert_int_equal(vec_push(&list, m), 0);
	encode(&list, 0, 0, &taken);
	assert_int_equal(taken, DUMP_BLOCK_RECORDS);
	for (uint32_t i = 0; i < list.count; i++)
		list.items[i].record.conn = i; /* a template each */
	encode(&list, 0, 0, &taken);
	assert_int_equal(taken, 4096);
	for (uint32_t i = 0; i < list.count; i++) {
		list.items[i].record.conn = 1;
		list.items[i].data_len = 512;
		list.items[i].record.size_bytes = sizeof(struct record) + 512;
	}
	encode(&list, 0, 0, &taken);
	assert_int_equal(taken, DUMP_BLOCK_DATA_BYTES / 512);
	encode(&list, list.count, 0, &taken);
	assert_int_equal(taken, 0);
	vec_free(&list);
}

/* ---- the other objects ---- */

static const struct dump_header header = {
    .host = "web",
    .boot_id = "b-1",
    .service = "shop",
    .program = "nginx",
    .exe = "/usr/sbin/nginx",
    .version = "9.9",
    .stamp = "tsc",
    .pid = 1,
    .ppid = UINT64_MAX,
    .uid = 65534,
    .netns = 4026531840,
    .start_ns = 1767225600000000000,
    .boot_start = 99,
    .anchor = {1, 2, 3, UINT64_MAX},
    .settings = (const char *const[]){"DPROF_DIR", "/d", "DPROF_CAPTURE", "", NULL},
    .calls = (const char *const[]){"", "read", "write", NULL},
};

static struct slice encode_header(void)
{
	static uint8_t memory[4096];
	struct pack p;

	pack_start(&p, memory, sizeof(memory));
	dump_pack_header(&p, &header);
	assert_false(p.full);
	return (struct slice){p.bytes, p.len};
}

static void assert_text(struct slice s, const char *text)
{
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(s.bytes, text, s.len);
}

static void test_header(void **state)
{
	struct slice object = encode_header(), text;
	struct dump_header_read h;
	enum dump_kind kind;
	uint64_t major;

	(void)state;
	assert_int_equal(dump_kind(object, &kind, &major), 0);
	assert_int_equal(kind, DUMP_HEADER);
	assert_int_equal(major, DUMP_MAJOR);
	assert_int_equal(dump_read_header(object, &h), 0);
	assert_int_equal(h.major, DUMP_MAJOR);
	assert_int_equal(h.minor, DUMP_MINOR);
	assert_text(h.host, "web");
	assert_text(h.boot_id, "b-1");
	assert_text(h.service, "shop");
	assert_text(h.program, "nginx");
	assert_text(h.exe, "/usr/sbin/nginx");
	assert_text(h.version, "9.9");
	assert_text(h.stamp, "tsc");
	assert_int_equal(h.ppid, UINT64_MAX);
	assert_int_equal(h.netns, 4026531840);
	assert_int_equal(h.start_ns, 1767225600000000000);
	assert_memory_equal(&h.anchor, &header.anchor, sizeof(h.anchor));
	for (int i = 0; i < 4; i++) {
		assert_int_equal(dump_next_text(&h.settings, &text), 1);
		assert_text(text, header.settings[i]);
	}
	assert_int_equal(dump_next_text(&h.settings, &text), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dump_next_text(&h.calls, &text), 1);
		assert_text(text, header.calls[i]);
	}
	assert_int_equal(dump_next_text(&h.calls, &text), 0);
}

/* What a header has only if the process was not recorded all the time, or not in one file. */
static void test_header_of_a_part(void **state)
{
	static uint8_t memory[4096];
	struct dump_header part = header;
	struct window_plan plan = {
	    .window_ns = 1000000, .period_ns = 5000000, .margin_ns = 1, .seed = UINT64_MAX};
	struct dump_header_read h;
	struct pack p;

	(void)state;
	assert_int_equal(dump_read_header(encode_header(), &h), 0);
	assert_false(h.gated);
	assert_int_equal(h.segment | h.older.segments, 0);
	part.plan = &plan;
	part.paused = true;
	part.segment = 7;
	part.older = (struct dump_older){5, 6, 7, {8, 9, 10, UINT64_MAX}};
	pack_start(&p, memory, sizeof(memory));
	dump_pack_header(&p, &part);
	assert_false(p.full);
	assert_int_equal(dump_read_header((struct slice){p.bytes, p.len}, &h), 0);
	assert_true(h.gated);
	assert_memory_equal(&h.plan, &plan, sizeof(plan));
	assert_int_equal(h.segment, 7);
	assert_memory_equal(&h.older, &part.older, sizeof(part.older));
	plan.window_ns = 6000000; /* longer than its period: no library makes that */
	pack_start(&p, memory, sizeof(memory));
	dump_pack_header(&p, &part);
	assert_int_equal(dump_read_header((struct slice){p.bytes, p.len}, &h), -EBADMSG);
}

static void test_window(void **state)
{
	static uint8_t memory[256];
	struct dump_window w = {.number = 3,
				.opened = {1, 2, 3, 4},
				.closed = {5, 6, 7, 8},
				.plan = {1000000, 5000000, 0, 1},
				.why = "pause"};
	struct dump_window_read r;
	enum dump_kind kind;
	uint64_t major;
	struct pack p;

	(void)state;
	pack_start(&p, memory, sizeof(memory));
	dump_pack_window(&p, &w);
	assert_false(p.full);
	assert_int_equal(dump_kind((struct slice){p.bytes, p.len}, &kind, &major), 0);
	assert_int_equal(kind, DUMP_WINDOW);
	assert_int_equal(dump_read_window((struct slice){p.bytes, p.len}, &r), 0);
	assert_int_equal(r.number, 3);
	assert_memory_equal(&r.opened, &w.opened, sizeof(r.opened));
	assert_memory_equal(&r.closed, &w.closed, sizeof(r.closed));
	assert_memory_equal(&r.plan, &w.plan, sizeof(r.plan));
	assert_text(r.why, "pause");
	for (size_t len = 0; len < p.len; len++)
		assert_int_equal(dump_read_window((struct slice){p.bytes, len}, &r), -EBADMSG);
	w.closed.stamp = 0;
	pack_start(&p, memory, sizeof(memory));
	dump_pack_window(&p, &w);
	assert_int_equal(dump_read_window((struct slice){p.bytes, p.len}, &r), 0);
	assert_int_equal(r.closed.stamp, 0);
}

static void test_end(void **state)
{
	const struct dump_end end = {"salvaged", UINT64_MAX, 2, 3, 4, 5};
	struct dump_end_read read;
	enum dump_kind kind;
	uint8_t memory[256];
	uint64_t major;
	struct pack p;

	(void)state;
	pack_start(&p, memory, sizeof(memory));
	dump_pack_end(&p, &end);
	assert_int_equal(dump_kind((struct slice){memory, p.len}, &kind, &major), 0);
	assert_int_equal(kind, DUMP_END);
	assert_int_equal(dump_read_end((struct slice){memory, p.len}, &read), 0);
	assert_text(read.reason, "salvaged");
	assert_int_equal(read.records, UINT64_MAX);
	assert_int_equal(read.dropped, 2);
	assert_int_equal(read.untraced_threads, 3);
	assert_int_equal(read.untraced_conns, 4);
	assert_int_equal(read.io_uring, 5);
}

static void count_anchor(void *to, const struct anchor *a)
{
	uint64_t *sum = to;

	*sum += a->stamp + a->raw_ns + a->mono_ns + a->real_ns;
}

static void test_anchors(void **state)
{
	const struct anchor anchors[] = {{1, 2, 3, 4}, {10, 20, 30, 40}};
	uint8_t memory[256];
	uint64_t sum = 0;
	struct pack p;

	(void)state;
	pack_start(&p, memory, sizeof(memory));
	dump_pack_anchors(&p, anchors, 2);
	assert_int_equal(dump_read_anchors((struct slice){memory, p.len}, count_anchor, &sum), 0);
	assert_int_equal(sum, 110);
}

/* What does not fit is marked, never written in part. */
static void test_full(void **state)
{
	uint8_t memory[4096];

	(void)state;
	for (size_t cap = 0; cap < encode_header().len; cap++) {
		struct pack p;

		memset(memory, 0xee, sizeof(memory));
		pack_start(&p, memory, cap);
		dump_pack_header(&p, &header);
		assert_true(p.full);
		assert_true(p.len <= cap);
		assert_int_equal(memory[cap], 0xee);
	}
}

/* ---- damage ---- */

/* Everything that a reader could ask of an object. */
static int read_everything(struct slice object)
{
	struct expected e = {.compare = false};
	struct dump_header_read h;
	struct dump_end_read end;
	struct dump_block b;
	struct slice text;
	enum dump_kind kind;
	uint64_t major, sum = 0;
	int err = dump_kind(object, &kind, &major);

	if (!dump_read_header(object, &h)) {
		while (dump_next_text(&h.calls, &text) > 0)
			sum += text.len ? text.bytes[text.len - 1] : 0;
		while (dump_next_text(&h.settings, &text) > 0)
			sum += text.len ? text.bytes[0] : 0;
	}
	dump_read_end(object, &end);
	dump_read_anchors(object, count_anchor, &sum);
	dump_read_block(object, &b);
	dump_read_records(object, take_record, &e);
	return err;
}

/* A copy that ends where its memory ends, so that one byte too far is seen. */
static struct slice copy_of(struct slice s, size_t len)
{
	uint8_t *bytes = malloc(len ? len : 1);

	memcpy(bytes, s.bytes, len);
	return (struct slice){bytes, len};
}

static void test_every_prefix(void **state)
{
	struct made_list list = {0};
	uint32_t taken;
	struct slice objects[2];

	(void)state;
	seed = 5;
	for (int i = 0; i < 40; i++)
		assert_int_equal(vec_push(&list, make_record(0)), 0);
	objects[0] = encode_header();
	objects[1] = encode(&list, 0, 0, &taken);
	for (int k = 0; k < 2; k++) {
		for (size_t len = 0; len < objects[k].len; len++) {
			struct slice cut = copy_of(objects[k], len);

			assert_int_equal(read_everything(cut), -EBADMSG);
			free((void *)cut.bytes);
		}
	}
	vec_free(&list);
}

static void test_flips(void **state)
{
	struct made_list list = {0};
	uint32_t taken;
	struct slice block, objects[2];

	(void)state;
	seed = 6;
	for (int i = 0; i < 100; i++)
		assert_int_equal(vec_push(&list, make_record(i % 2)), 0);
	block = encode(&list, 0, 0, &taken);
	objects[0] = copy_of(block, block.len);
	objects[1] = encode_header();
	for (int round = 0; round < 20000; round++) {
		struct slice bad = copy_of(objects[round % 2], objects[round % 2].len);
		uint8_t *bytes = (uint8_t *)bad.bytes;

		for (uint64_t n = 1 + dice() % 4; n; n--)
			bytes[dice() % bad.len] =
			    dice() % 2 ? (uint8_t)dice() : (uint8_t)(0xc0 + dice() % 0x20);
		read_everything(bad);
		free(bytes);
	}
	free((void *)objects[0].bytes);
	vec_free(&list);
}

/* Lengths that claim more than there is, at every place where a length can stand. */
static void test_hostile_lengths(void **state)
{
	static const uint8_t tags[] = {0xc6, 0xdb, 0xdd, 0xdf, 0xc5, 0xda, 0xdc, 0xde};
	struct slice object = encode_header();

	(void)state;
	for (size_t at = 0; at + 5 < object.len; at++) {
		for (size_t t = 0; t < sizeof(tags); t++) {
			struct slice bad = copy_of(object, object.len);
			uint8_t *bytes = (uint8_t *)bad.bytes;

			bytes[at] = tags[t];
			memset(bytes + at + 1, 0xff, 4);
			read_everything(bad);
			free(bytes);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_header),	    cmocka_unit_test(test_end),
	    cmocka_unit_test(test_anchors),	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_every_prefix),    cmocka_unit_test(test_flips),
	    cmocka_unit_test(test_hostile_lengths), cmocka_unit_test(test_header_of_a_part),
	    cmocka_unit_test(test_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
