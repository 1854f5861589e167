// SPDX-License-Identifier: Apache-2.0
/*
 * place.c - see place.h. Analyzer, one thread; pure but for memory and the offsets that it is there for;
 * O(n log n), and a look at each record.
 *
 * A holder's own offsets are right relative to each other from one look at the kernel's counters to the next,
 * and never too large. So each call moved what lies at its offset, if nobody had moved that before; else
 * what comes next. Invariant: where holders do not contradict each other nothing is touched.
 */
#include "analyzer/pass/place.h"

#include "analyzer/pass/ranges.h"
#include "analyzer/vec.h"

enum way { WAY_OUT, WAY_IN };

/* One process's conn of a socket, as its OPEN tells. */
struct holder {
	uint32_t clock;
	uint64_t cookie;
	uint32_t process, conn;
	uint32_t socket; /* which of several holders */
	uint8_t family;
	uint64_t shift[2]; /* from its own offsets to the true ones, so far */
};

/* Something that a holder knew of one way of the stream. */
struct piece {
	uint32_t holder;
	uint32_t record; /* STORE_NONE: it moved nothing */
	uint64_t off;
	uint64_t len;
	uint64_t t0_ns, t1_ns;
	uint64_t when_ns; /* its place among those of all holders */
	uint8_t way;
	bool anchor; /* here the holder looked, or began */
};

struct place {
	struct store *store;
	VEC(struct holder) holders; /* of sockets with several, by socket */
	VEC(uint32_t) by_conn;	    /* the same by process, then conn */
	VEC(struct piece) pieces;
	struct placing *out;
};

/* ---- who holds what ---- */

static int holder_compare(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->clock != y->clock)
		return vec_compare(x->clock, y->clock);
	if (x->cookie != y->cookie)
		return vec_compare(x->cookie, y->cookie);
	if (x->process != y->process)
		return vec_compare(x->process, y->process);
	return vec_compare(x->conn, y->conn);
}

static bool same_socket(const struct holder *a, const struct holder *b)
{
	return a->clock == b->clock && a->cookie == b->cookie;
}

static bool is_stream(const struct endpoint *e)
{
	return e->type == ENDPOINT_STREAM && e->cookie != 0 &&
	       (e->family == ENDPOINT_UNIX || e->family == ENDPOINT_IPV4 || e->family == ENDPOINT_IPV6);
}

static int find_opens(struct place *p, uint32_t process)
{
	const struct store_process *from = &p->store->processes[process];
	int err = 0;

	for (uint32_t i = 0; i < from->record_count && !err; i++) {
		const struct store_record *r = &from->records[i];
		struct endpoint e;

		if (r->kind != RECORD_OPEN || r->conn == RECORD_CONN_NONE || r->data_len < sizeof(e))
			continue;
		memcpy(&e, r->data, sizeof(e));
		if (is_stream(&e))
			err = vec_push(&p->holders, (struct holder){.clock = from->clock,
								    .cookie = e.cookie,
								    .process = process,
								    .conn = r->conn,
								    .family = e.family});
	}
	return err;
}

/* Keeps the sockets with several holders, each holder once. */
static void keep_shared(struct place *p)
{
	size_t kept = 0, end;
	uint32_t sockets = 0;

	for (size_t first = 0; first < p->holders.count; first = end) {
		const size_t start = kept;

		for (end = first;
		     end < p->holders.count && same_socket(&p->holders.items[first], &p->holders.items[end]);
		     end++) {
			struct holder h = p->holders.items[end];

			h.socket = sockets;
			if (kept == start || h.process != p->holders.items[kept - 1].process ||
			    h.conn != p->holders.items[kept - 1].conn)
				p->holders.items[kept++] = h;
		}
		if (kept - start < 2)
			kept = start;
		else
			sockets++;
	}
	p->holders.count = kept;
}

static int by_conn_compare(const void *a, const void *b, void *with)
{
	const struct holder *holders = with;
	const struct holder *x = &holders[*(const uint32_t *)a], *y = &holders[*(const uint32_t *)b];

	return x->process != y->process ? vec_compare(x->process, y->process) : vec_compare(x->conn, y->conn);
}

static int find_holders(struct place *p)
{
	int err = 0;

	for (uint32_t i = 0; i < p->store->process_count && !err; i++)
		err = find_opens(p, i);
	vec_sort(&p->holders, holder_compare);
	keep_shared(p);
	for (uint32_t i = 0; i < p->holders.count && !err; i++)
		err = vec_push(&p->by_conn, i);
	if (!err && p->by_conn.count)
		qsort_r(p->by_conn.items, p->by_conn.count, sizeof(*p->by_conn.items), by_conn_compare,
			p->holders.items);
	return err;
}

