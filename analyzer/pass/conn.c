// SPDX-License-Identifier: Apache-2.0
/*
 * conn.c - see conn.h. Analyzer, one thread; reads the store, prints nothing, is O(n log n).
 *
 * Invariant: nothing here trusts a record: offsets may be near 2^64, conn numbers anything, and every record
 * may be the only one left of its connection.
 */
#include "analyzer/pass/conn.h"

#include "analyzer/hash.h"
#include "analyzer/pass/by_conn.h"
#include "analyzer/pass/counted.h"
#include "analyzer/pass/layer.h"
#include "analyzer/pass/ranges.h"
#include "analyzer/pass/socket.h"
#include "analyzer/vec.h"

enum way { WAY_IN, WAY_OUT };

/* What a view needs until all are there. */
struct draft {
	size_t at[2];	  /* of its lists in indices, by way */
	uint64_t end[2];  /* offset up to which bytes are known to have moved */
	uint64_t last_ns; /* of its records */
	size_t jumps;	  /* first of its own in build.jumps */
	size_t jump_count;
};

/* Where 127.0.0.1 means one thing. */
struct scope {
	uint32_t clock;
	uint64_t netns;
};

struct build {
	const struct store *store;
	VEC(struct view) views;
	VEC(struct draft) drafts;
	VEC(uint32_t) indices;
	VEC(struct jump) jumps; /* of processes whose gate was shut */
	VEC(struct scope) scopes;
	struct hash scope_index;
	uint64_t orphan_records;
	uint64_t partial_views;
	struct asides asides;
};

/* ---- one view ---- */

static bool is_moved(const struct store_record *r)
{
	return (r->kind == RECORD_IN || r->kind == RECORD_OUT) && !(r->flags & RECORD_FLAG_PEEK);
}

static bool is_endpoint(const struct store_record *r)
{
	return r->kind == RECORD_OPEN && r->data_len >= sizeof(struct endpoint);
}

#define OPENED (RECORD_FLAG_CONNECT | RECORD_FLAG_ACCEPT | RECORD_FLAG_PAIR)

/* An OPEN can be told twice, when it first found no room: the one that says how the connection came is
 * better. */
static bool is_better_open(const struct store_record *r, const struct store_record *than)
{
	return !than || ((r->flags & OPENED) && !(than->flags & OPENED)) ||
	       (!(r->flags & RECORD_FLAG_SEEN) && (than->flags & RECORD_FLAG_SEEN));
}

