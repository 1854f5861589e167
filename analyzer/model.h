/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - what the passes leave behind; read-only. Views ask it and nothing else.
 */
#ifndef DPROF_MODEL_H
#define DPROF_MODEL_H

#include "analyzer/pass/align.h"
#include "analyzer/pass/dgram.h"
#include "analyzer/pass/parent.h"
#include "analyzer/pass/place.h"
#include "analyzer/pass/window.h"
#include "analyzer/strings.h"

/* A node of the forest, by span number. Children are ordered by start, then cid. */
struct node {
	uint32_t parent;      /* span, STORE_NONE for a root */
	uint32_t first_child; /* index into model.children */
	uint32_t child_count;
	uint32_t root;	    /* span at the top of its trace */
	uint32_t operation; /* string: of the request message; of a raw one: what can be said */
	uint32_t service;   /* string: of the process */
	uint32_t other;	    /* process at the other end, STORE_NONE: it was not traced */
	uint32_t peer;	    /* string: its address then; else 0 */
	uint64_t start_ns;  /* of the span; of a server span that called before its request was there in full:
			       when the first of its calls began */
	uint64_t self_ns;   /* duration less the union of its synchronous children, which are clipped into it;
			       of   a server span on another clock only its duration counts */
	float probability;  /* smallest of the edges from the root down to here */
	uint32_t part;	    /* of model.windows, in which its root began; STORE_NONE: it does not count */
	bool lost;	    /* the span or one below it */
	float least;	    /* smallest probability of an edge in the whole trace; roots only */
};

/* When a process was recorded, from its first record to its last; from_ns > to_ns: it has none. */
struct recorded {
	uint64_t from_ns, to_ns;
};

struct model_options {
	bool raw_clock; /* leave the times of different kernels as they are */
	bool timings;	/* say on stderr how long each step took */
};

struct model {
	struct model_options options;
	struct store store;
	struct windows windows;
	struct placing placing;
	struct conns conns;
	struct links links;
	struct dgrams dgrams;
	struct alignment alignment;
	struct messages messages;
	struct spans spans;
	struct parents parents;
	struct strings *strings;
	struct node *nodes;	   /* by span */
	struct recorded *recorded; /* by process */
	uint32_t *children;
	uint32_t *roots; /* spans, by start, then cid */
	uint32_t root_count;
	uint64_t cycles; /* edges cut because they led back to where they came from */
	uint64_t early;	 /* server spans whose calls began before their request was there in full */
};

/* Loads and runs every pass in order. 0 or -errno; progress and complaints on stderr. */
int model_build(struct model *m, const struct model_options *options, char *const *paths, size_t n);
void model_free(struct model *m);

/* The last step of the pipeline: spans and edges to a forest. */
int model_grow(struct model *m);
void model_fell(struct model *m);

/* From node.start_ns to the span's end. */
uint64_t model_total_ns(const struct model *m, uint32_t span);

/* Of a server span its total, of a client span that of its peer, 0 if that was not traced. */
uint64_t model_handle_ns(const struct model *m, uint32_t span);

/* The time of a call that its server did not handle: on the way there, and on the way back. Where the two
 * have clocks of their own, how it splits can be wrong by the bound; the sum is free of that. */
struct outside {
	uint64_t total_ns;
	uint64_t request_ns, response_ns;
	uint64_t bound_ns; /* ALIGN_UNKNOWN: their clocks are not aligned, it is not split */
};

/* Of a client span. False: not known, for its server was not traced or it has no answer. */
bool model_outside(const struct model *m, uint32_t span, struct outside *o);

/* Do a call and its server have clocks of their own? */
bool model_crosses(const struct model *m, uint32_t span, uint32_t server);

/* What a span is called where: host name, service, operation, target and status as text; the other end's
 * address if it is not traced. */
const char *model_host(const struct model *m, uint32_t span);
const char *model_service(const struct model *m, uint32_t span);
const char *model_operation(const struct model *m, uint32_t span);
const char *model_target(const struct model *m, uint32_t span);
const char *model_status(const struct model *m, uint32_t span);
const char *model_protocol(const struct model *m, uint32_t span);

/* Address of the other end, see model_address. NULL: it was traced. */
const char *model_peer(const struct model *m, uint32_t span);

/* Which end of its connection a span's process is. */
enum link_side model_side(const struct model *m, uint32_t span);

/* The process that stands for an end: of those that hold the socket (of a TLS session, that of what carries
 * it), the one that moved most; STORE_NONE: the end was not traced. */
uint32_t model_process(const struct model *m, uint32_t link, enum link_side side);

/* Address of one end of a link: "10.0.0.7:6379", "unix /run/x.sock"; of a client only "10.0.0.7", for its
 * port means nothing. Written to `text`. */
const char *model_address(const struct model *m, uint32_t link, enum link_side side, char *text, size_t size);

#endif
