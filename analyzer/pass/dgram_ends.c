// SPDX-License-Identifier: Apache-2.0
/*
 * dgram_ends.c - see dgram_ends.h. Analyzer, one thread; pure but for memory.
 *
 * Invariant: trusts no record: an OPEN may be missing, come twice or contradict the datagrams, and addresses
 * are compared in one form, whichever one the program used.
 */
#include "analyzer/pass/dgram_ends.h"

/* ---- addresses ---- */

bool dgram_is_any(const struct address *a)
{
	static const uint8_t zero[16];

	return memcmp(a->addr, zero, sizeof(zero)) == 0;
}

bool dgram_is_loopback(const struct address *a)
{
	static const uint8_t one[16] = {[15] = 1};

	if (a->family == ENDPOINT_IPV4)
		return a->addr[0] == 127;
	return a->family == ENDPOINT_IPV6 && memcmp(a->addr, one, sizeof(one)) == 0;
}

/* Multicast, broadcast, and what is a broadcast address unless the network is larger than 256 hosts. */
bool dgram_is_many(const struct address *a)
{
	if (a->family == ENDPOINT_IPV4)
		return (a->addr[0] >= 224 && a->addr[0] < 240) || a->addr[3] == 255;
	return a->family == ENDPOINT_IPV6 && a->addr[0] == 0xff;
}

int dgram_address_compare(const struct address *a, const struct address *b)
{
	int sign;

	if (a->family != b->family)
		return vec_compare(a->family, b->family);
	sign = memcmp(a->addr, b->addr, sizeof(a->addr));
	if (sign)
		return sign;
	if (a->port != b->port)
		return vec_compare(a->port, b->port);
	return vec_compare(a->scope, b->scope);
}

/* One form for all: an IPv4 address among IPv6 ones is IPv4; loopback belongs to its scope. */
static struct address address_make(uint8_t family, uint16_t port, const uint8_t addr[16], uint32_t scope)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct address a = {0};

	if (family != ENDPOINT_IPV4 && family != ENDPOINT_IPV6)
		return a;
	a.port = port;
	a.family = family;
	if (family == ENDPOINT_IPV6 && memcmp(addr, mapped, sizeof(mapped)) == 0) {
		a.family = ENDPOINT_IPV4;
		memcpy(a.addr, addr + 12, 4);
	} else {
		memcpy(a.addr, addr, family == ENDPOINT_IPV4 ? 4 : 16);
	}
	if (dgram_is_loopback(&a))
		a.scope = scope + 1;
	return a;
}

/* A datagram to 0.0.0.0 or :: goes to this host. */
static void send_home(struct address *a, uint32_t scope)
{
	if (!dgram_is_any(a))
		return;
	a->addr[0] = a->family == ENDPOINT_IPV4 ? 127 : 0;
	a->addr[a->family == ENDPOINT_IPV4 ? 3 : 15] = 1;
	a->scope = scope + 1;
}

static struct address unix_name(enum dgram_unix what, uint64_t name, uint32_t scope)
{
	struct address a = {.family = ENDPOINT_UNIX, .port = (uint16_t)what, .scope = scope + 1};

	memcpy(a.addr, &name, sizeof(name));
	return a;
}

static uint64_t path_hash(const uint8_t *path, size_t n)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ path[i]) * 0x100000001b3ull;
	return hash;
}

/* ---- scopes ---- */

static bool scope_equal(const void *items, uint32_t index, const void *key)
{
	const struct dgram_scope *s = &((const struct dgram_scope *)items)[index], *wanted = key;

	return s->clock == wanted->clock && s->netns == wanted->netns;
}

int dgram_scope_of(struct dgram_ends *e, uint32_t clock, uint64_t netns, uint32_t *scope)
{
	struct dgram_scope wanted = {clock, netns};
	uint64_t hash = hash_mix(hash_mix(netns) + clock);
	int err;

	*scope = hash_find(&e->scope_index, hash, scope_equal, e->scopes.items, &wanted);
	if (*scope != HASH_NONE)
		return 0;
	*scope = (uint32_t)e->scopes.count;
	err = vec_push(&e->scopes, wanted);
	return err ? err : hash_add(&e->scope_index, hash, *scope);
}

