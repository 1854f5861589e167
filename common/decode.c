/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.c - msgpack objects back to records. Analyzer, any thread; pure: no allocation, no I/O.
 *
 * Own cursor instead of msgpack-c's unpacker: that one allocates what a hostile length asks for and makes
 * an object of 24 bytes per number; here a length is believed only if the bytes are there.
 *
 * Invariant: nothing is read outside the slice; any violation ends in -EBADMSG.
 */
#include <errno.h>
#include <string.h>

#include "dump.h"

#define DEPTH_MAX     8
#define TEMPLATES_MAX 4096u

/* ---- a cursor over msgpack ---- */

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

static struct cursor cursor_over(struct slice s)
{
	return (struct cursor){s.bytes, s.bytes + s.len, false};
}

static uint64_t fail(struct cursor *c)
{
	c->bad = true;
	c->at = c->end;
	return 0;
}

static uint64_t read_big_endian(struct cursor *c, unsigned int bytes)
{
	uint64_t v = 0;

	if ((size_t)(c->end - c->at) < bytes)
		return fail(c);
	for (unsigned int i = 0; i < bytes; i++)
		v = v << 8 | c->at[i];
	c->at += bytes;
	return v;
}

static unsigned int peek_byte(const struct cursor *c)
{
	return c->at < c->end ? *c->at : 0xc1u; /* 0xc1 is never used in msgpack */
}

/* Any integer; a negative one comes back in two's complement. */
static uint64_t read_int(struct cursor *c)
{
	unsigned int tag = (unsigned int)read_big_endian(c, 1);

	if (c->bad || tag < 0x80)
		return tag;
	if (tag >= 0xe0)
		return (uint64_t)(int64_t)(int8_t)tag;
	switch (tag) {
	case 0xcc:
		return read_big_endian(c, 1);
	case 0xcd:
		return read_big_endian(c, 2);
	case 0xce:
		return read_big_endian(c, 4);
	case 0xcf:
	case 0xd3:
		return read_big_endian(c, 8);
	case 0xd0:
		return (uint64_t)(int64_t)(int8_t)read_big_endian(c, 1);
	case 0xd1:
		return (uint64_t)(int64_t)(int16_t)read_big_endian(c, 2);
	case 0xd2:
		return (uint64_t)(int64_t)(int32_t)read_big_endian(c, 4);
	default:
		return fail(c);
	}
}

/* The length of a container: `fix` is the first tag of its short form, with `fix_max` values; `wide` the tag
 * of its first long form and `widths` that form's size in bytes (1, 2 or 4), doubling up to 4. */
static uint32_t read_length(struct cursor *c, unsigned int fix, unsigned int fix_max, unsigned int wide,
			    unsigned int first_width)
{
	unsigned int tag = (unsigned int)read_big_endian(c, 1), width = first_width;

	if (c->bad)
		return 0;
	if (fix_max && tag >= fix && tag <= fix + fix_max)
		return tag - fix;
	for (; width <= 4; width *= 2, wide++) {
		if (tag == wide)
			return (uint32_t)read_big_endian(c, width);
	}
	return (uint32_t)fail(c);
}

/* Number of items; each takes at least one byte, so a larger claim is a lie. */
static uint32_t read_array(struct cursor *c)
{
	uint32_t n = read_length(c, 0x90, 15, 0xdc, 2);

	return n <= (size_t)(c->end - c->at) ? n : (uint32_t)fail(c);
}

static uint32_t read_map(struct cursor *c)
{
	uint32_t n = read_length(c, 0x80, 15, 0xde, 2);

	return n <= (size_t)(c->end - c->at) / 2 ? n : (uint32_t)fail(c);
}

static struct slice take_bytes(struct cursor *c, uint32_t n)
{
	struct slice s = {c->at, n};

	if (c->bad || n > (size_t)(c->end - c->at)) {
		fail(c);
		return (struct slice){c->end, 0};
	}
	c->at += n;
	return s;
}

static struct slice read_str(struct cursor *c)
{
	return take_bytes(c, read_length(c, 0xa0, 31, 0xd9, 1));
}

