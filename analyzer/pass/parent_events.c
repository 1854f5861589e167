// SPDX-License-Identifier: Apache-2.0
/*
 * parent_events.c - records of a process to events (parent_events.h). Analyzer, one thread.
 *
 * A record says which bytes of a connection moved, a message which bytes it has: walking both by offset
 * gives what each record carried. No byte is looked at twice, so the work is linear in records and messages
 * however hostile their offsets are.
 */
#include "analyzer/pass/parent_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/pass/below.h"
#include "analyzer/pass/layer.h"
#include "analyzer/vec.h"

#define SIDE_NONE 2

/* ---- the index ---- */

static int compare_messages(const void *left, const void *right, void *context)
{
	const struct message *messages = context;
	const struct message *a = &messages[*(const uint32_t *)left];
	const struct message *b = &messages[*(const uint32_t *)right];
	int order = vec_compare(a->link, b->link);

	order = order ? order : vec_compare(a->sender, b->sender);
	order = order ? order : vec_compare(a->off0, b->off0);
	order = order ? order : vec_compare(a->off1, b->off1);
	return order ? order : vec_compare(a, b);
}

static void index_streams(struct story *s)
{
	const struct messages *m = s->messages;
	uint32_t streams = 2 * s->links->link_count, at = 0;

	for (uint32_t i = 0; i < m->message_count; i++)
		s->stream_messages[i] = i;
	if (m->message_count > 1)
		qsort_r(s->stream_messages, m->message_count, sizeof(*s->stream_messages), compare_messages,
			m->messages);
	for (uint32_t stream = 0; stream <= streams; stream++) {
		while (at < m->message_count) {
			const struct message *message = &m->messages[s->stream_messages[at]];

			if (2 * message->link + message->sender >= stream)
				break;
			at++;
		}
		s->stream_first[stream] = at;
	}
}

static void index_rpcs(struct story *s)
{
	const struct messages *m = s->messages;

	for (uint32_t i = 0; i < m->rpc_count; i++) {
		const struct rpc *rpc = &m->rpcs[i];
		unsigned int flags = m->messages[rpc->request].flags;
		bool greeting = rpc->one_way && (flags & PROTO_PUSH) && (flags & PROTO_CONTROL);

		s->message_rpc[rpc->request] = i;
		s->message_part[rpc->request] = greeting ? PART_GREETING : PART_REQUEST;
		if (rpc->response == STORE_NONE)
			continue;
		s->message_rpc[rpc->response] = i;
		s->message_part[rpc->response] = PART_ANSWER;
	}
	for (uint32_t i = 0; i < s->spans->span_count; i++) {
		const struct span *span = &s->spans->spans[i];

		(span->side == SPAN_CLIENT ? s->client_span : s->server_span)[span->rpc] = i;
	}
}

static void index_views(struct story *s)
{
	uint32_t at = 0, span = 0;

	memset(s->view_side, SIDE_NONE, s->conns->view_count);
	for (uint32_t i = 0; i < s->links->link_count; i++)
		for (uint8_t side = 0; side < 2; side++) {
			const struct end *end = &s->links->links[i].ends[side];

			for (uint32_t k = 0; k < end->view_count; k++)
				s->view_side[end->views[k]] = side;
		}
	for (uint32_t process = 0; process <= s->store->process_count; process++) {
		while (at < s->conns->view_count && s->conns->views[at].process < process)
			at++;
		s->process_view[process] = at;
		while (span < s->spans->span_count && s->spans->spans[span].process < process)
			span++;
		s->process_span[process] = span;
	}
}

static uint32_t *numbers(size_t count, uint8_t fill)
{
	uint32_t *items = malloc((count + 1) * sizeof(*items));

	if (items)
		memset(items, fill, (count + 1) * sizeof(*items));
	return items;
}

int parent_events_begin(struct story *s)
{
	s->view_side = malloc(s->conns->view_count + 1ul);
	s->stream_first = numbers(2ul * s->links->link_count, 0);
	s->stream_messages = numbers(s->messages->message_count, 0);
	s->message_rpc = numbers(s->messages->message_count, 0xff);
	s->message_part = calloc(s->messages->message_count + 1ul, 1);
	s->client_span = numbers(s->messages->rpc_count, 0xff);
	s->server_span = numbers(s->messages->rpc_count, 0xff);
	s->process_view = numbers(s->store->process_count, 0);
	s->process_span = numbers(s->store->process_count, 0);
	if (!s->view_side || !s->stream_first || !s->stream_messages || !s->message_rpc || !s->message_part ||
	    !s->client_span || !s->server_span || !s->process_view || !s->process_span)
		return -ENOMEM;
	index_streams(s);
	index_rpcs(s);
	index_views(s);
	return 0;
}

void parent_events_end(struct story *s)
{
	free(s->view_side);
	free(s->stream_first);
	free(s->stream_messages);
	free(s->message_rpc);
	free(s->message_part);
	free(s->client_span);
	free(s->server_span);
	free(s->process_view);
	free(s->process_span);
}

