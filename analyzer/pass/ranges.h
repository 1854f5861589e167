/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ranges.h - sets of stream offsets, as sorted ranges that do not touch. Passes; pure but for memory.
 *
 * Invariant: after ranges_merge (or when every range was added in ascending order) items are ascending, not
 * empty and apart.
 */
#ifndef DPROF_PASS_RANGES_H
#define DPROF_PASS_RANGES_H

#include <stddef.h>
#include <stdint.h>

/* [from, to) */
struct range {
	uint64_t from, to;
};

/* A vec of ranges (vec.h); all zero is empty. */
struct ranges {
	struct range *items;
	size_t count;
	size_t cap;
};

/* Adds [from, to); empty ones are left out. 0 or -ENOMEM. */
int ranges_add(struct ranges *r, uint64_t from, uint64_t to);

/* Brings ranges that were added in any order into the form that the invariant names. */
void ranges_merge(struct ranges *r);

uint64_t ranges_bytes(const struct ranges *r);

/* How many bytes are in both. */
uint64_t ranges_overlap(const struct ranges *a, const struct ranges *b);

/* How many ranges, between the first and the last byte that both have, only one has. */
uint64_t ranges_holes(const struct ranges *a, const struct ranges *b);

/* How many bytes of [from, to) are not in r. */
uint64_t ranges_missing(const struct ranges *r, uint64_t from, uint64_t to);

/* Index of the first range that ends after `at`; r->count if there is none. */
size_t ranges_find(const struct ranges *r, uint64_t at);

/* from + len, or the largest offset there is. */
static inline uint64_t ranges_end(uint64_t from, uint64_t len)
{
	return from + len < from ? UINT64_MAX : from + len;
}

#endif
