// SPDX-License-Identifier: Apache-2.0
/*
 * map_gather.c - the nodes of the map: what was traced, by host, service or process, and what was not, by its
 * address. A peer on a loopback address or a unix socket is on the host of the other end. Analyzer, one
 * thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/hash.h"
#include "analyzer/pass/layer.h"
#include "analyzer/view/map.h"

#define ADDRESS_BYTES 160u

/* Ports from here on are those that the kernel picks for who asks. */
#define PICKED_PORT 32768u

/* ---- what was traced ---- */

static const struct store_process *process_at(const struct map *map, uint32_t number)
{
	return &map->m->store.processes[number];
}

static int compare_processes(const void *left, const void *right, void *arg)
{
	const struct map *map = arg;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	int order = vec_compare(process_at(map, a)->host, process_at(map, b)->host);

	if (!order && map->by != MAP_BY_HOST)
		order = strcmp(process_at(map, a)->service, process_at(map, b)->service);
	return order ? order : vec_compare(a, b);
}

static bool is_same_node(const struct map *map, uint32_t a, uint32_t b)
{
	if (map->by == MAP_BY_PROCESS || process_at(map, a)->host != process_at(map, b)->host)
		return false;
	return map->by == MAP_BY_HOST || !strcmp(process_at(map, a)->service, process_at(map, b)->service);
}

static void add_process(struct map *map, struct map_node *node, uint32_t process)
{
	const struct recorded *r = &map->m->recorded[process];

	node->count++;
	if (r->from_ns < node->recorded.from_ns)
		node->recorded.from_ns = r->from_ns;
	if (r->to_ns > node->recorded.to_ns)
		node->recorded.to_ns = r->to_ns;
}

static int add_traced(struct map *map)
{
	uint32_t n = map->m->store.process_count;
	uint32_t *order = calloc(n + 1ul, sizeof(*order));
	int err = order ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < n && !err; i++)
		order[i] = i;
	if (!err && n > 1)
		qsort_r(order, n, sizeof(*order), compare_processes, map);
	for (uint32_t i = 0; i < n && !err; i++) {
		uint32_t process = order[i];

		if (!i || !is_same_node(map, order[i - 1], process))
			err = vec_push(&map->nodes, (struct map_node){.kind = MAP_TRACED,
								      .host = process_at(map, process)->host,
								      .process = process,
								      .recorded = {UINT64_MAX, 0}});
		if (err)
			break;
		add_process(map, vec_last(&map->nodes), process);
		map->of_process[process] = (uint32_t)map->nodes.count - 1;
	}
	free(order);
	return err;
}

/* ---- what was not ---- */

/* A peer as it is looked for. */
struct stranger {
	const char *address;
	uint32_t host, scope;
	bool asks;
};

static bool is_stranger(const void *items, uint32_t index, const void *key)
{
	const struct map_node *node = &((const struct map_node *)items)[index];
	const struct stranger *s = key;

	return node->scope == s->scope && node->asks == s->asks && node->host == s->host &&
	       !strcmp(node->address, s->address);
}

/* The node of a peer, which is made if there is none. 0 or -ENOMEM. */
static int meet(struct map *map, struct hash *known, const struct stranger *s, uint32_t *node)
{
	uint32_t seed[] = {s->host, s->scope, s->asks};
	uint64_t hash = hash_bytes(s->address, strlen(s->address), hash_bytes(seed, sizeof(seed), 0));
	char *address;
	int err;

	*node = hash_find(known, hash, is_stranger, map->nodes.items, s);
	if (*node != HASH_NONE)
		return 0;
	address = strdup(s->address);
	if (!address)
		return -ENOMEM;
	*node = (uint32_t)map->nodes.count;
	err = vec_push(&map->nodes, (struct map_node){.kind = MAP_PEER,
						      .host = s->host,
						      .process = STORE_NONE,
						      .count = 1,
						      .address = address,
						      .scope = s->scope,
						      .asks = s->asks});
	if (err)
		free(address);
	return err ? err : hash_add(known, hash, *node);
}

