/* SPDX-License-Identifier: Apache-2.0 */
/*
 * align_gather.h - constraints between clocks, from whatever knows that something was sent and received. Part
 * of pass align.
 *
 *	err = gather_sink(&g, sender_clock, receiver_clock, &sink);
 *	err = sink_take(&sink, sent_ns, received_ns);	as often as wanted, before the next gather_sink()
 */
#ifndef DPROF_PASS_ALIGN_GATHER_H
#define DPROF_PASS_ALIGN_GATHER_H

#include "analyzer/hash.h"
#include "analyzer/pass/align_island.h"

struct gather {
	const struct store *store;
	const struct conns *conns;
	struct {
		struct align_edge *items;
		size_t count, cap;
	} edges;
	struct hash by_clocks;
	uint32_t *root;		   /* by clock, after gather_connect(): of those that are connected */
	uint64_t nowhere;	   /* counts what is not counted */
	struct alignment *checked; /* not NULL: times are corrected, and its pairs count what is clamped */
};

/* One direction between two clocks. */
struct sink {
	struct align_flow *flow;
	uint64_t *clamped; /* not NULL: nothing is kept; those received before they were sent are counted */
	bool reversed;	   /* the receiver is clock a of the edge */
};

/* 0 or -ENOMEM. Other sinks are invalid then. */
int gather_sink(struct gather *g, uint32_t sender, uint32_t receiver, struct sink *to);

/* Sent not before `sent_ns` of the sender's clock, received not after `received_ns` of the receiver's. 0 or
 * -ENOMEM. */
static inline int sink_take(struct sink *to, uint64_t sent_ns, uint64_t received_ns)
{
	if (to->clamped) {
		*to->clamped += received_ns < sent_ns;
		return 0;
	}
	if (sent_ns >= (uint64_t)ALIGN_TIME_MAX || received_ns >= (uint64_t)ALIGN_TIME_MAX)
		return 0;
	return align_flow_add(to->flow, (int64_t)(to->reversed ? received_ns : sent_ns),
			      (int64_t)received_ns - (int64_t)sent_ns);
}

/* Notes which clocks are connected by what was taken so far. 0 or -ENOMEM. */
int gather_connect(struct gather *g);
bool gather_connected(const struct gather *g, uint32_t one, uint32_t other);

/* All that joined links and datagrams say. 0 or -ENOMEM. */
int align_gather(struct gather *g, const struct links *links, const struct dgrams *dgrams);

/* Solves, and fills in clocks and pairs. 0 or -ENOMEM. */
int gather_solve(struct gather *g, struct alignment *out);
void gather_free(struct gather *g);

#endif