static bool is_loopback(const struct address *a)
{
	static const uint8_t one[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (a->family == ENDPOINT_IPV4)
		return a->addr[0] == 127;
	return a->family == ENDPOINT_IPV6 &&
	       (memcmp(a->addr, one, 16) == 0 || (memcmp(a->addr, mapped, 12) == 0 && a->addr[12] == 127));
}

static bool scope_equal(const void *items, uint32_t index, const void *key)
{
	const struct scope *s = &((const struct scope *)items)[index], *wanted = key;

	return s->clock == wanted->clock && s->netns == wanted->netns;
}

static int set_scope(struct build *b, const struct view *v, struct address *a)
{
	struct scope wanted = {b->store->processes[v->process].clock, v->netns};
	uint64_t hash = hash_mix(hash_mix(wanted.netns) + wanted.clock);
	uint32_t number;
	int err = 0;

	if (!is_loopback(a))
		return 0;
	number = hash_find(&b->scope_index, hash, scope_equal, b->scopes.items, &wanted);
	if (number == HASH_NONE) {
		number = (uint32_t)b->scopes.count;
		err = vec_push(&b->scopes, wanted);
		if (!err)
			err = hash_add(&b->scope_index, hash, number);
	}
	a->scope = number + 1;
	return err;
}

static struct address address_of(uint8_t family, uint16_t port, const uint8_t addr[16])
{
	struct address a = {.family = family};

	if (family == ENDPOINT_IPV4 || family == ENDPOINT_IPV6) {
		a.port = port;
		memcpy(a.addr, addr, family == ENDPOINT_IPV4 ? 4 : 16);
	}
	return a;
}

/* What the OPEN record says. */
static int take_open(struct build *b, struct view *v, const struct store_record *r)
{
	struct endpoint e;
	int err;

	memcpy(&e, r->data, sizeof(e));
	v->local = address_of(e.family, e.local_port, e.local_addr);
	v->remote = address_of(e.family, e.remote_port, e.remote_addr);
	if (e.netns)
		v->netns = e.netns;
	v->inode = e.inode;
	v->cookie = e.cookie;
	v->peer_pid = e.peer_pid;
	v->first_off_in = e.off_in;
	v->first_off_out = e.off_out;
	if (r->flags & RECORD_FLAG_SEEN)
		; /* told again: it came before */
	else if (r->flags & RECORD_FLAG_ACCEPT)
		v->open_ns = r->t1_ns; /* it may have waited long before there was a connection */
	else if (r->flags & OPENED)
		v->open_ns = r->t0_ns;
	if (r->flags & RECORD_FLAG_CONNECT)
		v->role = VIEW_CLIENT;
	else if (r->flags & RECORD_FLAG_ACCEPT)
		v->role = VIEW_SERVER;
	if (e.family == ENDPOINT_UNIX && e.path_bytes > 0 && e.path_bytes <= r->data_len - sizeof(e)) {
		v->path = r->data + sizeof(e);
		v->path_len = e.path_bytes;
	}
	err = set_scope(b, v, &v->local);
	return err ? err : set_scope(b, v, &v->remote);
}

static bool is_session(const struct store_record *r)
{
	return r->kind == RECORD_TLS && r->data_len == sizeof(struct tls_session);
}

/* What the TLS record says. Sessions are not opened by a call of their own: that is the carrier's. */
static void take_session(struct view *v, const struct store_record *r)
{
	struct tls_session s;

	memcpy(&s, r->data, sizeof(s));
	/* told of again where records begin again */
	if (!v->random || s.off_in < v->first_off_in)
		v->first_off_in = s.off_in;
	if (!v->random || s.off_out < v->first_off_out)
		v->first_off_out = s.off_out;
	v->random = r->data;
	if (r->flags & RECORD_FLAG_CONNECT)
		v->role = VIEW_CLIENT;
	else if (r->flags & RECORD_FLAG_ACCEPT)
		v->role = VIEW_SERVER;
}

/* The two ends of a socketpair are alike: the one with the lower inode counts as the client. */
static void take_pair_role(struct view *v, const struct store_record *open)
{
	if (v->role != VIEW_UNKNOWN || !open || !(open->flags & RECORD_FLAG_PAIR) || !v->peer_inode ||
	    !v->inode || v->peer_inode == v->inode)
		return;
	v->role = v->inode < v->peer_inode ? VIEW_CLIENT : VIEW_SERVER;
}

static void reach(uint64_t *end, uint64_t to)
{
	if (to != COUNT_UNKNOWN && to > *end)
		*end = to;
}

static int take_counts(struct build *b, const struct view *v, struct draft *d, const struct store_record *r)
{
	struct counts c;
	struct jump jump;
	int err = 0;

	if (r->data_len < sizeof(c))
		return 0;
	memcpy(&c, r->data, sizeof(c));
	if (b->store->processes[v->process].gated && counted_jump(&c, &jump)) {
		d->jumps = b->jumps.count - d->jump_count;
		d->jump_count++;
		err = vec_push(&b->jumps, jump);
	}
	reach(&d->end[WAY_IN], c.in_seen);
	reach(&d->end[WAY_IN], c.in_kernel);
	reach(&d->end[WAY_OUT], c.out_seen);
	reach(&d->end[WAY_OUT], c.out_kernel);
	return err;
}

/* The order of a list: what moved nothing goes last. */
static int list_compare(const void *a, const void *b, void *with)
{
	const struct store_process *p = with;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	const struct store_record *x = &p->records[i], *y = &p->records[j];

	if ((x->len == 0) != (y->len == 0))
		return x->len == 0 ? 1 : -1;
	if (x->off != y->off)
		return vec_compare(x->off, y->off);
	if (x->t0_ns != y->t0_ns)
		return vec_compare(x->t0_ns, y->t0_ns);
	return vec_compare(i, j);
}

static void list_sort(const struct store_process *p, uint32_t *list, uint32_t n)
{
	bool sorted = true;

	for (uint32_t i = 1; i < n && sorted; i++)
		sorted = list_compare(&list[i - 1], &list[i], (void *)(uintptr_t)p) < 0;
	if (!sorted)
		qsort_r(list, n, sizeof(*list), list_compare, (void *)(uintptr_t)p);
}

/* Fills the lists of a view; gives the bytes that its records hold. */
static void take_moved(struct build *b, struct view *v, struct draft *d, const uint32_t *records, uint32_t n)
{
	const struct store_process *p = &b->store->processes[v->process];
	static const uint8_t kinds[2] = {[WAY_IN] = RECORD_IN, [WAY_OUT] = RECORD_OUT};

	for (int way = 0; way < 2; way++) {
		uint32_t *list, count = 0;
		uint64_t seen = 0, to = 0;

		d->at[way] = b->indices.count;
		list = &b->indices.items[b->indices.count];
		for (uint32_t i = 0; i < n; i++) {
			const struct store_record *r = &p->records[records[i]];

			if (is_moved(r) && r->kind == kinds[way])
				list[count++] = records[i];
		}
		b->indices.count += count;
		list_sort(p, list, count);
		for (uint32_t i = 0; i < count; i++) {
			const struct store_record *r = &p->records[list[i]];
			uint64_t end = ranges_end(r->off, r->len);

			if (end > to) {
				seen += end - (r->off > to ? r->off : to);
				to = end;
			}
		}
		reach(&d->end[way], to);
		*(way == WAY_IN ? &v->in_count : &v->out_count) = count;
		*(way == WAY_IN ? &v->seen_in : &v->seen_out) = seen;
	}
}

/* A view that came in the middle knows what was before; records before its OPEN know it better. */
static void take_first(struct build *b, struct view *v, const struct draft *d)
{
	const struct store_record *records = b->store->processes[v->process].records;
	const struct store_record *in = v->in_count ? &records[b->indices.items[d->at[WAY_IN]]] : NULL;
	const struct store_record *out = v->out_count ? &records[b->indices.items[d->at[WAY_OUT]]] : NULL;
	bool known = v->open_record != STORE_NONE || v->random;

	if (in && (!known || in->off < v->first_off_in))
		v->first_off_in = in->off;
	if (out && (!known || out->off < v->first_off_out))
		v->first_off_out = out->off;
}

static const struct view unknown_view = {.open_ns = UINT64_MAX,
					 .close_ns = UINT64_MAX,
					 .open_record = STORE_NONE,
					 .close_record = STORE_NONE,
					 .carrier = STORE_NONE,
					 .covered_in = UINT64_MAX,
					 .covered_out = UINT64_MAX};

/* Makes the view of one conn from its records. */
static int add_view(struct build *b, uint32_t process, const uint32_t *records, uint32_t n)
{
	const struct store_process *p = &b->store->processes[process];
	struct view v = unknown_view;
	const struct store_record *open = NULL;
	struct draft d = {0};
	uint32_t moved = 0, said = 0;
	bool partial = false;
	int err = 0;

	if (aside_take(&b->asides, p, records, n))
		return 0;
	v.process = process;
	v.conn = p->records[records[0]].conn;
	v.netns = p->netns;
	for (uint32_t i = 0; i < n; i++) {
		const struct store_record *r = &p->records[records[i]];

		partial |= r->kind == RECORD_OPEN && (r->flags & RECORD_FLAG_PARTIAL);

		moved += r->kind == RECORD_IN || r->kind == RECORD_OUT;
		said += r->kind != RECORD_PEER;
		if (r->kind != RECORD_PEER && r->t0_ns < v.open_ns)
			v.open_ns = r->t0_ns;
		if (r->kind != RECORD_PEER && r->t1_ns > d.last_ns)
			d.last_ns = r->t1_ns;
		if (is_endpoint(r) && is_better_open(r, open)) {
			open = r;
			v.open_record = records[i];
		} else if (r->kind == RECORD_CLOSE) {
			v.close_record = records[i];
			v.close_ns = r->t1_ns;
			err = err ? err : take_counts(b, &v, &d, r);
		} else if (r->kind == RECORD_RESYNC) {
			err = err ? err : take_counts(b, &v, &d, r);
		} else if (r->kind == RECORD_PEER && r->off) {
			v.peer_inode = r->off;
		} else if (is_session(r)) {
			take_session(&v, r);
		}
	}
	if (err || said == 0)
		return err;
	if (!open && !v.random)
		b->orphan_records += moved;
	b->partial_views += partial;
	err = open ? take_open(b, &v, open) : 0;
	if (!err)
		err = vec_reserve(&b->indices, b->indices.count + n);
	if (err)
		return err;
	take_pair_role(&v, open);
	take_moved(b, &v, &d, records, n);
	take_first(b, &v, &d);
	err = vec_push(&b->views, v);
	return err ? err : vec_push(&b->drafts, d);
}

static int add_process(struct build *b, uint32_t process)
{
	const struct store_process *p = &b->store->processes[process];
	uint32_t *sorted, n, end;
	int err = by_conn(p, &sorted, &n);

	if (err)
		return err;
	for (uint32_t first = 0; first < n && !err; first = end) {
		for (end = first + 1;
		     end < n && p->records[sorted[end]].conn == p->records[sorted[first]].conn; end++)
			;
		err = add_view(b, process, &sorted[first], end - first);
	}
	free(sorted);
	return err;
}

/* ---- lost closes ---- */

struct held {
	uint64_t fd;
	uint64_t open_ns;
	uint32_t view;
};

static int held_compare(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->fd != y->fd)
		return vec_compare(x->fd, y->fd);
	if (x->open_ns != y->open_ns)
		return vec_compare(x->open_ns, y->open_ns);
	return vec_compare(x->view, y->view);
}

