// SPDX-License-Identifier: Apache-2.0
/*
 * parent_scan.c - walks the events of a process once, in time order, with one small state per thread
 * (parent_scan.h). Analyzer, one thread.
 *
 * The state is: what came in last in this turn (the anchor), which earlier ones of the turn have led to
 * nothing yet (waiting), and the request that the thread is busy with if it serves one at a time. What goes
 * out belongs to what came in; if several could be meant, to none of them yet.
 *
 * Invariant: the state has bounded size, so the walk is linear; nothing is carried over a wait for several
 * things at once, nor over lost records.
 */
#include "analyzer/pass/parent_scan.h"

#include <errno.h>
#include <stdlib.h>

#include "analyzer/pass/parent_habits.h"
#include "analyzer/vec.h"

struct anchor {
	uint32_t context; /* STORE_NONE: nothing came in in this turn */
	uint32_t call;	  /* whose answer came in; STORE_NONE: a request */
	uint32_t record;
	bool whole;    /* the message's last byte */
	bool spent;    /* it has led to something */
	bool followed; /* something went out after it, of whomever */
	bool crowded;
};

struct thread {
	struct anchor anchor;
	struct contexts waiting;
	uint32_t turn;
	uint32_t stretch; /* the context of a thread that gets its work we cannot see how, STORE_NONE */
	uint32_t service; /* request, STORE_NONE */
	bool blocking;	  /* no turn ended since `service` came in, and nothing else came in */
	struct thread_habits habits;
};

/* A connect, until its connection is first used. */
struct opening {
	struct contexts contexts;
	uint32_t turn;
	uint32_t before;
	bool pending;
};

struct walk {
	const struct story *story;
	struct scan *out;
	struct thread *threads;	  /* of the process */
	struct opening *openings; /* by view */
	uint32_t *freed;	  /* by link: the last turn in which it brought an answer */
	struct habits habits;
	uint32_t turns;
	struct serving serving;
	VEC(uint32_t) calls;
	VEC(struct contexts) choices;
};

static const struct anchor no_anchor = {.context = STORE_NONE, .call = STORE_NONE};

static bool is_request(const struct walk *w, uint32_t context)
{
	return w->story->spans->spans[context].side == SPAN_SERVER;
}

/* Whether work for it may still go on before its answer. */
static bool is_live(const struct walk *w, uint32_t context)
{
	if (!is_request(w, context))
		context = w->out->claims[context].root_owner;
	return context >= OWNER_SEVERAL || !w->out->services[context].answered;
}

static void contexts_add(struct contexts *c, uint32_t context)
{
	for (uint8_t i = 0; i < c->count; i++)
		if (c->of[i] == context)
			return;
	if (c->count < CONTEXTS_KEPT)
		c->of[c->count++] = context;
	else
		c->more = true;
}

/* What a thing that goes out on the link now may belong to. */
static struct contexts gather(const struct walk *w, const struct thread *t, uint32_t link)
{
	struct contexts found = {0};
	bool live = t->anchor.context != STORE_NONE && is_live(w, t->anchor.context);

	if (live)
		contexts_add(&found, t->anchor.context);
	if (live && t->habits.loops && parent_habits_at_once(&w->habits, link))
		return found;
	found.more = t->waiting.more;
	for (uint8_t i = 0; i < t->waiting.count; i++)
		if (is_live(w, t->waiting.of[i]))
			contexts_add(&found, t->waiting.of[i]);
	return found;
}

static bool is_single(const struct contexts *c)
{
	return c->count == 1 && !c->more;
}

static void spend(struct thread *t, uint32_t context)
{
	if (t->anchor.context == context)
		t->anchor.spent = true;
	t->waiting = (struct contexts){0};
}

static const struct rpc *rpc_of(const struct walk *w, uint32_t span)
{
	return &w->story->messages->rpcs[w->story->spans->spans[span].rpc];
}

/* ---- what comes in ---- */

