/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending.h - what a grammar must remember of requests whose responses it has not seen: one byte each,
 * first in first out. Part of a connection's state; zero bytes are an empty queue. Pure.
 *
 * Invariant: a kind is never handed to the wrong response because the queue was too short: what did not
 * fit comes out as PENDING_UNKNOWN.
 */
#ifndef DPROF_PROTO_PENDING_H
#define DPROF_PROTO_PENDING_H

#include <stdint.h>

#define PENDING_SLOTS	128u
#define PENDING_UNKNOWN 0 /* no request, or one that was forgotten; kinds start at 1 */

struct pending {
	uint32_t first;	    /* number of the oldest request */
	uint32_t count;	    /* requests without a response */
	uint32_t forgotten; /* how many of them, from the oldest, have lost their kinds */
	uint8_t kind[PENDING_SLOTS];
};

void pending_push(struct pending *p, uint8_t kind);

/* The kind of the oldest request, left where it is or taken out. */
uint8_t pending_peek(const struct pending *p);
uint8_t pending_pop(struct pending *p);

#endif
