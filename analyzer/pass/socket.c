// SPDX-License-Identifier: Apache-2.0
/*
 * socket.c - see socket.h. Analyzer, one thread; pure but for memory.
 *
 * Invariant: what identifies no socket (neither cookie nor inode) is never put together by its
 * addresses alone: the process tree must agree, and leave no choice.
 */
#include "analyzer/pass/socket.h"

#include "analyzer/vec.h"

#define ANCESTORS_MAX 64
#define NAMELESS_MAX  256 /* views with the same addresses and no name: more of them prove nothing */

struct grouping {
	const struct store *store;
	const struct view *views;
	uint32_t count;
	uint32_t *order; /* views, those of one socket side by side */
	uint32_t *of;	 /* smallest view of the socket, by view */
};

bool socket_same_address(const struct address *a, const struct address *b)
{
	return a->family == b->family && a->port == b->port && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static int address_compare(const struct address *a, const struct address *b)
{
	if (a->family != b->family)
		return vec_compare(a->family, b->family);
	if (a->port != b->port)
		return vec_compare(a->port, b->port);
	return memcmp(a->addr, b->addr, sizeof(a->addr));
}

/* A TLS session, as this end sees it; one whose end is not known is only equal to itself. */
static int session_compare(const struct view *x, const struct view *y)
{
	int sign = x->random && y->random ? memcmp(x->random, y->random, TLS_RANDOM_BYTES)
					  : vec_compare(x->random != NULL, y->random != NULL);

	if (sign || !x->random)
		return sign;
	if (x->role != y->role || x->role != VIEW_UNKNOWN)
		return vec_compare(x->role, y->role);
	sign = vec_compare(x->process, y->process);
	return sign ? sign : vec_compare(x->conn, y->conn);
}

/* Orders by what names a socket; 0: nothing tells them apart. */
static int name_compare(const struct grouping *g, const struct view *x, const struct view *y)
{
	uint32_t clock_x = socket_clock(g->store, x), clock_y = socket_clock(g->store, y);
	int sign;

	if (clock_x != clock_y)
		return vec_compare(clock_x, clock_y);
	sign = session_compare(x, y);
	if (sign || x->random)
		return sign;
	if (x->cookie != y->cookie)
		return vec_compare(x->cookie, y->cookie);
	if (x->inode != y->inode)
		return vec_compare(x->inode, y->inode);
	if (x->cookie != 0)
		return 0;
	sign = address_compare(&x->local, &y->local);
	return sign ? sign : address_compare(&x->remote, &y->remote);
}

static int order_compare(const void *a, const void *b, void *with)
{
	const struct grouping *g = with;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int sign = name_compare(g, &g->views[x], &g->views[y]);

	return sign ? sign : vec_compare(x, y);
}

static int of_compare(const void *a, const void *b, void *with)
{
	const struct grouping *g = with;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return g->of[x] != g->of[y] ? vec_compare(g->of[x], g->of[y]) : vec_compare(x, y);
}

static bool has_name(const struct view *v)
{
	return v->cookie != 0 || v->inode != 0 || v->random;
}

/* The process that made p, if its dump is here. */
static const struct store_process *parent_of(const struct store *store, const struct store_process *p)
{
	const struct store_process *found = NULL;

	for (uint32_t i = 0; i < store->process_count; i++) {
		const struct store_process *q = &store->processes[i];

		if (q != p && q->clock == p->clock && q->pid == p->ppid && q->boot_start <= p->boot_start)
			found = q;
	}
	return found;
}

static bool is_ancestor(const struct store *store, uint32_t old, uint32_t young)
{
	const struct store_process *p = &store->processes[young];

	for (int i = 0; i < ANCESTORS_MAX && p; i++) {
		p = parent_of(store, p);
		if (p == &store->processes[old])
			return true;
	}
	return false;
}

/* Of the nameless views with the addresses of `seen`, side by side in the order, the only one that an
 * ancestor opened and still held. */
static uint32_t opener_of(const struct grouping *g, uint32_t first, uint32_t end, uint32_t seen)
{
	const struct view *young = &g->views[seen];
	uint32_t found = STORE_NONE;

	for (uint32_t i = first; i < end; i++) {
		const struct view *old = &g->views[g->order[i]];

		if (old->role == VIEW_UNKNOWN || old->open_ns > young->open_ns ||
		    old->close_ns < young->open_ns || !is_ancestor(g->store, old->process, young->process))
			continue;
		if (found != STORE_NONE)
			return STORE_NONE;
		found = g->order[i];
	}
	return found;
}

static void group_nameless(struct grouping *g, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		uint32_t seen = g->order[i], opener;
		const struct view *v = &g->views[seen];

		if (v->role != VIEW_UNKNOWN || v->open_record == STORE_NONE)
			continue;
		opener = opener_of(g, first, end, seen);
		if (opener != STORE_NONE)
			g->of[seen] = opener;
	}
}

static void group_all(struct grouping *g)
{
	uint32_t end;

	for (uint32_t first = 0; first < g->count; first = end) {
		const struct view *v = &g->views[g->order[first]];

		for (end = first + 1; end < g->count && name_compare(g, v, &g->views[g->order[end]]) == 0;
		     end++)
			;
		for (uint32_t i = first; i < end; i++)
			g->of[g->order[i]] = has_name(v) ? g->order[first] : g->order[i];
		if (!has_name(v) && v->local.family > ENDPOINT_UNIX && end - first <= NAMELESS_MAX)
			group_nameless(g, first, end);
	}
}

/* An opener may have a larger number than who saw its socket: the socket is named by the smallest. */
static int smallest_first(struct grouping *g)
{
	uint32_t *smallest = malloc((g->count + 1) * sizeof(*smallest));

	if (!smallest)
		return -ENOMEM;
	for (uint32_t v = 0; v < g->count; v++)
		smallest[v] = STORE_NONE;
	for (uint32_t v = 0; v < g->count; v++) {
		if (v < smallest[g->of[v]])
			smallest[g->of[v]] = v;
	}
	for (uint32_t v = 0; v < g->count; v++)
		g->of[v] = smallest[g->of[v]];
	free(smallest);
	return 0;
}

int socket_group(const struct store *store, const struct view *views, uint32_t view_count,
		 struct sockets *out)
{
	struct grouping g = {.store = store, .views = views, .count = view_count};
	int err = -ENOMEM;

	*out = (struct sockets){0};
	g.order = malloc((view_count + 1) * sizeof(*g.order));
	g.of = malloc((view_count + 1) * sizeof(*g.of));
	out->first = malloc((view_count + 1) * sizeof(*out->first));
	if (g.order && g.of && out->first) {
		for (uint32_t v = 0; v < view_count; v++)
			g.order[v] = v;
		qsort_r(g.order, view_count, sizeof(*g.order), order_compare, &g);
		group_all(&g);
		err = smallest_first(&g);
	}
	if (err) {
		free(g.order);
		free(g.of);
		socket_free(out);
		return err;
	}
	qsort_r(g.order, view_count, sizeof(*g.order), of_compare, &g);
	for (uint32_t i = 0; i < view_count; i++) {
		if (i == 0 || g.of[g.order[i]] != g.of[g.order[i - 1]])
			out->first[out->socket_count++] = i;
	}
	out->first[out->socket_count] = view_count;
	out->views = g.order;
	free(g.of);
	return 0;
}

void socket_free(struct sockets *s)
{
	free(s->views);
	free(s->first);
	*s = (struct sockets){0};
}
