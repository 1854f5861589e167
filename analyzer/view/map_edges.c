// SPDX-License-Identifier: Apache-2.0
/*
 * map_edges.c - the edges of the map: connections, and the calls on them. Analyzer, one thread.
 *
 * A TLS session is not another connection: its calls are told of the one that carries it. Times: a total is
 * the client's, handle the server's; what is outside of the server is the difference of these durations, for
 * which the clocks need not agree. How it divides into the ways there and back is known as far as they do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/hash.h"
#include "analyzer/view/map.h"

struct work {
	struct map *map;
	const struct model *m;
	struct hash known;
	uint32_t *of_span; /* edge, STORE_NONE: makes none, or does not count */
	uint64_t *values;  /* room for five of each call of an edge */
};

/* ---- which edge ---- */

static bool is_edge(const void *items, uint32_t index, const void *key)
{
	const struct map_edge *e = &((const struct map_edge *)items)[index];
	const struct map_edge *wanted = key;

	return e->from == wanted->from && e->to == wanted->to && e->tls == wanted->tls &&
	       !strcmp(e->protocol, wanted->protocol);
}

static int find_edge(struct work *w, const struct map_edge *e, uint32_t *edge)
{
	struct map *map = w->map;
	uint32_t seed[] = {e->from, e->to, e->tls};
	uint64_t hash = hash_bytes(e->protocol, strlen(e->protocol), hash_bytes(seed, sizeof(seed), 0));
	int err;

	*edge = hash_find(&w->known, hash, is_edge, map->edges.items, e);
	if (*edge != HASH_NONE)
		return 0;
	*edge = (uint32_t)map->edges.count;
	err = vec_push(&map->edges, *e);
	return err ? err : hash_add(&w->known, hash, *edge);
}

/* The one of what goes over a link. */
static int find_edge_of(struct work *w, uint32_t from, uint32_t to, uint32_t link, uint32_t *edge)
{
	uint32_t plain = w->map->plain[link];
	bool carries = plain != STORE_NONE;
	const struct map_edge e = {.from = from,
				   .to = to,
				   .protocol = w->m->messages.protos[carries ? plain : link].proto->name,
				   .tls = carries || w->m->links.links[link].plain,
				   .least_bits = UINT64_MAX};

	return find_edge(w, &e, edge);
}

/* ---- connections ---- */

/* Both ends of a connection whose ends were found by the session inside are two links: the client's counts.
 */
static bool is_counted_elsewhere(const struct map *map, uint32_t link)
{
	const struct model *m = map->m;
	const struct link *plain;
	const struct end *client;

	if (map->plain[link] == STORE_NONE || m->links.links[link].ends[LINK_CLIENT].view_count)
		return false;
	plain = &m->links.links[map->plain[link]];
	client = &plain->ends[LINK_CLIENT];
	return client->view_count && m->conns.views[client->views[0]].carrier != STORE_NONE;
}

static bool rests_on_bytes(enum join_class join)
{
	return join == JOIN_DNAT || join == JOIN_FINGERPRINT || join == JOIN_PROXY;
}

static void count_link(struct map *map, struct map_edge *e, uint32_t number)
{
	const struct link *l = &map->m->links.links[number];
	unsigned int server = map->m->messages.protos[number].server;
	enum join_class join = l->join;

	if (join == JOIN_NONE && map->plain[number] != STORE_NONE)
		join = map->m->links.links[map->plain[number]].join;
	e->connections++;
	e->joins[join]++;
	if (rests_on_bytes(join) && l->bits < e->least_bits)
		e->least_bits = l->bits;
	e->bytes[0] += l->bytes_joined[!server] + l->bytes_one_sided[!server];
	e->bytes[1] += l->bytes_joined[server] + l->bytes_one_sided[server];
}

static int count_links(struct work *w)
{
	struct map *map = w->map;
	int err = 0;

	for (uint32_t i = 0; i < w->m->links.link_count && !err; i++) {
		unsigned int server = w->m->messages.protos[i].server;
		uint32_t edge;

		if (w->m->links.links[i].plain || is_counted_elsewhere(map, i))
			continue;
		err = find_edge_of(w, map->ends[i][!server], map->ends[i][server], i, &edge);
		if (!err)
			count_link(map, &map->edges.items[edge], i);
	}
	return err;
}

/* ---- datagrams ---- */

