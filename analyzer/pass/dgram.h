/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dgram.h - the pass of datagrams (UDP, unix datagrams, seqpacket): which send is which receive. There are no
 * offsets to go by, so addresses say which sends and which receives can belong together, and length, bytes
 * and order which do. Needs no clock but to compare times of one kernel.
 *
 * Invariant: a receive is joined only if one send alone fits it; what fits several is counted. Over all flows
 * `sent` is every datagram sent, and `received` every one taken, once.
 */
#ifndef DPROF_PASS_DGRAM_H
#define DPROF_PASS_DGRAM_H

#include "analyzer/pass/conn.h"

enum dgram_side { DGRAM_SENDER, DGRAM_RECEIVER };

/* How sender and receiver of a flow were found to be each other's. */
enum dgram_join {
	DGRAM_NONE,    /* one of them was not traced */
	DGRAM_ADDRESS, /* addresses and ports */
	DGRAM_INODE,   /* unix: inode or path of the receiving socket */
	DGRAM_PAYLOAD, /* no address in common: the same bytes, found nowhere else */
	DGRAM_JOINS
};

/* One sight of one socket. */
struct dgram_end {
	uint32_t process; /* STORE_NONE: not traced */
	uint32_t conn;
};

/* What one conn of a process sent to one address; or, if nobody is known to have sent it, what a socket took
 * from one address. */
struct dgram_flow {
	struct dgram_end ends[2]; /* by dgram_side; the receiver: who took the first that was joined */
	struct address address[2];
	enum dgram_join join;
	uint32_t bits; /* of evidence, if joined by payload */
	uint64_t sent, bytes_sent;
	uint64_t received, bytes_received; /* copies, and what is not joined, as well */
	uint64_t joined, bytes_joined;	   /* sends with a receive */
	uint64_t lost;			   /* sends to a traced socket that did not take them */
	uint64_t ambiguous;		   /* sends that may or may not be among several receives that fit */
	uint64_t unclear;		   /* receives that fit several sends */
	uint64_t copies;		   /* receives beyond the first of one send, at one socket */
	uint64_t reordered;		   /* joined, and received after one that was sent later */
	uint64_t unsent; /* receives with no recorded send that fits: bytes changed, or records missing */
};

/* One send and one receive of it: record numbers in their processes. */
struct dgram_pair {
	uint32_t process[2], record[2]; /* by dgram_side */
	uint32_t flow;
	bool copy; /* not the first receive at that socket */
	bool sure; /* by addresses, and by bytes that nothing else had: good enough for clocks */
};

/* All datagrams from one process to another. */
struct dgram_edge {
	uint32_t process[2];	/* by dgram_side; STORE_NONE: not traced */
	struct address address; /* of the side that was not traced; zero if both were */
	uint64_t sent, received, joined, lost;
	uint64_t bytes; /* of what was sent; of what was received, if nobody knows who sent it */
};

struct dgrams {
	struct dgram_flow *flows; /* in the order of their first records */
	uint32_t flow_count;
	struct dgram_pair *pairs; /* by flow, then receiver and its record */
	uint32_t pair_count;
	struct dgram_edge *edges; /* by sender, receiver, address */
	uint32_t edge_count;
	struct dgram_flow all;	/* the sums */
	uint64_t sent_untraced; /* sends to nobody that is known */
	uint64_t from_untraced; /* receives from nobody that is known */
};

int dgram_run(const struct store *store, const struct conns *conns, struct dgrams *out);
void dgram_free(struct dgrams *d);

/* "address", ...; "one end only" for DGRAM_NONE. */
const char *dgram_join_name(enum dgram_join join);

#endif