static struct slice read_bin(struct cursor *c)
{
	return take_bytes(c, read_length(c, 0, 0, 0xc4, 1));
}

static bool is_between(unsigned int v, unsigned int low, unsigned int high)
{
	return v >= low && v <= high;
}

/* Passes over one value of any type. */
static void skip(struct cursor *c, int depth)
{
	unsigned int tag = peek_byte(c);
	uint32_t n;

	if (depth > DEPTH_MAX) {
		fail(c);
	} else if (is_between(tag, 0x80, 0x8f) || is_between(tag, 0xde, 0xdf)) {
		for (n = read_map(c); n && !c->bad; n--) {
			skip(c, depth + 1);
			skip(c, depth + 1);
		}
	} else if (is_between(tag, 0x90, 0x9f) || is_between(tag, 0xdc, 0xdd)) {
		for (n = read_array(c); n && !c->bad; n--)
			skip(c, depth + 1);
	} else if (is_between(tag, 0xa0, 0xbf) || is_between(tag, 0xd9, 0xdb)) {
		read_str(c);
	} else if (is_between(tag, 0xc4, 0xc6)) {
		read_bin(c);
	} else if (tag == 0xc0 || tag == 0xc2 || tag == 0xc3) {
		c->at++; /* nil, false, true */
	} else if (tag == 0xca || tag == 0xcb) {
		take_bytes(c, tag == 0xca ? 5 : 9); /* float, double */
	} else {
		read_int(c);
	}
}

static bool same(struct slice s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.bytes, text, s.len);
}

/* ---- fields of a map, by table ---- */

enum field_type { FIELD_UINT, FIELD_STR, FIELD_ANY };

struct field {
	const char *key;
	enum field_type type;
	void *to; /* uint64_t or struct slice */
};

static void read_field(struct cursor *c, const struct field *f)
{
	const uint8_t *start = c->at;
	struct slice *s = f->to;
	uint64_t *v = f->to;

	switch (f->type) {
	case FIELD_UINT:
		*v = read_int(c);
		break;
	case FIELD_STR:
		*s = read_str(c);
		break;
	case FIELD_ANY:
		skip(c, 0);
		*s = (struct slice){start, (size_t)(c->at - start)};
		break;
	}
}

/* Fills in the fields that the map has; unknown keys are passed over, as a newer minor version adds some. */
static int read_fields(struct slice object, const struct field *fields, size_t n)
{
	struct cursor c = cursor_over(object);
	uint32_t pairs = read_map(&c);

	for (; pairs && !c.bad; pairs--) {
		struct slice key = read_str(&c);
		size_t i = 0;

		while (i < n && !same(key, fields[i].key))
			i++;
		if (i < n)
			read_field(&c, &fields[i]);
		else
			skip(&c, 0);
	}
	return c.bad ? -EBADMSG : 0;
}

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

int dump_kind(struct slice object, enum dump_kind *kind, uint64_t *major)
{
	static const char *const names[] = {[DUMP_HEADER] = "header",
					    [DUMP_ANCHORS] = "anchors",
					    [DUMP_BLOCK] = "block",
					    [DUMP_WINDOW] = "window",
					    [DUMP_END] = "end"};
	struct slice type = {0}, format = {0};
	const struct field fields[] = {
	    {"type", FIELD_STR, &type},
	    {"format", FIELD_STR, &format},
	    {"major", FIELD_UINT, major},
	};
	int err;

	*major = 0;
	err = read_fields(object, fields, COUNT_OF(fields));
	if (err || !type.bytes)
		return -EBADMSG;
	*kind = DUMP_UNKNOWN;
	for (unsigned int i = 0; i < COUNT_OF(names); i++) {
		if (same(type, names[i]))
			*kind = (enum dump_kind)i;
	}
	if (*kind == DUMP_HEADER && !same(format, "dprof"))
		return -EBADMSG;
	return 0;
}

static void read_anchor(struct cursor *c, struct anchor *a)
{
	if (read_array(c) != 4) {
		fail(c);
		return;
	}
	a->stamp = read_int(c);
	a->raw_ns = read_int(c);
	a->mono_ns = read_int(c);
	a->real_ns = read_int(c);
}

