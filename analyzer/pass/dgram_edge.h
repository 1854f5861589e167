/* SPDX-License-Identifier: Apache-2.0 */
/* dgram_edge.h - for dgram.c: the datagrams between two processes, of all flows together. */
#ifndef DPROF_PASS_DGRAM_EDGE_H
#define DPROF_PASS_DGRAM_EDGE_H

#include "analyzer/pass/dgram.h"

/* Fills edges, from flows and pairs. 0 or -ENOMEM. */
int dgram_edges_make(const struct store *store, struct dgrams *d);

#endif
