// SPDX-License-Identifier: Apache-2.0
/*
 * map_draw.c - the map as a graph: a group per host, what was not traced outside of them or dashed, lines as
 * wide as what goes over them. Edges between the same two nodes are apart, one per protocol. Analyzer, one
 * thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyzer/out/units.h"
#include "analyzer/view/map.h"

static void draw_node(const struct map *map, uint32_t number, struct out *out)
{
	const struct map_node *n = &map->nodes.items[number];
	bool traced = n->kind == MAP_TRACED;
	char name[256], detail[64] = "not traced";

	if (traced)
		snprintf(detail, sizeof(detail), "processes %" PRIu64, n->count);
	out_vertex(out, &(struct out_vertex){.number = number,
					     .label = map_name(map, number, name, sizeof(name)),
					     .detail = traced && n->count == 1 ? NULL : detail,
					     .tone = traced ? OUT_TONE_PLAIN : OUT_TONE_FAINT});
}

/* Peers come behind all that was traced: each host gets its own on the way. */
static void draw_host(const struct map *map, uint32_t first, uint32_t *at, struct out *out)
{
	uint32_t host = map->nodes.items[first].host, n = (uint32_t)map->nodes.count;
	const char *name = map_host(map, first);

	if (map->by != MAP_BY_HOST)
		out_group_begin(out, name ? name : "");
	for (*at = first;
	     *at < n && map->nodes.items[*at].kind == MAP_TRACED && map->nodes.items[*at].host == host;
	     (*at)++)
		draw_node(map, *at, out);
	for (uint32_t i = *at; i < n; i++)
		if (map->nodes.items[i].kind != MAP_TRACED && map->nodes.items[i].host == host)
			draw_node(map, i, out);
	if (map->by != MAP_BY_HOST)
		out_group_end(out);
}

/* Bytes by their order of magnitude: a hundredfold is as much wider wherever it starts. */
static unsigned int width_of(uint64_t bytes, uint64_t most)
{
	unsigned int of = most ? 64 - (unsigned int)__builtin_clzll(most) : 0;
	unsigned int bits = bytes ? 64 - (unsigned int)__builtin_clzll(bytes) : 0;
	unsigned int below = of - bits;

	return below >= 16 ? 0 : 100 - below * 100 / 16;
}

static void print_label(const struct map_edge *e, char *text, size_t size)
{
	char number[UNITS_TEXT_BYTES], protocol[64];
	size_t at = (size_t)snprintf(text, size, "%s", map_protocol(e, protocol, sizeof(protocol)));

	if (e->calls) {
		units_print(number, map_rate(e));
		at += (size_t)snprintf(text + at, size - at, " %s/s", number);
	} else {
		units_print(number, out_bytes(e->bytes[0] + e->bytes[1]));
		at += (size_t)snprintf(text + at, size - at, " %s", number);
	}
	if (e->total.count || e->handle.count) {
		units_print(number, out_ns(e->total.count ? e->total.p50 : e->handle.p50));
		at += (size_t)snprintf(text + at, size - at, "\n%s", number);
	}
	if (e->errors)
		snprintf(text + at, size - at, ", errors %" PRIu64, e->errors);
}

static void print_hint(const struct map *map, const struct map_edge *e, char *text, size_t size)
{
	char from[200], to[200], p99[UNITS_TEXT_BYTES] = "-", there[UNITS_TEXT_BYTES], back[UNITS_TEXT_BYTES];

	if (e->total.count)
		units_print(p99, out_ns(e->total.p99));
	units_print(there, out_bytes(e->bytes[0]));
	units_print(back, out_bytes(e->bytes[1]));
	snprintf(text, size,
		 "%s > %s: connections %" PRIu64 ", calls %" PRIu64 ", errors %" PRIu64
		 ", p99 %s, %s there, %s back",
		 map_name(map, e->from, from, sizeof(from)), map_name(map, e->to, to, sizeof(to)),
		 e->connections, e->calls, e->errors, p99, there, back);
}

static void draw_arc(const struct map *map, const struct map_edge *e, uint64_t most, struct out *out)
{
	char label[256], hint[700];

	print_label(e, label, sizeof(label));
	print_hint(map, e, hint, sizeof(hint));
	out_arc(out, &(struct out_arc){.from = e->from,
				       .to = e->to,
				       .label = label,
				       .hint = hint,
				       .width = width_of(e->bytes[0] + e->bytes[1], most),
				       .tone = !map_is_joined(map, e) ? OUT_TONE_FAINT
					       : e->errors	      ? OUT_TONE_ALERT
								      : OUT_TONE_PLAIN});
}

void map_draw(const struct map *map, struct out *out)
{
	static const char *const what[] = {
	    [MAP_BY_SERVICE] = "services", [MAP_BY_HOST] = "hosts", [MAP_BY_PROCESS] = "processes"};
	uint32_t n = (uint32_t)map->nodes.count, at = 0;
	uint64_t traced = 0, most = 0;
	char title[128];

	for (uint32_t i = 0; i < n; i++)
		traced += map->nodes.items[i].kind == MAP_TRACED;
	for (size_t i = 0; i < map->edges.count; i++) {
		uint64_t bytes = map->edges.items[i].bytes[0] + map->edges.items[i].bytes[1];

		most = bytes > most ? bytes : most;
	}
	snprintf(title, sizeof(title), "%s %" PRIu64 ", peers not traced %" PRIu64, what[map->by], traced,
		 map->peers);
	out_graph_begin(out, title);
	while (at < n && map->nodes.items[at].kind == MAP_TRACED)
		draw_host(map, at, &at, out);
	for (; at < n; at++)
		if (map->nodes.items[at].host == STORE_NONE)
			draw_node(map, at, out);
	for (size_t i = 0; i < map->edges.count; i++)
		draw_arc(map, &map->edges.items[i], most, out);
	out_graph_end(out);
}