/* A descriptor that was given to another connection had been closed, unless a copy of it was used later on.
 */
static int close_reused(struct build *b, size_t first, size_t end)
{
	VEC(struct held) held = {0};
	int err = 0;

	for (size_t i = first; i < end && !err; i++) {
		const struct view *v = &b->views.items[i];
		const struct store_record *r;

		if (v->open_record == STORE_NONE)
			continue;
		r = &b->store->processes[v->process].records[v->open_record];
		err = vec_push(&held, (struct held){r->off, r->t0_ns, (uint32_t)i});
	}
	vec_sort(&held, held_compare);
	for (size_t i = 1; i < held.count && !err; i++) {
		struct view *v = &b->views.items[held.items[i - 1].view];
		uint64_t next_ns = held.items[i].open_ns;

		if (held.items[i - 1].fd == held.items[i].fd && v->close_record == STORE_NONE &&
		    b->drafts.items[held.items[i - 1].view].last_ns <= next_ns)
			v->close_ns = next_ns;
	}
	vec_free(&held);
	return err;
}

/* ---- unseen bytes ---- */

static int cover_counted(const struct build *b, uint32_t view, enum way way, struct ranges *covered)
{
	const struct draft *d = &b->drafts.items[view];
	const struct view *v = &b->views.items[view];

	if (!b->store->processes[v->process].gated)
		return 0;
	return counted_cover(b->jumps.items + d->jumps, d->jump_count, way,
			     way == WAY_IN ? v->first_off_in : v->first_off_out, d->end[way], covered);
}

