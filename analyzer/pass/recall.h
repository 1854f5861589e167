/* SPDX-License-Identifier: Apache-2.0 */
/* recall.h - from the number or name of a prepared statement to its text. Part of pass 3. */
#ifndef DPROF_PASS_RECALL_H
#define DPROF_PASS_RECALL_H

#include "analyzer/pass/answer.h"

/* Names the requests of one link that execute prepared statements, or only prepare one: its messages are
 * those from `first` on, its RPCs those from `rpc` on. 0 or -ENOMEM. */
int recall_run(struct walked *walked, uint32_t first, const struct answers *answers, size_t rpc,
	       struct strings *strings);

#endif
