// SPDX-License-Identifier: Apache-2.0
/*
 * parent.c - pass 5: weighs the evidence that parent_scan.c found, and chooses. Analyzer, one thread.
 *
 * Forward evidence says what a call followed, backward evidence what was answered when the call's answer had
 * come; each call has at most one of either. They agree: 1 - (1 - p)(1 - q). Only one: that one. They
 * differ: none is chosen, unless one of the two requests was over before the call was. The rules with their
 * reasons are in parent.md.
 *
 * Invariant: the parent of a client span is a server span of the same process whose first byte came in
 * before the call was sent; a chosen edge has p >= .5, below 1 but for joins.
 */
#include "analyzer/pass/parent.h"

#include <errno.h>
#include <stdlib.h>

#include "analyzer/pass/parent_kinds.h"

#define P_JOIN		 1.0f  /* same bytes at the same offsets of one connection */
#define P_JOIN_BY_ORDER	 .98f  /* a unix connection found by path and order */
#define P_MOST		 .999f /* what is not a join is never sure */
#define P_THREAD	 .999f
#define P_THREAD_CROWDED .99f /* the thread had read further requests already */
#define P_TURN		 .98f
#define P_TURN_LATE	 .9f
#define P_SOLE		 .95f
#define P_AFTER		 .9f
#define P_CHAIN_STEP	 .999f /* of the edge of the call before */
#define P_CHAIN_MOST	 .995f
#define P_CONNECT	 .95f
#define P_CONNECT_RIVAL	 .9f
#define P_OWNER		 .95f
#define P_OWNER_STRETCH	 .98f /* by a thread that does one thing after another */
#define P_OWNER_CHOICE	 .97f /* one of those that the turn left open */
#define P_OWNER_AGAINST	 .9f  /* the other request was over before the call */

/* What one side says: a request, how sure it is, and by which rule. */
struct opinion {
	uint32_t parent;
	float p;
	uint8_t class;
};

struct weigh {
	const struct story *story;
	struct scan scan;
	uint32_t *backward; /* by span: what the answers say; STORE_NONE, OWNER_SEVERAL */
	bool *followed;	    /* by span: forward evidence stands behind its edge, not backward alone */
	struct kinds kinds;
	struct edge *edges;
	bool *serves; /* by process: whether it answers any request */
};

static const char *const names[] = {
    [EVIDENCE_ROOT] = "root",	    [EVIDENCE_JOIN] = "join",		[EVIDENCE_THREAD] = "thread",
    [EVIDENCE_TURN] = "turn",	    [EVIDENCE_CHAIN] = "chain",		[EVIDENCE_OWNER] = "owner",
    [EVIDENCE_CONNECT] = "connect", [EVIDENCE_AMBIGUOUS] = "ambiguous",
};

const char *parent_evidence_name(enum evidence e)
{
	return e < EVIDENCE_KINDS ? names[e] : "unknown";
}

static const struct span *span_at(const struct weigh *w, uint32_t number)
{
	return &w->story->spans->spans[number];
}

static bool is_request(const struct weigh *w, uint32_t span)
{
	return span < OWNER_SEVERAL && span_at(w, span)->side == SPAN_SERVER;
}

/* Whether the call was over before the request was answered. */
static bool contains(const struct weigh *w, uint32_t request, uint32_t call)
{
	const struct span *r = span_at(w, request), *c = span_at(w, call);

	return r->open || r->end_ns >= c->end_ns;
}

/*
 * Backward: a call whose answer was followed by the answer to a request belongs to that request; so does a
 * call whose answer was followed by such a call. Later calls come first.
 */
static void look_back(struct weigh *w)
{
	const struct scan *s = &w->scan;

	for (uint32_t i = s->call_count; i-- > 0;) {
		uint32_t call = s->calls[i], before = s->claims[call].before;
		const struct claim *claim = &s->claims[call];
		uint32_t owner = claim->owner;

		if (owner == STORE_NONE && !w->kinds.unsteady[call])
			owner = w->backward[call];
		if (is_request(w, owner) && s->services[owner].begin_ns > span_at(w, call)->start_ns)
			owner = STORE_NONE;
		w->backward[call] = owner;
		if (before == STORE_NONE || claim->way != WAY_CHAIN || !is_request(w, owner))
			continue;
		if (w->backward[before] == STORE_NONE || w->backward[before] == owner)
			w->backward[before] = owner;
		else
			w->backward[before] = OWNER_SEVERAL;
	}
}

