/* SPDX-License-Identifier: Apache-2.0 */
/*
 * party.h - one end of a connection before it is known whose other end it is: what all views of one socket
 * say together. Part of pass 2.
 */
#ifndef DPROF_PASS_PARTY_H
#define DPROF_PASS_PARTY_H

#include "analyzer/pass/pair.h"
#include "analyzer/pass/socket.h"

struct party {
	const uint32_t *views; /* ascending */
	uint32_t view_count;
	uint32_t clock;
	enum view_role role;
	bool opened; /* the role is known from the call that made the connection, and open_ns is its time */
	struct address local, remote;
	uint64_t netns, inode, peer_inode;
	uint64_t pid;
	uint32_t peer_pid;
	const uint8_t *path;
	uint32_t path_len;
	const uint8_t *random; /* of a TLS session, whose plaintext this is; else NULL */
	uint64_t open_ns;      /* or first sight */
	uint64_t opened_ns;    /* end of the call that made it */
	uint64_t close_ns;
	uint64_t first_off[2]; /* [0] in, [1] out */
	uint64_t moved[2]; /* bytes this way when it was closed; COUNT_UNKNOWN if somebody may have gone on */
	uint64_t hash[2];  /* of local and remote address (pair_key.c) */
	uint32_t header[2];   /* bytes of the PROXY protocol that this way begins with */
	struct address named; /* the opener, as the header that was received says; family 0: it does not */
	uint32_t partner;     /* another party, or STORE_NONE */
	enum join_class join;
	bool doubtful;	       /* times did not agree with a join that was made: not without them again */
	enum link_apart apart; /* while it has no partner */
	uint32_t bits;	       /* what says that the partner's bytes are the same */
};

enum party_way { PARTY_IN, PARTY_OUT };

struct party party_make(const struct store *store, const struct conns *conns, const uint32_t *views,
			uint32_t n);

/* Looks for a header of the PROXY protocol. 0 or -ENOMEM. */
int party_read_header(const struct store *store, const struct conns *conns, struct party *p);

/* How the captured bytes that `from` sent and `to` received compare; at most `limit` records of each are
 * looked at. The receiver's offsets are larger by `shift`. */
struct agreement {
	uint64_t same;
	uint64_t different;
	uint64_t worth; /* of the same ones, in quarters of a bit (heads.h) */
};
int party_compare(const struct store *store, const struct conns *conns, const struct party *from,
		  const struct party *to, uint64_t shift, size_t limit, struct agreement *out);

/* By how much the bytes that a, the opener, sent stand further on at b: a header was put in front of them. */
uint64_t party_shift(const struct party *a, const struct party *b);

/* Whether the bytes could have gone from one to the other: on one clock nothing is received before it was
 * sent. */
bool party_in_time(const struct store *store, const struct conns *conns, const struct party *from,
		   const struct party *to);

/* The entry of the call that sent the byte at `off`, 0 if no record has it. */
uint64_t party_sent_at(const struct store *store, const struct conns *conns, const struct party *p,
		       uint64_t off);

/* The record of the end that moved the first bytes that any record has, NULL if there is none. */
const struct store_record *party_first(const struct store *store, const struct conns *conns,
				       const struct party *p, enum party_way way);

#endif
