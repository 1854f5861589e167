/* SPDX-License-Identifier: Apache-2.0 */
/*
 * draft.c - see draft.h. Analyzer, one thread.
 *
 * Invariant: a block was decoded once before it is entered, so that its count is true and filling in cannot
 * fail half way.
 */
#include "analyzer/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t add_up(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static char *slice_text(struct slice s)
{
	const char *text = s.bytes ? (const char *)s.bytes : "";

	return strndup(text, s.len);
}

static bool same_text(struct slice s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.bytes, text, s.len);
}

/* ---- header ---- */

/* Copies the strings of a list. */
static int read_list(struct slice at, char ***to, uint32_t *count)
{
	VEC(char *) texts = {0};
	struct slice text;
	int more, err = 0;

	while (!err && (more = dump_next_text(&at, &text)) != 0) {
		char *copy = more > 0 ? slice_text(text) : NULL;

		err = more < 0 ? more : !copy ? -ENOMEM : vec_push(&texts, copy);
		if (err)
			free(copy);
	}
	*to = texts.items;
	*count = (uint32_t)texts.count;
	return err;
}

bool draft_is(const struct draft *d, const struct dump_header_read *h)
{
	return d->process.pid == h->pid && d->process.start_ns == h->start_ns &&
	       same_text(h->boot_id, d->boot_id) && same_text(h->host, d->host);
}

void draft_meet(struct draft *d, const struct dump_header_read *h)
{
	if (h->segment < d->segment)
		return;
	d->segment = h->segment;
	d->older = h->older;
}

void draft_add_reading(struct draft *d, const struct anchor *a, enum clock_order order)
{
	const struct clock_reading reading = {order, a->stamp, a->raw_ns, a->real_ns, 0, 0};
	struct draft_clock *c = &d->readings;

	if (!clock_reading_is_sane(&reading))
		return;
	if (!c->readings++)
		c->first_raw_ns = a->raw_ns;
	if (order == CLOCK_ASIDE)
		return;
	if (order == CLOCK_FOLLOWS && a->raw_ns < c->last_raw_ns) {
		uint64_t back_ns = c->last_raw_ns - a->raw_ns;

		c->disordered++;
		c->back_ns = back_ns > c->back_ns ? back_ns : c->back_ns;
	}
	c->last_raw_ns = a->raw_ns;
}

int draft_begin(struct draft *d, const struct dump_header_read *h)
{
	struct store_process *p = &d->process;
	int err;

	*d = (struct draft){0};
	p->pid = h->pid;
	p->ppid = h->ppid;
	p->uid = h->uid;
	p->netns = h->netns;
	p->start_ns = p->began_ns = h->start_ns;
	p->boot_start = h->boot_start;
	p->gated = h->gated;
	draft_meet(d, h);
	d->host = slice_text(h->host);
	d->boot_id = slice_text(h->boot_id);
	p->service = slice_text(h->service.len ? h->service : h->program);
	p->program = slice_text(h->program);
	p->exe = slice_text(h->exe);
	p->version = slice_text(h->version);
	p->stamp = slice_text(h->stamp);
	err = !d->host || !d->boot_id || !p->service || !p->program || !p->exe || !p->version || !p->stamp
		  ? -ENOMEM
		  : 0;
	if (!err)
		err = read_list(h->calls, &p->calls, &p->call_count);
	if (!err)
		err = read_list(h->settings, &p->settings, &p->setting_count);
	if (p->setting_count % 2)
		free(p->settings[--p->setting_count]);
	if (err)
		draft_free(d);
	return err;
}

void draft_free(struct draft *d)
{
	for (size_t i = 0; i < d->blocks.count; i++)
		free((void *)d->blocks.items[i].object.bytes);
	vec_free(&d->blocks);
	for (size_t i = 0; i < d->windows.count; i++)
		free(d->windows.items[i].why);
	vec_free(&d->windows);
	free(d->host);
	free(d->boot_id);
	store_process_free(&d->process);
	*d = (struct draft){0};
}

/* ---- blocks and end ---- */

static int count_record(void *to, const struct record *r, struct slice data)
{
	uint64_t *count = to;

	(void)r;
	(void)data;
	++*count;
	return 0;
}

