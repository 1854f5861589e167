/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.c - one file: its objects into drafts of processes. Analyzer, one thread.
 *
 * Invariant: an object that breaks a rule is counted and costs itself only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/loader.h"

static bool draft_equal(const void *items, uint32_t index, const void *key)
{
	return draft_is((const struct draft *)items + index, key);
}

/* The number of the boot's clock, entered if new. */
static int find_boot(struct loader *l, const char *id)
{
	char *copy;

	for (size_t i = 0; i < l->boots.count; i++) {
		if (!strcmp(l->boots.items[i].id, id))
			return (int)i;
	}
	copy = strdup(id);
	if (!copy || vec_push(&l->boots, (struct boot){.id = copy})) {
		free(copy);
		return -ENOMEM;
	}
	return (int)(l->boots.count - 1);
}

static int new_draft(struct loader *l, const struct dump_header_read *h, const char *path, uint64_t hash)
{
	struct draft draft;
	int err = draft_begin(&draft, h), boot;

	if (err)
		return err;
	boot = find_boot(l, draft.boot_id);
	err = boot < 0 ? boot : 0;
	if (!err) {
		draft.clock = (uint32_t)boot;
		draft.unit = clock_unit(&l->boots.items[boot].clock, draft.process.stamp);
		err = draft.unit == -EINVAL ? -EBADMSG : draft.unit < 0 ? draft.unit : 0;
	}
	draft.process.path = strdup(path);
	if (!err && !draft.process.path)
		err = -ENOMEM;
	if (!err)
		err = hash_add(&l->drafts_by_name, hash, (uint32_t)l->drafts.count);
	if (!err)
		err = vec_push(&l->drafts, draft);
	if (err)
		draft_free(&draft);
	return err;
}

/* A reading of the clocks. */
static int add_reading(struct reading *r, const struct anchor *a, enum clock_order order)
{
	struct loader *l = r->loader;
	uint32_t number = (uint32_t)(r->draft - l->drafts.items);

	if (!a->stamp && !a->raw_ns && !a->real_ns)
		return 0; /* it is none */
	draft_add_reading(r->draft, a, order);
	return clock_add(&l->boots.items[r->draft->clock].clock, r->draft->unit, number, order, a);
}

/* Ends the part that is being read, and adds up. */
static int end_part(struct reading *r)
{
	struct draft_sum sum;
	struct draft *d = r->draft;
	int err;

	if (!d)
		return 0;
	err = draft_sum(d, r->part_first, &sum);
	r->records += sum.records;
	r->gaps += sum.gaps - (r->part_segment ? sum.front : 0);
	r->end_records += r->part_ended ? r->part_end_records : sum.records;
	r->unended |= !r->part_ended;
	r->loader->parts.items[r->part].records = sum.records;
	r->draft = NULL;
	r->part_ended = false;
	return err;
}

static int read_header(struct reading *r, struct slice object)
{
	struct loader *l = r->loader;
	struct dump_header_read h;
	uint64_t hash;
	uint32_t index;
	int err = end_part(r);

	if (!err)
		err = dump_read_header(object, &h);
	if (err)
		return err;
	hash = hash_mix(h.pid ^ hash_mix(h.start_ns)) ^ hash_bytes(h.boot_id.bytes, h.boot_id.len, 0);
	index = hash_find(&l->drafts_by_name, hash, draft_equal, l->drafts.items, &h);
	if (index == HASH_NONE) {
		index = (uint32_t)l->drafts.count;
		err = new_draft(l, &h, r->path, hash);
	}
	if (!err)
		err = vec_push(&l->parts, (struct part){.input = r->input, .draft = index});
	if (err)
		return err;
	r->headers++;
	r->draft = &l->drafts.items[index];
	r->part_segment = h.segment;
	draft_meet(r->draft, &h);
	r->part = (uint32_t)l->parts.count - 1;
	r->part_first = r->draft->blocks.count;
	return h.has_anchor ? add_reading(r, &h.anchor, CLOCK_BEGINS) : 0;
}

struct anchors {
	VEC(struct anchor) list;
	int err;
};