/* The request of a context, as far as it is known by now: the calls before this one have been decided. */
static uint32_t request_of(const struct weigh *w, uint32_t context)
{
	return is_request(w, context) ? context : w->edges[context].parent;
}

static struct opinion look_forward(const struct weigh *w, uint32_t call)
{
	const struct claim *claim = &w->scan.claims[call];
	const struct edge *before = claim->before == STORE_NONE ? NULL : &w->edges[claim->before];
	uint32_t request = request_of(w, claim->context);
	struct opinion v = {.parent = STORE_NONE};

	if (claim->service != STORE_NONE && w->scan.services[claim->service].whole)
		return (struct opinion){claim->service, claim->crowded ? P_THREAD_CROWDED : P_THREAD,
					EVIDENCE_THREAD};
	switch ((enum way)claim->way) {
	case WAY_NONE:
	case WAY_STRETCH:
		break;
	case WAY_REQUEST:
		v = (struct opinion){request, P_TURN, EVIDENCE_TURN};
		break;
	case WAY_LATE:
		v = (struct opinion){request, P_TURN_LATE, EVIDENCE_TURN};
		break;
	case WAY_CHAIN:
		v = (struct opinion){before->parent, before->probability * P_CHAIN_STEP, EVIDENCE_CHAIN};
		if (v.p > P_CHAIN_MOST)
			v.p = P_CHAIN_MOST;
		break;
	case WAY_SOLE:
		v = (struct opinion){request, P_SOLE, EVIDENCE_THREAD};
		break;
	case WAY_AFTER:
		v = (struct opinion){request, P_AFTER, before ? EVIDENCE_CHAIN : EVIDENCE_TURN};
		break;
	case WAY_CONNECT:
		v = (struct opinion){request, claim->rival == STORE_NONE ? P_CONNECT : P_CONNECT_RIVAL,
				     EVIDENCE_CONNECT};
		if (claim->rival == claim->context)
			v.p = P_CHAIN_MOST;
		break;
	}
	return v;
}

static struct opinion look_backward(const struct weigh *w, uint32_t call)
{
	const struct claim *claim = &w->scan.claims[call];
	uint32_t owner = w->backward[call];

	if (owner == STORE_NONE && !is_request(w, claim->context) && !w->kinds.unsteady[call])
		owner = w->scan.claims[claim->context].root_owner;
	if (!is_request(w, owner) || w->scan.services[owner].begin_ns > span_at(w, call)->start_ns)
		return (struct opinion){.parent = STORE_NONE};
	return (struct opinion){owner, claim->way == WAY_STRETCH ? P_OWNER_STRETCH : P_OWNER, EVIDENCE_OWNER};
}

static struct edge edge_none(enum evidence class, uint32_t runner_up)
{
	return (struct edge){.parent = STORE_NONE,
			     .runner_up = runner_up,
			     .class = (uint8_t) class,
			     .probability = class == EVIDENCE_ROOT ? 1 : 0};
}

static struct edge edge_to(uint32_t parent, float p, enum evidence class, uint32_t runner_up)
{
	return (struct edge){.parent = parent,
			     .runner_up = runner_up,
			     .class = (uint8_t) class,
			     .probability = p > P_MOST ? P_MOST : p};
}

/* Whether each of the contexts is a call that was made for no request: what follows them all is none's
 * either. */
static bool begin_traces(const struct weigh *w, uint32_t process, const struct contexts *choice)
{
	if (!w->serves[process])
		return true;
	for (uint8_t i = 0; i < choice->count; i++) {
		if (is_request(w, choice->of[i]) || w->edges[choice->of[i]].class != EVIDENCE_ROOT)
			return false;
	}
	return !choice->more;
}

/* Both sides name it. What an edge before took from backward evidence is no second opinion. */
static struct edge decide_agreed(const struct weigh *w, uint32_t call, struct opinion front,
				 struct opinion back)
{
	const struct claim *claim = &w->scan.claims[call];
	bool independent = front.class != EVIDENCE_CHAIN || w->followed[claim->before];
	float p = independent ? 1 - (1 - front.p) * (1 - back.p) : front.p > back.p ? front.p : back.p;

	return edge_to(front.parent, p, front.class, STORE_NONE);
}

/* Several contexts fit: those that are the same request after all count once. */
static struct edge decide_choice(const struct weigh *w, uint32_t call, const struct contexts *choice,
				 struct opinion back)
{
	struct contexts known = {0};
	uint32_t unknown = choice->more, other = STORE_NONE;