/* ---- views ---- */

static bool is_datagram(const struct store_record *r)
{
	return r->kind == RECORD_DGRAM_OUT || r->kind == RECORD_DGRAM_IN;
}

static bool view_equal(const void *items, uint32_t index, const void *key)
{
	const struct dgram_view *v = &((const struct dgram_view *)items)[index], *wanted = key;

	return v->process == wanted->process && v->conn == wanted->conn;
}

static uint32_t view_find(const struct dgram_ends *e, uint32_t process, uint32_t conn)
{
	struct dgram_view wanted = {.process = process, .conn = conn};

	return hash_find(&e->view_index, hash_mix((uint64_t)process << 32 | conn), view_equal, e->views.items,
			 &wanted);
}

/* The view of a conn, made if it is new. */
static int view_make(struct dgram_ends *e, uint32_t process, uint32_t conn, uint32_t *number)
{
	struct dgram_view v = {.process = process, .conn = conn, .netns = e->store->processes[process].netns};
	int err;

	*number = view_find(e, process, conn);
	if (*number != HASH_NONE)
		return 0;
	*number = (uint32_t)e->views.count;
	err = vec_push(&e->views, v);
	return err ? err : hash_add(&e->view_index, hash_mix((uint64_t)process << 32 | conn), *number);
}

/* It may be told again, when more is known: the port, say. */
static int take_open(struct dgram_ends *e, uint32_t process, const struct store_record *r)
{
	struct dgram_view *v;
	struct endpoint end;
	uint32_t number;
	int err;

	if (r->data_len < sizeof(end))
		return 0;
	memcpy(&end, r->data, sizeof(end));
	if ((end.type != ENDPOINT_DATAGRAM && end.type != ENDPOINT_SEQPACKET) ||
	    end.family == ENDPOINT_PIPE || end.family == ENDPOINT_EVENT)
		return 0;
	err = view_make(e, process, r->conn, &number);
	if (err)
		return err;
	v = &e->views.items[number];
	if (v->local.port && !end.local_port)
		return 0;
	if (end.netns)
		v->netns = end.netns;
	v->family = end.family;
	v->inode = end.inode;
	v->cookie = end.cookie;
	v->connected |= (r->flags & RECORD_FLAG_CONNECT) != 0;
	err = dgram_scope_of(e, e->store->processes[process].clock,
			     end.family == ENDPOINT_UNIX ? DGRAM_NETNS_UNIX : v->netns, &v->scope);
	if (end.family == ENDPOINT_UNIX) {
		if (end.path_bytes && end.path_bytes <= r->data_len - sizeof(end))
			v->path = path_hash(r->data + sizeof(end), end.path_bytes);
		return err;
	}
	v->local = address_make(end.family, end.local_port, end.local_addr, v->scope);
	v->remote = address_make(end.family, end.remote_port, end.remote_addr, v->scope);
	v->connected |= v->remote.port != 0;
	return err;
}

static int gather_views(struct dgram_ends *e, uint32_t process)
{
	const struct store_process *p = &e->store->processes[process];
	uint32_t number;
	int err = 0;

	for (uint32_t i = 0; i < p->record_count && !err; i++) {
		const struct store_record *r = &p->records[i];

		if (r->conn == RECORD_CONN_NONE)
			continue;
		if (r->kind == RECORD_OPEN)
			err = take_open(e, process, r);
		else if (is_datagram(r))
			err = view_make(e, process, r->conn, &number);
	}
	for (uint32_t i = 0; i < p->record_count && !err; i++) {
		const struct store_record *r = &p->records[i];

		if (r->kind != RECORD_PEER || !r->off)
			continue;
		number = view_find(e, process, r->conn);
		if (number == HASH_NONE)
			continue;
		e->views.items[number].peer_inode = r->off;
		e->views.items[number].connected = true;
	}
	return err;
}

