// SPDX-License-Identifier: Apache-2.0
/* align.c - see align.h. Analyzer, one thread; pure but for memory. */
#include "analyzer/pass/align.h"

#include <errno.h>
#include <stdlib.h>

int align_run(const struct store *store, const struct conns *conns, const struct links *links, bool raw,
	      struct alignment *out)
{
	(void)conns;
	(void)links;
	(void)raw;
	*out = (struct alignment){.clocks = calloc(store->clock_count + 1ul, sizeof(*out->clocks)),
				  .clock_count = store->clock_count};
	if (!out->clocks)
		return -ENOMEM;
	for (uint32_t i = 0; i < out->clock_count; i++)
		out->clocks[i] = (struct align_clock){
		    .how = store->clock_count > 1 ? ALIGN_REALTIME : ALIGN_REFERENCE, .reference = i};
	return 0;
}

void align_free(struct alignment *a)
{
	for (uint32_t i = 0; a->clocks && i < a->clock_count; i++)
		free(a->clocks[i].knots);
	free(a->clocks);
	free(a->pairs);
	*a = (struct alignment){0};
}

uint64_t align_bound_ns(const struct alignment *a, uint32_t one, uint32_t other, uint64_t at_ns)
{
	(void)a;
	(void)at_ns;
	return one == other ? 0 : ALIGN_UNKNOWN;
}