/* The end of a link that nobody traced, but for its TLS session perhaps. */
static int find_missing(struct map *map, struct hash *known, uint32_t number, enum link_side side,
			uint32_t *node)
{
	const struct model *m = map->m;
	uint32_t plain = map->plain[number], process;
	const struct link *l = &m->links.links[number];
	const struct address *a = &l->address[side];
	bool near = a->family == ENDPOINT_UNIX || a->scope;
	char text[ADDRESS_BYTES];
	struct stranger s = {.asks = m->messages.protos[number].server != side};

	process = plain == STORE_NONE ? STORE_NONE : model_process(m, plain, side);
	if (process != STORE_NONE) {
		*node = map->of_process[process];
		return 0;
	}
	process = model_process(m, number, !side);
	s.address = model_address(m, number, side, text, sizeof(text));
	s.scope = a->scope;
	s.host = near && process != STORE_NONE ? process_at(map, process)->host : STORE_NONE;
	return meet(map, known, &s, node);
}

/* Who sends or takes datagrams, and was not traced. Which of the two serves is known by the port only. */
static int find_dgram_end(struct map *map, struct hash *known, const struct dgram_edge *e,
			  enum dgram_side side, uint32_t *node)
{
	const struct address *a = &e->address;
	char host[INET6_ADDRSTRLEN] = "?", text[ADDRESS_BYTES];
	struct stranger s = {.address = text, .host = STORE_NONE, .asks = !a->port || a->port >= PICKED_PORT};

	if (e->process[side] != STORE_NONE) {
		*node = map->of_process[e->process[side]];
		return 0;
	}
	inet_ntop(a->family == ENDPOINT_IPV6 ? AF_INET6 : AF_INET, a->addr, host, sizeof(host));
	if (a->family == ENDPOINT_UNIX || !a->family)
		snprintf(text, sizeof(text), "%s", a->family ? "unix" : "unknown");
	else if (s.asks)
		snprintf(text, sizeof(text), "%s", host);
	else
		snprintf(text, sizeof(text), a->family == ENDPOINT_IPV6 ? "[%s]:%u" : "%s:%u", host, a->port);
	if (a->family == ENDPOINT_UNIX && e->process[!side] != STORE_NONE)
		s.host = process_at(map, e->process[!side])->host;
	return meet(map, known, &s, node);
}

static int find_ends(struct map *map)
{
	const struct model *m = map->m;
	struct hash known = {0};
	int err = 0;

	for (uint32_t i = 0; i < m->links.link_count; i++)
		for (int side = 0; side < 2; side++) {
			uint32_t process = model_process(m, i, side);

			map->ends[i][side] = process == STORE_NONE ? STORE_NONE : map->of_process[process];
		}
	for (uint32_t i = 0; i < m->links.link_count && !err; i++) {
		uint32_t carrier = pair_carrier(&m->conns, &m->links, i);

		for (int side = 0; side < 2 && !err; side++) {
			uint32_t *end = &map->ends[i][side];

			if (*end == STORE_NONE)
				err = find_missing(map, &known, carrier, side, end);
		}
	}
	for (uint32_t i = 0; i < m->dgrams.edge_count && !err; i++)
		for (int side = 0; side < 2 && !err; side++)
			err =
			    find_dgram_end(map, &known, &m->dgrams.edges[i], side, &map->dgram_ends[i][side]);
	hash_free(&known);
	return err;
}

static void find_plain(struct map *map)
{
	const struct model *m = map->m;

	for (uint32_t i = 0; i < m->links.link_count; i++)
		map->plain[i] = STORE_NONE;
	for (uint32_t i = m->links.link_count; i-- > 0;) {
		const struct link *l = &m->links.links[i];

		for (int side = 0; side < 2 && l->plain; side++)
			if (l->ends[side].view_count) {
				const struct view *v =
				    layer_bottom(&m->conns, &m->conns.views[l->ends[side].views[0]]);
				uint32_t carrier = m->links.of_view[v - m->conns.views];

				if (carrier != i)
					map->plain[carrier] = i;
			}
	}
}

/* ---- too many of them ---- */

static int compare_peers(const void *left, const void *right, void *arg)
{
	const struct map_node *nodes = arg;
	const struct map_node *a = &nodes[*(const uint32_t *)left], *b = &nodes[*(const uint32_t *)right];
	int order = vec_compare(b->bytes_in + b->bytes_out, a->bytes_in + a->bytes_out);

	order = order ? order : vec_compare(b->connections, a->connections);
	order = order ? order : strcmp(a->address, b->address);
	order = order ? order : vec_compare(a->asks, b->asks);
	order = order ? order : vec_compare(a->host, b->host);
	return order ? order : vec_compare(a->scope, b->scope);
}