/* The holder that has this conn, among by_conn[first, end); STORE_NONE: none that shares. */
static uint32_t holder_of(const struct place *p, size_t first, size_t end, uint32_t conn)
{
	size_t low = first, high = end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->holders.items[p->by_conn.items[middle]].conn < conn)
			low = middle + 1;
		else
			high = middle;
	}
	return low < end && p->holders.items[p->by_conn.items[low]].conn == conn ? p->by_conn.items[low]
										 : STORE_NONE;
}

/* ---- what they moved ---- */

static int add_anchor(struct place *p, uint32_t holder, const struct store_record *r, enum way way,
		      uint64_t off)
{
	if (off == COUNT_UNKNOWN)
		return 0;
	return vec_push(&p->pieces, (struct piece){.holder = holder,
						   .record = STORE_NONE,
						   .off = off,
						   .t0_ns = r->t0_ns,
						   .t1_ns = r->t1_ns,
						   .way = way,
						   .anchor = true});
}

static int add_anchors(struct place *p, uint32_t holder, const struct store_record *r)
{
	struct endpoint e;
	struct counts c;
	int err;

	if (r->kind == RECORD_OPEN && r->data_len >= sizeof(e)) {
		memcpy(&e, r->data, sizeof(e));
		err = add_anchor(p, holder, r, WAY_OUT, e.off_out);
		return err ? err : add_anchor(p, holder, r, WAY_IN, e.off_in);
	}
	if (r->kind == RECORD_RESYNC && r->data_len >= sizeof(c)) {
		memcpy(&c, r->data, sizeof(c));
		err = add_anchor(p, holder, r, WAY_OUT, c.out_kernel);
		return err ? err : add_anchor(p, holder, r, WAY_IN, c.in_kernel);
	}
	return 0;
}

static int find_pieces(struct place *p, uint32_t process, size_t first, size_t end)
{
	const struct store_process *from = &p->store->processes[process];
	uint32_t conn = RECORD_CONN_NONE, holder = STORE_NONE;
	int err = 0;

	for (uint32_t i = 0; i < from->record_count && !err; i++) {
		const struct store_record *r = &from->records[i];

		if (r->conn == RECORD_CONN_NONE)
			continue;
		if (r->conn != conn)
			holder = holder_of(p, first, end, r->conn);
		conn = r->conn;
		if (holder == STORE_NONE)
			continue;
		if ((r->kind == RECORD_OUT || r->kind == RECORD_IN) && !(r->flags & RECORD_FLAG_PEEK))
			err = vec_push(&p->pieces,
				       (struct piece){.holder = holder,
						      .record = i,
						      .off = r->off,
						      .len = r->len,
						      .t0_ns = r->t0_ns,
						      .t1_ns = r->t1_ns,
						      .way = r->kind == RECORD_OUT ? WAY_OUT : WAY_IN});
		else
			err = add_anchors(p, holder, r);
	}
	return err;
}

static int find_all_pieces(struct place *p)
{
	size_t end;
	int err = 0;

	for (size_t first = 0; first < p->by_conn.count && !err; first = end) {
		uint32_t process = p->holders.items[p->by_conn.items[first]].process;

		for (end = first;
		     end < p->by_conn.count && p->holders.items[p->by_conn.items[end]].process == process;
		     end++)
			;
		err = find_pieces(p, process, first, end);
	}
	return err;
}

/* ---- one after the other ---- */

/* By socket and way, then in each holder's own order. */
static int own_compare(const void *a, const void *b, void *with)
{
	const struct holder *holders = with;
	const struct piece *x = a, *y = b;
	uint32_t socket_x = holders[x->holder].socket, socket_y = holders[y->holder].socket;

	if (socket_x != socket_y)
		return vec_compare(socket_x, socket_y);
	if (x->way != y->way)
		return vec_compare(x->way, y->way);
	if (x->holder != y->holder)
		return vec_compare(x->holder, y->holder);
	if (x->off != y->off)
		return vec_compare(x->off, y->off);
	if (x->anchor != y->anchor)
		return vec_compare(y->anchor, x->anchor);
	if (x->t1_ns != y->t1_ns)
		return vec_compare(x->t1_ns, y->t1_ns);
	return vec_compare(x->record, y->record);
}

/* In the order in which their calls returned; of one holder in its own order. */
static int when_compare(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->when_ns != y->when_ns)
		return vec_compare(x->when_ns, y->when_ns);
	if (x->holder != y->holder)
		return vec_compare(x->holder, y->holder);
	if (x->off != y->off)
		return vec_compare(x->off, y->off);
	if (x->anchor != y->anchor)
		return vec_compare(y->anchor, x->anchor);
	return vec_compare(x->record, y->record);
}