static void take_in(struct walk *w, struct thread *t, const struct event *e, uint32_t context, uint32_t call)
{
	struct anchor *a = &t->anchor;
	bool one_way;

	/* The end of one message and the beginning of the next: the whole one is what can be worked on. */
	if (a->context != STORE_NONE && a->record == e->record && a->whole && !e->last)
		return;
	if (a->context != STORE_NONE && a->context != context && a->whole && !a->spent &&
	    is_live(w, a->context)) {
		one_way = is_request(w, a->context) && w->story->spans->spans[a->context].one_way;
		if (!one_way)
			contexts_add(&t->waiting, a->context);
	}
	if (t->service != context)
		t->blocking = false;
	*a = (struct anchor){.context = context, .call = call, .record = e->record, .whole = e->last};
}

static void request_in(struct walk *w, struct thread *t, const struct event *e)
{
	struct service *s = &w->out->services[e->subject];
	const struct service *previous = s->previous == STORE_NONE ? NULL : &w->out->services[s->previous];
	bool behind = previous && !previous->answered && previous->thread == e->thread;

	/* An unasked message does not interrupt a thread that is busy with a request. */
	if (w->story->spans->spans[e->subject].one_way && !t->habits.loops && t->service != STORE_NONE)
		return;
	if (e->first)
		parent_serving_begun(&w->serving, e->subject);
	if (e->last)
		parent_serving_read(&w->serving, e->subject, e->thread, e->record);
	/* Read together with the one before it: that one is served first. */
	if (behind && previous->record == e->record) {
		t->anchor.crowded = true;
		return;
	}
	/* A thread that takes one thing after another is done with the one before. */
	if (!t->habits.loops && t->service != e->subject) {
		t->anchor = no_anchor;
		t->waiting = (struct contexts){0};
		t->stretch = STORE_NONE;
	}
	take_in(w, t, e, e->subject, STORE_NONE);
	if (t->anchor.context != e->subject)
		return;
	if (t->service != e->subject || e->last) {
		t->service = e->subject;
		t->blocking = !behind;
	}
	if (behind)
		contexts_add(&t->waiting, s->previous);
}

/* ---- what goes out ---- */

static int choose_none(struct walk *w, struct claim *claim, const struct contexts *found)
{
	claim->choice = (uint32_t)w->choices.count;
	return vec_push(&w->choices, *found);
}

/*
 * Whether another request may be behind what goes out now. What came in last has led to something already; or
 * an answer has freed this connection in this turn, and that is what others wait for.
 */
static bool is_doubtful(const struct walk *w, const struct thread *t, uint32_t link)
{
	return t->habits.loops &&
	       parent_serving_others(&w->serving, (uint32_t)(t - w->threads), t->anchor.context) &&
	       (t->anchor.followed || t->anchor.context == STORE_NONE || w->freed[link] == t->turn);
}

static void follow(const struct thread *t, struct claim *claim, uint32_t context)
{
	claim->context = context;
	if (t->anchor.context != context) {
		claim->way = WAY_LATE;
		return;
	}
	claim->way = t->anchor.call == STORE_NONE ? WAY_REQUEST : WAY_CHAIN;
	claim->before = t->anchor.call;
	claim->crowded = t->anchor.crowded;
}

/*
 * Whether what this thread does after an answer is still for that request. In an event loop, until the turn
 * ends. Else only if the thread belongs to its connection until that ends: one that gets connections or
 * requests from others may wait for the next one in a way that is not seen.
 */
static bool goes_on(const struct walk *w, const struct thread *t)
{
	return t->anchor.context != STORE_NONE && is_request(w, t->anchor.context) && !t->habits.given &&
	       (t->habits.loops || !w->habits.passes);
}