static int count_datagrams(struct work *w)
{
	int err = 0;

	for (uint32_t i = 0; i < w->m->dgrams.edge_count && !err; i++) {
		const struct dgram_edge *d = &w->m->dgrams.edges[i];
		const struct map_edge wanted = {.from = w->map->dgram_ends[i][DGRAM_SENDER],
						.to = w->map->dgram_ends[i][DGRAM_RECEIVER],
						.protocol = MAP_DATAGRAM,
						.least_bits = UINT64_MAX};
		struct map_edge *e;
		uint32_t edge;

		err = find_edge(w, &wanted, &edge);
		if (err)
			break;
		e = &w->map->edges.items[edge];
		e->datagrams += d->process[DGRAM_SENDER] == STORE_NONE ? d->received : d->sent;
		e->datagrams_joined += d->joined;
		e->datagrams_lost += d->lost;
		e->bytes[0] += d->bytes;
	}
	return err;
}

/* ---- calls ---- */

static const struct span *span_at(const struct work *w, uint32_t number)
{
	return &w->m->spans.spans[number];
}

static void count_call(const struct work *w, struct map_edge *e, uint32_t number)
{
	const struct span *s = span_at(w, number);

	e->calls += !s->control;
	e->control += s->control;
	e->errors += s->error;
	e->unanswered += s->open;
	e->one_way += s->one_way;
	e->async += w->m->parents.edges[number].async;
}

/* A span of a client, or of a server whose client has none. */
static int place_span(struct work *w, uint32_t number)
{
	const struct span *s = span_at(w, number);
	uint32_t link = w->m->messages.rpcs[s->rpc].link;
	uint32_t mine = w->map->of_process[s->process];
	uint32_t other = s->peer == STORE_NONE ? w->map->ends[link][!model_side(w->m, number)]
					       : w->map->of_process[span_at(w, s->peer)->process];
	int err = find_edge_of(w, s->side == SPAN_CLIENT ? mine : other,
			       s->side == SPAN_CLIENT ? other : mine, link, &w->of_span[number]);

	if (!err)
		count_call(w, &w->map->edges.items[w->of_span[number]], number);
	return err;
}

/* The spans edge by edge, control behind the others, else in their own order. */
static void sort_spans(struct work *w)
{
	struct map *map = w->map;
	uint32_t at = 0;

	for (size_t i = 0; i < map->edges.count; i++) {
		struct map_edge *e = &map->edges.items[i];

		e->first_span = at;
		at += (uint32_t)(e->calls + e->control);
		e->calls = e->control = 0;
	}
	for (int control = 0; control < 2; control++)
		for (uint32_t i = 0; i < w->m->spans.span_count; i++) {
			struct map_edge *e;

			if (w->of_span[i] == STORE_NONE || span_at(w, i)->control != control)
				continue;
			e = &map->edges.items[w->of_span[i]];
			map->spans[e->first_span + e->calls + e->control] = i;
			e->calls += !control;
			e->control += control;
		}
}

static int count_calls(struct work *w)
{
	int err = 0;

	for (uint32_t i = 0; i < w->m->spans.span_count && !err; i++) {
		const struct span *s = span_at(w, i);

		w->of_span[i] = STORE_NONE;
		if (w->m->nodes[i].part != STORE_NONE && (s->side == SPAN_CLIENT || s->peer == STORE_NONE))
			err = place_span(w, i);
	}
	if (!err)
		sort_spans(w);
	return err;
}

/* ---- times ---- */

/* Values that are gathered for one edge. */
struct gathered {
	uint64_t *total, *handle, *outside, *request, *response;
	size_t totals, handles, outsides, ways;
};

static bool has_total(const struct span *s)
{
	return !s->open && !s->one_way && s->start_record != STORE_NONE;
}

/* What lies between the two sides of a call. */
static void gather_outside(const struct work *w, struct map_edge *e, uint32_t client, struct gathered *g)
{
	struct outside o;

	if (!model_outside(w->m, client, &o))
		return;
	g->outside[g->outsides++] = o.total_ns;
	if (o.bound_ns == ALIGN_UNKNOWN) {
		e->unaligned++;
		return;
	}
	e->bound_ns = o.bound_ns > e->bound_ns ? o.bound_ns : e->bound_ns;
	g->request[g->ways] = o.request_ns;
	g->response[g->ways++] = o.response_ns;
}