int draft_add_block(struct draft *d, struct slice object, uint32_t part)
{
	struct draft_block block = {.part = part, .object = object};
	struct dump_block b;
	uint64_t count = 0;
	int err = dump_read_block(object, &b);

	if (!err)
		err = dump_read_records(object, count_record, &count);
	if (err)
		return err;
	if (count != b.count || b.seq + count < b.seq)
		return -EBADMSG;
	block.thread = b.thread;
	block.seq = b.seq;
	block.count = b.count;
	return vec_push(&d->blocks, block);
}

int draft_add_window(struct draft *d, const struct dump_window_read *w)
{
	char *why = slice_text(w->why);
	int err = why ? 0 : -ENOMEM;

	d->process.gated = true;
	for (size_t i = d->windows.count; i-- && !err;) {
		struct draft_window *there = &d->windows.items[i];

		if (there->read.number != w->number)
			continue;
		if (there->read.closed.stamp) {
			free(why);
			return 0;
		}
		free(there->why);
		*there = (struct draft_window){*w, why};
		return 0;
	}
	err = err ? err : vec_push(&d->windows, (struct draft_window){*w, why});
	if (err)
		free(why);
	return err;
}

void draft_add_end(struct draft *d, const struct dump_end_read *end, char *reason)
{
	struct store_process *p = &d->process;

	free(p->end_reason);
	p->end_reason = reason;
	d->has_end = true;
	if (end->records > d->end_records)
		d->end_records = end->records;
	if (end->dropped > p->dropped)
		p->dropped = end->dropped;
	if (end->untraced_threads > p->untraced_threads)
		p->untraced_threads = end->untraced_threads;
	if (end->untraced_conns > p->untraced_conns)
		p->untraced_conns = end->untraced_conns;
	if (end->io_uring > p->io_uring)
		p->io_uring = end->io_uring;
}

/* ---- order ---- */

static int compare_blocks(const void *a, const void *b)
{
	const struct draft_block *x = a, *y = b;

	if (x->thread != y->thread)
		return vec_compare(x->thread, y->thread);
	if (x->seq != y->seq)
		return vec_compare(x->seq, y->seq);
	if (x->count != y->count)
		return vec_compare(y->count, x->count);
	return vec_compare(x->part, y->part);
}

/* Walks over sorted blocks of a draft: what of each one is new, and what is missing in front of it. */
struct walk {
	bool begun;
	uint32_t thread;
	uint64_t next; /* seq of the first record that is not there yet */
};

struct step {
	bool new_thread;
	uint64_t gap;
	uint32_t skip; /* records that are there already */
};

static struct step walk_step(struct walk *w, const struct draft_block *b)
{
	struct step s = {.new_thread = !w->begun || w->thread != b->thread};
	uint64_t end = b->seq + b->count, there;

	if (s.new_thread)
		*w = (struct walk){.begun = true, .thread = b->thread};
	if (b->seq > w->next)
		s.gap = b->seq - w->next;
	there = w->next > b->seq ? w->next - b->seq : 0;
	s.skip = there < b->count ? (uint32_t)there : b->count;
	if (end > w->next)
		w->next = end;
	return s;
}

int draft_sum(const struct draft *d, size_t first, struct draft_sum *sum)
{
	size_t n = d->blocks.count - first;
	struct draft_block *blocks = calloc(n + 1, sizeof(*blocks));
	struct walk w = {0};

	*sum = (struct draft_sum){0};
	if (!blocks)
		return -ENOMEM;
	if (n) {
		memcpy(blocks, d->blocks.items + first, n * sizeof(*blocks));
		qsort(blocks, n, sizeof(*blocks), compare_blocks);
	}
	for (size_t i = 0; i < n; i++) {
		struct step s = walk_step(&w, &blocks[i]);

		sum->records += blocks[i].count - s.skip;
		sum->gaps = add_up(sum->gaps, s.gap);
		sum->front = add_up(sum->front, s.new_thread ? s.gap : 0);
	}
	free(blocks);
	return 0;
}

/* ---- records ---- */

/* One block on its way into the process. */
struct filling {
	struct store_process *process;
	struct store_thread *thread;
	uint32_t thread_index;
	const struct clock *clock;
	int unit;
	uint32_t skip; /* records of the block to pass over */
	struct clock_cursor begin, at;
};

