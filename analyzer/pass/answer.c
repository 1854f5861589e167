// SPDX-License-Identifier: Apache-2.0
/*
 * answer.c - see answer.h. Analyzer, one thread; pure but for memory, linear.
 *
 * First in, first out is exact as long as no message is missing. Where some are, nobody knows how many, and
 * every later pair would be off by that many. So messages are looked at in rounds, each of which begins with
 * a request that begins a burst: the direction turned before it. After a gap a round is believed again if it
 * has as many responses as requests; if not, they stay unpaired.
 *
 * Invariant: a response answers at most one request, and one that came before it.
 */
#include "analyzer/pass/answer.h"

#include "analyzer/hash.h"
#include "analyzer/vec.h"

#define GAP_REQUESTS  (1u << PROTO_TO_SERVER)
#define GAP_RESPONSES (1u << PROTO_TO_CLIENT)
#define COUNT_BAD     (SIZE_MAX / 2) /* as many as no round has */

#define CONFIDENCE_KEY	   0.999f
#define CONFIDENCE_FIFO	   0.99f
#define CONFIDENCE_GAP	   0.6f
#define CONFIDENCE_BURST   0.95f
#define CONFIDENCE_CROSSED 0.5f

/* A request that waits, by its key. */
struct waiting {
	uint64_t key;
	uint32_t rpc; /* STORE_NONE: answered */
};

struct answering {
	const struct walked *walked;
	struct answers *out;
	uint32_t end;	     /* of the link's messages */
	bool last_gap;	     /* requests may be missing at the end */
	bool lossy;	     /* records are missing, so a gap may be one of those */
	VEC(uint32_t) queue; /* RPCs without a response, in order; [head, count) */
	size_t head;
	bool doubt;   /* the queue may be off */
	size_t sure;  /* requests at the head of the queue that came before what is missing */
	bool settled; /* since the last doubt the queue was empty once */
	bool deep;    /* several requests at once: an empty queue may be one that is short of some */
	bool ahead;   /* this client does not wait for its answers before it asks again */
	bool inexact; /* a message ran to the end of its burst and may have hidden others */
	VEC(struct waiting) waiting;
	struct hash by_key;
};

static const struct message *message_at(const struct answering *a, uint32_t number)
{
	return &a->walked->messages.items[number];
}

static const struct mark *mark_at(const struct answering *a, uint32_t number)
{
	return &a->walked->marks.items[number];
}

static bool is_request(const struct message *m)
{
	return m->dir == PROTO_TO_SERVER;
}

/* One that an answer is due to. */
static bool is_asking(const struct message *m)
{
	return is_request(m) && !(m->flags & (PROTO_NO_RESPONSE | PROTO_PUSH));
}

/* One that ends a call. */
static bool is_answer(const struct message *m)
{
	return !is_request(m) && !(m->flags & (PROTO_INTERIM | PROTO_PUSH));
}

static int add_rpc(struct answering *a, uint32_t request, float confidence, bool one_way)
{
	return vec_push(&a->out->rpcs, (struct rpc){.request = request,
						    .response = RPC_NO_RESPONSE,
						    .first_response = RPC_NO_RESPONSE,
						    .link = message_at(a, request)->link,
						    .confidence = confidence,
						    .one_way = one_way});
}

static struct rpc *rpc_at(struct answering *a, uint32_t number)
{
	return &a->out->rpcs.items[number];
}

static void set_response(struct rpc *r, uint32_t response, float confidence)
{
	r->response = response;
	if (r->first_response == RPC_NO_RESPONSE)
		r->first_response = response;
	if (confidence < r->confidence)
		r->confidence = confidence;
}

/* ---- by key ---- */

static bool waiting_equal(const void *items, uint32_t index, const void *key)
{
	return ((const struct waiting *)items)[index].key == *(const uint64_t *)key;
}

