// SPDX-License-Identifier: Apache-2.0
/*
 * pair.c - see pair.h. Analyzer, one thread; pure but for memory, O(n log n). Views to parties (socket.h,
 * party.h), parties to joins (join.h), joins to links with sides, keys and byte counts, which is here.
 *
 * Invariant: every view is in exactly one link; a party without a partner is a link of its own.
 */
#include "analyzer/pass/pair.h"

#include "analyzer/hash.h"
#include "analyzer/pass/incarnation.h"
#include "analyzer/pass/join.h"
#include "analyzer/pass/layer.h"
#include "analyzer/pass/pair_key.h"
#include "analyzer/pass/party.h"
#include "analyzer/pass/ranges.h"
#include "analyzer/pass/weigh.h"
#include "analyzer/vec.h"

/* A link in the making. */
struct draft {
	uint64_t base;
	uint64_t open_ns;
	uint32_t client, server; /* parties; STORE_NONE: not traced */
	uint32_t incarnation;
};

struct pairing {
	const struct store *store;
	const struct conns *conns;
	VEC(struct party) parties;
	VEC(struct address) listeners; /* addresses that somebody accepted on, sorted */
	VEC(struct draft) drafts;
};

/* ---- sides ---- */

static int address_compare(const void *a, const void *b)
{
	const struct address *x = a, *y = b;

	if (x->family != y->family)
		return vec_compare(x->family, y->family);
	if (x->port != y->port)
		return vec_compare(x->port, y->port);
	if (x->scope != y->scope)
		return vec_compare(x->scope, y->scope);
	return memcmp(x->addr, y->addr, sizeof(x->addr));
}

static int find_listeners(struct pairing *p)
{
	int err = 0;

	for (size_t i = 0; i < p->parties.count && !err; i++) {
		const struct party *party = &p->parties.items[i];

		if (party->role == VIEW_SERVER && party->opened && party->local.family > ENDPOINT_UNIX)
			err = vec_push(&p->listeners, party->local);
	}
	vec_sort(&p->listeners, address_compare);
	return err;
}

static bool is_listener(const struct pairing *p, const struct address *a)
{
	return p->listeners.count &&
	       bsearch(a, p->listeners.items, p->listeners.count, sizeof(*a), address_compare);
}

/* The two ends know the connection by different addresses. */
static bool is_translated(enum join_class join)
{
	return join == JOIN_DNAT || join == JOIN_FINGERPRINT || join == JOIN_PROXY;
}

/*
 * Whether party a, of the other end b (NULL: not traced), opened the connection: by the call that made it,
 * else by who is known to accept there, else by the ports, as the kernel gives openers high ones. What is
 * left is decided by the same rule from either end.
 */
static bool is_client(const struct pairing *p, const struct party *a, const struct party *b)
{
	enum view_role other = b ? b->role : VIEW_UNKNOWN;

	if (b && is_translated(a->join))
		return weigh_side(a) == WEIGH_OPENER;
	if (a->role != VIEW_UNKNOWN && a->role != other)
		return a->role == VIEW_CLIENT;
	if (a->role == VIEW_UNKNOWN && other != VIEW_UNKNOWN)
		return other == VIEW_SERVER;
	if (a->local.family > ENDPOINT_UNIX) {
		bool here = is_listener(p, &a->local), there = is_listener(p, &a->remote);

		if (here != there)
			return there;
		if (a->local.port != a->remote.port)
			return a->local.port > a->remote.port;
	}
	return !pair_is_second(a, b);
}

/* ---- links ---- */

static int add_drafts(struct pairing *p)
{
	int err = find_listeners(p);

	for (uint32_t i = 0; i < p->parties.count && !err; i++) {
		const struct party *a = &p->parties.items[i], *b = NULL;
		struct draft d = {.open_ns = a->open_ns};
		const struct party *opener;
		bool client;

		if (a->partner < i)
			continue;
		if (a->partner != STORE_NONE)
			b = &p->parties.items[a->partner];
		client = is_client(p, a, b);
		opener = client ? a : b;
		if (b && (b->clock == a->clock ? b->open_ns < d.open_ns : opener == b))
			d.open_ns = b->open_ns;
		d.base = b && is_translated(a->join) ? pair_base(p->store, opener, NULL)
						     : pair_base(p->store, a, b);
		d.client = client ? i : a->partner;
		d.server = client ? a->partner : i;
		err = vec_push(&p->drafts, d);
	}
	return err;
}

