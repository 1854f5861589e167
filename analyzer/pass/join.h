/* SPDX-License-Identifier: Apache-2.0 */
/* join.h - which party is the other end of which. Part of pass 2. */
#ifndef DPROF_PASS_JOIN_H
#define DPROF_PASS_JOIN_H

#include "analyzer/pass/party.h"

struct joining {
	const struct store *store;
	const struct conns *conns;
	struct party *parties; /* partner and join are filled in */
	uint32_t count;
	uint64_t ambiguous; /* views left apart because they fit more than one end */
};

/* Internet sockets by their addresses, unix sockets by inode, then by order. 0 or -ENOMEM. */
int join_run(struct joining *j);

#endif