static int wait_for(struct answering *a, uint64_t key, uint32_t rpc)
{
	uint64_t hash = hash_mix(key + 1);
	uint32_t number = hash_find(&a->by_key, hash, waiting_equal, a->waiting.items, &key);
	int err;

	if (number != HASH_NONE) {
		a->waiting.items[number].rpc = rpc;
		return 0;
	}
	err = vec_push(&a->waiting, (struct waiting){key, rpc});
	return err ? err : hash_add(&a->by_key, hash, (uint32_t)a->waiting.count - 1);
}

static int answer_by_key(struct answering *a, uint32_t number)
{
	const struct message *m = message_at(a, number);
	struct waiting *w;
	uint32_t found;
	int err;

	if (is_request(m)) {
		err = add_rpc(a, number, CONFIDENCE_KEY, !is_asking(m));
		if (err || !is_asking(m))
			return err;
		return wait_for(a, m->key, (uint32_t)a->out->rpcs.count - 1);
	}
	if (m->flags & PROTO_PUSH)
		return add_rpc(a, number, CONFIDENCE_KEY, true);
	found = hash_find(&a->by_key, hash_mix(m->key + 1), waiting_equal, a->waiting.items, &m->key);
	w = found == HASH_NONE ? NULL : &a->waiting.items[found];
	if (!w || w->rpc == STORE_NONE) {
		a->out->unpaired_responses++;
		return 0;
	}
	if (m->flags & PROTO_INTERIM) {
		if (rpc_at(a, w->rpc)->first_response == RPC_NO_RESPONSE)
			rpc_at(a, w->rpc)->first_response = number;
		return 0;
	}
	set_response(rpc_at(a, w->rpc), number, CONFIDENCE_KEY);
	w->rpc = STORE_NONE;
	return 0;
}

/* ---- first in, first out ---- */

static float fifo_confidence(const struct answering *a)
{
	return (a->doubt && !a->sure) || !a->settled || (a->ahead && a->inexact) ? CONFIDENCE_GAP
										 : CONFIDENCE_FIFO;
}

/* Leaves the first `left` of the requests that wait. */
static void drop_queue(struct answering *a, size_t left)
{
	a->queue.count = a->head + left;
	if (left == 0) {
		a->head = 0;
		vec_clear(&a->queue);
	}
}

static int enter_request(struct answering *a, uint32_t number)
{
	const struct message *m = message_at(a, number);
	int err = add_rpc(a, number, fifo_confidence(a), !is_asking(m));

	if (err || !is_asking(m))
		return err;
	return vec_push(&a->queue, (uint32_t)a->out->rpcs.count - 1);
}

static void enter_response(struct answering *a, uint32_t number)
{
	const struct message *m = message_at(a, number);
	struct rpc *r;

	if (a->head == a->queue.count) {
		a->out->unpaired_responses += is_answer(m);
		return;
	}
	r = rpc_at(a, a->queue.items[a->head]);
	if (!is_answer(m)) {
		if (r->first_response == RPC_NO_RESPONSE)
			r->first_response = number;
		return;
	}
	set_response(r, number, fifo_confidence(a));
	a->head++;
	a->sure -= a->sure > 0;
}

static int enter(struct answering *a, uint32_t number)
{
	const struct message *m = message_at(a, number);

	if (is_request(m))
		return enter_request(a, number);
	if (m->flags & PROTO_PUSH)
		return add_rpc(a, number, CONFIDENCE_FIFO, true);
	enter_response(a, number);
	return 0;
}

/* Whether requests may be missing between the message before `to` and the next request. */
static bool is_gap_next(const struct answering *a, uint32_t to)
{
	for (; to < a->end; to++) {
		if (mark_at(a, to)->gap & GAP_REQUESTS)
			return true;
		if (is_request(message_at(a, to)))
			return false;
	}
	return a->last_gap;
}

/* What is in a round that does not begin in order. */
struct tally {
	size_t asked, answered;
	uint32_t first_gap; /* message behind the first one with a gap before it; the end of the round if
			       there is none */
	uint8_t gap;
	bool inexact;
};

