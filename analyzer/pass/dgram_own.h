/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dgram_own.h - for dgram_lane.c: which addresses a host has. A socket bound to any address does not say
 * where its datagrams come from; other sockets of the host do, and bytes that were found nowhere else.
 */
#ifndef DPROF_PASS_DGRAM_OWN_H
#define DPROF_PASS_DGRAM_OWN_H

#include "analyzer/pass/dgram_ends.h"

struct dgram_owned {
	struct address address; /* without port and scope */
	uint32_t scope;
};

struct dgram_own {
	VEC(struct dgram_owned) by_address; /* sorted, each once */
	VEC(struct dgram_owned) by_scope;   /* the same, by scope */
};

/* 0 or -ENOMEM. */
int dgram_own_gather(struct dgram_ends *ends, const struct conns *conns, struct dgram_own *out);
void dgram_own_free(struct dgram_own *own);

/* Whether the scope has it; whether any is known to have it. Loopback is everybody's own. */
bool dgram_own_has(const struct dgram_own *own, uint32_t scope, const struct address *a);
bool dgram_own_known(const struct dgram_own *own, const struct address *a);

/* Who has it: *n of them, from the first. */
const struct dgram_owned *dgram_owners(const struct dgram_own *own, const struct address *a, uint32_t *n);

/* What the scope has: the same. */
const struct dgram_owned *dgram_own_of(const struct dgram_own *own, uint32_t scope, uint32_t *n);

#endif
