/* SPDX-License-Identifier: Apache-2.0 */
/* incarnation.h - in which order the connections of one pair of addresses were made. Part of pass 2. */
#ifndef DPROF_PASS_INCARNATION_H
#define DPROF_PASS_INCARNATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct incarnation {
	bool known[2];	   /* by link_side: this end was traced */
	uint32_t clock[2]; /* of that end */
	uint64_t open_ns[2];
	uint32_t number; /* the caller's; breaks ties */
	uint64_t place[2];
};

/* Puts them in order: by time on one clock; else openers by theirs, and an acceptor alone behind the joined
 * one that came before it on its own clock, so that no clock's offset matters. */
void incarnation_sort(struct incarnation *items, size_t n);

#endif
