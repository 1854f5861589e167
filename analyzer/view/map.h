/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.h - who talks to whom: services (or hosts, or processes), what was not traced, and what goes between
 * them. map_gather.c, map_edges.c fill it from the model; map.c and map_draw.c show it.
 *
 * Invariant: every process stands in one node, every connection in one edge, and so does every call that
 * counts (see window.h): as a client saw it, or as the server did if nobody else.
 */
#ifndef DPROF_VIEW_MAP_H
#define DPROF_VIEW_MAP_H

#include "analyzer/vec.h"
#include "analyzer/view/sampling.h"
#include "analyzer/view/spread.h"
#include "analyzer/view/view.h"

enum map_kind {
	MAP_TRACED,
	MAP_PEER,   /* an address that nobody traced answers at, or asks from */
	MAP_OTHERS, /* the peers with the least traffic together */
};

struct map_node {
	enum map_kind kind;
	uint32_t host;	  /* STORE_NONE: not known */
	uint32_t process; /* the first one; STORE_NONE: a peer */
	uint64_t count;	  /* of processes, or of peers */
	char *address;	  /* of a peer */
	uint32_t scope;	  /* of a peer's address: equal ones of two scopes are two peers */
	bool asks;	  /* a peer that is a client */
	uint64_t connections;
	uint64_t requests, calls; /* answered and made */
	uint64_t bytes_in, bytes_out;
	struct recorded recorded;
};

struct map_edge {
	uint32_t from, to; /* nodes: who asks, who answers */
	const char *protocol;
	bool tls; /* inside it */
	uint64_t connections;
	uint64_t bytes[2]; /* from asks and is answered */
	uint64_t joins[JOIN_CLASSES];
	uint64_t least_bits; /* of the joins that rest on equal bytes; UINT64_MAX: there are none */
	uint64_t calls, control, errors, unanswered, async, one_way;
	uint64_t datagrams, datagrams_joined,
	    datagrams_lost;  /* an edge of these has nothing else but bytes */
	uint32_t first_span; /* the calls are map.spans[first_span, + calls), then control */
	struct spread total; /* at the client */
	struct spread handle;
	struct spread outside;		 /* of the server, both ways: needs no common clock */
	struct spread request, response; /* each way: wrong by at most bound_ns */
	uint64_t bound_ns;
	uint64_t unaligned; /* calls between clocks that nothing bounds: in neither */
	uint64_t recorded_ns;
	struct sampling sampling; /* if there is any */
};

struct map {
	const struct model *m;
	enum map_by by;
	VEC(struct map_node) nodes; /* by host, service, process; then peers by traffic */
	VEC(struct map_edge) edges; /* by traffic of `from`, then by their own */
	uint64_t peers;
	uint32_t *of_process;	   /* node */
	uint32_t (*ends)[2];	   /* by link, by link_side: node */
	uint32_t (*dgram_ends)[2]; /* by edge of datagrams, by dgram_side: node */
	uint32_t *plain;	   /* by link: the first TLS session that it carries, or STORE_NONE */
	uint32_t *spans;	   /* that make edges, edge by edge */
};

/* Nodes, and where the ends of each link are. 0 or -ENOMEM. */
int map_gather(const struct model *m, const struct map_options *options, struct map *out);
void map_free(struct map *map);

/* Edges, once there are nodes. 0 or -ENOMEM. */
int map_connect(struct map *map);

/* "shop", "shop 4711", "web", "10.0.0.7:80", "12 others". */
const char *map_name(const struct map *map, uint32_t node, char *text, size_t size);

/* The host it is on, NULL: not known. */
const char *map_host(const struct map *map, uint32_t node);

/* What goes without connections has this for a protocol; it goes from who sends. */
#define MAP_DATAGRAM "datagram"

/* "http", "http in TLS". */
const char *map_protocol(const struct map_edge *e, char *text, size_t size);

/* Calls per second; null if nobody knows for how long. */
struct out_value map_rate(const struct map_edge *e);

/* Whether it was seen at both ends, or some of it. */
bool map_is_joined(const struct map *map, const struct map_edge *e);

/* The picture. */
void map_draw(const struct map *map, struct out *out);

#endif
