// SPDX-License-Identifier: Apache-2.0
/* dgram_own.c - see dgram_own.h. Analyzer, one thread; pure but for memory. */
#include "analyzer/pass/dgram_own.h"

#include "analyzer/pass/dgram_twin.h"

struct gathering {
	struct dgram_ends *ends;
	struct dgram_own *own;
	struct hash index;
};

static struct address plain(const struct address *a)
{
	struct address p = *a;

	p.port = 0;
	p.scope = 0;
	return p;
}

static int owned_compare(const void *a, const void *b)
{
	const struct dgram_owned *x = a, *y = b;
	int sign = dgram_address_compare(&x->address, &y->address);

	return sign ? sign : vec_compare(x->scope, y->scope);
}

static int scope_compare(const void *a, const void *b)
{
	const struct dgram_owned *x = a, *y = b;

	return x->scope != y->scope ? vec_compare(x->scope, y->scope) : owned_compare(a, b);
}

static bool owned_equal(const void *items, uint32_t index, const void *key)
{
	return owned_compare(&((const struct dgram_owned *)items)[index], key) == 0;
}

static bool is_internet(const struct address *a)
{
	return a->family == ENDPOINT_IPV4 || a->family == ENDPOINT_IPV6;
}

static int take(struct gathering *g, const struct address *a, uint32_t scope)
{
	struct dgram_owned o = {plain(a), scope};
	uint64_t hash = hash_bytes(&o.address, sizeof(o.address), scope);
	int err;

	if (!is_internet(a) || dgram_is_any(a) || dgram_is_loopback(a) || dgram_is_many(a) ||
	    hash_find(&g->index, hash, owned_equal, g->own->by_address.items, &o) != HASH_NONE)
		return 0;
	err = vec_push(&g->own->by_address, o);
	return err ? err : hash_add(&g->index, hash, (uint32_t)g->own->by_address.count - 1);
}

/* What sockets say of themselves. */
static int take_sockets(struct gathering *g, const struct conns *conns)
{
	struct dgram_ends *e = g->ends;
	int err = 0;

	for (size_t i = 0; i < e->views.count && !err; i++)
		err = take(g, &e->views.items[i].local, e->views.items[i].scope);
	for (uint32_t i = 0; i < conns->view_count && !err; i++) {
		const struct view *v = &conns->views[i];
		uint32_t scope;

		if (!is_internet(&v->local))
			continue;
		err = dgram_scope_of(e, e->store->processes[v->process].clock, v->netns, &scope);
		if (!err)
			err = take(g, &v->local, scope);
	}
	return err;
}

/* Groups with an address that nobody is known to have, or that the socket does not tell. */
static bool *find_unknown(const struct gathering *g)
{
	const struct dgram_ends *e = g->ends;
	bool *wanted = calloc(e->groups.count + 1, sizeof(*wanted));

	for (size_t i = 0; wanted && i < e->groups.count; i++) {
		const struct dgram_group *group = &e->groups.items[i];

		wanted[i] = is_internet(&group->other) && !dgram_is_loopback(&group->other) &&
			    (dgram_is_any(&e->views.items[group->view].local) ||
			     !dgram_own_known(g->own, &group->other));
	}
	return wanted;
}

/* Bytes found nowhere else, from the port that they were sent from to the one that they were sent to: the
 * addresses that each end was seen by are its own. */
static int take_twins(struct gathering *g, const struct dgram_twins *found)
{
	const struct dgram_ends *e = g->ends;
	int err = 0;

	for (size_t i = 0; i < found->twins.count && !err; i++) {
		const struct dgram_item *sent = &e->items.items[found->twins.items[i].out];
		const struct dgram_item *taken = &e->items.items[found->twins.items[i].in];
		const struct address *to = &e->groups.items[sent->group].other;
		const struct address *from = &e->groups.items[taken->group].other;
		const struct dgram_view *s = &e->views.items[e->groups.items[sent->group].view];
		const struct dgram_view *r = &e->views.items[e->groups.items[taken->group].view];

		if (s->local.port != from->port || r->local.port != to->port || !from->port || !to->port)
			continue;
		if (dgram_is_any(&s->local))
			err = take(g, from, s->scope);
		if (!err && dgram_is_any(&r->local))
			err = take(g, to, r->scope);
	}
	return err;
}

int dgram_own_gather(struct dgram_ends *ends, const struct conns *conns, struct dgram_own *out)
{
	struct gathering g = {.ends = ends, .own = out};
	struct dgram_twins found = {0};
	bool *wanted = NULL;
	int err;

	*out = (struct dgram_own){0};
	err = take_sockets(&g, conns);
	vec_sort(&out->by_address, owned_compare);
	if (!err) {
		wanted = find_unknown(&g);
		err = wanted ? dgram_twins_find(ends, wanted, &found) : -ENOMEM;
	}
	/* the index speaks of the order before */
	hash_free(&g.index);
	for (uint32_t i = 0; !err && i < out->by_address.count; i++) {
		const struct dgram_owned *o = &out->by_address.items[i];

		err = hash_add(&g.index, hash_bytes(&o->address, sizeof(o->address), o->scope), i);
	}
	if (!err)
		err = take_twins(&g, &found);
	vec_sort(&out->by_address, owned_compare);
	if (!err)
		err = vec_append(&out->by_scope, out->by_address.items, out->by_address.count);
	vec_sort(&out->by_scope, scope_compare);
	hash_free(&g.index);
	vec_free(&found.twins);
	free(wanted);
	return err;
}

void dgram_own_free(struct dgram_own *own)
{
	vec_free(&own->by_address);
	vec_free(&own->by_scope);
}

const struct dgram_owned *dgram_owners(const struct dgram_own *own, const struct address *a, uint32_t *n)
{
	struct dgram_owned wanted = {plain(a), 0};
	size_t low = 0, high = own->by_address.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (owned_compare(&own->by_address.items[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*n = 0; low + *n < own->by_address.count; ++*n)
		if (dgram_address_compare(&own->by_address.items[low + *n].address, &wanted.address) != 0)
			break;
	return *n ? &own->by_address.items[low] : NULL;
}

const struct dgram_owned *dgram_own_of(const struct dgram_own *own, uint32_t scope, uint32_t *n)
{
	size_t low = 0, high = own->by_scope.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (own->by_scope.items[middle].scope < scope)
			low = middle + 1;
		else
			high = middle;
	}
	for (*n = 0; low + *n < own->by_scope.count && own->by_scope.items[low + *n].scope == scope; ++*n)
		;
	return *n ? &own->by_scope.items[low] : NULL;
}

bool dgram_own_known(const struct dgram_own *own, const struct address *a)
{
	uint32_t n;

	return dgram_is_loopback(a) || dgram_owners(own, a, &n) != NULL;
}

bool dgram_own_has(const struct dgram_own *own, uint32_t scope, const struct address *a)
{
	const struct dgram_owned *o;
	uint32_t n;

	if (dgram_is_loopback(a))
		return a->scope == scope + 1;
	o = dgram_owners(own, a, &n);
	for (uint32_t i = 0; i < n; i++)
		if (o[i].scope == scope)
			return true;
	return false;
}
