// SPDX-License-Identifier: Apache-2.0
/*
 * dgram.c - see dgram.h. Analyzer, one thread; pure but for memory, O(n log n). Sockets and groups
 * (dgram_ends.h), what can belong together (dgram_lane.h), what does (dgram_match.h), and here the sums.
 *
 * Invariant: every send and every receive has one fate and counts in one flow.
 */
#include "analyzer/pass/dgram.h"

#include "analyzer/pass/dgram_edge.h"
#include "analyzer/pass/dgram_lane.h"
#include "analyzer/pass/dgram_match.h"

/* What was seen between two scopes, in all lanes: a sign there is one for each. */
struct pooled {
	uint32_t from, to;
	unsigned int signs;
};

struct run {
	const struct store *store;
	struct dgram_ends ends;
	struct dgram_own own;
	struct dgram_lanes lanes;
	VEC(struct pooled) pooled;
	struct hash pooled_index;
	VEC(struct dgram_shot) out, in; /* of one lane */
	uint32_t *threads;		/* by process: number of its first thread over all */
	uint8_t *fates;			/* by item, enum dgram_fate */
	uint32_t *partners;		/* by item of a receive: the send */
	bool *reordered, *sure;		/* by item of a receive */
	uint32_t *lane_of;		/* by group: a lane that counts; STORE_NONE: none */
	uint32_t *sender_of;		/* by lane: its only group of sends; STORE_NONE: several */
	uint32_t *flow_of;		/* by group */
};

/* ---- lanes ---- */

static const struct dgram_view *view_of(const struct run *r, uint32_t group)
{
	return &r->ends.views.items[r->ends.groups.items[group].view];
}

static uint32_t view_of_item(const struct run *r, const struct dgram_item *i)
{
	return dgram_record(&r->ends, i)->conn;
}

static struct dgram_shot shot_make(const struct run *r, uint32_t number)
{
	const struct dgram_item *item = &r->ends.items.items[number];
	const struct dgram_group *g = &r->ends.groups.items[item->group];
	const struct store_record *record = dgram_record(&r->ends, item);
	struct dgram_shot s = {.t0_ns = record->t0_ns,
			       .t1_ns = record->t1_ns,
			       .len = record->len,
			       .captured = r->ends.captured[item->process],
			       .thread = r->threads[item->process] + record->thread,
			       .socket = g->socket,
			       .cut = item->side == DGRAM_RECEIVER && (record->flags & RECORD_FLAG_PARTIAL),
			       .many = g->other.family != ENDPOINT_UNIX && dgram_is_many(&g->other),
			       .item = number};

	if (record->data_len > sizeof(struct datagram)) {
		s.head = record->data + sizeof(struct datagram);
		s.head_len = record->data_len - (uint32_t)sizeof(struct datagram);
		if (s.head_len > s.len)
			s.head_len = s.len;
	}
	return s;
}

static int out_compare(const void *a, const void *b)
{
	const struct dgram_shot *x = a, *y = b;

	return x->t0_ns != y->t0_ns ? vec_compare(x->t0_ns, y->t0_ns) : vec_compare(x->item, y->item);
}

static int in_compare(const void *a, const void *b)
{
	const struct dgram_shot *x = a, *y = b;

	return x->t1_ns != y->t1_ns ? vec_compare(x->t1_ns, y->t1_ns) : vec_compare(x->item, y->item);
}

/* What the groups of a lane have in common. */
struct common {
	uint32_t clock[2], scope[2], socket; /* by dgram_side */
	bool any[2], mixed;
};

static void take_common(const struct run *r, uint32_t group, struct common *c)
{
	const struct dgram_group *g = &r->ends.groups.items[group];
	const struct dgram_view *v = view_of(r, group);
	uint32_t clock = r->ends.scopes.items[v->scope].clock;

	if (c->any[g->side] &&
	    (c->clock[g->side] != clock || (g->side == DGRAM_RECEIVER && c->socket != g->socket)))
		c->mixed = true;
	c->any[g->side] = true;
	c->clock[g->side] = clock;
	c->scope[g->side] = v->scope;
	if (g->side == DGRAM_RECEIVER)
		c->socket = g->socket;
}

