// SPDX-License-Identifier: Apache-2.0
/*
 * span.c - pass 4: RPCs to spans, one for each end that was traced. Analyzer, one thread.
 *
 * What is seen at an end decides its times; what is not seen is not invented: such a span is `lost` or
 * `open` and ends with the last thing known. A greeting (a push of a handshake) is an RPC whose request is
 * the connect itself: its client is the side that receives it.
 *
 * Invariant: start_ns <= end_ns in every span; on one timeline a server span lies within its client span.
 */
#include "analyzer/pass/span.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/pass/layer.h"
#include "analyzer/vec.h"

/* Records of a thread that are known to be missing, between two times; in order. */
struct hole {
	uint64_t from_ns, to_ns;
};

struct holes {
	struct hole *items;
	uint32_t count;
};

struct work {
	const struct store *store;
	const struct conns *conns;
	const struct links *links;
	const struct messages *messages;
	uint64_t *process_end_ns; /* the last time in each process's records */
	uint32_t *first_thread;	  /* of each process, in `holes` */
	struct holes *holes;	  /* by process and thread */
	struct spans *out;
	VEC(struct span) spans;
};

/* One end of an RPC: where its first and last message passed, NULL if not seen there. */
struct ends {
	const struct transfer *request;
	const struct transfer *response;
};

static bool is_seen(const struct transfer *t)
{
	return t && t->view != STORE_NONE;
}

/* What is missing in front of a record, in damaged frames, lies between its neighbours. */
static struct hole hole_at(const struct store_process *process, const struct store_thread *thread,
			   const struct store_gap *gap)
{
	struct hole h = {0, UINT64_MAX};

	if (gap->before > thread->first)
		h.from_ns = process->records[gap->before - 1].t1_ns;
	if (gap->before < thread->first + thread->count)
		h.to_ns = process->records[gap->before].t0_ns;
	return h;
}

static int note_holes(struct holes *holes, const struct store_process *process,
		      const struct store_thread *thread)
{
	uint32_t count = thread->gap_count, gap = 0;

	for (uint32_t i = 0; i < thread->count; i++)
		count += process->records[thread->first + i].kind == RECORD_LOST;
	if (!count)
		return 0;
	holes->items = calloc(count, sizeof(*holes->items));
	if (!holes->items)
		return -ENOMEM;
	for (uint32_t i = thread->first; i <= thread->first + thread->count; i++) {
		const struct store_record *r = &process->records[i];

		while (gap < thread->gap_count && thread->gaps[gap].before <= i)
			holes->items[holes->count++] = hole_at(process, thread, &thread->gaps[gap++]);
		if (i < thread->first + thread->count && r->kind == RECORD_LOST)
			holes->items[holes->count++] = (struct hole){r->t0_ns, r->t1_ns};
	}
	return 0;
}

static int note_process(struct work *w, uint32_t number, uint32_t thread_base)
{
	const struct store_process *process = &w->store->processes[number];

	w->first_thread[number] = thread_base;
	for (uint32_t i = 0; i < process->record_count; i++)
		if (process->records[i].t1_ns > w->process_end_ns[number])
			w->process_end_ns[number] = process->records[i].t1_ns;
	for (uint32_t i = 0; i < process->thread_count; i++) {
		int err = note_holes(&w->holes[thread_base + i], process, &process->threads[i]);

		if (err)
			return err;
	}
	return 0;
}

static int work_begin(struct work *w)
{
	uint32_t n = w->store->process_count, threads = 0;

	for (uint32_t i = 0; i < n; i++)
		threads += w->store->processes[i].thread_count;
	w->process_end_ns = calloc(n + 1, sizeof(*w->process_end_ns));
	w->first_thread = calloc(n + 1, sizeof(*w->first_thread));
	w->holes = calloc(threads + 1, sizeof(*w->holes));
	if (!w->process_end_ns || !w->first_thread || !w->holes)
		return -ENOMEM;
	w->first_thread[n] = threads;
	threads = 0;
	for (uint32_t i = 0; i < n; i++) {
		int err = note_process(w, i, threads);

		if (err)
			return err;
		threads += w->store->processes[i].thread_count;
	}
	return 0;
}

static void work_end(struct work *w)
{
	uint32_t threads = w->first_thread ? w->first_thread[w->store->process_count] : 0;

	for (uint32_t i = 0; w->holes && i < threads; i++)
		free(w->holes[i].items);
	free(w->holes);
	free(w->first_thread);
	free(w->process_end_ns);
}