static struct tally count_round(const struct answering *a, uint32_t from, uint32_t to)
{
	struct tally t = {.first_gap = to};

	for (uint32_t i = from; i < to; i++) {
		const struct message *m = message_at(a, i);

		if (i > from && mark_at(a, i)->gap && t.first_gap == to)
			t.first_gap = i;
		if (i > from)
			t.gap |= mark_at(a, i)->gap;
		t.inexact |= !mark_at(a, i)->exact;
		t.asked += is_asking(m);
		t.answered += is_answer(m);
	}
	/* answers that are missing before the next round are of this one */
	if (to < a->end)
		t.gap |= mark_at(a, to)->gap & GAP_RESPONSES;
	return t;
}

/* Whether a round, of which `waiting` requests came before it was in doubt, looks as one does that a client
 * began with nothing outstanding and that was answered to its end. */
static bool looks_whole(const struct answering *a, const struct tally *t, uint32_t to, size_t waiting)
{
	if (a->ahead)
		return false;
	if (waiting > 0) /* what is missing could be an answer and the request after it */
		return !t->gap && t->asked + waiting == t->answered && !is_gap_next(a, to);
	switch (t->gap) {
	case 0:
		return t->asked == t->answered && t->asked > 0;
	case GAP_REQUESTS:
		return t->answered > t->asked;
	case GAP_RESPONSES:
		return t->asked > t->answered;
	default:
		return true;
	}
}

/* Whether a round that nothing is missing from, or hidden in but what is noted, still does not look whole:
 * then it was not begun with nothing outstanding. */
static bool shows_ahead(const struct answering *a, const struct tally *t, uint32_t to)
{
	return !a->lossy && !t->inexact && t->asked > 0 && t->gap != (GAP_REQUESTS | GAP_RESPONSES) &&
	       to < a->end && !mark_at(a, to)->gap;
}

/* The round from `from` on, or what is left of it, with the doubt on. `waiting` of its requests are in the
 * queue already. */
static int enter_doubtful(struct answering *a, uint32_t from, uint32_t to, size_t waiting)
{
	struct tally t = count_round(a, from, to);
	bool whole = looks_whole(a, &t, to, waiting);
	size_t known = whole ? SIZE_MAX : 0; /* place in the queue up to which answers are believed */
	int err = 0;

	if (!whole && waiting == 0 && shows_ahead(a, &t, to))
		a->ahead = true;
	for (uint32_t i = from; i < to && !err; i++) {
		const struct message *m = message_at(a, i);

		/* what is missing of the requests comes after those before it; of the answers nobody knows */
		if (whole && i == t.first_gap)
			known = mark_at(a, i)->gap == GAP_REQUESTS ? a->queue.count : 0;
		if (i > t.first_gap && (mark_at(a, i)->gap & GAP_RESPONSES))
			known = 0;
		if (is_request(m) || (m->flags & PROTO_PUSH) || a->head < known)
			err = enter(a, i);
		else
			a->out->unpaired_responses += is_answer(m);
	}
	if (whole && t.first_gap == to) {
		a->doubt = false;
		a->settled = false;
	} else {
		drop_queue(a, 0);
	}
	return err;
}

static void begin_round(struct answering *a, uint32_t first, uint32_t to)
{
	if (a->doubt) {
		drop_queue(a, a->sure);
	} else if (a->head == a->queue.count) {
		drop_queue(a, 0);
		a->settled |= !a->deep;
	}
	a->deep |= count_round(a, first, to).asked > 1;
	for (uint32_t i = first; i < to; i++)
		a->ahead |= mark_at(a, i)->split && is_answer(message_at(a, i));
}

