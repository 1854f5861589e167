/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode.c - records to msgpack objects. Runs on the flusher thread, which has no libc thread behind it:
 * no malloc, no stdio, no errno, nothing but memcpy and the memory of the caller.
 *
 * Invariant: an object that did not fit leaves `full` set and is thrown away whole; a block only takes the
 * records that fit, so nothing is ever written in part.
 */
#include <msgpack.h>
#include <string.h>

#include "dump.h"

/* ---- packing, on msgpack-c's packer with our own buffer behind it ---- */

static int pack_write(void *to, const char *bytes, size_t len)
{
	struct pack *p = to;

	if (p->full || len > p->cap - p->len) {
		p->full = true;
		return -1;
	}
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
	return 0;
}

static msgpack_packer packer(struct pack *p)
{
	return (msgpack_packer){.data = p, .callback = pack_write};
}

void pack_start(struct pack *p, void *memory, size_t cap)
{
	*p = (struct pack){.bytes = memory, .cap = cap};
}

void pack_map(struct pack *p, uint32_t pairs)
{
	msgpack_packer m = packer(p);

	msgpack_pack_map(&m, pairs);
}

void pack_array(struct pack *p, uint32_t items)
{
	msgpack_packer m = packer(p);

	msgpack_pack_array(&m, items);
}

void pack_uint(struct pack *p, uint64_t v)
{
	msgpack_packer m = packer(p);

	msgpack_pack_uint64(&m, v);
}

void pack_int(struct pack *p, int64_t v)
{
	msgpack_packer m = packer(p);

	msgpack_pack_int64(&m, v);
}

void pack_str_len(struct pack *p, const char *s, size_t len)
{
	msgpack_packer m = packer(p);

	msgpack_pack_str(&m, len);
	msgpack_pack_str_body(&m, s, len);
}

void pack_str(struct pack *p, const char *s)
{
	pack_str_len(p, s, strlen(s));
}

void pack_bin(struct pack *p, const void *data, size_t len)
{
	msgpack_packer m = packer(p);

	msgpack_pack_bin(&m, len);
	msgpack_pack_bin_body(&m, data, len);
}

void pack_bool(struct pack *p, bool v)
{
	msgpack_packer m = packer(p);

	v ? msgpack_pack_true(&m) : msgpack_pack_false(&m);
}

static void pack_pair_str(struct pack *p, const char *key, const char *v)
{
	pack_str(p, key);
	pack_str(p, v);
}

static void pack_pair_uint(struct pack *p, const char *key, uint64_t v)
{
	pack_str(p, key);
	pack_uint(p, v);
}

/* ---- header, anchors, end ---- */

static void pack_anchor(struct pack *p, const struct anchor *a)
{
	pack_array(p, 4);
	pack_uint(p, a->stamp);
	pack_uint(p, a->raw_ns);
	pack_uint(p, a->mono_ns);
	pack_uint(p, a->real_ns);
}

static uint32_t list_count(const char *const *list)
{
	uint32_t n = 0;

	while (list[n])
		n++;
	return n;
}

static void pack_older(struct pack *p, const struct dump_older *older)
{
	pack_str(p, "older");
	pack_map(p, 4);
	pack_pair_uint(p, "segments", older->segments);
	pack_pair_uint(p, "records", older->records);
	pack_pair_uint(p, "bytes", older->bytes);
	pack_str(p, "until");
	pack_anchor(p, &older->until);
}

static void pack_plan(struct pack *p, const struct window_plan *plan)
{
	pack_pair_uint(p, "window_ns", plan->window_ns);
	pack_pair_uint(p, "period_ns", plan->period_ns);
	pack_pair_uint(p, "margin_ns", plan->margin_ns);
	pack_pair_uint(p, "seed", plan->seed);
}

