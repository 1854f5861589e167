/* SPDX-License-Identifier: Apache-2.0 */
/* answer.h - from the messages of a link to its RPCs: which response answers which request. Part of pass 3.
 */
#ifndef DPROF_PASS_ANSWER_H
#define DPROF_PASS_ANSWER_H

#include "analyzer/pass/walk.h"

struct answers {
	struct {
		struct rpc *items;
		size_t count, cap;
	} rpcs;
	uint64_t unpaired_responses;
};

/* Adds the RPCs of the messages from `first` on, which are those of the link just walked. 0 or -ENOMEM. */
int answer_run(const struct walked *walked, uint32_t first, const struct walk_link *l, struct answers *out);

#endif