/* Nothing that waits for an answer came in before it in its turn. */
static void follow_nothing(const struct walk *w, struct thread *t, struct claim *claim, const struct event *e)
{
	uint32_t sole = parent_serving_sole(&w->serving, e->at_ns);

	claim->idle = parent_serving_none(&w->serving, e->at_ns);
	if (goes_on(w, t)) {
		claim->context = t->anchor.context;
		claim->before = t->anchor.call;
		claim->way = WAY_AFTER;
	} else if (!t->habits.loops) {
		if (t->stretch == STORE_NONE)
			t->stretch = e->subject;
		claim->context = t->stretch;
		claim->way = WAY_STRETCH;
	} else if (sole != STORE_NONE && w->out->services[sole].thread == e->thread) {
		claim->context = sole;
		claim->way = WAY_SOLE;
	}
}

/* The first message on a connection that was opened in an earlier turn. False: that says nothing. */
static bool follow_opening(struct walk *w, const struct thread *t, struct claim *claim,
			   const struct contexts *found, const struct opening *o, int *err)
{
	if (!o->pending || o->turn == t->turn || (!o->contexts.count && !o->contexts.more))
		return false;
	claim->rival = is_single(found) ? found->of[0] : STORE_NONE;
	if (!is_single(&o->contexts)) {
		*err = choose_none(w, claim, &o->contexts);
		return true;
	}
	if (!is_live(w, o->contexts.of[0]))
		return false;
	claim->context = o->contexts.of[0];
	claim->before = o->before;
	claim->way = WAY_CONNECT;
	return true;
}

static int call_out(struct walk *w, struct thread *t, const struct event *e)
{
	const struct story *s = w->story;
	struct claim *claim = &w->out->claims[e->subject];
	const struct message *m = &s->messages->messages[rpc_of(w, e->subject)->request];
	struct opening *o = m->sent.view == STORE_NONE ? NULL : &w->openings[m->sent.view];
	struct contexts found = gather(w, t, rpc_of(w, e->subject)->link);
	int err = 0;

	if (t->anchor.context != STORE_NONE && is_doubtful(w, t, rpc_of(w, e->subject)->link)) {
		found.more = true;
		err = choose_none(w, claim, &found);
	} else if (o && follow_opening(w, t, claim, &found, o, &err)) {
		if (claim->rival == claim->context)
			spend(t, claim->context);
	} else if (is_single(&found)) {
		follow(t, claim, found.of[0]);
		spend(t, found.of[0]);
	} else if (found.count) {
		err = choose_none(w, claim, &found);
	} else {
		follow_nothing(w, t, claim, e);
	}
	t->anchor.followed = true;
	if (o && o->pending) {
		o->pending = false;
		claim->fresh = true;
		if (is_single(&o->contexts))
			parent_serving_wait(&w->serving, o->contexts.of[0], -1);
	}
	parent_serving_wait(&w->serving, claim->context, 1);
	if (t->blocking && t->service == claim->context)
		claim->service = t->service;
	return err ? err : vec_push(&w->calls, e->subject);
}

static void open_out(struct walk *w, struct thread *t, const struct event *e)
{
	struct opening *o = &w->openings[e->subject];
	uint32_t link = w->story->links->of_view[e->subject],
		 sole = parent_serving_sole(&w->serving, e->at_ns);

	o->contexts = gather(w, t, link);
	if (is_doubtful(w, t, link))
		o->contexts = (struct contexts){.more = true};
	if (sole != STORE_NONE && w->out->services[sole].thread == e->thread)
		o->contexts = (struct contexts){.of = {sole}, .count = 1};
	t->anchor.followed = true;
	o->turn = t->turn;
	o->pending = true;
	o->before = STORE_NONE;
	if (!is_single(&o->contexts))
		return;
	if (t->anchor.context == o->contexts.of[0])
		o->before = t->anchor.call;
	parent_serving_wait(&w->serving, o->contexts.of[0], 1);
	spend(t, o->contexts.of[0]);
}

static void note_owner(const struct walk *w, uint32_t *owner, uint32_t call, uint32_t request)
{
	if (w->out->services[request].begin_ns > w->story->spans->spans[call].start_ns)
		return;
	if (*owner == STORE_NONE || *owner == request)
		*owner = request;
	else
		*owner = OWNER_SEVERAL;
}

