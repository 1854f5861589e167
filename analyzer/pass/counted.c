// SPDX-License-Identifier: Apache-2.0
/* counted.c - see counted.h. Pure. */
#include "analyzer/pass/counted.h"

bool counted_jump(const struct counts *c, struct jump *jump)
{
	*jump = (struct jump){{0}, {0}};
	if (c->in_kernel != COUNT_UNKNOWN && c->in_kernel > c->in_seen) {
		jump->from[0] = c->in_seen;
		jump->to[0] = c->in_kernel;
	}
	if (c->out_kernel != COUNT_UNKNOWN && c->out_kernel > c->out_seen) {
		jump->from[1] = c->out_seen;
		jump->to[1] = c->out_kernel;
	}
	return jump->to[0] || jump->to[1];
}

int counted_cover(const struct jump *jumps, size_t n, int way, uint64_t from, uint64_t to,
		  struct ranges *covered)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		if (!jumps[i].to[way])
			continue;
		if (jumps[i].from[way] > from)
			err = ranges_add(covered, from, jumps[i].from[way]);
		from = jumps[i].to[way] > from ? jumps[i].to[way] : from;
	}
	return err || to <= from ? err : ranges_add(covered, from, to);
}