static void measure(const struct work *w, struct map_edge *e)
{
	uint64_t n = e->calls;
	struct gathered g = {.total = w->values,
			     .handle = w->values + n,
			     .outside = w->values + 2 * n,
			     .request = w->values + 3 * n,
			     .response = w->values + 4 * n};

	for (uint64_t i = 0; i < n; i++) {
		uint32_t number = w->map->spans[e->first_span + i];
		const struct span *s = span_at(w, number);
		uint32_t server = s->side == SPAN_SERVER ? number : s->peer;
		bool handled = server != STORE_NONE && has_total(span_at(w, server));

		if (s->side == SPAN_CLIENT && has_total(s)) {
			g.total[g.totals++] = model_total_ns(w->m, number);
			if (handled)
				gather_outside(w, e, number, &g);
		}
		if (handled)
			g.handle[g.handles++] = model_total_ns(w->m, server);
	}
	e->total = spread_of(g.total, g.totals);
	e->handle = spread_of(g.handle, g.handles);
	e->outside = spread_of(g.outside, g.outsides);
	e->request = spread_of(g.request, g.ways);
	e->response = spread_of(g.response, g.ways);
}

static int measure_edges(struct work *w)
{
	struct map *map = w->map;
	uint64_t most = 0;
	int err = 0;

	for (size_t i = 0; i < map->edges.count; i++)
		most = map->edges.items[i].calls > most ? map->edges.items[i].calls : most;
	w->values = calloc(5 * most + 1, sizeof(*w->values));
	if (!w->values)
		return -ENOMEM;
	for (size_t i = 0; i < map->edges.count && !err; i++) {
		struct map_edge *e = &map->edges.items[i];

		measure(w, e);
		if (w->m->windows.sampled && e->calls)
			err = sampling_of(w->m, map->spans + e->first_span, (uint32_t)e->calls, &e->sampling);
	}
	return err;
}

/* ---- what the nodes have of it ---- */

static uint64_t recorded_ns(const struct model *m, const struct recorded *r)
{
	if (m->windows.sampled)
		return window_open_ns(&m->windows, r->from_ns, r->to_ns);
	return r->to_ns > r->from_ns ? r->to_ns - r->from_ns : 0;
}

static void count_nodes(struct map *map)
{
	for (size_t i = 0; i < map->edges.count; i++) {
		struct map_edge *e = &map->edges.items[i];
		struct map_node *from = &map->nodes.items[e->from], *to = &map->nodes.items[e->to];

		from->connections += e->connections;
		to->connections += e->from == e->to ? 0 : e->connections;
		from->calls += e->calls;
		to->requests += e->calls;
		from->bytes_out += e->bytes[0];
		from->bytes_in += e->bytes[1];
		to->bytes_in += e->bytes[0];
		to->bytes_out += e->bytes[1];
		e->recorded_ns =
		    recorded_ns(map->m, from->kind == MAP_TRACED ? &from->recorded : &to->recorded);
	}
}

static int compare_edges(const void *left, const void *right, void *arg)
{
	const struct map *map = arg;
	const struct map_edge *a = left, *b = right;
	const struct map_node *from_a = &map->nodes.items[a->from], *from_b = &map->nodes.items[b->from];
	int order = vec_compare(from_b->bytes_in + from_b->bytes_out, from_a->bytes_in + from_a->bytes_out);

	order = order ? order : vec_compare(a->from, b->from);
	order = order ? order : vec_compare(b->bytes[0] + b->bytes[1], a->bytes[0] + a->bytes[1]);
	order = order ? order : vec_compare(b->calls, a->calls);
	order = order ? order : vec_compare(a->to, b->to);
	order = order ? order : strcmp(a->protocol, b->protocol);
	return order ? order : vec_compare(a->tls, b->tls);
}

int map_connect(struct map *map)
{
	struct work w = {
	    .map = map, .m = map->m, .of_span = calloc(map->m->spans.span_count + 1ul, sizeof(*w.of_span))};
	int err = w.of_span ? 0 : -ENOMEM;

	err = err ? err : count_links(&w);
	err = err ? err : count_datagrams(&w);
	err = err ? err : count_calls(&w);
	err = err ? err : measure_edges(&w);
	if (!err) {
		count_nodes(map);
		if (map->edges.count > 1)
			qsort_r(map->edges.items, map->edges.count, sizeof(*map->edges.items), compare_edges,
				map);
	}
	hash_free(&w.known);
	free(w.of_span);
	free(w.values);
	return err;
}