/* The answer to a request begins: what came in right before it belongs to that request. */
static void answer_begins(struct walk *w, struct thread *t, uint32_t request)
{
	struct service *s = &w->out->services[request];
	struct contexts found = gather(w, t, rpc_of(w, request)->link);
	uint32_t context = is_single(&found) ? found.of[0] : STORE_NONE;

	parent_serving_answering(&w->serving, request);
	s->given = t->habits.given && !t->habits.loops;
	if (!found.count && !found.more) {
		context = t->stretch;
		/* What came in was thought to be of a request that is answered: this says otherwise. */
		if (t->anchor.call != STORE_NONE)
			note_owner(w, &w->out->claims[t->anchor.call].owner, t->anchor.call, request);
	}
	if (context != STORE_NONE) {
		if (t->anchor.context == context && t->anchor.call != STORE_NONE)
			note_owner(w, &w->out->claims[t->anchor.call].owner, t->anchor.call, request);
		if (!is_request(w, context))
			note_owner(w, &w->out->claims[context].root_owner, context, request);
		if (context == request || !is_request(w, context))
			spend(t, context);
	}
	if (t->service == request && t->blocking)
		s->whole = true;
}

static void answer_ends(struct walk *w, struct thread *t, const struct event *e)
{
	struct service *s = &w->out->services[e->subject], *next;

	parent_serving_answered(&w->serving, e->subject);
	t->stretch = STORE_NONE;
	if (t->anchor.context != STORE_NONE && !is_request(w, t->anchor.context) &&
	    !is_live(w, t->anchor.context))
		t->anchor = no_anchor;
	if (t->service == e->subject)
		t->service = STORE_NONE;
	if (s->next == STORE_NONE)
		return;
	next = &w->out->services[s->next];
	if (next->thread != e->thread || next->answered)
		return;
	/* It had been read already: its turn has come. */
	t->anchor =
	    (struct anchor){.context = s->next, .call = STORE_NONE, .record = e->record, .whole = true};
	if (next->next != STORE_NONE)
		t->anchor.crowded = w->out->services[next->next].thread == e->thread;
	t->service = s->next;
	t->blocking = true;
}

/* ---- the walk ---- */

static void turn_ends(struct walk *w, struct thread *t)
{
	t->anchor = no_anchor;
	t->waiting = (struct contexts){0};
	t->turn = ++w->turns;
	t->blocking = false;
}

static int step(struct walk *w, const struct event *e)
{
	struct thread *t = &w->threads[e->thread];

	switch ((enum event_kind)e->kind) {
	case EVENT_LOST:
		t->stretch = t->service = STORE_NONE;
		turn_ends(w, t);
		return 0;
	case EVENT_TURN:
		turn_ends(w, t);
		return 0;
	case EVENT_OPEN:
		open_out(w, t, e);
		return 0;
	case EVENT_END:
		if (!t->habits.loops)
			t->anchor = no_anchor;
		return 0;
	case EVENT_CALL_OUT:
		return call_out(w, t, e);
	case EVENT_REQUEST_IN:
		request_in(w, t, e);
		return 0;
	case EVENT_ANSWER_IN:
		if (e->last) {
			parent_serving_wait(&w->serving, w->out->claims[e->subject].context, -1);
			w->freed[rpc_of(w, e->subject)->link] = t->turn;
		}
		take_in(w, t, e, w->out->claims[e->subject].context, e->subject);
		return 0;
	case EVENT_ANSWER_OUT:
		if (e->first)
			answer_begins(w, t, e->subject);
		if (e->last)
			answer_ends(w, t, e);
		return 0;
	}
	return 0;
}