void dump_pack_header(struct pack *p, const struct dump_header *h)
{
	uint32_t settings = list_count(h->settings) / 2, calls = list_count(h->calls);
	bool gated = h->plan != NULL || h->paused;
	static const struct window_plan none;

	pack_map(p, 20 + gated + (h->segment > 0) + (h->older.segments > 0));
	pack_pair_str(p, "type", "header");
	pack_pair_str(p, "format", "dprof");
	pack_pair_uint(p, "major", DUMP_MAJOR);
	pack_pair_uint(p, "minor", DUMP_MINOR);
	pack_pair_str(p, "version", h->version);
	pack_pair_str(p, "host", h->host);
	pack_pair_str(p, "boot_id", h->boot_id);
	pack_pair_str(p, "service", h->service);
	pack_pair_str(p, "program", h->program);
	pack_pair_str(p, "exe", h->exe);
	pack_pair_str(p, "stamp", h->stamp);
	pack_pair_uint(p, "pid", h->pid);
	pack_pair_uint(p, "ppid", h->ppid);
	pack_pair_uint(p, "uid", h->uid);
	pack_pair_uint(p, "netns", h->netns);
	pack_pair_uint(p, "start_ns", h->start_ns);
	pack_pair_uint(p, "boot_start", h->boot_start);
	pack_str(p, "anchor");
	pack_anchor(p, &h->anchor);
	pack_str(p, "settings");
	pack_map(p, settings);
	for (uint32_t i = 0; i < 2 * settings; i++)
		pack_str(p, h->settings[i]);
	pack_str(p, "calls");
	pack_array(p, calls);
	for (uint32_t i = 0; i < calls; i++)
		pack_str(p, h->calls[i]);
	if (h->segment > 0)
		pack_pair_uint(p, "segment", h->segment);
	if (h->older.segments > 0)
		pack_older(p, &h->older);
	if (!gated)
		return;
	pack_str(p, "window");
	pack_map(p, 5);
	pack_plan(p, h->plan != NULL ? h->plan : &none);
	pack_str(p, "paused");
	pack_bool(p, h->paused);
}

void dump_pack_window(struct pack *p, const struct dump_window *w)
{
	pack_map(p, 8 + (w->closed.stamp != 0));
	pack_pair_str(p, "type", "window");
	pack_pair_uint(p, "number", w->number);
	pack_plan(p, &w->plan);
	pack_pair_str(p, "why", w->why);
	pack_str(p, "opened");
	pack_anchor(p, &w->opened);
	if (w->closed.stamp == 0)
		return;
	pack_str(p, "closed");
	pack_anchor(p, &w->closed);
}