static void weigh_peers(struct map *map)
{
	const struct model *m = map->m;

	for (uint32_t i = 0; i < m->links.link_count; i++) {
		const struct link *l = &m->links.links[i];

		for (int side = 0; side < 2 && !l->plain; side++) {
			struct map_node *node = &map->nodes.items[map->ends[i][side]];

			node->connections++;
			node->bytes_out += l->bytes_joined[side] + l->bytes_one_sided[side];
			node->bytes_in += l->bytes_joined[!side] + l->bytes_one_sided[!side];
		}
	}
	for (uint32_t i = 0; i < m->dgrams.edge_count; i++) {
		map->nodes.items[map->dgram_ends[i][DGRAM_SENDER]].bytes_out += m->dgrams.edges[i].bytes;
		map->nodes.items[map->dgram_ends[i][DGRAM_RECEIVER]].bytes_in += m->dgrams.edges[i].bytes;
	}
}

/* Peers in the order of their traffic, those beyond `limit` in one; `place` says where each node went. */
static int place_peers(struct map *map, const uint32_t *order, uint32_t traced, uint32_t limit,
		       uint32_t *place)
{
	uint32_t peers = (uint32_t)map->nodes.count - traced, kept = peers > limit ? limit : peers;
	struct map_node *sorted = calloc(kept + 1ul, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	sorted[kept] = (struct map_node){.kind = MAP_OTHERS, .host = STORE_NONE, .process = STORE_NONE};
	for (uint32_t i = 0; i < peers; i++) {
		uint32_t at = i < kept ? i : kept;

		place[order[i]] = traced + at;
		if (at < kept) {
			sorted[at] = map->nodes.items[order[i]];
			continue;
		}
		sorted[kept].count++;
		free(map->nodes.items[order[i]].address);
	}
	memcpy(map->nodes.items + traced, sorted, (kept + (peers > kept)) * sizeof(*sorted));
	map->nodes.count = traced + kept + (peers > kept);
	free(sorted);
	return 0;
}

static int sort_peers(struct map *map, uint32_t traced, uint32_t limit)
{
	uint32_t n = (uint32_t)map->nodes.count;
	uint32_t *order = calloc(2ul * n + 1, sizeof(*order)), *place = order + n;
	int err;

	if (!order)
		return -ENOMEM;
	weigh_peers(map);
	for (uint32_t i = 0; i < n; i++) {
		place[i] = i;
		order[i] = traced + i;
	}
	if (n - traced > 1)
		qsort_r(order, n - traced, sizeof(*order), compare_peers, map->nodes.items);
	err = place_peers(map, order, traced, limit, place);
	for (uint32_t i = 0; i < map->m->links.link_count && !err; i++)
		for (int side = 0; side < 2; side++)
			map->ends[i][side] = place[map->ends[i][side]];
	for (uint32_t i = 0; i < map->m->dgrams.edge_count && !err; i++)
		for (int side = 0; side < 2; side++)
			map->dgram_ends[i][side] = place[map->dgram_ends[i][side]];
	for (size_t i = 0; i < map->nodes.count && !err; i++) /* now the edges count */
		map->nodes.items[i].connections = map->nodes.items[i].bytes_in =
		    map->nodes.items[i].bytes_out = 0;
	free(order);
	return err;
}

int map_gather(const struct model *m, const struct map_options *options, struct map *out)
{
	uint32_t links = m->links.link_count, traced;
	int err;

	*out = (struct map){.m = m,
			    .by = options->by,
			    .of_process = calloc(m->store.process_count + 1ul, sizeof(*out->of_process)),
			    .ends = calloc(links + 1ul, sizeof(*out->ends)),
			    .dgram_ends = calloc(m->dgrams.edge_count + 1ul, sizeof(*out->dgram_ends)),
			    .plain = calloc(links + 1ul, sizeof(*out->plain)),
			    .spans = calloc(m->spans.span_count + 1ul, sizeof(*out->spans))};
	if (!out->of_process || !out->ends || !out->dgram_ends || !out->plain || !out->spans)
		return -ENOMEM;
	err = add_traced(out);
	if (err)
		return err;
	traced = (uint32_t)out->nodes.count;
	find_plain(out);
	err = find_ends(out);
	out->peers = out->nodes.count - traced;
	return err ? err : sort_peers(out, traced, options->peers);
}

void map_free(struct map *map)
{
	for (size_t i = 0; i < map->nodes.count; i++)
		free(map->nodes.items[i].address);
	vec_free(&map->nodes);
	vec_free(&map->edges);
	free(map->of_process);
	free(map->ends);
	free(map->dgram_ends);
	free(map->plain);
	free(map->spans);
	*map = (struct map){0};
}
