/* SPDX-License-Identifier: Apache-2.0 */
/* join.h - which party is the other end of which. Part of pass 2. */
#ifndef DPROF_PASS_JOIN_H
#define DPROF_PASS_JOIN_H

#include "analyzer/pass/party.h"
#include "analyzer/pass/tie.h"

struct joining {
	const struct store *store;
	const struct conns *conns;
	struct party *parties; /* partner and join are filled in */
	uint32_t count;
	uint64_t ambiguous; /* ends left apart because they fit more than one other */
	struct ties ties;   /* what the joins so far say of the clocks */
};

/* Each party to its other end, by the strongest evidence that there is. 0 or -ENOMEM. */
int join_run(struct joining *j);

/* Joins two. */
void join_put(struct joining *j, uint32_t a, uint32_t b, enum join_class class, uint32_t bits);

/* What is known of b's clock less a's, when a was opened. */
struct bound join_bound(const struct joining *j, uint32_t a, uint32_t b);

/* Internet sockets by their addresses and order; `all`: also those of two clocks that only their order tells
 * apart. Unix sockets by inode, then by path and order. TLS sessions by their random. */
int join_by_address(struct joining *j, bool all);
int join_by_inode(struct joining *j);
int join_by_order(struct joining *j);
int join_sessions(struct joining *j);

/* One kernel's clock says whether they can be each other's ends. */
bool join_fits_time(const struct joining *j, const struct party *a, const struct party *b);

/* What both ends captured of the same bytes, both ways. 0 or -ENOMEM. */
int join_agreement(const struct joining *j, const struct party *a, const struct party *b,
		   struct agreement *found);

/* How well the bytes and their counts agree (match.h); 0: they do not. 0 or -ENOMEM. */
int join_score_bytes(const struct joining *j, const struct party *a, const struct party *b, uint32_t *score);

/* Takes the offsets between clocks from all joins so far. 0 or -ENOMEM. */
int join_tie(struct joining *j);

#endif