static void note_thread(struct store_process *p, struct store_thread *t, const struct record *r,
			struct slice data)
{
	switch (r->kind) {
	case RECORD_START:
		t->tid = r->len;
		t->parent = (uint32_t)r->off;
		if (!*t->name) {
			char *name = slice_text(data);

			if (name) {
				free(t->name);
				t->name = name;
			}
		}
		break;
	case RECORD_END:
		t->tid = t->tid ? t->tid : r->len;
		break;
	case RECORD_GATED:
		p->gated_records = add_up(p->gated_records, r->off);
		break;
	case RECORD_LOST:
		t->dropped = add_up(t->dropped, r->off);
		break;
	}
}

/* A new file of a dump tells again of threads, connections and sessions that there are, with their old times:
 * no clock went back. */
static bool tells_again(const struct record *r)
{
	return r->kind == RECORD_START || r->kind == RECORD_OPEN || r->kind == RECORD_TLS;
}

static int fill_record(void *to, const struct record *r, struct slice data)
{
	struct filling *f = to;
	struct store_process *p = f->process;
	struct store_record *s = &p->records[p->record_count];
	struct clock_cursor aside = f->at;
	uint64_t ns[2];

	if (f->skip) {
		f->skip--;
		return 0;
	}
	clock_place(f->clock, f->unit, tells_again(r) ? &aside : &f->at, r->t0, r->t1, ns);
	*s = (struct store_record){
	    .t0_ns = ns[0],
	    .t1_ns = ns[1],
	    .off = r->off,
	    .data = data.bytes,
	    .data_len = (uint32_t)data.len,
	    .len = r->len,
	    .conn = r->conn,
	    .thread = f->thread_index,
	    .flags = r->flags,
	    .kind = r->kind,
	    .call = r->call,
	};
	if (s->t1_ns < s->t0_ns)
		s->t1_ns = s->t0_ns; /* no clock runs backwards; a damaged or hostile dt does */
	if (p->stamps)
		p->stamps[p->record_count] = (struct store_stamps){r->t0, r->t1};
	note_thread(p, f->thread, r, data);
	f->thread->count++;
	p->record_count++;
	return 0;
}

/* Room for one more item behind `count`; grows by doubling, when count is a power of two. NULL: no memory. */
static void *grown(void *items, size_t count, size_t item_bytes)
{
	if (count & (count - 1))
		return items;
	return realloc(items, (count ? count * 2 : 1) * item_bytes);
}

/* The thread is done: its clock went back so often. */
static void note_back(struct filling *f)
{
	struct store_process *p = f->process;

	p->back_records = add_up(p->back_records, f->at.back);
	p->back_ns = f->at.back_ns > p->back_ns ? f->at.back_ns : p->back_ns;
	f->at = f->begin;
}

static int add_thread(struct store_process *p, const struct draft_block *b)
{
	struct store_thread *threads = grown(p->threads, p->thread_count, sizeof(*threads));
	char *name;

	if (!threads)
		return -ENOMEM;
	p->threads = threads;
	name = strdup("");
	if (!name)
		return -ENOMEM;
	threads[p->thread_count++] = (struct store_thread){
	    .number = b->thread, .first = p->record_count, .first_seq = b->seq, .name = name};
	return 0;
}

static int add_gap(struct store_process *p, struct store_thread *t, uint64_t missing)
{
	struct store_gap *gaps = grown(t->gaps, t->gap_count, sizeof(*gaps));

	if (!gaps)
		return -ENOMEM;
	t->gaps = gaps;
	gaps[t->gap_count++] = (struct store_gap){p->record_count, missing};
	t->missing = add_up(t->missing, missing);
	return 0;
}

static int keep_memory(struct store *store, const void *memory)
{
	void **kept = grown(store->memory, store->memory_count, sizeof(*kept));

	if (!kept)
		return -ENOMEM;
	store->memory = kept;
	kept[store->memory_count++] = (void *)memory;
	return 0;
}

/* Takes over a block's memory. */
static int fill_block(struct filling *f, struct draft_block *b, struct step step, struct store *store)
{
	struct store_process *p = f->process;
	int err;

	if (step.new_thread) {
		note_back(f);
		err = add_thread(p, b);
		if (err)
			return err;
	}
	f->thread_index = p->thread_count - 1;
	f->thread = &p->threads[f->thread_index];
	f->skip = step.skip;
	store->duplicate_records += step.skip;
	if (step.skip == b->count)
		return 0;
	err = step.gap ? add_gap(p, f->thread, step.gap) : 0;
	if (!err)
		err = keep_memory(store, b->object.bytes);
	if (err)
		return err;
	dump_read_records(b->object, fill_record, f);
	b->object.bytes = NULL;
	return 0;
}