static int covered_by(const struct build *b, const uint32_t *members, uint32_t n, enum way way,
		      struct ranges *covered)
{
	const struct store *store = b->store;
	const struct view *views = b->views.items;
	int err = 0;

	covered->count = 0;
	for (uint32_t i = 0; i < n && !err; i++) {
		const struct view *v = &views[members[i]];
		const uint32_t *list = way == WAY_IN ? v->in : v->out;
		uint32_t count = way == WAY_IN ? v->in_count : v->out_count;

		for (uint32_t k = 0; k < count && !err; k++) {
			const struct store_record *r = &store->processes[v->process].records[list[k]];

			err = ranges_add(covered, r->off, ranges_end(r->off, r->len));
		}
		err = err ? err : cover_counted(b, members[i], way, covered);
	}
	if (!err)
		ranges_merge(covered);
	return err;
}

struct stretch {
	uint64_t from, to;
	uint32_t view;
};

static int stretch_compare(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;

	return x->from != y->from ? vec_compare(x->from, y->from) : vec_compare(x->view, y->view);
}

/*
 * Bytes that moved between the first traced holder's coming and the last one's end, and that no record of any
 * holder has: also those of somebody else who had the socket in between. Each counts once, at the view that
 * knows of it first.
 */
static int count_unseen(struct build *b, const uint32_t *members, uint32_t n, enum way way,
			struct ranges *covered)
{
	VEC(struct stretch) stretches = {0};
	uint64_t done = 0;
	int err = covered_by(b, members, n, way, covered);

