/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending.c - a bounded queue of request kinds; see pending.h. Analyzer, one connection's thread; pure.
 *
 * Invariant: once a request did not fit, all that are pending then count as forgotten: a slot is used
 * again only after every request that could be confused with it was answered.
 */
#include "pending.h"

void pending_push(struct pending *p, uint8_t kind)
{
	if (p->count >= PENDING_SLOTS)
		p->forgotten = p->count + 1;
	else
		p->kind[(p->first + p->count) % PENDING_SLOTS] = kind;
	if (p->count < UINT32_MAX - 1)
		p->count++;
}

uint8_t pending_peek(const struct pending *p)
{
	return p->count && !p->forgotten ? p->kind[p->first % PENDING_SLOTS] : PENDING_UNKNOWN;
}

uint8_t pending_pop(struct pending *p)
{
	uint8_t kind = pending_peek(p);

	if (!p->count)
		return PENDING_UNKNOWN;
	p->first = (p->first + 1) % PENDING_SLOTS;
	p->count--;
	if (p->forgotten)
		p->forgotten--;
	return kind;
}