static void take_anchor(void *to, const struct anchor *a)
{
	struct anchors *anchors = to;

	if (!anchors->err)
		anchors->err = vec_push(&anchors->list, *a);
}

/* All anchors of an object, or none if it is bad. */
static int read_anchors(struct reading *r, struct slice object)
{
	struct anchors anchors = {0};
	int err = dump_read_anchors(object, take_anchor, &anchors);

	if (!err)
		err = anchors.err;
	for (size_t i = 0; !err && i < anchors.list.count; i++)
		err = add_reading(r, &anchors.list.items[i], CLOCK_FOLLOWS);
	vec_free(&anchors.list);
	return err;
}

/* Its edges are readings of the clocks, too. */
static int read_window(struct reading *r, struct slice object)
{
	struct dump_window_read w;
	int err = dump_read_window(object, &w);

	if (!err)
		err = draft_add_window(r->draft, &w);
	if (!err)
		err = add_reading(r, &w.opened, CLOCK_ASIDE);
	if (!err && w.closed.stamp)
		err = add_reading(r, &w.closed, CLOCK_ASIDE);
	return err;
}

static int read_end(struct reading *r, struct slice object)
{
	struct dump_end_read end;
	int err = dump_read_end(object, &end);
	char *reason;

	if (err)
		return err;
	reason = strndup(end.reason.bytes ? (const char *)end.reason.bytes : "", end.reason.len);
	if (!reason)
		return -ENOMEM;
	draft_add_end(r->draft, &end, reason);
	r->part_ended = true;
	r->part_end_records = end.records;
	return end_part(r);
}

/* A header of another major version is refused by name; its other keys may mean anything. */
static int check_version(struct reading *r, struct slice object, uint64_t major)
{
	struct dump_header_read h;

	if (major == DUMP_MAJOR)
		return 0;
	dump_read_header(object, &h);
	if (!r->headers && r->other_major == UINT64_MAX) {
		r->other_major = major;
		r->other_minor = h.minor;
	}
	return -EBADMSG;
}

/* Enters one object; takes over or frees its memory. -EBADMSG if it breaks a rule. */
static int read_object(struct reading *r, struct slice object)
{
	enum dump_kind kind = DUMP_UNKNOWN;
	uint64_t major;
	int err = dump_kind(object, &kind, &major);

	if (!err && kind == DUMP_HEADER) {
		err = check_version(r, object, major);
		if (!err)
			err = read_header(r, object);
	} else if (!err && kind != DUMP_UNKNOWN && !r->draft) {
		err = -EBADMSG; /* whose it is cannot be known */
	} else if (!err && kind == DUMP_ANCHORS) {
		err = read_anchors(r, object);
	} else if (!err && kind == DUMP_WINDOW) {
		err = read_window(r, object);
	} else if (!err && kind == DUMP_END) {
		err = read_end(r, object);
	} else if (!err && kind == DUMP_BLOCK) {
		err = draft_add_block(r->draft, object, r->part);
		if (!err)
			return 0;
	}
	free((void *)object.bytes);
	return err;
}

static int read_all(struct reading *r, int fd)
{
	struct slice object;
	int more, err;

	while ((more = frames_next(r->frames, &object)) > 0) {
		r->objects++;
		err = read_object(r, object);
		if (err == -EBADMSG)
			r->rejected++;
		else if (err)
			return err;
		if (r->other_major != UINT64_MAX)
			break;
	}
	r->loader->store->bytes_read += frames_bytes_read(r->frames);
	if (more < 0)
		return more;
	err = end_part(r);
	if (err || !r->headers)
		return err ? err : damage_refuse(r, fd);
	r->loader->store->files_read++;
	return damage_report(r);
}

int intake_file(struct loader *l, uint32_t input, int fd, uint64_t size)
{
	struct reading r = {.loader = l,
			    .path = l->inputs.items[input].path,
			    .input = input,
			    .size = size,
			    .other_major = UINT64_MAX};
	int err;

	r.frames = frames_open(fd, size);
	if (!r.frames)
		return -ENOMEM;
	err = read_all(&r, fd);
	frames_close(r.frames);
	return err;
}
