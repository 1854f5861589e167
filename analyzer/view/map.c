// SPDX-License-Identifier: Apache-2.0
/*
 * map.c - `dprof-analyze map`: hosts, services and who talks to whom; what was not traced is there by its
 * address. Tables for people and programs, and the same as a graph (map_draw.c). Analyzer, one thread.
 */
#include "analyzer/view/map.h"

#include <inttypes.h>
#include <stdio.h>

static const struct map_node *node_at(const struct map *map, uint32_t number)
{
	return &map->nodes.items[number];
}

static const struct store_process *process_of(const struct map *map, uint32_t number)
{
	return &map->m->store.processes[node_at(map, number)->process];
}

/* ---- names ---- */

const char *map_name(const struct map *map, uint32_t node, char *text, size_t size)
{
	const struct map_node *n = node_at(map, node);

	if (n->kind == MAP_OTHERS)
		snprintf(text, size, "%" PRIu64 " others", n->count);
	else if (n->kind == MAP_PEER)
		snprintf(text, size, "%s", n->address);
	else if (map->by == MAP_BY_HOST)
		snprintf(text, size, "%s", map_host(map, node));
	else if (map->by == MAP_BY_PROCESS)
		snprintf(text, size, "%s %" PRIu64, process_of(map, node)->service,
			 process_of(map, node)->pid);
	else
		snprintf(text, size, "%s", process_of(map, node)->service);
	return text;
}

const char *map_host(const struct map *map, uint32_t node)
{
	uint32_t host = node_at(map, node)->host;

	return host == STORE_NONE ? NULL : map->m->store.hosts[host].name;
}

const char *map_protocol(const struct map_edge *e, char *text, size_t size)
{
	snprintf(text, size, "%s%s", e->protocol, e->tls ? " in TLS" : "");
	return text;
}

struct out_value map_rate(const struct map_edge *e)
{
	return e->recorded_ns ? out_number((double)e->calls * 1e9 / (double)e->recorded_ns) : out_null();
}

bool map_is_joined(const struct map *map, const struct map_edge *e)
{
	if (node_at(map, e->from)->kind != MAP_TRACED || node_at(map, e->to)->kind != MAP_TRACED)
		return false;
	if (e->datagrams)
		return e->datagrams_joined;
	return !e->connections || e->joins[JOIN_NONE] < e->connections;
}

/* ---- nodes ---- */

static const char *kind_of(const struct map *map, const struct map_node *n)
{
	static const char *const traced[] = {
	    [MAP_BY_SERVICE] = "service", [MAP_BY_HOST] = "host", [MAP_BY_PROCESS] = "process"};

	return n->kind == MAP_TRACED ? traced[map->by] : n->kind == MAP_PEER ? "peer" : "others";
}

static void put_nodes(const struct map *map, struct out *out)
{
	static const struct out_column columns[] = {
	    {"id", NULL, OUT_COUNT},	   {"kind", NULL, OUT_TEXT},	  {"host", NULL, OUT_TEXT},
	    {"service", NULL, OUT_TEXT},   {"pid", NULL, OUT_COUNT},	  {"processes", NULL, OUT_COUNT},
	    {"address", NULL, OUT_TEXT},   {"role", NULL, OUT_TEXT},	  {"peers", NULL, OUT_COUNT},
	    {"requests", NULL, OUT_COUNT}, {"calls", NULL, OUT_COUNT},	  {"connections", NULL, OUT_COUNT},
	    {"bytes_in", NULL, OUT_BYTES}, {"bytes_out", NULL, OUT_BYTES}};

	out_table_begin(out, "nodes", NULL, columns, sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < map->nodes.count; i++) {
		const struct map_node *n = node_at(map, i);
		bool traced = n->kind == MAP_TRACED, peer = n->kind == MAP_PEER;

		out_row(out, (const struct out_value[]){
				 out_count(i), out_text(kind_of(map, n)), out_text(map_host(map, i)),
				 traced && map->by != MAP_BY_HOST ? out_text(process_of(map, i)->service)
								  : out_absent(),
				 traced && map->by == MAP_BY_PROCESS ? out_count(process_of(map, i)->pid)
								     : out_absent(),
				 traced ? out_count(n->count) : out_absent(),
				 peer ? out_text(n->address) : out_absent(),
				 peer ? out_text(n->asks ? "client" : "server") : out_absent(),
				 n->kind == MAP_OTHERS ? out_count(n->count) : out_absent(),
				 out_count(n->requests), out_count(n->calls), out_count(n->connections),
				 out_bytes(n->bytes_in), out_bytes(n->bytes_out)});
	}
	out_table_end(out);
}

