/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.h - from the streams of a link to its messages, with a grammar. Part of pass 3.
 */
#ifndef DPROF_PASS_WALK_H
#define DPROF_PASS_WALK_H

#include "analyzer/pass/stream.h"
#include "analyzer/strings.h"

/* What pairing needs to know of a message beyond struct message. */
struct mark {
	bool raw;	/* a burst without a grammar */
	bool exact;	/* its length is known, not only that of its burst */
	bool new_burst; /* a burst begins with it */
	bool turn;	/* its sender had received something since it last sent, as far as can be known */
	uint8_t gap;	/* bit per enum proto_dir: an unknown number of messages is missing before it */
	bool crossed;	/* the two ends see the bursts differently: they were in flight at the same time */
	bool split;	/* its receiver sent something before it had all of it */
	uint64_t remember, recall; /* prepared statements: see struct label */
};

struct walked {
	struct {
		struct message *items;
		size_t count, cap;
	} messages; /* of all links */
	struct {
		struct mark *items;
		size_t count, cap;
	} marks; /* by message */
};

struct walk {
	const struct store *store;
	const struct conns *conns;
	struct strings *strings;
	struct stream streams[2]; /* by enum proto_dir */
	struct walked *out;
	bool one_time; /* both ends of the link are on one timeline */
	bool unsteady; /* the server's clock tells no order */
};

/* Which end's clock orders the messages, and the grammar. */
struct walk_link {
	const struct link *link;
	uint32_t number;
	const struct proto *proto;
	uint8_t server;	   /* enum link_side */
	uint64_t by_burst; /* counted: messages whose edges are only those of their burst */
	bool lossy;	   /* records are missing */
	bool last_gap;	   /* requests may be missing at the end */
	bool prepares;	   /* it has requests that prepare or execute statements */
};

/*
 * Adds the messages of the link whose streams are in w, each direction in the order of its offsets, the two
 * merged so that requests come before their responses, as the end at the server (else the other) saw them. 0
 * or -ENOMEM.
 */
int walk_run(struct walk *w, struct walk_link *l);

#endif