static int walk_process(struct walk *w, uint32_t number)
{
	const struct store_process *process = &w->story->store->processes[number];
	struct events events;
	int err = parent_events_of(w->story, number, &events);

	if (err)
		return err;
	err = parent_habits_learn(&w->habits, &events, number);
	err = err ? err : parent_serving_begin(&w->serving, process->thread_count);
	w->threads = calloc(process->thread_count + 1ul, sizeof(*w->threads));
	if (!w->threads)
		err = -ENOMEM;
	for (uint32_t i = 0; i < process->thread_count && !err; i++)
		w->threads[i] = (struct thread){.anchor = no_anchor,
						.turn = ++w->turns,
						.stretch = STORE_NONE,
						.service = STORE_NONE,
						.habits = w->habits.threads[i]};
	for (uint32_t i = 0; i < events.count && !err; i++)
		err = step(w, &events.items[i]);
	parent_serving_end(&w->serving);
	free(w->threads);
	free(events.items);
	return err;
}

/* The requests of one connection follow each other, where the protocol answers them in order. */
static void link_requests(const struct story *s, struct scan *out)
{
	uint32_t previous = STORE_NONE;

	for (uint32_t i = 0; i < s->messages->rpc_count; i++) {
		const struct rpc *rpc = &s->messages->rpcs[i];
		uint32_t span = s->server_span[i];

		if (i && rpc->link != s->messages->rpcs[i - 1].link)
			previous = STORE_NONE;
		if (span == STORE_NONE || s->spans->spans[span].one_way || s->spans->spans[span].open ||
		    s->messages->protos[rpc->link].proto->pairing != PROTO_FIFO)
			continue;
		/* Processes that share a connection do not see each other's work. */
		if (previous != STORE_NONE &&
		    s->spans->spans[previous].process != s->spans->spans[span].process)
			previous = STORE_NONE;
		out->services[span].previous = previous;
		if (previous != STORE_NONE)
			out->services[previous].next = span;
		previous = span;
	}
}

static void prepare(const struct story *s, struct scan *out)
{
	for (uint32_t i = 0; i < s->spans->span_count; i++) {
		const struct span *span = &s->spans->spans[i];
		const struct rpc *rpc = &s->messages->rpcs[span->rpc];
		const struct transfer *in = &s->messages->messages[rpc->request].received;

		out->claims[i] = (struct claim){.context = i,
						.before = STORE_NONE,
						.owner = STORE_NONE,
						.root_owner = STORE_NONE,
						.service = STORE_NONE,
						.rival = STORE_NONE,
						.choice = STORE_NONE};
		out->services[i] = (struct service){.begin_ns = span->start_ns,
						    .next = STORE_NONE,
						    .previous = STORE_NONE,
						    .thread = STORE_NONE,
						    .record = STORE_NONE};
		if (span->side == SPAN_SERVER && in->view != STORE_NONE && in->first_t1_ns < span->start_ns)
			out->services[i].begin_ns = in->first_t1_ns;
	}
	link_requests(s, out);
}

int parent_scan(const struct story *story, struct scan *out)
{
	struct walk w = {.story = story, .out = out, .serving = {.spans = story->spans}};
	int err = 0;

	*out = (struct scan){0};
	out->claims = calloc(story->spans->span_count + 1ul, sizeof(*out->claims));
	out->services = calloc(story->spans->span_count + 1ul, sizeof(*out->services));
	w.serving.services = out->services;
	w.openings = calloc(story->conns->view_count + 1ul, sizeof(*w.openings));
	err = parent_habits_begin(&w.habits, story);
	w.freed = calloc(story->links->link_count + 1ul, sizeof(*w.freed));
	if (!out->claims || !out->services || !w.openings || !w.freed)
		err = -ENOMEM;
	else
		prepare(story, out);
	for (uint32_t i = 0; i < story->store->process_count && !err; i++)
		err = walk_process(&w, i);
	free(w.openings);
	free(w.freed);
	parent_habits_end(&w.habits);
	out->calls = w.calls.items;
	out->call_count = (uint32_t)w.calls.count;
	out->choices = w.choices.items;
	out->choice_count = (uint32_t)w.choices.count;
	if (err)
		parent_scan_free(out);
	return err;
}

void parent_scan_free(struct scan *s)
{
	free(s->claims);
	free(s->services);
	free(s->calls);
	free(s->choices);
	*s = (struct scan){0};
}