/* Messages [first, to): a request that begins a burst, and all up to the next such. */
static int answer_round(struct answering *a, uint32_t first, uint32_t to)
{
	size_t before;
	bool cut = false;
	int err = 0;

	begin_round(a, first, to);
	before = a->queue.count;
	for (uint32_t i = first; i < to && !err; i++) {
		uint8_t gap = mark_at(a, i)->gap;

		if (gap & GAP_RESPONSES) { /* in which requests of earlier rounds may have been answered */
			if (a->head < before)
				a->head = before;
			a->sure = 0;
		} else if (gap && !a->doubt) {
			a->sure = a->queue.count - a->head;
		}
		a->doubt |= gap != 0;
		if (a->doubt && a->sure == 0) {
			size_t waiting = a->queue.count - a->head;

			return enter_doubtful(a, i, to,
					      (gap != GAP_RESPONSES) && waiting ? COUNT_BAD : waiting);
		}
		a->ahead |= a->head < before && is_answer(message_at(a, i));
		a->inexact |= !mark_at(a, i)->exact;
		err = enter(a, i);
		cut |= is_answer(message_at(a, i)) && !mark_at(a, i)->exact;
	}
	/* a response that ran to the end of its burst may have hidden others */
	if (cut && a->head < a->queue.count) {
		a->doubt = true;
		a->sure = 0;
	}
	return err;
}

static bool begins_round(const struct answering *a, uint32_t number)
{
	return is_request(message_at(a, number)) && mark_at(a, number)->turn;
}

static int answer_in_order(struct answering *a, uint32_t first, uint32_t end)
{
	uint32_t to;
	int err = 0;

	a->settled = true;
	for (; first < end && !err; first = to) {
		for (to = first + 1; to < end && !begins_round(a, to); to++)
			;
		err = answer_round(a, first, to);
	}
	return err;
}

/* ---- bursts ---- */

/* Bursts alternate: each answers the one before it. */
static int answer_bursts(struct answering *a, uint32_t first, uint32_t end)
{
	uint32_t asked = STORE_NONE;
	int err = 0;

	for (uint32_t i = first; i < end && !err; i++) {
		const struct message *m = message_at(a, i);
		bool crossed = mark_at(a, i)->crossed;

		if (is_request(m)) {
			err = add_rpc(a, i, crossed ? CONFIDENCE_CROSSED : CONFIDENCE_BURST, false);
			asked = (uint32_t)a->out->rpcs.count - 1;
		} else if (asked != STORE_NONE &&
			   !((mark_at(a, i)->gap & GAP_RESPONSES) && is_gap_next(a, i))) {
			crossed |= mark_at(a, i)->gap != 0;
			set_response(rpc_at(a, asked), i, crossed ? CONFIDENCE_CROSSED : CONFIDENCE_BURST);
			asked = STORE_NONE;
		} else if (i == first) {
			err = add_rpc(a, i, CONFIDENCE_BURST, true); /* the server speaks first */
		} else {
			a->out->unpaired_responses++;
		}
	}
	return err;
}

int answer_run(const struct walked *walked, uint32_t first, const struct walk_link *l, struct answers *out)
{
	struct answering a = {.walked = walked,
			      .out = out,
			      .end = (uint32_t)walked->messages.count,
			      .last_gap = l->last_gap,
			      .lossy = l->lossy};
	enum proto_pairing pairing = l->proto->pairing;
	uint32_t raw = first;
	int err = 0;

	/* once a stream has turned to bursts it stays so */
	while (raw < a.end && !walked->marks.items[raw].raw)
		raw++;
	if (pairing == PROTO_FIFO)
		err = answer_in_order(&a, first, raw);
	for (uint32_t i = first; i < raw && !err && pairing != PROTO_FIFO; i++)
		err = pairing == PROTO_BY_KEY ? answer_by_key(&a, i) : add_rpc(&a, i, CONFIDENCE_FIFO, true);
	if (!err)
		err = answer_bursts(&a, raw, a.end);
	vec_free(&a.queue);
	vec_free(&a.waiting);
	hash_free(&a.by_key);
	return err;
}