static int allocate_records(struct draft *d, bool keep_stamps)
{
	struct store_process *p = &d->process;
	struct draft_sum sum;
	int err = draft_sum(d, 0, &sum);

	if (err || sum.records >= STORE_NONE)
		return -ENOMEM; /* 2^32 records of one process are beyond any memory this runs in */
	p->records = calloc(sum.records + 1, sizeof(*p->records));
	if (keep_stamps)
		p->stamps = calloc(sum.records + 1, sizeof(*p->stamps));
	if (!p->records || (keep_stamps && !p->stamps))
		return -ENOMEM;
	if (d->older.segments) /* how many of a thread's first records went with them cannot be told apart */
		sum.gaps -= sum.front;
	if (d->has_end && !d->segment && d->end_records > sum.records)
		p->missing = d->end_records - sum.records;
	if (sum.gaps > p->missing)
		p->missing = sum.gaps;
	return 0;
}

static int compare_windows(const void *a, const void *b)
{
	const struct store_window *x = a, *y = b;

	return x->opened_ns != y->opened_ns ? vec_compare(x->opened_ns, y->opened_ns)
					    : vec_compare(x->number, y->number);
}

/* What was open, on the timeline. */
static int place_windows(struct draft *d, const struct clock *clock)
{
	struct store_process *p = &d->process;

	p->older = (struct store_older){
	    .segments = d->older.segments, .records = d->older.records, .bytes = d->older.bytes};
	if (d->older.segments)
		p->older.until_ns = clock_anchor_ns(clock, d->unit, &d->older.until);
	p->windows = calloc(d->windows.count + 1, sizeof(*p->windows));
	if (!p->windows)
		return -ENOMEM;
	for (size_t i = 0; i < d->windows.count; i++) {
		struct draft_window *w = &d->windows.items[i];
		uint64_t opened_ns = clock_anchor_ns(clock, d->unit, &w->read.opened), closed_ns = UINT64_MAX;

		if (w->read.closed.stamp)
			closed_ns = clock_anchor_ns(clock, d->unit, &w->read.closed);
		if (closed_ns < p->older.until_ns)
			continue; /* its records are gone */
		if (opened_ns < p->older.until_ns) {
			w->read.opened.real_ns += p->older.until_ns - opened_ns;
			opened_ns = p->older.until_ns;
		}
		p->windows[p->window_count++] = (struct store_window){
		    .number = w->read.number,
		    .opened_ns = opened_ns,
		    .closed_ns = closed_ns < opened_ns ? opened_ns : closed_ns,
		    .opened_real_ns = w->read.opened.real_ns,
		    .plan = w->read.plan,
		    .why = w->why,
		};
		w->why = NULL;
	}
	if (p->window_count > 1)
		qsort(p->windows, p->window_count, sizeof(*p->windows), compare_windows);
	return 0;
}

int draft_finish(struct draft *d, const struct clock *clock, bool keep_stamps, uint64_t *accepted,
		 struct store *store, struct store_process *process)
{
	struct filling filling = {.process = &d->process,
				  .clock = clock,
				  .unit = d->unit,
				  .begin = clock_begin(clock, d->unit, d->readings.first_raw_ns)};
	struct walk w = {0};
	uint64_t lost = 0;
	int err = allocate_records(d, keep_stamps);

	if (!err)
		err = place_windows(d, clock);
	vec_sort(&d->blocks, compare_blocks);
	for (size_t i = 0; !err && i < d->blocks.count; i++) {
		struct draft_block *b = &d->blocks.items[i];
		struct step step = walk_step(&w, b);

		accepted[b->part] += b->count - step.skip;
		err = fill_block(&filling, b, step, store);
	}
	note_back(&filling);
	for (uint32_t i = 0; i < d->process.thread_count; i++)
		lost = add_up(lost, d->process.threads[i].dropped);
	if (lost > d->process.dropped)
		d->process.dropped = lost;
	store->record_count += d->process.record_count;
	*process = d->process;
	d->process = (struct store_process){0};
	draft_free(d);
	return err;
}
