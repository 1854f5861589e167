// SPDX-License-Identifier: Apache-2.0
/*
 * kept.c - see kept.h. App's threads, cold: also in a signal handler, and in a fork's child, which has a
 * copy.
 *
 * Cookies are given out in order, so each has its place by its last bits. Invariant: who finds a place taken
 * by another thread leaves it alone.
 */
#include "preload/kept.h"

#include <stddef.h>

#define PLACES 1024u

static struct place {
	uint32_t taken;
	uint64_t cookie;
	uint64_t off[2];
} places[PLACES];

static struct place *place_take(uint64_t cookie)
{
	struct place *p = &places[cookie % PLACES];
	uint32_t nobody = 0;

	/* acquire: what the last one wrote here is read */
	if (cookie == 0 ||
	    !__atomic_compare_exchange_n(&p->taken, &nobody, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return NULL;
	return p;
}

static void place_leave(struct place *p)
{
	__atomic_store_n(&p->taken, 0, __ATOMIC_RELEASE);
}

void kept_put(uint64_t cookie, const uint64_t off[2])
{
	struct place *p = (off[0] | off[1]) == 0 ? NULL : place_take(cookie);

	if (p == NULL)
		return;
	p->cookie = cookie;
	p->off[0] = off[0];
	p->off[1] = off[1];
	place_leave(p);
}

bool kept_get(uint64_t cookie, uint64_t off[2])
{
	struct place *p = place_take(cookie);
	bool found;

	if (p == NULL)
		return false;
	found = p->cookie == cookie;
	if (found) {
		off[0] = p->off[0];
		off[1] = p->off[1];
	}
	place_leave(p);
	return found;
}
