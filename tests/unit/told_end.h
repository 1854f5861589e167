/* SPDX-License-Identifier: Apache-2.0 */
/* told_end.h - the second half of told.h: what was told becomes what the earlier passes would have left. */
#ifndef DPROF_TESTS_TOLD_END_H
#define DPROF_TESTS_TOLD_END_H

#include "tests/unit/told.h"

/* A record has moved some bytes of a message at one of its ends. */
static inline void told_transfer(struct transfer *t, const struct store_record *r, uint32_t view,
				 uint32_t record, bool first, bool last)
{
	if (first || t->view == STORE_NONE) {
		t->first_record = record;
		t->first_t0_ns = r->t0_ns;
		t->first_t1_ns = r->t1_ns;
	}
	if (last || t->view == STORE_NONE) {
		t->last_record = record;
		t->last_t0_ns = r->t0_ns;
		t->last_t1_ns = r->t1_ns;
	}
	t->view = view;
}

static inline void told_touch(struct told *t, const struct store_record *r, uint32_t view, uint32_t record)
{
	struct view *v = &t->views[view];
	bool in = r->kind == RECORD_IN;
	unsigned int sender = (view & 1) ^ (in ? 1u : 0u);

	if (in)
		v->in[v->in_count++] = record;
	else
		v->out[v->out_count++] = record;
	for (uint32_t i = 0; i < t->m.messages.message_count; i++) {
		struct message *m = &t->messages[i];

		if (m->link == view / 2 && m->sender == sender && m->off0 < r->off + r->len &&
		    m->off1 > r->off)
			told_transfer(in ? &m->received : &m->sent, r, view, record, m->off0 >= r->off,
				      m->off1 <= r->off + r->len);
	}
}

static inline void told_process(struct told *t, uint32_t process)
{
	struct store_process *p = &t->processes[process];
	struct store_thread *threads = calloc(TOLD_THREADS, sizeof(*threads));

	p->records = calloc(TOLD_MAX, sizeof(*p->records));
	p->threads = threads;
	p->thread_count = TOLD_THREADS;
	for (uint32_t thread = 0; thread < TOLD_THREADS; thread++) {
		threads[thread].number = thread + 1;
		threads[thread].tid = 100 + thread;
		threads[thread].first = p->record_count;
		for (uint32_t i = 0; i < t->move_count; i++) {
			struct told_move *move = &t->moves[i];
			uint32_t record = p->record_count;

			if (move->process != process || move->record.thread != thread)
				continue;
			p->records[p->record_count++] = move->record;
			threads[thread].count++;
			if (move->record.kind == RECORD_OPEN) {
				t->views[move->view].open_record = record;
				t->views[move->view].open_ns = move->record.t0_ns;
			} else if (move->view != STORE_NONE) {
				told_touch(t, &move->record, move->view, record);
			}
		}
	}
}

/* Records of a view lie by thread now; the passes want them by offset. */
static inline void told_sort(const struct told *t, const struct view *v, uint32_t *records, uint32_t count)
{
	const struct store_record *r = v->process == TOLD_NOBODY ? NULL : t->processes[v->process].records;

	for (uint32_t i = 1; i < count; i++)
		for (uint32_t k = i; k > 0 && r[records[k]].off < r[records[k - 1]].off; k--) {
			uint32_t swap = records[k];

			records[k] = records[k - 1];
			records[k - 1] = swap;
		}
}

/* Views of nobody go away: the passes know only what was recorded. Views must be in order of process. */
static inline void told_close(struct told *t)
{
	uint32_t *of_view = calloc(2 * TOLD_MAX, sizeof(*of_view)), count = 0;
	struct view *views = calloc(2 * TOLD_MAX, sizeof(*views));
	uint32_t renamed[2 * TOLD_MAX];

	for (uint32_t process = 0; process < t->m.store.process_count; process++)
		for (uint32_t v = 0; v < 2 * t->m.links.link_count; v++) {
			if (t->views[v].process != process)
				continue;
			renamed[v] = count;
			of_view[count] = v / 2;
			t->ends[v / 2][v & 1] = count;
			views[count++] = t->views[v];
		}
	for (uint32_t i = 0; i < t->m.messages.message_count; i++) {
		struct message *m = &t->messages[i];

		if (m->sent.view != STORE_NONE)
			m->sent.view = renamed[m->sent.view];
		if (m->received.view != STORE_NONE)
			m->received.view = renamed[m->received.view];
	}
	t->m.conns.views = views;
	t->m.conns.view_count = count;
	t->m.links.of_view = of_view;
}

/* Runs span, parent and model on it. */
static inline void told_end(struct told *t)
{
	for (uint32_t i = 0; i < t->m.store.process_count; i++)
		told_process(t, i);
	for (uint32_t v = 0; v < 2 * t->m.links.link_count; v++) {
		told_sort(t, &t->views[v], t->views[v].in, t->views[v].in_count);
		told_sort(t, &t->views[v], t->views[v].out, t->views[v].out_count);
	}
	told_close(t);
	assert(!span_run(&t->m.store, &t->m.conns, &t->m.links, &t->m.messages, &t->m.spans));
	assert(
	    !parent_run(&t->m.store, &t->m.conns, &t->m.links, &t->m.messages, &t->m.spans, &t->m.parents));
	assert(!model_grow(&t->m));
}

static inline void told_free(struct told *t)
{
	for (uint32_t v = 0; v < 2 * t->m.links.link_count; v++) {
		free(t->views[v].in);
		free(t->views[v].out);
	}
	for (uint32_t i = 0; i < t->m.store.process_count; i++) {
		free(t->processes[i].records);
		free(t->processes[i].threads);
	}
	free(t->m.conns.views);
	free(t->m.links.of_view);
	span_free(&t->m.spans);
	parent_free(&t->m.parents);
	model_fell(&t->m);
	strings_free(t->m.strings);
	free(t);
}

static inline uint32_t told_span(const struct told *t, uint32_t rpc, enum span_side side)
{
	for (uint32_t i = 0; i < t->m.spans.span_count; i++)
		if (t->m.spans.spans[i].rpc == rpc && t->m.spans.spans[i].side == side)
			return i;
	return STORE_NONE;
}

/* Of the call: its edge, and the RPC that it was made for; TOLD_NOBODY if none. */
static inline const struct edge *told_edge(const struct told *t, uint32_t call)
{
	return &t->m.parents.edges[told_span(t, call, SPAN_CLIENT)];
}

static inline uint32_t told_parent(const struct told *t, uint32_t call)
{
	uint32_t parent = told_edge(t, call)->parent;

	return parent == STORE_NONE ? TOLD_NOBODY : t->m.spans.spans[parent].rpc;
}

#endif
