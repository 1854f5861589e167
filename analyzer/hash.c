/* SPDX-License-Identifier: Apache-2.0 */
/* hash.c - see hash.h. Open addressing, at most three quarters full, so that every search ends. */
#include "analyzer/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint32_t hash_find(const struct hash *h, uint64_t hash, hash_equal *equal, const void *items, const void *key)
{
	size_t mask = h->slot_count - 1;

	if (!h->slot_count)
		return HASH_NONE;
	for (size_t i = hash & mask; h->slots[i].item; i = (i + 1) & mask) {
		const struct hash_slot *slot = &h->slots[i];

		if (slot->hash == hash && equal(items, slot->item - 1, key))
			return slot->item - 1;
	}
	return HASH_NONE;
}

static void place(struct hash_slot *slots, size_t mask, struct hash_slot item)
{
	size_t i = item.hash & mask;

	while (slots[i].item)
		i = (i + 1) & mask;
	slots[i] = item;
}

static int grow(struct hash *h)
{
	size_t slot_count = h->slot_count ? h->slot_count * 2 : 64;
	struct hash_slot *slots = calloc(slot_count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < h->slot_count; i++) {
		if (h->slots[i].item)
			place(slots, slot_count - 1, h->slots[i]);
	}
	free(h->slots);
	h->slots = slots;
	h->slot_count = slot_count;
	return 0;
}

int hash_add(struct hash *h, uint64_t hash, uint32_t index)
{
	if (h->count >= h->slot_count / 4 * 3) {
		int err = grow(h);

		if (err)
			return err;
	}
	place(h->slots, h->slot_count - 1, (struct hash_slot){.hash = hash, .item = index + 1});
	h->count++;
	return 0;
}

void hash_free(struct hash *h)
{
	free(h->slots);
	*h = (struct hash){0};
}

uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
	const uint8_t *at = bytes;
	uint64_t hash = hash_mix(seed + 0x9e3779b97f4a7c15ull) ^ len, word;

	for (; len >= 8; at += 8, len -= 8) {
		memcpy(&word, at, 8);
		hash = hash_mix(hash ^ word) + 0x9e3779b97f4a7c15ull;
	}
	word = 0;
	if (len)
		memcpy(&word, at, len);
	return hash_mix(hash ^ word);
}
