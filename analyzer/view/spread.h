/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spread.h - how values spread: nearest-rank percentiles, exact. The p-th percentile of n sorted values is
 * value number ceil(p / 100 * n), counted from 1: always a value that occurred.
 */
#ifndef DPROF_VIEW_SPREAD_H
#define DPROF_VIEW_SPREAD_H

#include <stddef.h>
#include <stdint.h>

#include "analyzer/out/out.h"

struct spread {
	size_t count; /* 0: the others mean nothing */
	uint64_t min, p50, p90, p99, max, mean;
};

/* Sorts the values. */
struct spread spread_of(uint64_t *values, size_t count);

/* The members of a column nest, in the order of SPREAD_COLUMNS; null if there are no values. */
#define SPREAD_CELLS 6
#define SPREAD_COLUMNS(key)                                                                                  \
	{key ".min", NULL, OUT_NS}, {key ".p50", NULL, OUT_NS}, {key ".p90", NULL, OUT_NS},                  \
	    {key ".p99", NULL, OUT_NS}, {key ".max", NULL, OUT_NS},                                          \
	{                                                                                                    \
		key ".mean", NULL, OUT_NS                                                                    \
	}
void spread_cells(const struct spread *s, struct out_value cells[SPREAD_CELLS]);

#endif