#define PLAN_FIELDS(plan)                                                                                    \
	{"window_ns", FIELD_UINT, &(plan)->window_ns}, {"period_ns", FIELD_UINT, &(plan)->period_ns},        \
	    {"margin_ns", FIELD_UINT, &(plan)->margin_ns},                                                   \
	{                                                                                                    \
		"seed", FIELD_UINT, &(plan)->seed                                                            \
	}

static bool plan_is_sane(const struct window_plan *plan)
{
	return plan->period_ns == 0 || window_is_sane(plan);
}

static int read_older(struct slice object, struct dump_older *older)
{
	struct slice until = {0};
	const struct field fields[] = {{"segments", FIELD_UINT, &older->segments},
				       {"records", FIELD_UINT, &older->records},
				       {"bytes", FIELD_UINT, &older->bytes},
				       {"until", FIELD_ANY, &until}};
	struct cursor c;
	int err = read_fields(object, fields, COUNT_OF(fields));

	if (err || !until.bytes)
		return -EBADMSG;
	c = cursor_over(until);
	read_anchor(&c, &older->until);
	return c.bad ? -EBADMSG : 0;
}

static int read_header_window(struct dump_header_read *h, struct slice window)
{
	const struct field fields[] = {PLAN_FIELDS(&h->plan)};
	int err = read_fields(window, fields, COUNT_OF(fields));

	h->gated = true;
	return err ? err : plan_is_sane(&h->plan) ? 0 : -EBADMSG;
}

int dump_read_header(struct slice object, struct dump_header_read *h)
{
	struct slice anchor = {0}, window = {0}, older = {0};
	const struct field fields[] = {
	    {"major", FIELD_UINT, &h->major},
	    {"minor", FIELD_UINT, &h->minor},
	    {"host", FIELD_STR, &h->host},
	    {"boot_id", FIELD_STR, &h->boot_id},
	    {"service", FIELD_STR, &h->service},
	    {"program", FIELD_STR, &h->program},
	    {"exe", FIELD_STR, &h->exe},
	    {"version", FIELD_STR, &h->version},
	    {"stamp", FIELD_STR, &h->stamp},
	    {"pid", FIELD_UINT, &h->pid},
	    {"ppid", FIELD_UINT, &h->ppid},
	    {"uid", FIELD_UINT, &h->uid},
	    {"netns", FIELD_UINT, &h->netns},
	    {"start_ns", FIELD_UINT, &h->start_ns},
	    {"boot_start", FIELD_UINT, &h->boot_start},
	    {"anchor", FIELD_ANY, &anchor},
	    {"window", FIELD_ANY, &window},
	    {"segment", FIELD_UINT, &h->segment},
	    {"older", FIELD_ANY, &older},
	    {"settings", FIELD_ANY, &h->settings},
	    {"calls", FIELD_ANY, &h->calls},
	};
	struct cursor c;
	int err;

	memset(h, 0, sizeof(*h));
	err = read_fields(object, fields, COUNT_OF(fields));
	if (err)
		return err;
	if (!h->host.bytes || !h->boot_id.bytes || !h->program.bytes || !h->stamp.bytes || !h->calls.bytes ||
	    !h->settings.bytes)
		return -EBADMSG;
	c = cursor_over(anchor);
	read_anchor(&c, &h->anchor);
	h->has_anchor = !c.bad; /* without one, others of the boot may do */
	err = older.bytes ? read_older(older, &h->older) : 0;
	return err || !window.bytes ? err : read_header_window(h, window);
}

int dump_read_window(struct slice object, struct dump_window_read *w)
{
	struct slice opened = {0}, closed = {0};
	const struct field fields[] = {
	    {"number", FIELD_UINT, &w->number},
	    {"opened", FIELD_ANY, &opened},
	    {"closed", FIELD_ANY, &closed},
	    {"why", FIELD_STR, &w->why},
	    PLAN_FIELDS(&w->plan),
	};
	struct cursor c;
	int err;

	memset(w, 0, sizeof(*w));
	err = read_fields(object, fields, COUNT_OF(fields));
	if (err)
		return err;
	if (!opened.bytes || !plan_is_sane(&w->plan))
		return -EBADMSG;
	c = cursor_over(opened);
	read_anchor(&c, &w->opened);
	if (!c.bad && closed.bytes) {
		c = cursor_over(closed);
		read_anchor(&c, &w->closed);
	}
	return c.bad ? -EBADMSG : 0;
}