/* For people; hosts are there once. */
static void draw_nodes(const struct map *map, struct out *out)
{
	static const struct out_column columns[] = {
	    {NULL, "host", OUT_TEXT},	   {NULL, "", OUT_TEXT},      {NULL, "processes", OUT_COUNT},
	    {NULL, "asked", OUT_COUNT},	   {NULL, "asks", OUT_COUNT}, {NULL, "connections", OUT_COUNT},
	    {NULL, "received", OUT_BYTES}, {NULL, "sent", OUT_BYTES}, {NULL, "", OUT_TEXT}};

	out_table_begin(out, NULL, "who was seen", columns, sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < map->nodes.count; i++) {
		const struct map_node *n = node_at(map, i);
		bool traced = n->kind == MAP_TRACED;
		bool same = i && traced && node_at(map, i - 1)->host == n->host;
		char name[256];

		out_row(out,
			(const struct out_value[]){
			    same || !map_host(map, i) ? out_absent() : out_text(map_host(map, i)),
			    map->by == MAP_BY_HOST && traced ? out_absent()
							     : out_text(map_name(map, i, name, sizeof(name))),
			    traced ? out_count(n->count) : out_absent(), out_count(n->requests),
			    out_count(n->calls), out_count(n->connections), out_bytes(n->bytes_in),
			    out_bytes(n->bytes_out), traced ? out_absent() : out_text("not traced")});
	}
	out_table_end(out);
}

/* ---- edges ---- */

static const struct out_column edge_columns[] = {
    {"from", NULL, OUT_TEXT},
    {"to", NULL, OUT_TEXT},
    {"from_id", NULL, OUT_COUNT},
    {"to_id", NULL, OUT_COUNT},
    {"protocol", NULL, OUT_TEXT},
    {"tls", NULL, OUT_BOOL},
    {"connections", NULL, OUT_COUNT},
    {"calls", NULL, OUT_COUNT},
    {"control", NULL, OUT_COUNT},
    {"rate_per_s", NULL, OUT_NUMBER},
    {"errors", NULL, OUT_COUNT},
    {"unanswered", NULL, OUT_COUNT},
    {"async", NULL, OUT_COUNT},
    {"one_way", NULL, OUT_COUNT},
    {"datagrams", NULL, OUT_COUNT},
    {"datagrams_joined", NULL, OUT_COUNT},
    {"datagrams_lost", NULL, OUT_COUNT},
    {"bytes_there", NULL, OUT_BYTES},
    {"bytes_back", NULL, OUT_BYTES},
    {"unaligned", NULL, OUT_COUNT},
    {"bound_ns", NULL, OUT_NS},
    {"joins.address", NULL, OUT_COUNT},
    {"joins.inode", NULL, OUT_COUNT},
    {"joins.unix_order", NULL, OUT_COUNT},
    {"joins.tls", NULL, OUT_COUNT},
    {"joins.dnat", NULL, OUT_COUNT},
    {"joins.fingerprint", NULL, OUT_COUNT},
    {"joins.proxy", NULL, OUT_COUNT},
    {"joins.one_end_only", NULL, OUT_COUNT},
    {"least_bits", NULL, OUT_COUNT},
    SPREAD_COLUMNS("total_ns"),
    SPREAD_COLUMNS("handle_ns"),
    SPREAD_COLUMNS("outside_ns"),
    SPREAD_COLUMNS("request_ns"),
    SPREAD_COLUMNS("response_ns"),
    SAMPLING_COLUMNS, /* left out if all was recorded */
};

#define EDGE_COLUMNS (sizeof(edge_columns) / sizeof(edge_columns[0]))
#define SAMPLING_AT  (EDGE_COLUMNS - SAMPLING_CELLS)
#define SPREADS_AT   (SAMPLING_AT - 5 * SPREAD_CELLS)