	for (uint8_t i = 0; i < choice->count; i++) {
		uint32_t request = request_of(w, choice->of[i]);

		if (request == STORE_NONE)
			unknown++;
		else if (!known.count || known.of[0] != request)
			known.of[known.count++] = request;
	}
	for (uint8_t i = 0; i < known.count; i++)
		if (known.of[i] != back.parent && other == STORE_NONE)
			other = known.of[i];
	if (known.count == 1 && !unknown && (back.parent == STORE_NONE || back.parent == known.of[0]))
		return edge_to(known.of[0], P_TURN, EVIDENCE_TURN, STORE_NONE);
	for (uint8_t i = 0; i < known.count; i++)
		if (known.of[i] == back.parent)
			return edge_to(back.parent, P_OWNER_CHOICE, EVIDENCE_OWNER, other);
	if (back.parent != STORE_NONE && unknown)
		return edge_to(back.parent, P_OWNER, EVIDENCE_OWNER, other);
	if (begin_traces(w, span_at(w, call)->process, choice))
		return edge_none(EVIDENCE_ROOT, STORE_NONE);
	return edge_none(EVIDENCE_AMBIGUOUS, known.count ? known.of[0] : STORE_NONE);
}

/* They name different requests. */
static struct edge decide_dissent(const struct weigh *w, uint32_t call, struct opinion front,
				  struct opinion back)
{
	const struct claim *claim = &w->scan.claims[call];

	if (claim->way == WAY_AFTER)
		return edge_to(back.parent, P_OWNER, EVIDENCE_OWNER, front.parent);
	if (claim->way == WAY_CONNECT && claim->rival == back.parent)
		return edge_to(back.parent, P_OWNER, EVIDENCE_OWNER, front.parent);
	if (!contains(w, front.parent, call) && contains(w, back.parent, call))
		return edge_to(back.parent, P_OWNER_AGAINST, EVIDENCE_OWNER, front.parent);
	return edge_none(EVIDENCE_AMBIGUOUS, front.parent);
}

/*
 * A connection that an answer has just freed may have been taken by work that waited for it. If the request
 * of that answer was over before the new call, it did not need it.
 */
static bool may_have_waited(const struct weigh *w, uint32_t call, struct opinion front)
{
	const struct claim *claim = &w->scan.claims[call];
	const struct messages *m = w->story->messages;

	return claim->way == WAY_CHAIN && front.class != EVIDENCE_THREAD &&
	       m->rpcs[span_at(w, call)->rpc].link == m->rpcs[span_at(w, claim->before)->rpc].link &&
	       !contains(w, front.parent, call);
}

static struct edge decide(const struct weigh *w, uint32_t call)
{
	const struct claim *claim = &w->scan.claims[call];
	struct opinion back = look_backward(w, call), front;
	uint32_t rival = STORE_NONE;

	if (claim->choice != STORE_NONE)
		return decide_choice(w, call, &w->scan.choices[claim->choice], back);
	front = look_forward(w, call);
	if (front.parent == STORE_NONE && back.parent == STORE_NONE) {
		const struct edge *before = claim->before == STORE_NONE ? NULL : &w->edges[claim->before];
		bool doubtful = before && before->class == EVIDENCE_AMBIGUOUS;

		return doubtful ? edge_none(EVIDENCE_AMBIGUOUS, before->runner_up)
				: edge_none(EVIDENCE_ROOT, STORE_NONE);
	}
	if (front.parent == STORE_NONE)
		return edge_to(back.parent, back.p, back.class, STORE_NONE);
	if (front.parent == back.parent)
		return decide_agreed(w, call, front, back);
	if (back.parent != STORE_NONE)
		return decide_dissent(w, call, front, back);
	if (claim->crowded && front.class != EVIDENCE_THREAD)
		return edge_none(EVIDENCE_AMBIGUOUS, front.parent);
	if (claim->way == WAY_SOLE && (w->kinds.spontaneous[call] || !contains(w, front.parent, call)))
		return edge_none(EVIDENCE_ROOT, STORE_NONE);
	if (w->kinds.doubtful[call] && front.class != EVIDENCE_THREAD)
		return edge_none(EVIDENCE_AMBIGUOUS, front.parent);
	if (may_have_waited(w, call, front))
		return edge_none(EVIDENCE_AMBIGUOUS, front.parent);
	if (claim->rival != STORE_NONE)
		rival = request_of(w, claim->rival);
	return edge_to(front.parent, front.p, front.class, rival == front.parent ? STORE_NONE : rival);
}

