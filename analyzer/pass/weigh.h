/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weigh.h - how much it says that two ends look alike: samples of their bytes at fixed offsets, where the
 * direction turned, how many bytes they were, and when. Part of pass 2.
 *
 * Sender and receiver cut a stream differently, so a sample is what stands at an absolute offset. One that
 * other connections have, too, is worth no more than their share; one that nobody else has, what its bytes
 * are worth by themselves.
 */
#ifndef DPROF_PASS_WEIGH_H
#define DPROF_PASS_WEIGH_H

#include "analyzer/pass/join.h"
#include "analyzer/pass/meet.h"

enum weigh_side { WEIGH_OPENER, WEIGH_ACCEPTOR, WEIGH_NEITHER };

struct sample {
	uint64_t hash;
	uint32_t worth; /* by itself, in quarters of a bit */
	bool number;	/* how many bytes, not which: worth no more than that others have others */
};

/* A sample of any open end, with how many ends of each side have it. */
struct shared {
	uint64_t hash;
	uint32_t count[2]; /* by weigh_side, of all ends */
};

struct weigher {
	const struct joining *joining;
	struct {
		struct sample *items;
		size_t count, cap;
	} samples;     /* by party, then hash */
	size_t *first; /* of each party in samples; count + 1 items */
	struct {
		struct shared *items;
		size_t count, cap;
	} shared;	     /* by hash */
	uint32_t ends[2];    /* that were sampled, by side */
	uint64_t spacing_ns; /* mean time between two accepts */
};

/* Samples all ends without a partner, and counts what they share with any. 0 or -ENOMEM. */
int weigh_begin(struct weigher *w, const struct joining *j);
void weigh_end(struct weigher *w);

enum weigh_side weigh_side(const struct party *p);

struct weight {
	bool fits;     /* nothing speaks against it */
	uint32_t bits; /* speak for it */
	uint32_t same; /* captured bytes that are equal, bounded */
	bool equal;    /* as many bytes were taken as were sent, as far as both counted */
	bool timed;    /* the clocks' offset is known, and bytes were sent before they were received */
	struct bound offset;
};

/* Whether b can have accepted what a opened, and what says so. `known`: of the clocks' offset. 0 or -ENOMEM.
 */
int weigh_pair(const struct weigher *w, uint32_t a, uint32_t b, const struct bound *known,
	       struct weight *out);

#endif