static int draft_by_base(const void *a, const void *b)
{
	const struct draft *x = a, *y = b;

	if (x->base != y->base)
		return vec_compare(x->base, y->base);
	if (x->open_ns != y->open_ns)
		return vec_compare(x->open_ns, y->open_ns);
	if (x->client != y->client)
		return vec_compare(x->client, y->client);
	return vec_compare(x->server, y->server);
}

static int link_compare(const void *a, const void *b)
{
	const struct link *x = a, *y = b;
	int sign;

	if (x->open_ns != y->open_ns)
		return vec_compare(x->open_ns, y->open_ns);
	for (int i = 0; i < 2; i++) {
		sign = address_compare(&x->address[i], &y->address[i]);
		if (sign)
			return sign;
	}
	return vec_compare(x->key, y->key);
}

/* What a proxy put in front of the opener's bytes. */
static void take_header(const struct party *client, const struct party *server, struct link *l)
{
	uint32_t sent = client ? client->header[PARTY_OUT] : 0,
		 received = server ? server->header[PARTY_IN] : 0;

	if (client && server && is_translated(l->join))
		l->shift[LINK_CLIENT] = party_shift(client, server);
	if (!l->shift[LINK_CLIENT])
		l->header[LINK_CLIENT] = sent ? sent : received;
	if (!client && server->named.family)
		l->address[LINK_CLIENT] = server->named;
}

static uint64_t minus(uint64_t off, uint64_t shift)
{
	return off == UINT64_MAX ? off : off > shift ? off - shift : 0;
}

static struct link link_make(const struct pairing *p, const struct draft *d)
{
	const struct party *client = d->client == STORE_NONE ? NULL : &p->parties.items[d->client];
	const struct party *server = d->server == STORE_NONE ? NULL : &p->parties.items[d->server];
	const struct party *any = client ? client : server;
	struct link l = {.join = client && server ? any->join : JOIN_NONE,
			 .apart = client && server ? APART_ALONE : any->apart,
			 .bits = client && server ? any->bits : 0,
			 .incarnation = d->incarnation,
			 .open_ns = d->open_ns,
			 .plain = any->random != NULL,
			 .covered = {UINT64_MAX, UINT64_MAX}};
	bool alone = !server || is_translated(any->join);
	bool second = client ? pair_is_second(client, alone ? NULL : server) : !pair_is_second(server, NULL);

	/* one socket connected to itself: both ends are one */
	if (any->hash[0] == any->hash[1])
		second = false;
	l.key = pair_link_key(d->base, d->incarnation, second);
	l.address[LINK_CLIENT] = client ? client->local : server->remote;
	l.address[LINK_SERVER] = server ? server->local : client->remote;
	take_header(client, server, &l);
	for (int side = 0; side < 2; side++) {
		const struct party *party = side == LINK_CLIENT ? client : server;

		if (!party)
			continue;
		l.ends[side].views = (uint32_t *)(uintptr_t)party->views;
		l.ends[side].view_count = party->view_count;
		if (party->close_ns > l.close_ns)
			l.close_ns = party->close_ns;
	}
	return l;
}

/* Where either end knows ciphertext to begin. */
static void take_covered(const struct conns *conns, struct link *l)
{
	for (int side = 0; side < 2; side++) {
		for (uint32_t i = 0; i < l->ends[side].view_count; i++) {
			const struct view *v = &conns->views[l->ends[side].views[i]];

			if (v->covered_out < l->covered[side])
				l->covered[side] = v->covered_out;
			if (minus(v->covered_in, l->shift[!side]) < l->covered[!side])
				l->covered[!side] = minus(v->covered_in, l->shift[!side]);
		}
	}
}

