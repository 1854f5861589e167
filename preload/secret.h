/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret.h - passwords, tokens, cookies and handshakes are masked in the heads before these are packed into a
 * dump. Flusher and salvage; pure: memory is the caller's, libc's mem* only.
 *
 * Masked bytes become '*' (in a number of a statement '0'), as many as there were, so that lengths and
 * grammars hold. It is done in the ring itself: records before its head are the flusher's until the tail
 * moves, and what lies in /dev/shm is masked too from then on. Invariants: how the bytes of a stream were cut
 * into calls makes no difference; where bytes are missing, more is masked and not less; masking twice is
 * masking once.
 */
#ifndef DPROF_SECRET_H
#define DPROF_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record;

/* What is remembered of each way of each connection, of those seen last; some 3 MiB, zeroed, most of it never
 * touched. */
struct secrets;
size_t secrets_bytes(void);

/*
 * Masks the data of a record. `owner` tells processes apart, as their connections have the same numbers: 0 is
 * this one. Each record once, those of a thread in order.
 */
void secrets_mask(struct secrets *t, uint32_t owner, struct record *r);

#endif