	for (uint32_t i = 0; i < n && !err; i++) {
		const struct view *v = &b->views.items[members[i]];

		err =
		    vec_push(&stretches, (struct stretch){way == WAY_IN ? v->first_off_in : v->first_off_out,
							  b->drafts.items[members[i]].end[way], members[i]});
	}
	vec_sort(&stretches, stretch_compare);
	for (size_t i = 0; i < stretches.count && !err; i++) {
		const struct stretch *s = &stretches.items[i];
		struct view *v = &b->views.items[s->view];
		uint64_t from = i ? done : s->from;

		if (s->to > from)
			*(way == WAY_IN ? &v->unseen_in : &v->unseen_out) =
			    ranges_missing(covered, from, s->to);
		if (s->to > done)
			done = s->to;
	}
	vec_free(&stretches);
	return err;
}

static int count_all_unseen(struct build *b)
{
	struct ranges covered = {0};
	struct sockets sockets;
	int err = socket_group(b->store, b->views.items, (uint32_t)b->views.count, &sockets);

	for (uint32_t i = 0; !err && i < sockets.socket_count; i++) {
		const uint32_t *members = &sockets.views[sockets.first[i]];
		uint32_t n = sockets.first[i + 1] - sockets.first[i];

		err = count_unseen(b, members, n, WAY_IN, &covered);
		if (!err)
			err = count_unseen(b, members, n, WAY_OUT, &covered);
	}
	socket_free(&sockets);
	vec_free(&covered);
	return err;
}

int conn_run(const struct store *store, struct conns *out)
{
	struct build b = {.store = store};
	int err = 0;

	*out = (struct conns){0};
	for (uint32_t i = 0; i < store->process_count && !err; i++) {
		size_t first = b.views.count;

		err = add_process(&b, i);
		if (!err)
			err = close_reused(&b, first, b.views.count);
	}
	for (size_t i = 0; i < b.views.count && !err; i++) {
		b.views.items[i].in = b.indices.items + b.drafts.items[i].at[WAY_IN];
		b.views.items[i].out = b.indices.items + b.drafts.items[i].at[WAY_OUT];
	}
	if (!err)
		err = count_all_unseen(&b);
	out->views = b.views.items;
	out->view_count = (uint32_t)b.views.count;
	out->indices = b.indices.items;
	out->orphan_records = b.orphan_records;
	out->partial_views = b.partial_views;
	out->asides = b.asides;
	if (!err)
		err = layer_run(store, out);
	vec_free(&b.drafts);
	vec_free(&b.jumps);
	vec_free(&b.scopes);
	hash_free(&b.scope_index);
	if (err)
		conn_free(out);
	return err;
}

void conn_free(struct conns *c)
{
	free(c->views);
	free(c->indices);
	*c = (struct conns){0};
}