/* ---- bytes ---- */

static int moved_ranges(const struct store *store, const struct conns *conns, const struct end *e,
			enum party_way way, uint64_t shift, struct ranges *out)
{
	int err = 0;

	out->count = 0;
	for (uint32_t i = 0; i < e->view_count && !err; i++) {
		const struct view *v = &conns->views[e->views[i]];
		const struct store_record *records = store->processes[v->process].records;
		const uint32_t *list = way == PARTY_IN ? v->in : v->out;
		uint32_t n = way == PARTY_IN ? v->in_count : v->out_count;

		for (uint32_t k = 0; k < n && !err; k++) {
			const struct store_record *r = &records[list[k]];

			err = ranges_add(out, minus(r->off, shift), minus(ranges_end(r->off, r->len), shift));
		}
	}
	ranges_merge(out);
	return err;
}

static int count_bytes(const struct pairing *p, struct link *l, struct ranges scratch[2])
{
	int err = 0;

	for (int side = 0; side < 2 && !err; side++) {
		uint64_t sent, received;

		err = moved_ranges(p->store, p->conns, &l->ends[side], PARTY_OUT, 0, &scratch[0]);
		if (!err)
			err = moved_ranges(p->store, p->conns, &l->ends[!side], PARTY_IN, l->shift[side],
					   &scratch[1]);
		sent = ranges_bytes(&scratch[0]);
		received = ranges_bytes(&scratch[1]);
		l->bytes_joined[side] = ranges_overlap(&scratch[0], &scratch[1]);
		l->bytes_one_sided[side] = sent + received - 2 * l->bytes_joined[side];
		l->holes += ranges_holes(&scratch[0], &scratch[1]);
	}
	return err;
}

/* All captured bytes that both ends have, compared. */
static int count_mismatched(const struct pairing *p, const struct draft *d, struct link *l)
{
	struct agreement found = {0};
	const struct party *client, *server;
	int err;

	if (d->client == STORE_NONE || d->server == STORE_NONE)
		return 0;
	client = &p->parties.items[d->client];
	server = &p->parties.items[d->server];
	err = party_compare(p->store, p->conns, client, server, l->shift[LINK_CLIENT], SIZE_MAX, &found);
	if (!err)
		err = party_compare(p->store, p->conns, server, client, 0, SIZE_MAX, &found);
	l->mismatched = found.different;
	if (!l->bits)
		l->bits = found.worth / 4 < UINT32_MAX ? (uint32_t)(found.worth / 4) : UINT32_MAX;
	return err;
}

/* Numbers the drafts of one base. 0 or -ENOMEM. */
static int order_base(const struct pairing *p, struct draft *drafts, size_t n)
{
	struct incarnation *items = calloc(n, sizeof(*items));

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint32_t ends[2] = {drafts[i].client, drafts[i].server};

		items[i].number = (uint32_t)i;
		for (int side = 0; side < 2; side++) {
			if (ends[side] == STORE_NONE)
				continue;
			items[i].known[side] = true;
			items[i].clock[side] = p->parties.items[ends[side]].clock;
			items[i].open_ns[side] = p->parties.items[ends[side]].open_ns;
		}
	}
	incarnation_sort(items, n);
	for (size_t i = 0; i < n; i++)
		drafts[items[i].number].incarnation = (uint32_t)i;
	free(items);
	return 0;
}

static int order_drafts(struct pairing *p)
{
	size_t end;
	int err = 0;

	vec_sort(&p->drafts, draft_by_base);
	for (size_t i = 0; i < p->drafts.count && !err; i = end) {
		for (end = i + 1;
		     end < p->drafts.count && p->drafts.items[end].base == p->drafts.items[i].base; end++)
			;
		if (end - i > 1)
			err = order_base(p, &p->drafts.items[i], end - i);
	}
	return err;
}

