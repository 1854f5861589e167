// SPDX-License-Identifier: Apache-2.0
/* party.c - see party.h. Analyzer, one thread; pure but for memory. */
#include "analyzer/pass/party.h"

#include "analyzer/pass/heads.h"
#include "analyzer/pass/preface.h"
#include "analyzer/pass/ranges.h"
#include "analyzer/vec.h"

#define SLACK_NS 1000 /* stamps of two processors */

static const uint32_t *list_of(const struct view *v, enum party_way way, uint32_t *n)
{
	*n = way == PARTY_IN ? v->in_count : v->out_count;
	return way == PARTY_IN ? v->in : v->out;
}

static bool is_opened(const struct store *store, const struct view *v)
{
	const struct store_record *r;

	if (v->open_record == STORE_NONE)
		return false;
	r = &store->processes[v->process].records[v->open_record];
	return !(r->flags & RECORD_FLAG_SEEN) &&
	       (r->flags & (RECORD_FLAG_CONNECT | RECORD_FLAG_ACCEPT | RECORD_FLAG_PAIR));
}

/* The view to believe: who made the connection, else who knows addresses, else the first. */
static const struct view *speaker(const struct store *store, const struct conns *conns, const uint32_t *views,
				  uint32_t n)
{
	const struct view *best = &conns->views[views[0]];

	for (uint32_t i = 0; i < n; i++) {
		const struct view *v = &conns->views[views[i]];

		if (is_opened(store, v))
			return v;
		if (best->open_record == STORE_NONE && v->open_record != STORE_NONE)
			best = v;
	}
	return best;
}

/* What the kernel, or all that held the socket, had moved when it was closed. */
static void take_counts(const struct store *store, const struct view *v, struct party *p)
{
	const struct store_record *r =
	    v->close_record == STORE_NONE ? NULL : &store->processes[v->process].records[v->close_record];
	struct counts c;
	uint64_t said[2];

	if (!r || r->data_len < sizeof(c)) {
		p->moved[PARTY_IN] = p->moved[PARTY_OUT] = COUNT_UNKNOWN;
		return;
	}
	memcpy(&c, r->data, sizeof(c));
	said[PARTY_IN] = c.in_kernel;
	said[PARTY_OUT] = c.out_kernel;
	if ((v->local.family == ENDPOINT_UNIX || v->random) && p->view_count == 1) {
		said[PARTY_IN] = c.in_seen;
		said[PARTY_OUT] = c.out_seen;
	}
	for (int way = 0; way < 2; way++) {
		if (said[way] == COUNT_UNKNOWN)
			p->moved[way] = COUNT_UNKNOWN;
		else if (p->moved[way] != COUNT_UNKNOWN && said[way] > p->moved[way])
			p->moved[way] = said[way];
	}
}

struct party party_make(const struct store *store, const struct conns *conns, const uint32_t *views,
			uint32_t n)
{
	const struct view *s = speaker(store, conns, views, n);
	struct party p = {.views = views,
			  .view_count = n,
			  .clock = socket_clock(store, s),
			  .role = s->role,
			  .opened = is_opened(store, s),
			  .local = s->local,
			  .remote = s->remote,
			  .netns = s->netns,
			  .inode = s->inode,
			  .peer_inode = s->peer_inode,
			  .pid = store->processes[s->process].pid,
			  .peer_pid = s->peer_pid,
			  .path = s->path,
			  .path_len = s->path_len,
			  .random = s->random,
			  .open_ns = s->open_ns,
			  .opened_ns = s->open_ns,
			  .first_off = {UINT64_MAX, UINT64_MAX},
			  .partner = STORE_NONE};

	if (p.opened)
		p.opened_ns = store->processes[s->process].records[s->open_record].t1_ns;
	for (uint32_t i = 0; i < n; i++) {
		const struct view *v = &conns->views[views[i]];

		if (v->open_ns < p.open_ns && !p.opened)
			p.open_ns = v->open_ns;
		if (v->close_ns > p.close_ns)
			p.close_ns = v->close_ns;
		if (v->first_off_in < p.first_off[PARTY_IN])
			p.first_off[PARTY_IN] = v->first_off_in;
		if (v->first_off_out < p.first_off[PARTY_OUT])
			p.first_off[PARTY_OUT] = v->first_off_out;
		if (!p.peer_inode)
			p.peer_inode = v->peer_inode;
		take_counts(store, v, &p);
	}
	return p;
}

