/* SPDX-License-Identifier: Apache-2.0 */
/* clocks.h - what is said of clocks wherever times of several kernels meet: names, and how sure they are. */
#ifndef DPROF_VIEW_CLOCKS_H
#define DPROF_VIEW_CLOCKS_H

#include "analyzer/model.h"
#include "analyzer/out/out.h"

#define CLOCKS_TEXT_BYTES 96

/* Of values that may be unknown: ALIGN_UNKNOWN. */
struct clocks_spread {
	uint64_t least, median, most;
};

/* All clocks together. */
struct clocks_sum {
	uint32_t aligned; /* by messages, those of reference included */
	uint32_t by_realtime;
	uint32_t references;	    /* groups of aligned clocks */
	uint32_t one_way;	    /* pairs of clocks that messages went between in one direction only */
	uint64_t clamped;	    /* messages */
	uint64_t steps;		    /* of all clocks */
	struct clocks_spread bound; /* between two clocks that messages went between: the median of medians */
};

/* A clock's first host. */
const char *clocks_name(const struct model *m, uint32_t clock);

struct clocks_sum clocks_add_up(const struct model *m);

/* How far a clock's times may be from those of its reference. */
struct clocks_spread clocks_bound(const struct align_clock *c);

/* A few words on how a clock is aligned. */
void clocks_words(const struct model *m, uint32_t clock, char text[CLOCKS_TEXT_BYTES]);

/* ns, or null if it is ALIGN_UNKNOWN. */
struct out_value clocks_ns(uint64_t ns);

#endif