static int add_links(struct pairing *p, struct links *out)
{
	struct ranges scratch[2] = {{0}, {0}};
	int err = order_drafts(p);

	out->links = calloc(p->drafts.count + 1, sizeof(*out->links));
	if (!out->links)
		return -ENOMEM;
	for (size_t i = 0; i < p->drafts.count && !err; i++) {
		const struct draft *d = &p->drafts.items[i];
		struct link *l = &out->links[i];

		*l = link_make(p, d);
		take_covered(p->conns, l);
		err = count_bytes(p, l, scratch);
		if (!err)
			err = count_mismatched(p, d, l);
	}
	out->link_count = (uint32_t)p->drafts.count;
	qsort(out->links, out->link_count, sizeof(*out->links), link_compare);
	vec_free(&scratch[0]);
	vec_free(&scratch[1]);
	return err;
}

static int set_of_view(const struct conns *conns, struct links *out)
{
	out->of_view = malloc(((size_t)conns->view_count + 1) * sizeof(*out->of_view));
	if (!out->of_view)
		return -ENOMEM;
	for (uint32_t i = 0; i < out->link_count; i++) {
		for (int side = 0; side < 2; side++) {
			const struct end *e = &out->links[i].ends[side];

			for (uint32_t k = 0; k < e->view_count; k++)
				out->of_view[e->views[k]] = i;
		}
	}
	return 0;
}

int pair_run(const struct store *store, const struct conns *conns, struct links *out)
{
	struct pairing p = {.store = store, .conns = conns};
	struct joining j = {.store = store, .conns = conns};
	struct sockets sockets;
	int err;

	*out = (struct links){0};
	err = socket_group(store, conns->views, conns->view_count, &sockets);
	for (uint32_t i = 0; !err && i < sockets.socket_count; i++) {
		err = vec_push(&p.parties, party_make(store, conns, &sockets.views[sockets.first[i]],
						      sockets.first[i + 1] - sockets.first[i]));
		if (!err)
			err = party_read_header(store, conns, vec_last(&p.parties));
		if (!err)
			pair_hash(store, conns, vec_last(&p.parties));
	}
	j.parties = p.parties.items;
	j.count = (uint32_t)p.parties.count;
	if (!err)
		err = join_run(&j);
	if (!err)
		err = add_drafts(&p);
	if (!err)
		err = add_links(&p, out);
	if (!err)
		err = set_of_view(conns, out);
	out->ambiguous = j.ambiguous;
	out->views = sockets.views; /* the ends point into it */
	sockets.views = NULL;
	socket_free(&sockets);
	vec_free(&p.parties);
	vec_free(&p.listeners);
	vec_free(&p.drafts);
	if (err)
		pair_free(out);
	return err;
}

const char *pair_join_name(enum join_class join)
{
	static const char *const names[JOIN_CLASSES] = {
	    [JOIN_NONE] = "one end only", [JOIN_ADDRESS] = "address",
	    [JOIN_INODE] = "inode",	  [JOIN_UNIX_ORDER] = "unix-order",
	    [JOIN_TLS] = "tls",		  [JOIN_DNAT] = "dnat",
	    [JOIN_PROXY] = "proxy",	  [JOIN_FINGERPRINT] = "fingerprint",
	};

	return names[join];
}

const char *pair_apart_name(enum link_apart apart)
{
	static const char *const names[APART_REASONS] = {
	    [APART_ALONE] = "alone", [APART_SEVERAL] = "several fit", [APART_WEAK] = "too common"};

	return names[apart];
}

uint32_t pair_carrier(const struct conns *conns, const struct links *links, uint32_t number)
{
	const struct link *l = &links->links[number];
	const struct end *e = &l->ends[l->ends[LINK_CLIENT].view_count ? LINK_CLIENT : LINK_SERVER];

	return links->of_view[layer_bottom(conns, &conns->views[e->views[0]]) - conns->views];
}

void pair_free(struct links *l)
{
	free(l->links);
	free(l->of_view);
	free(l->views);
	*l = (struct links){0};
}
