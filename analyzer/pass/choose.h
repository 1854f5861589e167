/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choose.h - from candidates to joins: two are joined if each is the other's best by far. Part of pass 2.
 */
#ifndef DPROF_PASS_CHOOSE_H
#define DPROF_PASS_CHOOSE_H

#include "analyzer/pass/weigh.h"

/* Two ends that nothing speaks against; a opened. */
struct candidate {
	uint32_t a, b;
	uint32_t bits;
	enum join_class class;
	bool timed;  /* the clocks are known, and allow it */
	bool likely; /* much is equal, so it counts where nothing can be decided */
};

struct candidates {
	struct candidate *items;
	size_t count;
	size_t cap;
};

struct choice {
	uint32_t need;	 /* bits */
	uint32_t margin; /* bits over the runner-up of either */
	uint32_t alone;	 /* bits of two that times allow nobody else; 0: the same as for others */
};

/* Joins what can be, among ends without a partner, and says of the others why not. 0 or -ENOMEM. */
int choose_run(struct joining *j, struct candidates *c, const struct choice *how);

#endif