int dump_next_text(struct slice *at, struct slice *text)
{
	struct cursor c = cursor_over(*at);
	unsigned int tag = peek_byte(&c);

	if (!at->len)
		return 0;
	if (is_between(tag, 0x80, 0x8f) || is_between(tag, 0xde, 0xdf))
		read_map(&c);
	else if (is_between(tag, 0x90, 0x9f) || is_between(tag, 0xdc, 0xdd))
		read_array(&c);
	if (c.bad)
		return -EBADMSG;
	if (c.at == c.end)
		return 0;
	*text = read_str(&c);
	*at = (struct slice){c.at, (size_t)(c.end - c.at)};
	return c.bad ? -EBADMSG : 1;
}

int dump_read_anchors(struct slice object, void (*take)(void *to, const struct anchor *a), void *to)
{
	struct slice anchors = {0};
	const struct field fields[] = {{"anchors", FIELD_ANY, &anchors}};
	int err = read_fields(object, fields, COUNT_OF(fields));
	struct cursor c = cursor_over(anchors);
	struct anchor a;

	if (err || !anchors.bytes)
		return -EBADMSG;
	for (uint32_t n = read_array(&c); n && !c.bad; n--) {
		read_anchor(&c, &a);
		if (!c.bad)
			take(to, &a);
	}
	return c.bad ? -EBADMSG : 0;
}

int dump_read_end(struct slice object, struct dump_end_read *e)
{
	const struct field fields[] = {
	    {"reason", FIELD_STR, &e->reason},
	    {"records", FIELD_UINT, &e->records},
	    {"dropped", FIELD_UINT, &e->dropped},
	    {"untraced_threads", FIELD_UINT, &e->untraced_threads},
	    {"untraced_conns", FIELD_UINT, &e->untraced_conns},
	    {"io_uring", FIELD_UINT, &e->io_uring},
	};

	memset(e, 0, sizeof(*e));
	return read_fields(object, fields, COUNT_OF(fields));
}

/* ---- blocks ---- */

/* One row of the template dictionary, and which stream (conn and kind) of the block it belongs to. */
struct template_read {
	uint8_t kind;
	uint8_t call;
	uint16_t flags;
	uint32_t conn;
	uint32_t len;
	uint32_t stream;
};

struct columns {
	uint32_t count;
	struct cursor template, gap, dt, off, data_len;
	struct slice data;
};

int dump_read_block(struct slice object, struct dump_block *b)
{
	uint64_t thread = 0, count = 0;
	const struct field fields[] = {
	    {"thread", FIELD_UINT, &thread},
	    {"seq", FIELD_UINT, &b->seq},
	    {"count", FIELD_UINT, &count},
	};
	int err;

	b->seq = 0;
	err = read_fields(object, fields, COUNT_OF(fields));
	if (err || count > object.len || thread > UINT32_MAX)
		return -EBADMSG;
	b->thread = (uint32_t)thread;
	b->count = (uint32_t)count;
	return 0;
}

/* The stream of template `n`: that of an earlier one with the same conn and kind, or a new one. A table of
 * `slots` holds template index + 1. */
static uint32_t stream_of(struct template_read *t, uint32_t n, uint16_t *slots, uint32_t *streams)
{
	uint64_t hash = ((uint64_t)t[n].conn << 8 | t[n].kind) * 0x9e3779b97f4a7c15ull;

	for (uint32_t i = (uint32_t)(hash >> 40);; i++) {
		uint16_t *slot = &slots[i & (2 * TEMPLATES_MAX - 1)];

		if (!*slot) {
			*slot = (uint16_t)(n + 1);
			return (*streams)++;
		}
		if (t[*slot - 1].conn == t[n].conn && t[*slot - 1].kind == t[n].kind)
			return t[*slot - 1].stream;
	}
}

