/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match.h - joins two lists that are in one order, though either may have gaps: the k-th with the k-th, where
 * k is not known. Passes; pure but for memory.
 *
 * Finds the assignment without crossings whose sum of scores is largest, and of it only the joins that every
 * assignment nearly as good makes alike.
 */
#ifndef DPROF_PASS_MATCH_H
#define DPROF_PASS_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#define MATCH_SURE   1000u /* of a join that nothing speaks against; one join more outweighs all else */
#define MATCH_MARGIN 100u  /* an assignment that is worse by less is as good */

/* How well item a of the one list fits item b of the other; 0: they cannot be joined. */
typedef uint32_t match_score(void *with, uint32_t a, uint32_t b);

struct match {
	match_score *score;
	void *with;
	uint32_t a_count, b_count;
	const uint32_t *near; /* for each b, about which a it belongs to; ascending */
	uint32_t *partner;    /* for each b: its a, or MATCH_NONE. Filled by match_run */
	bool *torn;	      /* for each a, then each b: it fits more than one. Filled by match_run */
};

#define MATCH_NONE UINT32_MAX

/* 0 or -ENOMEM. Looks at no more than some dozens of a's around each near. */
int match_run(struct match *m);

#endif
