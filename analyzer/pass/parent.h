/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parent.h - pass 5: which span caused which, with the evidence (D8, ALGORITHMS 4). A server span's parent is
 * the client span of the same RPC: that is the join, not a guess. A client span's parent is the server span
 * that its process was serving; what shows it is the class. No evidence: no parent. A wrong parent is worse
 * than none.
 */
#ifndef DPROF_PASS_PARENT_H
#define DPROF_PASS_PARENT_H

#include "analyzer/pass/span.h"

enum evidence {
	EVIDENCE_ROOT,	 /* has no parent: a request from outside, or spontaneous work */
	EVIDENCE_JOIN,	 /* both sides of one RPC */
	EVIDENCE_THREAD, /* between request and response on the same thread, nothing else in between */
	EVIDENCE_TURN,	 /* same event-loop turn as the request or as a response to a call of the same request
			  */
	EVIDENCE_CHAIN,	 /* follows the response to an earlier call of the same request */
	EVIDENCE_OWNER,	 /* the response that was sent next on this thread belongs to it */
	EVIDENCE_CONNECT,   /* first message on a connection that was opened while the request was served */
	EVIDENCE_AMBIGUOUS, /* several requests fit equally: none is chosen */
	EVIDENCE_KINDS
};

struct edge {
	uint32_t parent;    /* span, STORE_NONE */
	uint32_t runner_up; /* span, STORE_NONE */
	uint8_t class;	    /* enum evidence */
	float probability;
	bool async; /* goes on after the parent's answer left */
};

struct parents {
	struct edge *edges;		   /* by span */
	uint64_t by_class[EVIDENCE_KINDS]; /* client spans only; JOIN counts server spans */
	uint64_t unexplained;		   /* of the ROOT ones: made while the process was serving requests */
};

int parent_run(const struct store *store, const struct conns *conns, const struct links *links,
	       const struct messages *messages, const struct spans *spans, struct parents *out);
void parent_free(struct parents *p);
const char *parent_evidence_name(enum evidence e);

#endif
