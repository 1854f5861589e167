/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - pass 3: links to messages and RPCs, with the grammar of each link. Messages are the same
 * whichever ends were traced: edges are found on the union of what both ends captured.
 */
#ifndef DPROF_PASS_MESSAGE_H
#define DPROF_PASS_MESSAGE_H

#include "analyzer/pass/pair.h"
#include "analyzer/proto/proto.h"

/* Where and when one end moved the bytes of a message. */
struct transfer {
	uint32_t view;	       /* STORE_NONE: this end was not traced, or its records are lost */
	uint32_t first_record; /* that moved the first byte, and */
	uint32_t last_record;  /* the last one; indices into the process's records */
	uint64_t first_t0_ns;  /* entry and return of the call that moved the first byte */
	uint64_t first_t1_ns;
	uint64_t last_t0_ns; /* and of the one that moved the last byte */
	uint64_t last_t1_ns;
	bool holes; /* records in between are missing */
};

struct message {
	uint32_t link;
	uint8_t sender;	    /* enum link_side of the connection's opener/acceptor */
	uint8_t dir;	    /* enum proto_dir */
	uint16_t flags;	    /* enum proto_flag */
	uint32_t operation; /* string number, see strings.h; 0 = "" */
	uint32_t target;
	uint32_t status;
	uint64_t off0, off1; /* [off0, off1) of the sender's stream */
	uint64_t cid;
	uint64_t key;
	struct transfer sent, received;
};

#define RPC_NO_RESPONSE STORE_NONE

/* A request and its response. confidence: ALGORITHMS 3 (keyed .999, FIFO without gap .99, bursts .95, ...).
 */
struct rpc {
	uint32_t request;	 /* message */
	uint32_t response;	 /* message, STORE_NONE */
	uint32_t first_response; /* first message that answered (an interim one, or response itself) */
	uint32_t link;
	float confidence;
	bool one_way; /* the protocol has no answer to it, or it was sent unasked (push) */
};

struct link_proto {
	const struct proto *proto;
	uint8_t
	    server; /* enum link_side of the protocol's server; the acceptor unless the bytes say otherwise */
	uint64_t bursts_only; /* messages whose edges are only those of their burst */
};

struct messages {
	struct message *messages; /* by link, then sender's order: requests and responses of a link in stream
				     time order */
	uint32_t message_count;
	struct rpc *rpcs; /* by link, then request */
	uint32_t rpc_count;
	struct link_proto *protos; /* by link */
	uint64_t unpaired_responses;
};

struct strings;
int message_run(const struct store *store, const struct conns *conns, const struct links *links,
		struct strings *strings, struct messages *out);
void message_free(struct messages *m);

#endif
