// SPDX-License-Identifier: Apache-2.0
/*
 * parent_habits.c - see parent_habits.h. Analyzer, one thread; linear but for one sort of the links.
 *
 * Invariant: a habit is only ever used to tell two explanations of the same order of events apart, never
 * against it.
 */
#include "analyzer/pass/parent_habits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/vec.h"

#define AT_ONCE_LEAST 4u /* times seen */
#define AT_ONCE_SHARE 4u /* one in so many, at least: a loop that serves later has next to none */

/* A turn of one thread, as far as it has come. */
struct turn {
	uint32_t came_in; /* whole messages */
	uint32_t sent;	  /* group of the first thing that went out after the last of them, STORE_NONE */
};

static const struct address *server_address(const struct story *s, uint32_t link)
{
	return &s->links->links[link].address[s->messages->protos[link].server];
}

static int compare_links(const void *left, const void *right, void *story)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	int order = memcmp(server_address(story, a), server_address(story, b), sizeof(struct address));

	return order ? order : vec_compare(a, b);
}

static int group_links(struct habits *h)
{
	uint32_t n = h->story->links->link_count, group = 0;
	uint32_t *order = calloc(n + 1ul, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	if (n > 1)
		qsort_r(order, n, sizeof(*order), compare_links, (void *)(uintptr_t)h->story);
	for (uint32_t i = 0; i < n; i++) {
		if (i && memcmp(server_address(h->story, order[i - 1]), server_address(h->story, order[i]),
				sizeof(struct address)) != 0)
			group++;
		h->group[order[i]] = group;
	}
	free(order);
	return 0;
}

int parent_habits_begin(struct habits *h, const struct story *story)
{
	uint32_t links = story->links->link_count, views = story->conns->view_count;

	*h = (struct habits){.story = story};
	h->group = calloc(links + 1ul, sizeof(*h->group));
	h->manners = calloc(links + 1ul, sizeof(*h->manners));
	h->reader = calloc(views + 1ul, sizeof(*h->reader));
	if (!h->group || !h->manners || !h->reader)
		return -ENOMEM;
	for (uint32_t i = 0; i < links; i++)
		h->manners[i].process = STORE_NONE;
	for (uint32_t i = 0; i < views; i++)
		h->reader[i] = STORE_NONE;
	return group_links(h);
}

void parent_habits_end(struct habits *h)
{
	free(h->threads);
	free(h->group);
	free(h->manners);
	free(h->reader);
	*h = (struct habits){0};
}

static const struct rpc *rpc_of(const struct habits *h, const struct event *e)
{
	return &h->story->messages->rpcs[h->story->spans->spans[e->subject].rpc];
}

/* ---- who serves which connection ---- */

static void look_at_reader(struct habits *h, const struct event *e)
{
	uint32_t view = e->subject;

	if (e->kind == EVENT_REQUEST_IN)
		view = h->story->messages->messages[rpc_of(h, e)->request].received.view;
	if (view == STORE_NONE)
		return;
	if (h->reader[view] == STORE_NONE)
		h->reader[view] = e->thread;
	else if (h->reader[view] != e->thread)
		h->passes = true;
}

static void look_at_threads(struct habits *h, const struct events *events, uint32_t *readers)
{
	for (uint32_t i = 0; i < events->count; i++) {
		const struct event *e = &events->items[i];
		struct thread_habits *t = &h->threads[e->thread];

		if (e->kind == EVENT_TURN)
			t->loops = true;
		if (e->kind == EVENT_REQUEST_IN || e->kind == EVENT_END)
			look_at_reader(h, e);
		if (e->kind == EVENT_REQUEST_IN && e->last)
			readers[e->subject - h->story->process_span[h->process]] = e->thread;
		if (e->kind == EVENT_ANSWER_OUT && e->first &&
		    readers[e->subject - h->story->process_span[h->process]] != e->thread)
			t->given = true;
	}
}

/* ---- manners ---- */

static void count_manner(struct habits *h, uint32_t group, bool between)
{
	struct manner *m = &h->manners[group];

	if (m->process != h->process)
		*m = (struct manner){.process = h->process};
	if (between)
		m->between++;
	else
		m->behind++;
}

static void look_at_turn(struct habits *h, struct turn *t, const struct event *e)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_REQUEST_IN:
	case EVENT_ANSWER_IN:
		if (!e->last)
			return;
		if (t->sent != STORE_NONE)
			count_manner(h, t->sent, true);
		t->sent = STORE_NONE;
		t->came_in++;
		return;
	case EVENT_CALL_OUT:
	case EVENT_ANSWER_OUT:
		if (e->first && t->came_in && t->sent == STORE_NONE)
			t->sent = h->group[rpc_of(h, e)->link];
		return;
	case EVENT_OPEN:
		if (t->came_in && t->sent == STORE_NONE)
			t->sent = h->group[h->story->links->of_view[e->subject]];
		return;
	case EVENT_TURN:
	case EVENT_LOST:
		if (t->sent != STORE_NONE && t->came_in > 1)
			count_manner(h, t->sent, false);
		*t = (struct turn){.sent = STORE_NONE};
		return;
	case EVENT_END:
		return;
	}
}

int parent_habits_learn(struct habits *h, const struct events *events, uint32_t process)
{
	const struct story *s = h->story;
	uint32_t threads = s->store->processes[process].thread_count;
	uint32_t spans = s->process_span[process + 1] - s->process_span[process];
	struct turn *turns = calloc(threads + 1ul, sizeof(*turns));
	uint32_t *readers = malloc((spans + 1ul) * sizeof(*readers));

	free(h->threads);
	h->threads = calloc(threads + 1ul, sizeof(*h->threads));
	h->process = process;
	h->passes = false;
	if (turns && readers && h->threads) {
		memset(readers, 0xff, (spans + 1ul) * sizeof(*readers));
		look_at_threads(h, events, readers);
		for (uint32_t i = 0; i < threads; i++)
			turns[i].sent = STORE_NONE;
		for (uint32_t i = 0; i < events->count; i++)
			look_at_turn(h, &turns[events->items[i].thread], &events->items[i]);
	}
	free(readers);
	free(turns);
	return turns && readers && h->threads ? 0 : -ENOMEM;
}

bool parent_habits_at_once(const struct habits *h, uint32_t link)
{
	const struct manner *m = &h->manners[h->group[link]];

	return m->process == h->process && m->between >= AT_ONCE_LEAST &&
	       (uint64_t)m->between * AT_ONCE_SHARE >= m->behind;
}