/* ---- events ---- */

struct collect {
	const struct story *story;
	const struct store_process *process;
	uint32_t number; /* of the process */
	VEC(struct event) events;
};

static int add(struct collect *c, enum event_kind kind, uint32_t record, uint32_t subject, bool first,
	       bool last)
{
	const struct store_record *r = &c->process->records[record];
	bool sends = kind == EVENT_OPEN || kind == EVENT_CALL_OUT || kind == EVENT_ANSWER_OUT;

	return vec_push(&c->events, (struct event){
					.at_ns = sends ? r->t0_ns : r->t1_ns,
					.thread = r->thread,
					.record = record,
					.order = (uint32_t)c->events.count,
					.subject = subject,
					.kind = (uint8_t)kind,
					.first = first,
					.last = last,
				    });
}

/* A record and the message that some of its bytes belong to. */
static int add_touch(struct collect *c, uint32_t view, uint32_t record, bool in, uint32_t message, bool first,
		     bool last)
{
	const struct story *s = c->story;
	uint32_t rpc = s->message_rpc[message], span, open = s->conns->views[view].open_record;
	enum part part = s->message_part[message];
	enum event_kind kind;
	int err = 0;

	if (part == PART_NONE)
		return 0;
	if (part == PART_REQUEST) {
		kind = in ? EVENT_REQUEST_IN : EVENT_CALL_OUT;
		span = (in ? s->server_span : s->client_span)[rpc];
	} else {
		kind = in ? EVENT_ANSWER_IN : EVENT_ANSWER_OUT;
		span = (in ? s->client_span : s->server_span)[rpc];
	}
	if (span == STORE_NONE || s->spans->spans[span].process != c->number)
		return 0;
	if (kind == EVENT_CALL_OUT && !first)
		return 0;
	/* The call that a greeting answers is the connect. */
	if (part == PART_GREETING && in && first && open != STORE_NONE &&
	    s->spans->spans[span].start_record == open)
		err = add(c, EVENT_CALL_OUT, open, span, true, true);
	return err ? err : add(c, kind, record, span, first, last);
}

static int walk_stream(struct collect *c, uint32_t view, bool in)
{
	const struct story *s = c->story;
	const struct view *v = &s->conns->views[view];
	const uint32_t *records = in ? v->in : v->out;
	uint32_t count = in ? v->in_count : v->out_count;
	uint32_t sender = s->view_side[view] ^ (in ? 1u : 0u);
	uint32_t stream = 2 * s->links->of_view[view] + sender;
	uint32_t at = s->stream_first[stream], end = s->stream_first[stream + 1];
	uint64_t walked = 0;
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		const struct store_record *r = &c->process->records[records[i]];
		uint64_t from = r->off > walked ? r->off : walked, to = r->off + r->len;

		if (to < r->off)
			to = UINT64_MAX;
		if (from >= to)
			continue;
		walked = to;
		while (at < end && s->messages->messages[s->stream_messages[at]].off1 <= from)
			at++;
		for (uint32_t k = at; k < end && !err; k++) {
			uint32_t number = s->stream_messages[k];
			const struct message *m = &s->messages->messages[number];
			const struct transfer *t = in ? &m->received : &m->sent;
			bool ours = t->view == view;

			if (m->off0 >= to)
				break;
			err = add_touch(c, view, records[i], in, number,
					m->off0 >= from || (ours && t->first_record == records[i]),
					m->off1 <= to || (ours && t->last_record == records[i]));
		}
	}
	return err;
}

/* The end of a connection, as our threads came to know it: the other end's last byte, and our close. */
static int walk_end(struct collect *c, uint32_t view, enum event_kind kind, uint32_t subject)
{
	const struct view *v = layer_bottom(c->story->conns, &c->story->conns->views[view]);
	uint32_t closed = v->close_record;
	int err = 0;

	for (uint32_t i = v->in_count; i-- > 0 && !err;) {
		if (!(c->process->records[v->in[i]].flags & RECORD_FLAG_EOF))
			break;
		err = add(c, kind, v->in[i], subject, true, true);
	}
	/* What is still open at the end of the process was closed by nobody. */
	if (!err && closed != STORE_NONE && !(c->process->records[closed].flags & RECORD_FLAG_EXIT))
		err = add(c, kind, closed, subject, true, true);
	return err;
}

/* Calls that the end of their connection left without an answer. */
static int walk_cut_calls(struct collect *c)
{
	const struct story *s = c->story;
	int err = 0;

	for (uint32_t i = s->process_span[c->number]; i < s->process_span[c->number + 1] && !err; i++) {
		const struct span *span = &s->spans->spans[i];
		uint32_t view = s->messages->messages[s->messages->rpcs[span->rpc].request].sent.view;

		if (span->side == SPAN_CLIENT && span->open && view != STORE_NONE)
			err = walk_end(c, view, EVENT_ANSWER_IN, i);
	}
	return err;
}