static int lane_make(struct run *r, const struct dgram_track *t, struct dgram_lane *l, struct common *c)
{
	int err = 0;

	*c = (struct common){0};
	vec_clear(&r->out);
	vec_clear(&r->in);
	*l = (struct dgram_lane){0};
	for (uint32_t i = 0; i < t->count && !err; i++) {
		uint32_t number = r->lanes.members.items[t->first + i].group;
		const struct dgram_group *g = &r->ends.groups.items[number];

		take_common(r, number, c);
		for (uint32_t k = g->first; k < g->first + g->count && !err; k++) {
			struct dgram_shot s = shot_make(r, k);

			if (r->ends.gaps[r->ends.items.items[k].process])
				l->signs |= DGRAM_SIGN_GAPS;
			err = g->side == DGRAM_SENDER ? vec_push(&r->out, s) : vec_push(&r->in, s);
		}
	}
	vec_sort(&r->out, out_compare);
	vec_sort(&r->in, in_compare);
	l->out = r->out.items;
	l->in = r->in.items;
	l->out_count = (uint32_t)r->out.count;
	l->in_count = (uint32_t)r->in.count;
	l->one_clock = !c->mixed && c->clock[DGRAM_SENDER] == c->clock[DGRAM_RECEIVER];
	if (c->mixed)
		l->signs |= DGRAM_SIGN_MIXED;
	return err;
}

static bool pooled_equal(const void *items, uint32_t index, const void *key)
{
	const struct pooled *p = &((const struct pooled *)items)[index], *wanted = key;

	return p->from == wanted->from && p->to == wanted->to;
}

static int pooled_of(struct run *r, const struct common *c, struct pooled **out)
{
	struct pooled wanted = {.from = c->scope[DGRAM_SENDER], .to = c->scope[DGRAM_RECEIVER]};
	uint64_t hash = hash_mix((uint64_t)wanted.from << 32 | wanted.to);
	uint32_t number = hash_find(&r->pooled_index, hash, pooled_equal, r->pooled.items, &wanted);
	int err = 0;

	if (number == HASH_NONE) {
		number = (uint32_t)r->pooled.count;
		err = vec_push(&r->pooled, wanted);
		if (!err)
			err = hash_add(&r->pooled_index, hash, number);
	}
	*out = err ? NULL : &r->pooled.items[number];
	return err;
}

/* First look: what the ways between two scopes do to datagrams. */
static int look(struct run *r, uint32_t lane)
{
	struct dgram_lane l;
	struct common c;
	struct pooled *p;
	int err = lane_make(r, &r->lanes.tracks.items[lane], &l, &c);

	if (!err)
		err = dgram_match_alike(&l);
	if (!err)
		err = pooled_of(r, &c, &p);
	if (!err && !(l.signs & DGRAM_SIGN_MIXED))
		p->signs |= l.signs & (DGRAM_SIGN_COPIES | DGRAM_SIGN_REORDER);
	return err;
}

static void keep_fates(struct run *r, const struct dgram_lane *l, uint32_t lane)
{
	const struct dgram_track *t = &r->lanes.tracks.items[lane];
	uint32_t senders = 0;

	for (uint32_t i = 0; i < l->out_count; i++) {
		uint8_t *fate = &r->fates[l->out[i].item];

		if (*fate < l->out[i].fate) /* received by anybody, if sent to many */
			*fate = (uint8_t)l->out[i].fate;
	}
	for (uint32_t i = 0; i < l->in_count; i++) {
		const struct dgram_shot *s = &l->in[i];

		r->fates[s->item] = (uint8_t)s->fate;
		r->reordered[s->item] = s->reordered;
		r->sure[s->item] = s->sure && t->join != DGRAM_PAYLOAD && !t->weak;
		if (s->partner != DGRAM_NOBODY)
			r->partners[s->item] = l->out[s->partner].item;
	}
	for (uint32_t i = 0; i < t->count; i++) {
		uint32_t group = r->lanes.members.items[t->first + i].group;

		r->lane_of[group] = lane;
		if (r->ends.groups.items[group].side != DGRAM_SENDER)
			continue;
		r->sender_of[lane] = senders++ ? STORE_NONE : group;
	}
}

