/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parent_scan.h - the middle of pass 5: the walk over each thread's events that leaves, for every call, what
 * speaks for which request. parent.c weighs it. A new kind of evidence is a new event and a new `way`.
 *
 * A context is a piece of work for one request. Its number is a span: the server span, if the request is
 * known, else the first call that was seen of it (its owner may become known later, from an answer).
 */
#ifndef DPROF_PASS_PARENT_SCAN_H
#define DPROF_PASS_PARENT_SCAN_H

#include "analyzer/pass/parent_events.h"
#include "analyzer/pass/parent_serving.h"

#define OWNER_SEVERAL (STORE_NONE - 1) /* contradicting evidence is none */

/* How a call came by its context, looking forward. */
enum way {
	WAY_NONE,    /* nothing before it in its turn */
	WAY_REQUEST, /* the request came in just before */
	WAY_CHAIN,   /* the answer to call `before` came in just before */
	WAY_LATE,    /* one request of this turn waits to be served, but others were served since */
	WAY_STRETCH, /* no request came in on this thread, but it does one thing after another */
	WAY_CONNECT, /* its connection was opened for it, in an earlier turn */
	WAY_AFTER,   /* the request has been answered, and nothing came in since */
	WAY_SOLE,    /* nothing before it in its turn, but this loop has one request, and no other is being
			served */
};

#define CONTEXTS_KEPT 6

/* A few different contexts. */
struct contexts {
	uint32_t of[CONTEXTS_KEPT];
	uint8_t count;
	bool more; /* than there is room for */
};

/* What is known of a call; by span, client spans only. */
struct claim {
	uint32_t context;
	uint32_t before; /* the call whose answer led here, STORE_NONE */
	uint32_t
	    owner; /* the request whose answer left right after this call's answer came; or none, several */
	uint32_t root_owner; /* same, for the context that this call begins */
	uint32_t service;    /* the request that this thread, blocking, was busy with; STORE_NONE */
	uint32_t rival;	     /* WAY_CONNECT: what the turn would have said, STORE_NONE */
	uint32_t choice;     /* into scan.choices: several contexts fit; STORE_NONE */
	uint8_t way;	     /* enum way */
	bool crowded;	     /* other requests of the same connection had been read with this one */
	bool idle;	     /* no request was being served */
	bool fresh;	     /* the first on its connection, opened by this process */
};

struct scan {
	struct claim *claims;	  /* by span */
	struct service *services; /* by span */
	uint32_t *calls;	  /* client spans in the order of their sends */
	uint32_t call_count;
	struct contexts *choices;
	uint32_t choice_count;
};

int parent_scan(const struct story *story, struct scan *out);
void parent_scan_free(struct scan *s);

#endif