/* The first call on a connection is the one it was opened for; that of a TLS session, if nothing went in the
 * clear before. */
static bool is_opened_here(const struct collect *c, const struct view *v)
{
	const struct view *below = layer_bottom(c->story->conns, v);
	bool all = below->covered_in == 0 && below->covered_out == 0;

	return v->open_record != STORE_NONE && all == (v != below) &&
	       (c->process->records[v->open_record].flags & (RECORD_FLAG_CONNECT | RECORD_FLAG_SEEN)) ==
		   RECORD_FLAG_CONNECT;
}

static int walk_view(struct collect *c, uint32_t view)
{
	const struct view *v = &c->story->conns->views[view];
	uint32_t link = c->story->links->of_view[view];
	int err = 0;

	if (is_opened_here(c, v))
		err = add(c, EVENT_OPEN, v->open_record, view, true, true);
	if (c->story->view_side[view] == SIDE_NONE)
		return err;
	if (c->story->view_side[view] == c->story->messages->protos[link].server)
		err = err ? err : walk_end(c, view, EVENT_END, view);
	err = err ? err : walk_stream(c, view, true);
	return err ? err : walk_stream(c, view, false);
}

/* The messages of a session that this process moved as ciphertext only: where each began and ended. */
static int walk_below(struct collect *c, uint32_t link)
{
	const struct story *s = c->story;
	const struct end *end = below_end(s->conns, s->links, link);
	int err = 0;

	if (!end || s->conns->views[end->views[0]].process != c->number)
		return 0;
	for (uint32_t i = s->stream_first[2 * link]; i < s->stream_first[2 * link + 2] && !err; i++) {
		uint32_t number = s->stream_messages[i];
		const struct message *m = &s->messages->messages[number];
		bool in = s->links->links[link].ends[m->sender].view_count > 0;
		const struct transfer *t = in ? &m->received : &m->sent;

		if (t->view == STORE_NONE || s->conns->views[t->view].process != c->number)
			continue;
		err = add_touch(c, t->view, t->first_record, in, number, true,
				t->first_record == t->last_record);
		if (!err && t->first_record != t->last_record)
			err = add_touch(c, t->view, t->last_record, in, number, false, true);
	}
	return err;
}

/* A wait for one connection alone (a driver that polls before it receives) does not end a turn: the thread
 * can only go on with what it was doing. */
static int walk_thread(struct collect *c, const struct store_thread *thread)
{
	uint32_t gap = 0;
	int err = 0;

	for (uint32_t i = thread->first; i < thread->first + thread->count && !err; i++) {
		const struct store_record *r = &c->process->records[i];
		bool missing = false;

		for (; gap < thread->gap_count && thread->gaps[gap].before <= i; gap++)
			missing = true;
		if (missing || r->kind == RECORD_LOST || r->kind == RECORD_GATED)
			err = add(c, EVENT_LOST, i, STORE_NONE, true, true);
		else if (r->kind == RECORD_WAIT && r->conn == RECORD_CONN_NONE)
			err = add(c, EVENT_TURN, i, STORE_NONE, true, true);
	}
	return err;
}

static int compare_made(const void *left, const void *right)
{
	const struct event *a = left, *b = right;
	int order = vec_compare(a->record, b->record);

	return order ? order : vec_compare(a->order, b->order);
}

static int compare_time(const void *left, const void *right)
{
	const struct event *a = left, *b = right;
	int order = vec_compare(a->at_ns, b->at_ns);

	return order ? order : compare_made(left, right);
}

/* By time, but never against the order in which a thread made them (records of one thread lie together). */
static void put_in_order(struct event *events, size_t count)
{
	qsort(events, count, sizeof(*events), compare_made);
	for (size_t i = 1; i < count; i++)
		if (events[i].thread == events[i - 1].thread && events[i].at_ns < events[i - 1].at_ns)
			events[i].at_ns = events[i - 1].at_ns;
	qsort(events, count, sizeof(*events), compare_time);
}

int parent_events_of(const struct story *story, uint32_t process, struct events *out)
{
	struct collect c = {.story = story, .process = &story->store->processes[process], .number = process};
	int err = 0;

	*out = (struct events){0};
	for (uint32_t i = 0; i < c.process->thread_count && !err; i++)
		err = walk_thread(&c, &c.process->threads[i]);
	for (uint32_t v = story->process_view[process]; v < story->process_view[process + 1] && !err; v++)
		err = walk_view(&c, v);
	for (uint32_t l = 0; l < story->links->link_count && !err; l++)
		err = walk_below(&c, l);
	err = err ? err : walk_cut_calls(&c);
	if (!err && c.events.count >= STORE_NONE)
		err = -EFBIG;
	if (err) {
		vec_free(&c.events);
		return err;
	}
	if (c.events.count > 1)
		put_in_order(c.events.items, c.events.count);
	out->items = c.events.items;
	out->count = (uint32_t)c.events.count;
	return 0;
}