static int decide(struct run *r, uint32_t lane)
{
	struct dgram_lane l;
	struct common c;
	struct pooled *p;
	bool met = !r->lanes.tracks.items[lane].weak;
	int err = lane_make(r, &r->lanes.tracks.items[lane], &l, &c);

	if (!err)
		err = pooled_of(r, &c, &p);
	if (!err)
		l.signs |= p->signs;
	if (!err)
		err = dgram_match_alike(&l);
	if (!err)
		err = dgram_match_order(&l);
	for (uint32_t i = 0; !err && i < l.in_count; i++)
		met |= l.in[i].fate == DGRAM_JOINED || l.in[i].fate == DGRAM_AMBIGUOUS;
	if (!err && met)
		keep_fates(r, &l, lane);
	return err;
}

/* ---- those that nobody took ---- */

struct bound {
	uint16_t port;
	uint32_t view;
};

static int bound_compare(const void *a, const void *b)
{
	const struct bound *x = a, *y = b;

	return x->port != y->port ? vec_compare(x->port, y->port) : vec_compare(x->view, y->view);
}

#define LOOKS 64u

/* The traced socket that the address is of, though it took nothing. */
static uint32_t find_bound(const struct run *r, const struct bound *bound, size_t n, uint32_t group)
{
	const struct dgram_group *g = &r->ends.groups.items[group];
	const struct dgram_view *s = view_of(r, group);
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (bound[middle].port < g->other.port)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i < n && i - low < LOOKS && bound[i].port == g->other.port; i++) {
		const struct dgram_view *v = &r->ends.views.items[bound[i].view];

		if (dgram_takes(&r->own, v, s->scope, &g->other) &&
		    (!v->connected || v->remote.port == s->local.port))
			return bound[i].view;
	}
	return STORE_NONE;
}

/* Sends to a traced socket that took nothing from there. By group: the view; STORE_NONE: none. */
static int find_silent(struct run *r, uint32_t *silent)
{
	VEC(struct bound) bound = {0};
	int err = 0;

	for (uint32_t i = 0; i < r->ends.views.count && !err; i++)
		if (r->ends.views.items[i].local.port)
			err = vec_push(&bound, (struct bound){r->ends.views.items[i].local.port, i});
	vec_sort(&bound, bound_compare);
	for (uint32_t i = 0; i < r->ends.groups.count && !err; i++) {
		const struct dgram_group *g = &r->ends.groups.items[i];

		silent[i] = STORE_NONE;
		if (g->side != DGRAM_SENDER || r->lane_of[i] != STORE_NONE || !g->other.port ||
		    g->other.family == ENDPOINT_UNIX || dgram_is_many(&g->other))
			continue;
		silent[i] = find_bound(r, bound.items, bound.count, i);
		for (uint32_t k = g->first; silent[i] != STORE_NONE && k < g->first + g->count; k++)
			r->fates[k] = r->ends.gaps[r->ends.views.items[silent[i]].process] ? DGRAM_AMBIGUOUS
											   : DGRAM_LOST;
	}
	vec_free(&bound);
	return err;
}

/* ---- flows ---- */

static struct dgram_end end_of(const struct run *r, uint32_t item)
{
	const struct dgram_item *i = &r->ends.items.items[item];

	return (struct dgram_end){i->process, view_of_item(r, i)};
}

static const struct dgram_end nobody = {STORE_NONE, 0};

static struct dgram_flow flow_make(const struct run *r, uint32_t group)
{
	const struct dgram_group *g = &r->ends.groups.items[group];
	struct dgram_flow f = {.ends = {nobody, nobody}};

	f.ends[g->side] = end_of(r, g->first);
	f.address[g->side] = view_of(r, group)->local;
	f.address[!g->side] = g->other;
	if (g->side == DGRAM_SENDER && r->lane_of[group] != STORE_NONE) {
		f.join = r->lanes.tracks.items[r->lane_of[group]].join;
		f.bits = r->lanes.tracks.items[r->lane_of[group]].bits;
	}
	return f;
}

static void count_send(const struct run *r, struct dgram_flow *f, uint32_t item)
{
	uint32_t len = dgram_record(&r->ends, &r->ends.items.items[item])->len;

	f->sent++;
	f->bytes_sent += len;
	f->lost += r->fates[item] == DGRAM_LOST;
	f->ambiguous += r->fates[item] == DGRAM_AMBIGUOUS;
	f->joined += r->fates[item] == DGRAM_JOINED;
	if (r->fates[item] == DGRAM_JOINED)
		f->bytes_joined += len;
}

