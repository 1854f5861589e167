/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - finds an item of an array by its key. Analyzer, one thread. The table holds indices into an array
 * of the caller's, who says when an item has the key; keys are not stored. Items are never taken out.
 */
#ifndef DPROF_HASH_H
#define DPROF_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_NONE UINT32_MAX

struct hash_slot {
	uint64_t hash;
	uint32_t item; /* index + 1; 0 = free */
};

/* All zero is an empty table. */
struct hash {
	struct hash_slot *slots;
	size_t slot_count; /* 0 or a power of two */
	size_t count;
};

/* Whether the item with this index has the key. */
typedef bool hash_equal(const void *items, uint32_t index, const void *key);

/* The index of the item with the key, HASH_NONE if there is none. */
uint32_t hash_find(const struct hash *h, uint64_t hash, hash_equal *equal, const void *items,
		   const void *key);

/* Enters an item that is not in the table. 0 or -ENOMEM. */
int hash_add(struct hash *h, uint64_t hash, uint32_t index);

void hash_free(struct hash *h);

/* Same value on every machine and in every run. */
uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed);

/* Mixes v so well that any of its bits can be used. */
static inline uint64_t hash_mix(uint64_t v)
{
	v ^= v >> 30;
	v *= 0xbf58476d1ce4e5b9ull;
	v ^= v >> 27;
	v *= 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

#endif
