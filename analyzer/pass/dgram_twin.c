// SPDX-License-Identifier: Apache-2.0
/*
 * dgram_twin.c - see dgram_twin.h. Analyzer, one thread; pure but
 * for memory, O(n log n).
 */
#include "analyzer/pass/dgram_twin.h"

#define LEAST_BYTES 8u /* a process that records fewer is left out, and so are shorter datagrams */
#define BYTE_BITS   4u /* of a byte that is not as the one before it */
#define MOST_BITS   64u

struct ranked {
	uint64_t key;
	uint32_t item;
	enum dgram_side side;
};

static int ranked_compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->key != y->key)
		return vec_compare(x->key, y->key);
	if (x->side != y->side)
		return vec_compare(x->side, y->side);
	return vec_compare(x->item, y->item);
}

/* What all processes have of a datagram. */
static uint32_t compared_bytes(const struct dgram_ends *e)
{
	uint32_t least = UINT32_MAX;

	for (uint32_t i = 0; i < e->store->process_count; i++)
		if (e->captured[i] >= LEAST_BYTES && e->captured[i] < least)
			least = e->captured[i];
	return least;
}

static const uint8_t *head_of(const struct store_record *r, uint32_t *len)
{
	*len = r->data_len > sizeof(struct datagram) ? r->data_len - (uint32_t)sizeof(struct datagram) : 0;
	return *len ? r->data + sizeof(struct datagram) : NULL;
}

static uint32_t bits_of(const uint8_t *head, uint32_t n)
{
	uint32_t bits = 0;

	for (uint32_t i = 1; i < n && bits < MOST_BITS; i++)
		if (head[i] != head[i - 1] && head[i] != RECORD_MASK)
			bits += BYTE_BITS;
	return bits < MOST_BITS ? bits : MOST_BITS;
}

static int take_twin(const struct dgram_ends *e, const struct ranked *r, uint32_t compared,
		     struct dgram_twins *out)
{
	const struct dgram_item *sent = &e->items.items[r[0].item], *taken = &e->items.items[r[1].item];
	const struct store_record *a = dgram_record(e, sent), *b = dgram_record(e, taken);
	uint32_t a_len, b_len, n = a->len < compared ? a->len : compared;
	const uint8_t *x = head_of(a, &a_len), *y = head_of(b, &b_len);

	if (a->len != b->len || a_len < n || b_len < n || memcmp(x, y, n) != 0)
		return 0;
	return vec_push(&out->twins, (struct dgram_twin){r[0].item, r[1].item, bits_of(x, n)});
}

int dgram_twins_find(const struct dgram_ends *e, const bool *wanted, struct dgram_twins *out)
{
	struct ranked *r = malloc((e->items.count + 1) * sizeof(*r));
	uint32_t compared = compared_bytes(e);
	size_t n = 0;
	int err = r ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < e->items.count; i++) {
		const struct dgram_item *item = &e->items.items[i];
		const struct store_record *record = dgram_record(e, item);
		uint32_t len, bytes = record->len < compared ? record->len : compared;
		const uint8_t *head = head_of(record, &len);

		if (wanted[item->group] && bytes >= LEAST_BYTES && len >= bytes &&
		    !(record->flags & RECORD_FLAG_PARTIAL))
			r[n++] = (struct ranked){hash_bytes(head, bytes, record->len), i, item->side};
	}
	if (n > 1)
		qsort(r, n, sizeof(*r), ranked_compare);
	for (size_t first = 0, next; !err && first < n; first = next) {
		for (next = first; next < n && r[next].key == r[first].key; next++)
			;
		if (next - first == 2 && r[first].side == DGRAM_SENDER && r[first + 1].side == DGRAM_RECEIVER)
			err = take_twin(e, &r[first], compared, out);
	}
	free(r);
	return err;
}