/* ---- every span ---- */

static void join(const struct weigh *w, uint32_t number)
{
	const struct span *s = span_at(w, number);
	const struct rpc *rpc = &w->story->messages->rpcs[s->rpc];
	bool by_order = w->story->links->links[rpc->link].join == JOIN_UNIX_ORDER;

	if (s->peer == STORE_NONE) {
		w->edges[number] = edge_none(EVIDENCE_ROOT, STORE_NONE);
		return;
	}
	w->edges[number] = (struct edge){.parent = s->peer,
					 .runner_up = STORE_NONE,
					 .class = EVIDENCE_JOIN,
					 .probability = by_order ? P_JOIN_BY_ORDER : P_JOIN,
					 .async = s->one_way};
}

static void count(const struct weigh *w, struct parents *out)
{
	uint64_t busy_until_ns = 0;
	const struct spans *spans = w->story->spans;

	for (uint32_t i = 0; i < spans->span_count; i++) {
		const struct span *s = &spans->spans[i];

		if (i && s->process != spans->spans[i - 1].process)
			busy_until_ns = 0;
		if (s->side == SPAN_SERVER) {
			out->by_class[EVIDENCE_JOIN] += s->peer != STORE_NONE;
			if (s->end_ns > busy_until_ns && !s->one_way)
				busy_until_ns = s->end_ns;
			continue;
		}
		out->by_class[out->edges[i].class]++;
		if (out->edges[i].class == EVIDENCE_ROOT && s->start_ns < busy_until_ns)
			out->unexplained++;
	}
}

static void choose_all(struct weigh *w)
{
	for (uint32_t i = 0; i < w->story->spans->span_count; i++)
		w->backward[i] = STORE_NONE;
	look_back(w);
	for (uint32_t i = 0; i < w->scan.call_count; i++) {
		uint32_t call = w->scan.calls[i];
		struct edge edge = decide(w, call);

		if (edge.parent != STORE_NONE) {
			const struct span *parent = span_at(w, edge.parent), *s = span_at(w, call);

			edge.async = !parent->open && (s->open ? s->start_ns : s->end_ns) > parent->end_ns;
		}
		w->followed[call] =
		    edge.parent != STORE_NONE && edge.class != EVIDENCE_OWNER &&
		    (edge.class != EVIDENCE_CHAIN || w->followed[w->scan.claims[call].before]);
		w->edges[call] = edge;
	}
}

static int weigh_all(struct weigh *w)
{
	const struct spans *spans = w->story->spans;
	bool again;
	int err;

	for (uint32_t i = 0; i < spans->span_count; i++) {
		w->edges[i] = edge_none(EVIDENCE_ROOT, STORE_NONE);
		if (spans->spans[i].side == SPAN_SERVER) {
			w->serves[spans->spans[i].process] = true;
			join(w, i);
		}
	}
	choose_all(w);
	err = parent_kinds_test(&w->kinds, w->story, &w->scan, w->edges, w->followed, &again);
	if (!err && again)
		choose_all(w);
	return err;
}

int parent_run(const struct store *store, const struct conns *conns, const struct links *links,
	       const struct messages *messages, const struct spans *spans, struct parents *out)
{
	struct story story = {
	    .store = store, .conns = conns, .links = links, .messages = messages, .spans = spans};
	struct weigh w = {.story = &story};
	int err;

	*out = (struct parents){0};
	w.edges = calloc(spans->span_count + 1ul, sizeof(*w.edges));
	w.backward = calloc(spans->span_count + 1ul, sizeof(*w.backward));
	w.serves = calloc(store->process_count + 1ul, sizeof(*w.serves));
	w.followed = calloc(spans->span_count + 1ul, sizeof(*w.followed));
	err = w.edges && w.backward && w.serves && w.followed ? parent_events_begin(&story) : -ENOMEM;
	err = err ? err : parent_scan(&story, &w.scan);
	err = err ? err : parent_kinds_begin(&w.kinds, &story, &w.scan);
	err = err ? err : weigh_all(&w);
	if (!err) {
		out->edges = w.edges;
		w.edges = NULL;
		count(&w, out);
	}
	parent_scan_free(&w.scan);
	parent_events_end(&story);
	free(w.backward);
	free(w.serves);
	free(w.followed);
	parent_kinds_end(&w.kinds);
	free(w.edges);
	return err;
}

void parent_free(struct parents *p)
{
	free(p->edges);
	*p = (struct parents){0};
}
