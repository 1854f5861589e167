/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dgram_lane.h - for dgram.c: which groups of sends and which groups of receives can be each other's. A lane
 * is what hangs together; a datagram to many (multicast) is in the lane of each receiver.
 */
#ifndef DPROF_PASS_DGRAM_LANE_H
#define DPROF_PASS_DGRAM_LANE_H

#include "analyzer/pass/dgram_own.h"

/* A group is in a lane. */
struct dgram_member {
	uint32_t lane, group;
};

struct dgram_track {
	uint32_t first, count; /* members */
	enum dgram_join join;
	uint32_t bits;
	bool weak; /* an address in it is nobody's that is known: without a join it means nothing */
};

struct dgram_lanes {
	VEC(struct dgram_member) members; /* by lane, then group */
	VEC(struct dgram_track) tracks;	  /* by lane */
};

/* 0 or -ENOMEM; dgram_lanes_free() in any case. */
int dgram_lanes_make(const struct dgram_ends *ends, const struct dgram_own *own, struct dgram_lanes *out);
void dgram_lanes_free(struct dgram_lanes *l);

/* Whether a socket takes what is sent to this address, as far as its own address says. */
bool dgram_takes(const struct dgram_own *own, const struct dgram_view *socket, uint32_t sender_scope,
		 const struct address *to);

#endif