static void put_edge(const struct map *map, const struct map_edge *e, struct out *out)
{
	const uint64_t *j = e->joins;
	const struct spread *spreads[] = {&e->total, &e->handle, &e->outside, &e->request, &e->response};
	char from[256], to[256];
	struct out_value cells[EDGE_COLUMNS] = {
	    out_text(map_name(map, e->from, from, sizeof(from))),
	    out_text(map_name(map, e->to, to, sizeof(to))),
	    out_count(e->from),
	    out_count(e->to),
	    out_text(e->protocol),
	    out_bool(e->tls),
	    out_count(e->connections),
	    out_count(e->calls),
	    out_count(e->control),
	    map_rate(e),
	    out_count(e->errors),
	    out_count(e->unanswered),
	    out_count(e->async),
	    out_count(e->one_way),
	    out_count(e->datagrams),
	    out_count(e->datagrams_joined),
	    out_count(e->datagrams_lost),
	    out_bytes(e->bytes[0]),
	    out_bytes(e->bytes[1]),
	    out_count(e->unaligned),
	    e->request.count ? out_ns(e->bound_ns) : out_null(),
	    out_count(j[JOIN_ADDRESS]),
	    out_count(j[JOIN_INODE]),
	    out_count(j[JOIN_UNIX_ORDER]),
	    out_count(j[JOIN_TLS]),
	    out_count(j[JOIN_DNAT]),
	    out_count(j[JOIN_FINGERPRINT]),
	    out_count(j[JOIN_PROXY]),
	    out_count(j[JOIN_NONE]),
	    e->least_bits == UINT64_MAX ? out_null() : out_count(e->least_bits),
	};

	for (size_t i = 0; i < sizeof(spreads) / sizeof(spreads[0]); i++)
		spread_cells(spreads[i], cells + SPREADS_AT + i * SPREAD_CELLS);
	sampling_cells(&e->sampling, cells + SAMPLING_AT);
	out_row(out, cells);
}

static void put_edges(const struct map *map, struct out *out)
{
	out_table_begin(out, "edges", NULL, edge_columns,
			map->m->windows.sampled ? EDGE_COLUMNS : SAMPLING_AT);
	for (size_t i = 0; i < map->edges.count; i++)
		put_edge(map, &map->edges.items[i], out);
	out_table_end(out);
}

/* "address", "address 12, one end only 3, at least 52 bits". */
static void print_joins(const struct map_edge *e, char *text, size_t size)
{
	unsigned int kinds = 0;
	size_t at = 0;

	text[0] = 0;
	for (unsigned int j = 0; j < JOIN_CLASSES; j++)
		kinds += e->joins[j] != 0;
	for (unsigned int i = 0; i < JOIN_CLASSES; i++) {
		unsigned int j = (i + 1) % JOIN_CLASSES; /* those without another end last */

		if (!e->joins[j] || at >= size)
			continue;
		at += (size_t)snprintf(text + at, size - at, "%s%s", at ? ", " : "", pair_join_name(j));
		if (kinds > 1 && at < size)
			at += (size_t)snprintf(text + at, size - at, " %" PRIu64, e->joins[j]);
	}
	if (e->least_bits != UINT64_MAX && at < size)
		snprintf(text + at, size - at, ", at least %" PRIu64 " bits", e->least_bits);
}

static void print_remarks(const struct map_edge *e, char *text, size_t size)
{
	const struct {
		uint64_t count;
		const char *what;
	} remarks[] = {{e->unanswered, "unanswered"},	{e->async, "async"},
		       {e->one_way, "one way"},		{e->datagrams, "datagrams"},
		       {e->datagrams_joined, "joined"}, {e->datagrams_lost, "lost"}};
	size_t at = 0;

	text[0] = 0;
	for (size_t i = 0; i < sizeof(remarks) / sizeof(remarks[0]) && at < size; i++)
		if (remarks[i].count)
			at += (size_t)snprintf(text + at, size - at, "%s%s %" PRIu64, at ? ", " : "",
					       remarks[i].what, remarks[i].count);
}

static struct out_value some(uint64_t count)
{
	return count ? out_count(count) : out_absent();
}

