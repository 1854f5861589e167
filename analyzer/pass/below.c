// SPDX-License-Identifier: Apache-2.0
/*
 * below.c - see below.h. Analyzer, one thread; pure but for memory.
 *
 * Invariant: what is filled in is a call of the other end that moved bytes of this very message; where that
 * is not certain the transfer stays unknown.
 */
#include "analyzer/pass/below.h"

#include "analyzer/pass/ranges.h"

#define TLS_HEADER_BYTES 5u   /* of a TLS record; libraries read it by itself */
#define LOOK_BACK	 4096 /* records of a thread */

/* Bytes of the carrier. */
struct cipher {
	uint64_t from, to;
};

static const struct link *session_of(const struct links *links, uint32_t number)
{
	const struct link *l = &links->links[number];

	return l->plain && (l->ends[0].view_count == 0) != (l->ends[1].view_count == 0) ? l : NULL;
}

static enum link_side known_side(const struct link *l)
{
	return l->ends[LINK_CLIENT].view_count ? LINK_CLIENT : LINK_SERVER;
}

/* The carrier's link and which of its sides has the plaintext; false if it is not one socket's. */
static bool find_carrier(const struct conns *conns, const struct links *links, uint32_t number,
			 const struct link **carrier, enum link_side *side)
{
	const struct link *l = session_of(links, number);
	uint32_t view;

	if (!l)
		return false;
	view = conns->views[l->ends[known_side(l)].views[0]].carrier;
	if (view == STORE_NONE || conns->views[view].random)
		return false;
	*carrier = &links->links[links->of_view[view]];
	for (int s = 0; s < 2; s++) {
		const struct end *e = &(*carrier)->ends[s];

		for (uint32_t i = 0; i < e->view_count; i++) {
			if (e->views[i] == view) {
				*side = (enum link_side)s;
				return true;
			}
		}
	}
	return false;
}

const struct end *below_end(const struct conns *conns, const struct links *links, uint32_t number)
{
	const struct link *carrier;
	enum link_side side;

	if (!find_carrier(conns, links, number, &carrier, &side) || !carrier->ends[!side].view_count)
		return NULL;
	return &carrier->ends[!side];
}

/* What a sending call of the session sent below: first and last of the calls inside it. */
static bool sent_by(const struct store_process *p, uint32_t record, uint32_t carrier, struct cipher *c)
{
	const struct store_record *r = &p->records[record];
	bool found = false;

	for (uint32_t i = record; i-- > p->threads[r->thread].first;) {
		const struct store_record *below = &p->records[i];

		if (below->t0_ns < r->t0_ns || below->t1_ns > r->t1_ns)
			break;
		if (below->kind != RECORD_OUT || below->conn != carrier)
			continue;
		if (!found)
			c->to = ranges_end(below->off, below->len);
		c->from = below->off;
		found = true;
	}
	return found;
}

/*
 * The TLS record that a receiving call of the session took its bytes from: it was the last one read, by this
 * call or by one before it that left some. Libraries read no further than they must.
 */
static bool received_by(const struct store_process *p, uint32_t record, uint32_t carrier, struct cipher *c)
{
	const struct store_record *r = &p->records[record];
	uint64_t call_t0 = r->t0_ns;
	uint32_t first = p->threads[r->thread].first, looked = 0;
	bool found = false;

	for (uint32_t i = record; i-- > first && looked++ < LOOK_BACK;) {
		const struct store_record *below = &p->records[i];

		if (below->kind != RECORD_IN || (below->flags & RECORD_FLAG_PEEK) || !below->len)
			continue;
		if (below->conn == r->conn && !found)
			call_t0 = below->t0_ns;
		if (below->conn != carrier)
			continue;
		if (found) {
			if (below->len == TLS_HEADER_BYTES && below->off + below->len == c->from)
				c->from = below->off;
			return true;
		}
		if (below->t0_ns < call_t0)
			return false;
		*c = (struct cipher){below->off, ranges_end(below->off, below->len)};
		found = true;
	}
	return found;
}

/* Which bytes of the carrier the message's own, as its known end moved them. */
static bool carried(const struct store *store, const struct conns *conns, const struct transfer *known,
		    bool sent, struct cipher *c)
{
	const struct view *v = known->view == STORE_NONE ? NULL : &conns->views[known->view];
	const struct store_process *p = v ? &store->processes[v->process] : NULL;
	struct cipher first = {0}, last = {0};
	uint32_t conn;

	if (!v || v->carrier == STORE_NONE || known->first_record >= p->record_count ||
	    known->last_record >= p->record_count)
		return false;
	conn = conns->views[v->carrier].conn;
	if (sent ? !sent_by(p, known->first_record, conn, &first) ||
		       !sent_by(p, known->last_record, conn, &last)
		 : !received_by(p, known->first_record, conn, &first) ||
		       !received_by(p, known->last_record, conn, &last))
		return false;
	*c = (struct cipher){first.from, last.to};
	return c->from < c->to;
}

static int build(struct below *b, const struct store *store, const struct conns *conns,
		 const struct link *carrier)
{
	struct link whole = *carrier;
	int err;

	whole.covered[0] = whole.covered[1] = UINT64_MAX;
	err = stream_build(&b->cipher[0], store, conns, &whole, LINK_CLIENT);
	return err ? err : stream_build(&b->cipher[1], store, conns, &whole, LINK_SERVER);
}

int below_run(struct below *b, const struct store *store, const struct conns *conns,
	      const struct links *links, uint32_t number, struct message *messages, size_t n)
{
	const struct link *carrier;
	enum link_side side, known;
	struct cipher c;
	int err;

	if (!below_end(conns, links, number) || !find_carrier(conns, links, number, &carrier, &side))
		return 0;
	known = known_side(&links->links[number]);
	err = build(b, store, conns, carrier);
	for (size_t i = 0; i < n && !err; i++) {
		struct message *m = &messages[i];

		if (m->sender == known && carried(store, conns, &m->sent, true, &c))
			m->received = stream_transfer(&b->cipher[side], STREAM_RECEIVED, c.from, c.to);
		else if (m->sender != known && carried(store, conns, &m->received, false, &c) &&
			 c.from >= carrier->shift[!side])
			m->sent =
			    stream_transfer(&b->cipher[!side], STREAM_SENT, c.from - carrier->shift[!side],
					    c.to - carrier->shift[!side]);
	}
	return err;
}

void below_free(struct below *b)
{
	stream_free(&b->cipher[0]);
	stream_free(&b->cipher[1]);
}
