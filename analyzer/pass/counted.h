/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counted.h - for conn.c: bytes of a process whose gate was shut at times. No record has what moved
 * meanwhile, but the library counted it; only where the kernel had counted more than the library, bytes
 * passed unseen.
 */
#ifndef DPROF_PASS_COUNTED_H
#define DPROF_PASS_COUNTED_H

#include "analyzer/pass/ranges.h"
#include "analyzer/store.h"

/* From what the library had counted to what the kernel had. By way: 0 in, 1 out; from = to: equal. */
struct jump {
	uint64_t from[2], to[2];
};

/* The jump that a CLOSE or RESYNC record tells of; false: none. */
bool counted_jump(const struct counts *c, struct jump *jump);

/* Adds what was counted from `from` to `to`: all but the jumps. 0 or -ENOMEM. */
int counted_cover(const struct jump *jumps, size_t n, int way, uint64_t from, uint64_t to,
		  struct ranges *covered);

#endif
