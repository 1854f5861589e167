/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept.h - where a stream stood when its last descriptor that we knew of went. No kernel counts the bytes of
 * a unix socket, so when another descriptor of it turns up (a copy that we never saw, or one that comes back
 * in a message), this is the only way to go on from there. App's threads, cold; calls nothing.
 *
 * Invariant: never waits, never allocates; of more streams than there are places the older ones are
 * forgotten, and begin at 0 again.
 */
#ifndef DPROF_KEPT_H
#define DPROF_KEPT_H

#include <stdbool.h>
#include <stdint.h>

/* off by enum conn_way. A cookie of 0 names nothing. */
void kept_put(uint64_t cookie, const uint64_t off[2]);

/* False: it is not known. */
bool kept_get(uint64_t cookie, uint64_t off[2]);

#endif
