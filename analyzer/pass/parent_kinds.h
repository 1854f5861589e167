/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parent_kinds.h - pass 5, between the walk and the weighing: what all calls of one kind (process, operation,
 * address) show together about each of them.
 */
#ifndef DPROF_PASS_PARENT_KINDS_H
#define DPROF_PASS_PARENT_KINDS_H

#include "analyzer/pass/parent.h"
#include "analyzer/pass/parent_scan.h"

/* By span, client spans only. */
struct kinds {
	uint32_t *of;	   /* number of the kind */
	bool *doubtful;	   /* often made with nothing in before them: a timer's */
	bool *spontaneous; /* often made while no request was served */
	bool *unsteady;	   /* what a thread did before an answer need not be that answer's */
};

/* 0 or -ENOMEM. */
int parent_kinds_begin(struct kinds *k, const struct story *story, const struct scan *scan);
void parent_kinds_end(struct kinds *k);

/* Looks at what was chosen, and marks the unsteady kinds. `followed`: by span, forward evidence stands behind
 * it. *any: there are some, so that the choice must be made again. 0 or -ENOMEM. */
int parent_kinds_test(struct kinds *k, const struct story *story, const struct scan *scan,
		      const struct edge *edges, const bool *followed, bool *any);

#endif