static struct out_value time_of(const struct spread *s, uint64_t ns)
{
	return s->count ? out_ns(ns) : out_absent();
}

/* The line of an edge, below that of the node it goes out from. */
static void draw_edge(const struct map *map, const struct map_edge *e, bool clocks, struct out *out)
{
	char name[256], to[300], protocol[64], joins[256], remarks[128];
	const char *host = map_host(map, e->to);

	map_name(map, e->to, name, sizeof(name));
	snprintf(to, sizeof(to), "  > %s%s%s", name, host && map->by != MAP_BY_HOST ? " @ " : "",
		 host && map->by != MAP_BY_HOST ? host : "");
	print_joins(e, joins, sizeof(joins));
	print_remarks(e, remarks, sizeof(remarks));
	out_row(out, (const struct out_value[]){
			 out_text(to), out_text(map_protocol(e, protocol, sizeof(protocol))),
			 some(e->connections), some(e->calls), e->calls ? map_rate(e) : out_absent(),
			 some(e->errors), time_of(&e->total, e->total.p50), time_of(&e->total, e->total.p99),
			 time_of(&e->handle, e->handle.p50), time_of(&e->outside, e->outside.p50),
			 !clocks ? out_absent() : time_of(&e->request, e->request.p50),
			 !clocks	? out_absent()
			 : e->unaligned ? out_text("unaligned")
					: time_of(&e->request, e->bound_ns),
			 out_bytes(e->bytes[0]), out_bytes(e->bytes[1]), out_text(joins), out_text(remarks)});
}

static void draw_from(const struct map *map, uint32_t node, struct out *out)
{
	const char *host = map_host(map, node);
	struct out_value cells[16];
	char name[256], text[300];

	map_name(map, node, name, sizeof(name));
	snprintf(text, sizeof(text), "%s%s%s%s", name, host && map->by != MAP_BY_HOST ? " @ " : "",
		 host && map->by != MAP_BY_HOST ? host : "",
		 node_at(map, node)->kind == MAP_TRACED ? "" : ", not traced");
	for (int i = 0; i < 16; i++)
		cells[i] = out_absent();
	cells[0] = out_text(text);
	out_row(out, cells);
}

static void draw_edges(const struct map *map, struct out *out)
{
	bool clocks = map->m->store.clock_count > 1;
	struct out_column columns[] = {
	    {NULL, "who asks whom", OUT_TEXT},
	    {NULL, "protocol", OUT_TEXT},
	    {NULL, "conns", OUT_COUNT},
	    {NULL, "calls", OUT_COUNT},
	    {NULL, "calls/s", OUT_NUMBER},
	    {NULL, "errors", OUT_COUNT},
	    {NULL, "p50", OUT_NS},
	    {NULL, "p99", OUT_NS},
	    {NULL, "handle", OUT_NS},
	    {NULL, "network", OUT_NS},
	    {NULL, clocks ? "→" : NULL, OUT_NS}, /* on one clock it says nothing of a network */
	    {NULL, clocks ? "±" : NULL, OUT_NS},
	    {NULL, "sent", OUT_BYTES},
	    {NULL, "received", OUT_BYTES},
	    {NULL, "joined by", OUT_TEXT},
	    {NULL, "", OUT_TEXT},
	};

	out_table_begin(out, NULL, "map", columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < map->edges.count; i++) {
		const struct map_edge *e = &map->edges.items[i];

		if (!i || e[-1].from != e->from)
			draw_from(map, e->from, out);
		draw_edge(map, e, clocks, out);
	}
	out_table_end(out);
}

int view_map(const struct model *m, const struct map_options *options, struct out *out)
{
	struct map map;
	int err = map_gather(m, options, &map);

	err = err ? err : map_connect(&map);
	out_object_begin(out, NULL, NULL);
	out_field(out, "schema", NULL, out_text("dprof.map/1"));
	if (!err) {
		out_field(out, "not_traced", NULL, out_count(map.peers));
		draw_edges(&map, out);
		draw_nodes(&map, out);
		sampling_put(m, out);
		put_nodes(&map, out);
		put_edges(&map, out);
		map_draw(&map, out);
	}
	out_object_end(out);
	map_free(&map);
	return err;
}
