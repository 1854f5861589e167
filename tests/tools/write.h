/* SPDX-License-Identifier: Apache-2.0 */
/* write.h - what was played becomes files: the dumps of a scenario's processes. For mkdump.c only. */
#ifndef TESTS_TOOLS_WRITE_H
#define TESTS_TOOLS_WRITE_H

#include "tests/tools/frame.h"
#include "tests/tools/kernel_clock.h"

/* Another version than ours: the number behind the key. */
static void set_number(struct pack *p, const char *key, uint64_t value)
{
	uint8_t *at = memmem(p->bytes, p->len, key, strlen(key));

	must(at);
	at[strlen(key)] = (uint8_t)(value & 0x7f);
}

static void write_header(FILE *to, struct process *p)
{
	struct pack pack;

	must(!vec_push(&p->settings, NULL));
	p->header.settings = p->settings.items;
	p->header.calls = calls.items;
	p->header.anchor = p->no_anchor ? (struct anchor){0} : anchor_at(p, 0);
	p->header.plan = p->plan.period_ns ? &p->plan : NULL;
	p->header.paused = p->paused;
	pack_start(&pack, object, sizeof(object));
	dump_pack_header(&pack, &p->header);
	set_number(&pack, "major", p->major);
	set_number(&pack, "minor", p->minor);
	write_frame(to, &pack);
}

/* Hands out the records of one block. */
struct source {
	const uint8_t *at;
	uint64_t left; /* in this block */
};

static const struct record *next_record(void *from)
{
	struct source *s = from;
	const struct record *r = (const struct record *)s->at;

	if (!s->left)
		return NULL;
	s->left--;
	s->at += (r->size_bytes + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
	return r;
}

static const uint8_t *behind(const uint8_t *at, uint64_t records)
{
	struct source s = {at, records};

	while (next_record(&s))
		;
	return s.at;
}

static void write_thread(FILE *to, struct process *p, uint32_t number, struct block_scratch *scratch)
{
	struct thread *t = &p->threads.items[number - 1];
	const uint8_t *at = t->records.items;
	uint64_t done = 0, missing = 0, skip = 0;
	uint32_t block = 0, lost = 0;

	while (done < t->count) {
		uint64_t until = t->count;
		struct source s = {.at = at};
		struct pack pack;
		uint32_t n;

		/* A block ends where records are to be missing. */
		for (; skip < t->skips.count && t->skips.items[skip] <= done; skip += 2)
			missing += t->skips.items[skip + 1];
		if (skip < t->skips.count)
			until = t->skips.items[skip];
		s.left = until - done < p->block_records ? until - done : p->block_records;
		pack_start(&pack, object, sizeof(object));
		n = dump_pack_block(&pack, scratch, number, done + missing, next_record, &s);
		must(n);
		if (lost < t->lost_blocks.count && t->lost_blocks.items[lost] == block)
			lost++;
		else
			write_frame(to, &pack);
		at = behind(at, n);
		done += n;
		block++;
	}
}

static void write_windows(FILE *to, const struct process *p)
{
	for (size_t i = 0; i < p->windows.count; i++) {
		struct opening *o = &p->windows.items[i];
		struct pack pack;

		o->window.opened = anchor_at(p, o->from_ns);
		if (o->to_ns)
			o->window.closed = anchor_at(p, o->to_ns);
		pack_start(&pack, object, sizeof(object));
		dump_pack_window(&pack, &o->window);
		write_frame(to, &pack);
	}
}

static void write_anchor(FILE *to, const struct process *p, uint64_t ns)
{
	struct anchor a = anchor_at(p, ns);
	struct pack pack;

	pack_start(&pack, object, sizeof(object));
	dump_pack_anchors(&pack, &a, 1);
	write_frame(to, &pack);
}

static void write_process(struct process *p, const char *directory)
{
	struct block_scratch *scratch = calloc(1, block_scratch_bytes());
	struct pack pack;
	char *path;
	FILE *to;

	must(scratch);
	must(asprintf(&path, "%s/%s.%s.%llu.%llu.zst", directory, p->header.host, p->header.program,
		      (unsigned long long)p->header.pid, (unsigned long long)p->header.start_ns) > 0);
	to = fopen(path, "wb");
	must(to);
	write_header(to, p);
	write_windows(to, p);
	for (uint32_t i = 1; i <= p->threads.count; i++)
		write_thread(to, p, i, scratch);
	for (uint64_t i = 1; i <= p->readings; i++)
		if (!is_asleep(p, i * 1000000000))
			write_anchor(to, p, i * 1000000000);
	if (p->tsc && !p->readings && !p->no_anchor)
		write_anchor(to, p, 3600ull * 1000000000);
	p->end.records = p->records;
	pack_start(&pack, object, sizeof(object));
	dump_pack_end(&pack, &p->end);
	if (!p->no_end)
		write_frame(to, &pack);
	must(!fclose(to));
	free(path);
	free(scratch);
}

#endif