/* ---- bytes ---- */

static int read_way(const struct store *store, const struct conns *conns, struct party *p, enum party_way way)
{
	const struct store_record *first = party_first(store, conns, p, way);
	uint8_t bytes[PREFACE_LOOK_BYTES];
	struct heads heads = {0};
	struct preface found;
	int err;

	if (!first || first->off || !first->data_len || (first->data[0] != 'P' && first->data[0] != '\r'))
		return 0;
	err = heads_gather(store, conns, p, way, 0, sizeof(bytes), &heads);
	found = preface_read(bytes, heads_copy(&heads, 0, bytes, sizeof(bytes)));
	vec_free(&heads);
	if (err)
		return err;
	p->header[way] = found.len;
	if (way == PARTY_IN)
		p->named = found.from;
	return 0;
}

/* It goes from who opened to who accepted. */
int party_read_header(const struct store *store, const struct conns *conns, struct party *p)
{
	int err = 0;

	if (p->random)
		return 0;
	if (p->role != VIEW_CLIENT)
		err = read_way(store, conns, p, PARTY_IN);
	if (!err && p->role != VIEW_SERVER && !p->header[PARTY_IN])
		err = read_way(store, conns, p, PARTY_OUT);
	return err;
}

int party_compare(const struct store *store, const struct conns *conns, const struct party *from,
		  const struct party *to, uint64_t shift, size_t limit, struct agreement *out)
{
	uint64_t sent = from->first_off[PARTY_OUT];
	uint64_t received = to->first_off[PARTY_IN] > shift ? to->first_off[PARTY_IN] - shift : 0;
	uint64_t start = sent > received ? sent : received;
	struct heads a = {0}, b = {0};
	int err = heads_gather(store, conns, from, PARTY_OUT, start, limit, &a);

	if (!err)
		err = heads_gather(store, conns, to, PARTY_IN, ranges_end(start, shift), limit, &b);
	if (!err)
		heads_compare(&a, &b, shift, out);
	vec_free(&a);
	vec_free(&b);
	return err;
}

uint64_t party_shift(const struct party *a, const struct party *b)
{
	return a->header[PARTY_OUT] ? 0 : b->header[PARTY_IN];
}

/* ---- time ---- */

const struct store_record *party_first(const struct store *store, const struct conns *conns,
				       const struct party *p, enum party_way way)
{
	const struct store_record *first = NULL;

	for (uint32_t i = 0; i < p->view_count; i++) {
		const struct view *v = &conns->views[p->views[i]];
		const struct store_record *r;
		uint32_t n;
		const uint32_t *list = list_of(v, way, &n);

		if (n == 0)
			continue;
		r = &store->processes[v->process].records[list[0]];
		if (r->len > 0 && !(r->flags & HEADS_UNSURE) && (!first || r->off < first->off))
			first = r;
	}
	return first;
}

uint64_t party_sent_at(const struct store *store, const struct conns *conns, const struct party *p,
		       uint64_t off)
{
	for (uint32_t i = 0; i < p->view_count; i++) {
		const struct view *v = &conns->views[p->views[i]];
		const struct store_record *records = store->processes[v->process].records;
		uint32_t k = heads_find(records, v->out, v->out_count, off);
		const struct store_record *r = k < v->out_count ? &records[v->out[k]] : NULL;

		if (r && !(r->flags & HEADS_UNSURE) && r->off <= off && off < ranges_end(r->off, r->len))
			return r->t0_ns;
	}
	return 0;
}

bool party_in_time(const struct store *store, const struct conns *conns, const struct party *from,
		   const struct party *to)
{
	const struct store_record *r = party_first(store, conns, to, PARTY_IN);

	if (!r)
		return true;
	if (from->opened && from->open_ns > r->t1_ns + SLACK_NS)
		return false;
	return party_sent_at(store, conns, from, r->off) <= r->t1_ns + SLACK_NS;
}