/* What has no OPEN belongs to the process's own namespace. */
static int set_scopes(struct dgram_ends *e)
{
	int err = 0;

	for (size_t i = 0; i < e->views.count && !err; i++) {
		struct dgram_view *v = &e->views.items[i];

		if (!v->family)
			err = dgram_scope_of(e, e->store->processes[v->process].clock, v->netns, &v->scope);
	}
	return err;
}

/* ---- sockets ---- */

struct named {
	uint32_t clock, view;
	uint64_t cookie, inode;
};

static int named_compare(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->clock != y->clock)
		return vec_compare(x->clock, y->clock);
	if (x->cookie != y->cookie)
		return vec_compare(x->cookie, y->cookie);
	if (x->inode != y->inode)
		return vec_compare(x->inode, y->inode);
	return vec_compare(x->view, y->view);
}

/* Views with one kernel, cookie and inode are of one socket. */
static int set_sockets(struct dgram_ends *e)
{
	struct named *named = malloc((e->views.count + 1) * sizeof(*named));

	if (!named)
		return -ENOMEM;
	for (uint32_t i = 0; i < e->views.count; i++) {
		struct dgram_view *v = &e->views.items[i];

		v->socket = i;
		named[i] = (struct named){e->store->processes[v->process].clock, i, v->cookie, v->inode};
	}
	if (e->views.count > 1)
		qsort(named, e->views.count, sizeof(*named), named_compare);
	for (size_t i = 1; i < e->views.count; i++)
		if (named[i].cookie && named[i].clock == named[i - 1].clock &&
		    named[i].cookie == named[i - 1].cookie && named[i].inode == named[i - 1].inode)
			e->views.items[named[i].view].socket = e->views.items[named[i - 1].view].socket;
	free(named);
	return 0;
}

/* ---- groups ---- */

static struct address record_address(const struct dgram_view *v, const struct store_record *r)
{
	struct datagram d;
	uint64_t name;

	if (r->data_len < sizeof(d))
		return (struct address){0};
	memcpy(&d, r->data, sizeof(d));
	memcpy(&name, d.addr, sizeof(name));
	if (d.family == ENDPOINT_UNIX)
		return unix_name(name ? DGRAM_UNIX_PATH : DGRAM_UNIX_NONE, name, v->scope);
	return address_make(d.family, d.port, d.addr, v->scope);
}

/* Who a datagram went to, as far as it is known. */
static struct address sent_to(const struct dgram_view *v, const struct store_record *r)
{
	struct address a = record_address(v, r);

	if (!a.family && v->family == ENDPOINT_UNIX) {
		if (v->peer_inode)
			return unix_name(DGRAM_UNIX_INODE, v->peer_inode, v->scope);
		return v->path ? unix_name(DGRAM_UNIX_PATH, v->path, v->scope) : a;
	}
	if (!a.family && v->remote.port)
		a = v->remote;
	if (a.family == ENDPOINT_IPV4 || a.family == ENDPOINT_IPV6)
		send_home(&a, v->scope);
	return a;
}

/* Who it came from; a unix socket takes from everybody alike. */
static struct address taken_from(const struct dgram_view *v, const struct store_record *r)
{
	struct address a = record_address(v, r);

	if (v->family == ENDPOINT_UNIX || a.family == ENDPOINT_UNIX)
		return (struct address){0};
	if (!a.family && v->remote.port)
		a = v->remote;
	return a;
}

static bool group_equal(const void *items, uint32_t index, const void *key)
{
	const struct dgram_group *g = &((const struct dgram_group *)items)[index], *wanted = key;

	return g->side == wanted->side &&
	       (g->side == DGRAM_SENDER ? g->view == wanted->view : g->socket == wanted->socket) &&
	       dgram_address_compare(&g->other, &wanted->other) == 0;
}

