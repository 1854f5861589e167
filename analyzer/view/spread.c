// SPDX-License-Identifier: Apache-2.0
/* spread.c - see spread.h. Pure. */
#include "analyzer/view/spread.h"

#include <stdlib.h>

#include "analyzer/vec.h"

static int compare_values(const void *left, const void *right)
{
	return vec_compare(*(const uint64_t *)left, *(const uint64_t *)right);
}

static uint64_t rank(const uint64_t *sorted, size_t count, unsigned int percent)
{
	return sorted[(count * percent + 99) / 100 - 1];
}

struct spread spread_of(uint64_t *values, size_t count)
{
	__extension__ unsigned __int128 sum = 0;

	if (!count)
		return (struct spread){0};
	qsort(values, count, sizeof(*values), compare_values);
	for (size_t i = 0; i < count; i++)
		sum += values[i];
	return (struct spread){
	    .count = count,
	    .min = values[0],
	    .p50 = rank(values, count, 50),
	    .p90 = rank(values, count, 90),
	    .p99 = rank(values, count, 99),
	    .max = values[count - 1],
	    .mean = (uint64_t)(sum / count),
	};
}

void spread_cells(const struct spread *s, struct out_value cells[SPREAD_CELLS])
{
	const uint64_t values[SPREAD_CELLS] = {s->min, s->p50, s->p90, s->p99, s->max, s->mean};

	for (int i = 0; i < SPREAD_CELLS; i++)
		cells[i] = s->count ? out_ns(values[i]) : out_null();
}