static bool hole_touches(const struct holes *holes, uint64_t from_ns, uint64_t to_ns)
{
	uint32_t low = 0, high = holes->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (holes->items[middle].to_ns < from_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low < holes->count && holes->items[low].from_ns <= to_ns;
}

static void mark_lost(const struct work *w, struct span *s)
{
	const struct store_process *process = &w->store->processes[s->process];
	const struct holes *holes = w->holes + w->first_thread[s->process];

	if (s->open && !process->end_reason)
		s->lost = true;
	if (s->start_thread < process->thread_count &&
	    hole_touches(&holes[s->start_thread], s->start_ns, s->end_ns))
		s->lost = true;
	if (s->end_thread < process->thread_count && s->end_thread != s->start_thread &&
	    hole_touches(&holes[s->end_thread], s->start_ns, s->end_ns))
		s->lost = true;
}

/* When this side must have known that no answer comes: its connection ended, a later request on it shows
 * that the answer was missed, or nothing more is known of the process. */
static uint64_t open_end_ns(const struct work *w, const struct rpc *rpc, const struct span *s,
			    const struct transfer *t)
{
	const struct view *view = layer_bottom(w->conns, &w->conns->views[t->view]);
	const struct store_process *process = &w->store->processes[view->process];
	uint64_t end_ns = w->process_end_ns[view->process];
	const struct rpc *next = rpc + 1;

	if (view->close_ns < end_ns)
		end_ns = view->close_ns;
	if (view->in_count && view->in[view->in_count - 1] < process->record_count) {
		const struct store_record *r = &process->records[view->in[view->in_count - 1]];

		if ((r->flags & RECORD_FLAG_EOF) && r->t1_ns < end_ns)
			end_ns = r->t1_ns;
	}
	if (next < w->messages->rpcs + w->messages->rpc_count && next->link == rpc->link &&
	    w->messages->protos[rpc->link].proto->pairing == PROTO_FIFO) {
		const struct message *m = &w->messages->messages[next->request];
		const struct transfer *later = s->side == SPAN_CLIENT ? &m->sent : &m->received;

		uint64_t later_ns = s->side == SPAN_CLIENT ? later->first_t0_ns : later->first_t1_ns;

		if (later->view == t->view && later_ns < end_ns)
			end_ns = later_ns;
	}
	return end_ns > t->last_t1_ns ? end_ns : t->last_t1_ns;
}

static void place_start(const struct work *w, struct span *s, const struct transfer *t, bool first,
			uint64_t at_ns)
{
	const struct view *view = &w->conns->views[t->view];
	const struct store_process *process = &w->store->processes[view->process];
	uint32_t record = first ? t->first_record : t->last_record;

	s->process = view->process;
	s->start_ns = at_ns;
	if (record < process->record_count) {
		s->start_record = record;
		s->start_thread = process->records[record].thread;
	}
}

static void place_end(const struct work *w, struct span *s, const struct transfer *t)
{
	const struct view *view = &w->conns->views[t->view];
	const struct store_process *process = &w->store->processes[view->process];

	s->end_ns = t->last_t1_ns;
	if (view->process == s->process && t->last_record < process->record_count) {
		s->end_record = t->last_record;
		s->end_thread = process->records[t->last_record].thread;
	}
}

/* Bytes of an unknown protocol that nobody answered need no answer, for all that can be known. */
static bool is_one_way(const struct work *w, const struct rpc *rpc)
{
	return rpc->one_way || (rpc->response == STORE_NONE &&
				strcmp(w->messages->protos[rpc->link].proto->name, "raw") == 0);
}

/* What both sides share. */
static struct span span_of(const struct work *w, uint32_t number, enum span_side side)
{
	const struct rpc *rpc = &w->messages->rpcs[number];
	const struct message *request = &w->messages->messages[rpc->request];

	return (struct span){
	    .rpc = number,
	    .peer = STORE_NONE,
	    .side = (uint8_t)side,
	    .one_way = is_one_way(w, rpc),
	    .control = (request->flags & PROTO_CONTROL) != 0,
	    .start_thread = STORE_NONE,
	    .end_thread = STORE_NONE,
	    .start_record = STORE_NONE,
	    .end_record = STORE_NONE,
	    .cid = request->cid,
	};
}

static void count_bytes(const struct work *w, const struct rpc *rpc, struct span *s)
{
	const struct message *m = &w->messages->messages[rpc->request];
	bool greeting = rpc->one_way && (m->flags & PROTO_PUSH) && (m->flags & PROTO_CONTROL);
	uint64_t asked = m->off1 - m->off0, answered = 0;

	if (greeting) {
		answered = asked;
		asked = 0;
	}
	if (rpc->response != STORE_NONE) {
		const struct message *response = &w->messages->messages[rpc->response];

		answered = response->off1 - response->off0;
		s->error = (response->flags & PROTO_ERROR) != 0;
	}
	s->bytes_out = s->side == SPAN_CLIENT ? asked : answered;
	s->bytes_in = s->side == SPAN_CLIENT ? answered : asked;
}

/* The end of a span whose answer this end has not seen. `answer` is the other end of it, if there is one. */
static void end_unseen(const struct work *w, const struct rpc *rpc, struct span *s, const struct transfer *t,
		       const struct transfer *answer)
{
	s->open = true;
	s->end_ns = open_end_ns(w, rpc, s, t);
	if (rpc->response == STORE_NONE)
		return;
	s->lost = true; /* it was answered; our record of that is missing */
	if (is_seen(answer)) {
		const struct view *view = &w->conns->views[answer->view];
		bool one_time = store_same_time(w->store, w->store->processes[view->process].clock,
						w->store->processes[s->process].clock);

		if (one_time && answer->last_t1_ns > t->last_t1_ns && answer->last_t1_ns < s->end_ns)
			s->end_ns = answer->last_t1_ns;
	}
}

static struct span client_span(const struct work *w, uint32_t number, struct ends here, struct ends there)
{
	const struct rpc *rpc = &w->messages->rpcs[number];
	struct span s = span_of(w, number, SPAN_CLIENT);

	if (is_seen(here.request)) {
		place_start(w, &s, here.request, true, here.request->first_t0_ns);
		s.lost = here.request->holes;
	} else {
		s.lost = true;
		s.process = w->conns->views[here.response->view].process;
		s.start_ns = here.response->first_t0_ns;
	}
	if (is_seen(here.response)) {
		place_end(w, &s, here.response);
		s.first_byte_ns = here.response->first_t1_ns;
		s.lost |= here.response->holes;
	} else if (s.one_way) {
		place_end(w, &s, here.request);
	} else {
		end_unseen(w, rpc, &s, here.request, there.response);
	}
	return s;
}

static struct span server_span(const struct work *w, uint32_t number, struct ends here, struct ends there)
{
	const struct rpc *rpc = &w->messages->rpcs[number];
	struct span s = span_of(w, number, SPAN_SERVER);

	if (is_seen(here.request)) {
		/* A one-way message has no answer that could end it: it lasts while it arrives. */
		place_start(w, &s, here.request, false,
			    s.one_way ? here.request->first_t1_ns : here.request->last_t1_ns);
		s.lost = here.request->holes;
	} else {
		s.lost = true;
		s.process = w->conns->views[here.response->view].process;
		s.start_ns = here.response->first_t0_ns;
	}
	if (is_seen(here.response)) {
		place_end(w, &s, here.response);
		s.first_byte_ns = here.response->first_t0_ns;
		s.lost |= here.response->holes;
	} else if (s.one_way) {
		place_end(w, &s, here.request);
	} else {
		end_unseen(w, rpc, &s, here.request, there.response);
	}
	if (s.end_ns < s.start_ns) /* answered before the request was there in full */
		s.start_ns = is_seen(here.request) && here.request->first_t1_ns < s.end_ns
				 ? here.request->first_t1_ns
				 : s.end_ns;
	return s;
}

/*
 * The connect is the request of a greeting, and the greeting its answer. The client's span begins with its
 * connect call, if that was seen; the server has nothing to wait for: it begins with the send.
 */
static struct span greeting_span(const struct work *w, uint32_t number, enum span_side side,
				 const struct transfer *t)
{
	const struct view *view = &w->conns->views[t->view];
	const struct store_process *process = &w->store->processes[view->process];
	struct span s = span_of(w, number, side);

	s.one_way = false;
	place_start(w, &s, t, true, t->first_t0_ns);
	if (side == SPAN_CLIENT && view->open_record < process->record_count &&
	    (process->records[view->open_record].flags & (RECORD_FLAG_CONNECT | RECORD_FLAG_SEEN)) ==
		RECORD_FLAG_CONNECT) {
		s.start_record = view->open_record;
		s.start_thread = process->records[view->open_record].thread;
		s.start_ns = process->records[view->open_record].t0_ns;
	}
	place_end(w, &s, t);
	s.first_byte_ns = side == SPAN_CLIENT ? t->first_t1_ns : t->first_t0_ns;
	s.lost = t->holes;
	return s;
}

/* A server cannot receive before its client sends, nor send what the client has already got: what stamps
 * say beyond that is the time between the transfer and the stamp. */
static void clamp(struct work *w, const struct span *client, struct span *server, bool answer_whole)
{
	uint64_t over_ns = 0;

	if (!store_same_time(w->store, w->store->processes[client->process].clock,
			     w->store->processes[server->process].clock))
		return;
	if (answer_whole && server->end_ns > client->end_ns) {
		over_ns = server->end_ns - client->end_ns;
		server->end_ns = client->end_ns;
		if (server->start_ns > server->end_ns)
			server->start_ns = server->end_ns;
	}
	if (client->start_record != STORE_NONE && server->start_ns < client->start_ns) {
		if (client->start_ns - server->start_ns > over_ns)
			over_ns = client->start_ns - server->start_ns;
		server->start_ns = client->start_ns;
		if (server->end_ns < server->start_ns)
			server->end_ns = server->start_ns;
	}
	if (!over_ns)
		return;
	w->out->clamped++;
	if (over_ns > w->out->clamped_ns)
		w->out->clamped_ns = over_ns;
}

static int push_rpc(struct work *w, uint32_t number)
{
	const struct rpc *rpc = &w->messages->rpcs[number];
	const struct message *request = &w->messages->messages[rpc->request];
	const struct message *response =
	    rpc->response == STORE_NONE ? NULL : &w->messages->messages[rpc->response];
	bool greeting = rpc->one_way && (request->flags & PROTO_PUSH) && (request->flags & PROTO_CONTROL);
	struct ends client = {&request->sent, response ? &response->received : NULL};
	struct ends server = {&request->received, response ? &response->sent : NULL};
	bool has_client = is_seen(client.request) || is_seen(client.response);
	bool has_server = is_seen(server.request) || is_seen(server.response);
	struct span spans[2];
	int err = 0;

	if (greeting) {
		has_client = is_seen(&request->received);
		has_server = is_seen(&request->sent);
		if (has_client)
			spans[0] = greeting_span(w, number, SPAN_CLIENT, &request->received);
		if (has_server)
			spans[1] = greeting_span(w, number, SPAN_SERVER, &request->sent);
	} else {
		if (has_client)
			spans[0] = client_span(w, number, client, server);
		if (has_server)
			spans[1] = server_span(w, number, server, client);
	}
	if (has_client && has_server && !spans[0].one_way)
		clamp(w, &spans[0], &spans[1],
		      greeting || (is_seen(client.response) && !client.response->holes));
	for (int i = 0; i < 2; i++) {
		if (!(i ? has_server : has_client))
			continue;
		if (spans[i].end_ns < spans[i].start_ns)
			spans[i].end_ns = spans[i].start_ns;
		count_bytes(w, rpc, &spans[i]);
		mark_lost(w, &spans[i]);
		err = err ? err : vec_push(&w->spans, spans[i]);
	}
	return err;
}

static int compare_spans(const void *left, const void *right)
{
	const struct span *a = left, *b = right;
	int order = vec_compare(a->process, b->process);

	order = order ? order : vec_compare(a->start_ns, b->start_ns);
	order = order ? order : vec_compare(a->cid, b->cid);
	order = order ? order : vec_compare(a->side, b->side);
	return order ? order : vec_compare(a->rpc, b->rpc);
}

static int meet_peers(const struct messages *messages, struct spans *out)
{
	uint32_t *first = malloc((messages->rpc_count + 1ul) * sizeof(*first));

	if (!first)
		return -ENOMEM;
	for (uint32_t i = 0; i < messages->rpc_count; i++)
		first[i] = STORE_NONE;
	for (uint32_t i = 0; i < out->span_count; i++) {
		struct span *s = &out->spans[i];

		if (first[s->rpc] == STORE_NONE) {
			first[s->rpc] = i;
			continue;
		}
		s->peer = first[s->rpc];
		out->spans[s->peer].peer = i;
	}
	free(first);
	for (uint32_t i = 0; i < out->span_count; i++) {
		struct span *s = &out->spans[i];
		const struct span *server = s;

		if (s->side == SPAN_CLIENT)
			server = s->peer == STORE_NONE ? NULL : &out->spans[s->peer];
		s->handle_ns = server ? server->end_ns - server->start_ns : 0;
	}
	return 0;
}

int span_run(const struct store *store, const struct conns *conns, const struct links *links,
	     const struct messages *messages, struct spans *out)
{
	struct work w = {.store = store, .conns = conns, .links = links, .messages = messages, .out = out};
	int err;

	*out = (struct spans){0};
	err = work_begin(&w);
	for (uint32_t i = 0; i < messages->rpc_count && !err; i++)
		err = push_rpc(&w, i);
	work_end(&w);
	if (!err && w.spans.count >= STORE_NONE)
		err = -EFBIG;
	if (err) {
		vec_free(&w.spans);
		return err;
	}
	vec_sort(&w.spans, compare_spans);
	out->spans = w.spans.items;
	out->span_count = (uint32_t)w.spans.count;
	err = meet_peers(messages, out);
	if (err)
		span_free(out);
	return err;
}

void span_free(struct spans *s)
{
	free(s->spans);
	*s = (struct spans){0};
}
