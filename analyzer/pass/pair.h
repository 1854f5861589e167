/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair.h - pass 2: views to links. A link is one connection with its two ends; an end is all the views that
 * hold the same socket (equal cookie on one kernel). Needs no clock: addresses, incarnation and offsets
 * decide.
 */
#ifndef DPROF_PASS_PAIR_H
#define DPROF_PASS_PAIR_H

#include "analyzer/pass/conn.h"

enum link_side { LINK_CLIENT, LINK_SERVER }; /* client = the side that opened the connection */

enum join_class {
	JOIN_NONE,	  /* the other end was not traced */
	JOIN_ADDRESS,	  /* the exact pair of addresses, same incarnation */
	JOIN_INODE,	  /* unix socket: inodes of both ends */
	JOIN_UNIX_ORDER,  /* unix socket: path, pids and order of connect and accept; bytes agree */
	JOIN_TLS,	  /* a TLS session: the client random, which both ends know; bytes agree */
	JOIN_DNAT,	  /* the opener's address at both ends; the other one was translated */
	JOIN_FINGERPRINT, /* no address in common: the bytes at the same offsets */
	JOIN_PROXY,	  /* the same behind the header of the PROXY protocol, which one end alone has */
	JOIN_CLASSES
};

/* Why an end has no other. */
enum link_apart {
	APART_ALONE,   /* nothing fits: the other end was not traced */
	APART_SEVERAL, /* several fit, and nothing tells which one it is */
	APART_WEAK,    /* one fits, but the bytes that they have in common are too common to prove it */
	APART_REASONS
};

/* All views of one socket, in ascending order of view. */
struct end {
	uint32_t *views;
	uint32_t view_count;
};

struct link {
	struct end ends[2]; /* by link_side; view_count 0: not traced */
	struct address address[2];
	enum join_class join;
	enum link_apart apart; /* JOIN_NONE: what was in the way */
	uint32_t bits;	   /* of evidence that the bytes at both ends are the same, beside what `join` says */
	uint64_t shift[2]; /* by link_side of the sender: what was put in front of its stream on the way, so
			      the receiver's offsets are larger by that */
	uint64_t header[2];   /* by sender: bytes that its stream begins with at both ends (or at the one
				 known),   and that are a proxy's: no message */
	uint32_t incarnation; /* k-th connection of this pair of addresses, from 0 */
	uint64_t key;	      /* hash of addresses and incarnation: cids derive from it */
	uint64_t open_ns, close_ns;
	uint64_t bytes_joined[2]; /* by link_side of the sender: seen at both ends */
	uint64_t bytes_one_sided[2];
	uint64_t holes;	     /* ranges that one end alone has, between bytes that both have */
	uint64_t mismatched; /* captured bytes that differ between the ends: must be 0 */
	bool plain; /* the plaintext of a TLS session; its bytes are a second sight of the carrier's */
	uint64_t covered[2]; /* by sender: from there on ciphertext of such a link; UINT64_MAX: none */
};

struct links {
	struct link *links; /* by open time, then addresses */
	uint32_t link_count;
	uint32_t *of_view;  /* link of each view */
	uint32_t *views;    /* memory of all ends */
	uint64_t ambiguous; /* ends that could belong to more than one link and were left apart */
};

int pair_run(const struct store *store, const struct conns *conns, struct links *out);
void pair_free(struct links *l);

/* "address", ...; "one end only" for JOIN_NONE. */
const char *pair_join_name(enum join_class join);

/* "alone", ... */
const char *pair_apart_name(enum link_apart apart);

/* The link of the socket that carries this one, which is itself unless it is plaintext of a known carrier. */
uint32_t pair_carrier(const struct conns *conns, const struct links *links, uint32_t number);

/* The correlation ID (D1) of the message whose first byte is at `off` in the stream that `side` sends. Never
 * 0. */
uint64_t pair_cid(uint64_t link_key, enum link_side side, uint64_t off);

#endif
