/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dgram_twin.h - for dgram_own.c and dgram_lane.c: bytes that were sent once and received once. They tell who
 * is who where addresses do not.
 */
#ifndef DPROF_PASS_DGRAM_TWIN_H
#define DPROF_PASS_DGRAM_TWIN_H

#include "analyzer/pass/dgram_ends.h"

/* The same bytes, found once among sends and once among receives of these groups. */
struct dgram_twin {
	uint32_t out, in; /* items */
	uint32_t bits;	  /* an estimate of how unlikely that is by chance */
};

struct dgram_twins {
	VEC(struct dgram_twin) twins;
};

/* Finds them among the groups that `wanted` (by group) names. 0 or -ENOMEM. */
int dgram_twins_find(const struct dgram_ends *ends, const bool *wanted, struct dgram_twins *out);

#endif
