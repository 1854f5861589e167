/* SPDX-License-Identifier: Apache-2.0 */
/* segment.c - see segment.h. Runs on the flusher: raw system calls only. */
#include "preload/segment.h"

#include "preload/config.h"
#include "preload/control.h"
#include "preload/gate.h"
#include "preload/stamp.h"
#include "preload/sys.h"
#include "preload/text.h"

#define SEGMENT_PARTS	 8u /* of the budget: so much goes at once */
#define SEGMENT_LEAST	 (1u << 20)
#define SEGMENT_KEPT_MAX (2 * SEGMENT_PARTS)
#define SEGMENT_END	 "segment"

/* A file that was finished. */
struct segment {
	uint64_t bytes;
	uint64_t records;
	struct anchor until;
};

static struct dump_header header;
static char boot_id[sizeof((struct identity *)0)->boot_id];
static struct segment kept[SEGMENT_KEPT_MAX]; /* oldest first */
static uint32_t kept_count;
static uint64_t finished_records;
static uint64_t removed; /* files below this number are gone */

static uint64_t budget(void)
{
	uint64_t bytes = config_get()->max_disk;

	return bytes == 0 ? 0 : bytes < SEGMENT_LEAST ? SEGMENT_LEAST : bytes;
}

void segment_begin(const struct dump_header *h, const struct identity *id)
{
	header = *h;
	for (size_t i = 0; i < sizeof boot_id; i++)
		boot_id[i] = id->boot_id[i];
	header.boot_id = boot_id;
	kept_count = 0;
	finished_records = 0;
	removed = 0;
}

uint64_t segment_records(void)
{
	return finished_records;
}

#define SEGMENT_NEXT UINT64_MAX

/* The name of a finished one, or of the one that is to come, made of that of the dump. */
static bool segment_path(struct text *t, char *to, const char *dump, uint64_t number)
{
	text_start(t, to, FILE_PATH_BYTES);
	text_add(t, dump);
	t->len -= sizeof ".zst" - 1;
	if (number == SEGMENT_NEXT) {
		text_add(t, ".next");
	} else {
		text_add(t, ".s");
		text_add_number(t, number);
		text_add(t, ".zst");
	}
	return !t->full;
}

/* They are numbered from 0, so those that are dropped are those below older.segments. */
static void drop_oldest(void)
{
	header.older.segments++;
	header.older.records += kept[0].records;
	header.older.bytes += kept[0].bytes;
	header.older.until = kept[0].until;
	kept_count--;
	for (uint32_t i = 0; i < kept_count; i++)
		kept[i] = kept[i + 1];
}

/* Makes room for one more file of full size, beside the kept ones and one of `bytes`. */
static void keep_budget(uint64_t bytes)
{

	for (uint32_t i = 0; i < kept_count; i++)
		bytes += kept[i].bytes;
	while (kept_count > 0 &&
	       (kept_count == SEGMENT_KEPT_MAX || bytes + budget() / SEGMENT_PARTS > budget())) {
		bytes -= kept[0].bytes;
		drop_oldest();
	}
}

/* Only when a file is there that tells of them: else, after kill -9, nothing would. */
static void remove_dropped(const char *dump)
{
	static char path[FILE_PATH_BYTES];
	struct text t;

	for (; removed < header.older.segments; removed++)
		if (segment_path(&t, path, dump, removed))
			sys_call(SYS_unlink, path);
}

/* The end of the file; not committed, so that salvage goes on before it if we do not come further. */
static int end_file(struct drain *d, const struct anchor *now)
{
	struct dump_end end = {.reason = SEGMENT_END, .records = d->records};
	int error;

	d->file->ending = true;
	dump_pack_anchors(encoder_start(d->encoder), now, 1);
	error = file_append(d->file, d->encoder);
	if (error < 0)
		return error;
	dump_pack_end(encoder_start(d->encoder), &end);
	return file_append(d->file, d->encoder);
}

static void give_up(struct dump_file *next)
{
	header.segment--;
	sys_call(SYS_unlink, next->path);
	file_close(next);
}

static int begin_file(struct drain *d, struct region *r, struct dump_file *next)
{
	struct text t;
	int error;

	if (!segment_path(&t, next->path, d->file->path, SEGMENT_NEXT))
		return -ENAMETOOLONG;
	sys_call(SYS_unlink, next->path);
	next->bytes = 0;
	next->ending = false;
	next->fd = sys_open(next->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (next->fd < 0)
		return next->fd;
	header.segment++;
	dump_pack_header(encoder_start(d->encoder), &header);
	error = region_describe(r, d->file, &d->encoder->object);
	if (error == 0 || r->fd < 0)
		error = file_append(next, d->encoder);
	if (error < 0)
		give_up(next);
	return error;
}

static int change_files(struct drain *d, struct dump_file *next, uint64_t number)
{
	static char old[FILE_PATH_BYTES];
	struct text t;
	long r;

	r = segment_path(&t, old, d->file->path, number) ? 0 : -ENAMETOOLONG;
	if (r == 0)
		r = sys_call(SYS_rename, d->file->path, old);
	if (r == 0) {
		r = sys_call(SYS_rename, next->path, d->file->path);
		if (r < 0)
			sys_call(SYS_rename, old, d->file->path);
	}
	if (r < 0) {
		give_up(next);
		return (int)r;
	}
	file_close(d->file);
	d->file->fd = next->fd;
	d->file->bytes = next->bytes;
	d->file->ending = false;
	return 0;
}

int segment_turn(struct drain *d, struct region *r)
{
	static struct dump_file next;
	struct region_commit c = {.ring = REGION_NO_RING};
	struct segment done;
	uint64_t number = header.segment;
	uint64_t committed = d->file->bytes;
	int error;

	if (budget() == 0 || d->file->bytes < budget() / SEGMENT_PARTS)
		return 0;
	stamp_anchor(&done.until);
	done.records = d->records;
	header.anchor = done.until;
	region_note_anchor(
	    r, &done.until); /* so that salvage tells of none that is before the new file's first */
	error = end_file(d, &done.until);
	done.bytes = d->file->bytes;
	if (error == 0) {
		keep_budget(done.bytes);
		error = begin_file(d, r, &next);
	}
	if (error == 0)
		error = change_files(d, &next, number);
	if (error < 0) { /* as it was */
		sys_call(SYS_ftruncate, d->file->fd, committed);
		d->file->bytes = committed;
		d->file->ending = false;
		return committed < budget() ? 0 : error;
	}
	kept[kept_count++] = done;
	finished_records += d->records;
	d->records = 0;
	c.dump_bytes = d->file->bytes;
	error = d->commit(d->to, &c);
	remove_dropped(d->file->path);
	gate_forget();
	control_tell_again(d);
	return error;
}