static int read_templates(struct slice column, struct template_read *t, uint32_t *count)
{
	struct cursor c = cursor_over(column);
	uint16_t slots[2 * TEMPLATES_MAX] = {0};
	uint32_t streams = 0;

	*count = read_array(&c);
	if (c.bad || *count > TEMPLATES_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < *count; i++) {
		if (read_array(&c) != 5)
			return -EBADMSG;
		t[i].kind = (uint8_t)read_int(&c);
		t[i].call = (uint8_t)read_int(&c);
		t[i].flags = (uint16_t)read_int(&c);
		t[i].conn = (uint32_t)read_int(&c);
		t[i].len = (uint32_t)read_int(&c);
		t[i].stream = stream_of(t, i, slots, &streams);
	}
	return c.bad ? -EBADMSG : 0;
}

static int open_column(struct slice column, uint32_t count, struct cursor *c)
{
	*c = cursor_over(column);
	return read_array(c) == count && !c->bad ? 0 : -EBADMSG;
}

static int open_columns(struct slice object, struct columns *c, struct slice *templates)
{
	struct slice template = {0}, gap = {0}, dt = {0}, off = {0}, data_len = {0}, data = {0};
	uint64_t count = 0;
	const struct field fields[] = {
	    {"count", FIELD_UINT, &count},
	    {"templates", FIELD_ANY, templates},
	    {"template", FIELD_ANY, &template},
	    {"gap", FIELD_ANY, &gap},
	    {"dt", FIELD_ANY, &dt},
	    {"off", FIELD_ANY, &off},
	    {"data_len", FIELD_ANY, &data_len},
	    {"data", FIELD_ANY, &data},
	};
	struct cursor bin;

	*templates = (struct slice){0};
	if (read_fields(object, fields, COUNT_OF(fields)) || count > object.len)
		return -EBADMSG;
	c->count = (uint32_t)count;
	bin = cursor_over(data);
	c->data = read_bin(&bin);
	if (bin.bad || open_column(template, c->count, &c->template) || open_column(gap, c->count, &c->gap) ||
	    open_column(dt, c->count, &c->dt) || open_column(off, c->count, &c->off) ||
	    open_column(data_len, c->count, &c->data_len))
		return -EBADMSG;
	return 0;
}

/* The next record of the columns; its data is cut off the front of c->data. */
static int read_record(struct columns *c, const struct template_read *templates, uint32_t template_count,
		       uint64_t *ends, uint64_t last_t1, struct record *r, struct slice *data)
{
	uint64_t index = read_int(&c->template), data_len = read_int(&c->data_len);
	const struct template_read *t;

	if (c->template.bad || index >= template_count || data_len > c->data.len)
		return -EBADMSG;
	t = &templates[index];
	*r = (struct record){
	    .kind = t->kind, .call = t->call, .flags = t->flags, .conn = t->conn, .len = t->len};
	r->t0 = last_t1 + read_int(&c->gap);
	r->t1 = r->t0 + read_int(&c->dt);
	r->off = read_int(&c->off);
	if (c->gap.bad || c->dt.bad || c->off.bad || c->data_len.bad)
		return -EBADMSG;
	if (t->kind == RECORD_IN || t->kind == RECORD_OUT) {
		r->off += ends[t->stream];
		ends[t->stream] = r->off + r->len;
	}
	*data = (struct slice){c->data.bytes, data_len};
	c->data.bytes += data_len;
	c->data.len -= data_len;
	return 0;
}

int dump_read_records(struct slice object, int (*take)(void *to, const struct record *r, struct slice data),
		      void *to)
{
	struct template_read templates[TEMPLATES_MAX];
	uint64_t ends[TEMPLATES_MAX] = {0}, last_t1 = 0;
	uint32_t template_count;
	struct columns columns;
	struct slice column, data;
	struct record r;
	int err = open_columns(object, &columns, &column);

	if (!err)
		err = read_templates(column, templates, &template_count);
	for (uint32_t i = 0; !err && i < columns.count; i++) {
		err = read_record(&columns, templates, template_count, ends, last_t1, &r, &data);
		if (!err)
			err = take(to, &r, data);
		last_t1 = r.t1;
	}
	return err;
}