static int off_compare(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->off != y->off)
		return vec_compare(x->off, y->off);
	return when_compare(a, b);
}

/* Does a holder say that it moved bytes which another one had moved? */
static bool is_contradictory(struct piece *pieces, size_t n)
{
	uint64_t end = 0, other_end = 0; /* reached by the holder that reached furthest, and by all others */
	uint32_t holder = STORE_NONE;

	qsort(pieces, n, sizeof(*pieces), off_compare);
	for (size_t i = 0; i < n; i++) {
		const struct piece *x = &pieces[i];
		uint64_t to = ranges_end(x->off, x->len);

		if (x->len == 0)
			continue;
		if (x->off < (x->holder == holder ? other_end : end))
			return true;
		if (to > end) {
			if (x->holder != holder)
				other_end = end;
			end = to;
			holder = x->holder;
		} else if (x->holder != holder && to > other_end) {
			other_end = to;
		}
	}
	return false;
}

static bool is_counted(const struct holder *h)
{
	return h->family != ENDPOINT_UNIX;
}

/* What a holder knows at an anchor of TCP is true; of a unix socket, that it begins behind all others. */
static void take_anchor(struct holder *h, const struct piece *x, uint64_t *reached)
{
	uint64_t at = ranges_end(x->off, h->shift[x->way]);

	if (is_counted(h)) {
		h->shift[x->way] = 0;
		at = x->off;
	} else if (at < *reached) {
		at = *reached;
		h->shift[x->way] = at - x->off;
	}
	if (at > *reached)
		*reached = at;
}

static void flag_race(struct place *p, const struct piece *a, const struct piece *b)
{
	const struct piece *both[2] = {a, b};

	for (int i = 0; i < 2; i++)
		p->store->processes[p->holders.items[both[i]->holder].process]
		    .records[both[i]->record]
		    .flags |= RECORD_FLAG_RACE;
	p->out->races++;
}

/* The pieces of one way of one socket, in their order. True: something was moved. */
static bool place_way(struct place *p, const struct piece *pieces, size_t n)
{
	const struct piece *last = NULL;
	uint64_t reached = 0;
	bool moved = false;

	for (size_t i = 0; i < n; i++) {
		const struct piece *x = &pieces[i];
		struct holder *h = &p->holders.items[x->holder];
		uint64_t at = ranges_end(x->off, h->shift[x->way]);

		if (x->anchor) {
			take_anchor(h, x, &reached);
			continue;
		}
		if (at < reached)
			at = reached;
		h->shift[x->way] = at - x->off;
		if (at != x->off) {
			p->store->processes[h->process].records[x->record].off = at;
			p->out->records++;
			moved = true;
		}
		if (x->len == 0)
			continue;
		if (last && last->holder != x->holder && x->t0_ns < last->t1_ns)
			flag_race(p, last, x);
		last = x;
		if (ranges_end(at, x->len) > reached)
			reached = ranges_end(at, x->len);
	}
	return moved;
}

static void place_socket_way(struct place *p, struct piece *pieces, size_t n, uint32_t *socket)
{
	const uint32_t number = p->holders.items[pieces->holder].socket;

	for (size_t i = 0; i < n; i++) {
		struct piece *x = &pieces[i];

		x->when_ns = x->t1_ns;
		if (i && x->holder == x[-1].holder && x[-1].when_ns > x->when_ns)
			x->when_ns = x[-1].when_ns;
	}
	if (!is_contradictory(pieces, n))
		return;
	qsort(pieces, n, sizeof(*pieces), when_compare);
	if (place_way(p, pieces, n) && *socket != number) {
		*socket = number;
		p->out->sockets++;
	}
}

static void place_all(struct place *p)
{
	uint32_t socket = STORE_NONE;
	size_t end;

	if (p->pieces.count)
		qsort_r(p->pieces.items, p->pieces.count, sizeof(*p->pieces.items), own_compare,
			p->holders.items);
	for (size_t first = 0; first < p->pieces.count; first = end) {
		const struct piece *x = &p->pieces.items[first];

		for (end = first; end < p->pieces.count && p->pieces.items[end].way == x->way &&
				  p->holders.items[p->pieces.items[end].holder].socket ==
				      p->holders.items[x->holder].socket;
		     end++)
			;
		place_socket_way(p, &p->pieces.items[first], end - first, &socket);
	}
}

int place_run(struct store *store, struct placing *out)
{
	struct place p = {.store = store, .out = out};
	int err;

	*out = (struct placing){0};
	err = find_holders(&p);
	if (!err)
		err = find_all_pieces(&p);
	if (!err)
		place_all(&p);
	vec_free(&p.holders);
	vec_free(&p.by_conn);
	vec_free(&p.pieces);
	return err;
}