void dump_pack_anchors(struct pack *p, const struct anchor *anchors, size_t n)
{
	pack_map(p, 2);
	pack_pair_str(p, "type", "anchors");
	pack_str(p, "anchors");
	pack_array(p, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		pack_anchor(p, &anchors[i]);
}

void dump_pack_end(struct pack *p, const struct dump_end *e)
{
	pack_map(p, 7);
	pack_pair_str(p, "type", "end");
	pack_pair_str(p, "reason", e->reason);
	pack_pair_uint(p, "records", e->records);
	pack_pair_uint(p, "dropped", e->dropped);
	pack_pair_uint(p, "untraced_threads", e->untraced_threads);
	pack_pair_uint(p, "untraced_conns", e->untraced_conns);
	pack_pair_uint(p, "io_uring", e->io_uring);
}

/* ---- blocks ---- */

#define TEMPLATES_MAX  4096u
#define TEMPLATE_SLOTS (2 * TEMPLATES_MAX) /* a power of two, so that a free slot is always near */
#define STREAMS_MAX    4096u
#define STREAM_SLOTS   (2 * STREAMS_MAX)

/* What repeats from record to record; `len` with it, because request sizes repeat too. */
struct template
{
	uint8_t kind;
	uint8_t call;
	uint16_t flags;
	uint32_t conn;
	uint32_t len;
};

/* Where the next record of a stream should start, if nothing was lost. */
struct stream_end {
	uint32_t block; /* the block this entry belongs to; another one's is a free slot */
	uint32_t conn;
	uint64_t kind;
	uint64_t off;
};

struct template_slot {
	uint32_t block;
	uint32_t index;
};

struct row {
	uint16_t template;
	uint16_t data_len;
	int64_t gap;
	uint64_t dt;
	int64_t off;
};

struct block_scratch {
	uint32_t block; /* counts blocks, so that the tables need no clearing */
	uint32_t template_count;
	uint32_t stream_count;
	struct template templates[TEMPLATES_MAX];
	struct template_slot template_slots[TEMPLATE_SLOTS];
	struct stream_end ends[STREAM_SLOTS];
	struct row rows[DUMP_BLOCK_RECORDS];
	uint8_t data[DUMP_BLOCK_DATA_BYTES];
};

size_t block_scratch_bytes(void)
{
	return sizeof(struct block_scratch);
}

static uint32_t mix(uint64_t v)
{
	v *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(v >> 40);
}

/* The template's index, entered if new; -1 when the dictionary is full. */
static int template_index(struct block_scratch *s, const struct record *r)
{
	struct template t = {r->kind, r->call, r->flags, r->conn, r->len};
	uint64_t low = (uint64_t)t.conn << 32 | t.len;
	uint64_t high = (uint64_t)t.kind << 24 | (uint64_t)t.call << 16 | t.flags;
	struct template_slot *slot;

	for (uint32_t i = mix(low ^ high << 20);; i++) {
		slot = &s->template_slots[i & (TEMPLATE_SLOTS - 1)];
		if (slot->block != s->block)
			break;
		if (!memcmp(&s->templates[slot->index], &t, sizeof(t)))
			return (int)slot->index;
	}
	if (s->template_count == TEMPLATES_MAX)
		return -1;
	*slot = (struct template_slot){s->block, s->template_count};
	s->templates[s->template_count] = t;
	return (int)s->template_count++;
}

/* The stream's entry, made if new; NULL when the table is full. */
static struct stream_end *stream_end(struct block_scratch *s, const struct record *r)
{
	struct stream_end *e;

	for (uint32_t i = mix((uint64_t)r->conn << 8 | r->kind);; i++) {
		e = &s->ends[i & (STREAM_SLOTS - 1)];
		if (e->block != s->block)
			break;
		if (e->conn == r->conn && e->kind == r->kind)
			return e;
	}
	if (s->stream_count == STREAMS_MAX)
		return NULL;
	s->stream_count++;
	*e = (struct stream_end){.block = s->block, .conn = r->conn, .kind = r->kind};
	return e;
}

/* The offset as a difference from where the stream stood; FORMAT.md "off". False when a table is full. */
static bool offset_delta(struct block_scratch *s, const struct record *r, int64_t *delta)
{
	struct stream_end *e;

	if (r->kind != RECORD_IN && r->kind != RECORD_OUT) {
		*delta = (int64_t)r->off;
		return true;
	}
	e = stream_end(s, r);
	if (!e)
		return false;
	*delta = (int64_t)(r->off - e->off);
	e->off = r->off + r->len;
	return true;
}

static void block_pack_columns(struct pack *p, const struct block_scratch *s, uint32_t n, size_t data_bytes)
{
	pack_str(p, "templates");
	pack_array(p, s->template_count);
	for (uint32_t i = 0; i < s->template_count; i++) {
		const struct template *t = &s->templates[i];

		pack_array(p, 5);
		pack_uint(p, t->kind);
		pack_uint(p, t->call);
		pack_uint(p, t->flags);
		pack_uint(p, t->conn);
		pack_uint(p, t->len);
	}
	pack_str(p, "template");
	pack_array(p, n);
	for (uint32_t i = 0; i < n; i++)
		pack_uint(p, s->rows[i].template);
	pack_str(p, "gap");
	pack_array(p, n);
	for (uint32_t i = 0; i < n; i++)
		pack_int(p, s->rows[i].gap);
	pack_str(p, "dt");
	pack_array(p, n);
	for (uint32_t i = 0; i < n; i++)
		pack_uint(p, s->rows[i].dt);
	pack_str(p, "off");
	pack_array(p, n);
	for (uint32_t i = 0; i < n; i++)
		pack_int(p, s->rows[i].off);
	pack_str(p, "data_len");
	pack_array(p, n);
	for (uint32_t i = 0; i < n; i++)
		pack_uint(p, s->rows[i].data_len);
	pack_str(p, "data");
	pack_bin(p, s->data, data_bytes);
}

/* Takes one record into the scratch; false when the block can hold no more. */
static bool block_take(struct block_scratch *s, uint32_t n, const struct record *r, uint64_t *last_t1,
		       size_t *data_bytes)
{
	size_t len = r->size_bytes - sizeof(*r);
	struct row *row = &s->rows[n];
	int template;

	if (len > DUMP_BLOCK_DATA_BYTES - *data_bytes)
		return false;
	template = template_index(s, r);
	if (template <0 || !offset_delta(s, r, &row->off))
		return false;
	row->template = (uint16_t) template;
	row->data_len = (uint16_t)len;
	row->gap = (int64_t)(r->t0 - *last_t1);
	row->dt = r->t1 - r->t0;
	memcpy(s->data + *data_bytes, r + 1, len);
	*data_bytes += len;
	*last_t1 = r->t1;
	return true;
}

uint32_t dump_pack_block(struct pack *p, struct block_scratch *s, uint32_t thread, uint64_t seq,
			 dump_next *next, void *from)
{
	uint64_t last_t1 = 0;
	size_t data_bytes = 0;
	uint32_t n = 0;
	const struct record *r;

	s->template_count = 0;
	s->stream_count = 0;
	s->block++;
	while (n < DUMP_BLOCK_RECORDS && (r = next(from)) != NULL) {
		if (!block_take(s, n, r, &last_t1, &data_bytes))
			break;
		n++;
	}
	if (!n)
		return 0;
	pack_map(p, 11);
	pack_pair_str(p, "type", "block");
	pack_pair_uint(p, "thread", thread);
	pack_pair_uint(p, "seq", seq);
	pack_pair_uint(p, "count", n);
	block_pack_columns(p, s, n, data_bytes);
	return n;
}