static void count_take(const struct run *r, struct dgram_flow *f, uint32_t item)
{
	f->received++;
	f->bytes_received += dgram_record(&r->ends, &r->ends.items.items[item])->len;
	f->unclear += r->fates[item] == DGRAM_AMBIGUOUS;
	f->copies += r->fates[item] == DGRAM_COPY;
	f->unsent += r->fates[item] == DGRAM_LOST;
	f->reordered += r->reordered[item];
}

/* The flow that a receive counts in: of the send, or the only one there is, or one without a sender. */
static uint32_t flow_of_take(struct run *r, uint32_t item, struct dgrams *out)
{
	uint32_t group = r->ends.items.items[item].group, lane = r->lane_of[group], sender = STORE_NONE;

	if (r->partners[item] != STORE_NONE)
		sender = r->ends.items.items[r->partners[item]].group;
	else if (lane != STORE_NONE)
		sender = r->sender_of[lane];
	if (sender == STORE_NONE)
		sender = group;
	if (r->flow_of[sender] == STORE_NONE) {
		r->flow_of[sender] = out->flow_count;
		out->flows[out->flow_count++] = flow_make(r, sender);
	}
	return r->flow_of[sender];
}

/* A flow's receiver is who took first; the sender's address is the one that it was seen by. */
static void take_receiver(const struct run *r, struct dgram_flow *f, uint32_t item)
{
	const struct dgram_group *g = &r->ends.groups.items[r->ends.items.items[item].group];

	if (f->ends[DGRAM_RECEIVER].process != STORE_NONE)
		return;
	f->ends[DGRAM_RECEIVER] = end_of(r, item);
	if (dgram_is_any(&f->address[DGRAM_SENDER]) && g->other.family)
		f->address[DGRAM_SENDER] = g->other;
}

static int pair_compare(const void *a, const void *b)
{
	const struct dgram_pair *x = a, *y = b;

	if (x->flow != y->flow)
		return vec_compare(x->flow, y->flow);
	if (x->process[1] != y->process[1])
		return vec_compare(x->process[1], y->process[1]);
	return vec_compare(x->record[1], y->record[1]);
}

static void add_pair(const struct run *r, struct dgrams *out, uint32_t item, uint32_t flow)
{
	const struct dgram_item *sent = &r->ends.items.items[r->partners[item]];
	const struct dgram_item *taken = &r->ends.items.items[item];

	out->pairs[out->pair_count++] = (struct dgram_pair){.process = {sent->process, taken->process},
							    .record = {sent->record, taken->record},
							    .flow = flow,
							    .copy = r->fates[item] == DGRAM_COPY,
							    .sure = r->sure[item]};
}

static void add_up(struct dgram_flow *all, const struct dgram_flow *f)
{
	all->sent += f->sent;
	all->bytes_sent += f->bytes_sent;
	all->received += f->received;
	all->bytes_received += f->bytes_received;
	all->joined += f->joined;
	all->bytes_joined += f->bytes_joined;
	all->lost += f->lost;
	all->ambiguous += f->ambiguous;
	all->unclear += f->unclear;
	all->copies += f->copies;
	all->reordered += f->reordered;
	all->unsent += f->unsent;
}

static int add_flows(struct run *r, struct dgrams *out, const uint32_t *silent)
{
	uint32_t number;

	out->flows = calloc(r->ends.groups.count + 1, sizeof(*out->flows));
	out->pairs = calloc(r->ends.items.count + 1, sizeof(*out->pairs));
	if (!out->flows || !out->pairs)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->ends.items.count; i++) {
		uint32_t group = r->ends.items.items[i].group;

		if (r->ends.items.items[i].side == DGRAM_SENDER) {
			if (r->flow_of[group] == STORE_NONE) {
				r->flow_of[group] = out->flow_count;
				out->flows[out->flow_count++] = flow_make(r, group);
			}
			count_send(r, &out->flows[r->flow_of[group]], i);
			out->sent_untraced += r->fates[i] == DGRAM_OPEN;
			continue;
		}
		number = flow_of_take(r, i, out);
		count_take(r, &out->flows[number], i);
		take_receiver(r, &out->flows[number], i);
		if (r->partners[i] != STORE_NONE)
			add_pair(r, out, i, number);
		out->from_untraced += r->fates[i] == DGRAM_OPEN;
	}
	for (uint32_t i = 0; i < r->ends.groups.count; i++) {
		struct dgram_end *e;

		if (silent[i] == STORE_NONE || r->flow_of[i] == STORE_NONE)
			continue;
		e = &out->flows[r->flow_of[i]].ends[DGRAM_RECEIVER];
		e->process = r->ends.views.items[silent[i]].process;
		e->conn = r->ends.views.items[silent[i]].conn;
		out->flows[r->flow_of[i]].join = DGRAM_ADDRESS;
	}
	for (uint32_t i = 0; i < out->flow_count; i++)
		add_up(&out->all, &out->flows[i]);
	if (out->pair_count > 1)
		qsort(out->pairs, out->pair_count, sizeof(*out->pairs), pair_compare);
	return 0;
}