static int group_of(struct dgram_ends *e, uint32_t view, const struct store_record *r, uint32_t *number)
{
	const struct dgram_view *v = &e->views.items[view];
	bool out = r->kind == RECORD_DGRAM_OUT;
	struct dgram_group g = {.side = out ? DGRAM_SENDER : DGRAM_RECEIVER,
				.view = view,
				.socket = v->socket,
				.other = out ? sent_to(v, r) : taken_from(v, r)};
	uint64_t hash =
	    hash_bytes(&g.other, sizeof(g.other), hash_mix((uint64_t)(out ? view : g.socket) * 2 + out));
	int err;

	*number = hash_find(&e->group_index, hash, group_equal, e->groups.items, &g);
	if (*number != HASH_NONE)
		return 0;
	*number = (uint32_t)e->groups.count;
	err = vec_push(&e->groups, g);
	return err ? err : hash_add(&e->group_index, hash, *number);
}

static int gather_items(struct dgram_ends *e, uint32_t process)
{
	const struct store_process *p = &e->store->processes[process];
	uint32_t most = 0;
	bool cut = false;
	int err = 0;

	for (uint32_t i = 0; i < p->record_count && !err; i++) {
		const struct store_record *r = &p->records[i];
		struct dgram_item item = {.process = process, .record = i};
		uint32_t head = r->data_len > sizeof(struct datagram)
				    ? r->data_len - (uint32_t)sizeof(struct datagram)
				    : 0;

		if (!is_datagram(r) || r->conn == RECORD_CONN_NONE ||
		    (r->flags & (RECORD_FLAG_PEEK | RECORD_FLAG_EOF)))
			continue;
		err = group_of(e, view_find(e, process, r->conn), r, &item.group);
		item.side = r->kind == RECORD_DGRAM_OUT ? DGRAM_SENDER : DGRAM_RECEIVER;
		if (!err)
			err = vec_push(&e->items, item);
		cut |= head < r->len && !(r->flags & (RECORD_FLAG_PARTIAL | RECORD_FLAG_NOCOPY));
		most = head > most ? head : most;
	}
	e->captured[process] = cut ? most : UINT32_MAX;
	e->gaps[process] = p->dropped || p->missing || p->gated || p->older.records || p->damaged ||
			   p->untraced_threads || p->io_uring || !p->end_reason;
	return err;
}

/* Brings the items of each group together, without changing their order. */
static int sort_items(struct dgram_ends *e)
{
	struct dgram_item *sorted = malloc((e->items.count + 1) * sizeof(*sorted));
	uint32_t first = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < e->items.count; i++)
		e->groups.items[e->items.items[i].group].count++;
	for (size_t i = 0; i < e->groups.count; i++) {
		struct dgram_group *g = &e->groups.items[i];

		g->first = first;
		first += g->count;
		g->count = 0;
	}
	for (size_t i = 0; i < e->items.count; i++) {
		struct dgram_group *g = &e->groups.items[e->items.items[i].group];

		sorted[g->first + g->count++] = e->items.items[i];
	}
	free(e->items.items);
	e->items.items = sorted;
	e->items.cap = e->items.count;
	return 0;
}

int dgram_ends_gather(const struct store *store, struct dgram_ends *e)
{
	int err = 0;

	*e = (struct dgram_ends){.store = store,
				 .captured = calloc(store->process_count + 1ul, sizeof(*e->captured)),
				 .gaps = calloc(store->process_count + 1ul, sizeof(*e->gaps))};
	if (!e->captured || !e->gaps)
		return -ENOMEM;
	for (uint32_t i = 0; i < store->process_count && !err; i++)
		err = gather_views(e, i);
	if (!err)
		err = set_scopes(e);
	if (!err)
		err = set_sockets(e);
	for (uint32_t i = 0; i < store->process_count && !err; i++)
		err = gather_items(e, i);
	return err ? err : sort_items(e);
}

void dgram_ends_free(struct dgram_ends *e)
{
	vec_free(&e->views);
	vec_free(&e->scopes);
	vec_free(&e->groups);
	vec_free(&e->items);
	free(e->captured);
	free(e->gaps);
	hash_free(&e->view_index);
	hash_free(&e->scope_index);
	hash_free(&e->group_index);
	*e = (struct dgram_ends){0};
}