/* ---- the whole ---- */

static int run_make(struct run *r)
{
	size_t items = r->ends.items.count + 1, groups = r->ends.groups.count + 1,
	       lanes = r->lanes.tracks.count + 1;
	uint32_t threads = 0;

	r->threads = calloc(r->store->process_count + 1ul, sizeof(*r->threads));
	r->fates = calloc(items, sizeof(*r->fates));
	r->reordered = calloc(items, sizeof(*r->reordered));
	r->sure = calloc(items, sizeof(*r->sure));
	r->partners = malloc(items * sizeof(*r->partners));
	r->lane_of = malloc(groups * sizeof(*r->lane_of));
	r->flow_of = malloc(groups * sizeof(*r->flow_of));
	r->sender_of = malloc(lanes * sizeof(*r->sender_of));
	if (!r->threads || !r->fates || !r->reordered || !r->sure || !r->partners || !r->lane_of ||
	    !r->flow_of || !r->sender_of)
		return -ENOMEM;
	memset(r->partners, 0xff, items * sizeof(*r->partners));
	memset(r->lane_of, 0xff, groups * sizeof(*r->lane_of));
	memset(r->flow_of, 0xff, groups * sizeof(*r->flow_of));
	memset(r->sender_of, 0xff, lanes * sizeof(*r->sender_of));
	for (uint32_t i = 0; i < r->store->process_count; i++) {
		r->threads[i] = threads;
		threads += r->store->processes[i].thread_count;
	}
	return 0;
}

static void run_free(struct run *r)
{
	dgram_ends_free(&r->ends);
	dgram_own_free(&r->own);
	dgram_lanes_free(&r->lanes);
	vec_free(&r->pooled);
	hash_free(&r->pooled_index);
	vec_free(&r->out);
	vec_free(&r->in);
	free(r->threads);
	free(r->fates);
	free(r->reordered);
	free(r->sure);
	free(r->partners);
	free(r->lane_of);
	free(r->flow_of);
	free(r->sender_of);
}

int dgram_run(const struct store *store, const struct conns *conns, struct dgrams *out)
{
	struct run r = {.store = store};
	uint32_t *silent = NULL;
	int err;

	*out = (struct dgrams){0};
	if (!conns->asides.datagram_conns)
		return 0;
	err = dgram_ends_gather(store, &r.ends);
	err = err ? err : dgram_own_gather(&r.ends, conns, &r.own);
	err = err ? err : dgram_lanes_make(&r.ends, &r.own, &r.lanes);
	err = err ? err : run_make(&r);
	for (uint32_t i = 0; i < r.lanes.tracks.count && !err; i++)
		err = look(&r, i);
	for (uint32_t i = 0; i < r.lanes.tracks.count && !err; i++)
		err = decide(&r, i);
	if (!err) {
		silent = malloc((r.ends.groups.count + 1) * sizeof(*silent));
		err = silent ? find_silent(&r, silent) : -ENOMEM;
	}
	err = err ? err : add_flows(&r, out, silent);
	err = err ? err : dgram_edges_make(store, out);
	free(silent);
	run_free(&r);
	if (err)
		dgram_free(out);
	return err;
}

const char *dgram_join_name(enum dgram_join join)
{
	static const char *const names[DGRAM_JOINS] = {[DGRAM_NONE] = "one end only",
						       [DGRAM_ADDRESS] = "address",
						       [DGRAM_INODE] = "inode",
						       [DGRAM_PAYLOAD] = "payload"};

	return names[join];
}

void dgram_free(struct dgrams *d)
{
	free(d->flows);
	free(d->pairs);
	free(d->edges);
	*d = (struct dgrams){0};
}
