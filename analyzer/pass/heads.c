// SPDX-License-Identifier: Apache-2.0
/* heads.c - see heads.h. Analyzer, one thread; pure but for memory. */
#include "analyzer/pass/heads.h"

#include "analyzer/vec.h"

/* Quarters of a bit. Two connections that one program makes differ in numbers rather than in words. */
#define WORTH_LETTER 1
#define WORTH_DIGIT  10
#define WORTH_MIXED  8
#define WORTH_BINARY 8

uint32_t heads_find(const struct store_record *records, const uint32_t *list, uint32_t n, uint64_t off)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct store_record *r = &records[list[middle]];

		if (r->len == 0 || r->off > off)
			high = middle;
		else
			low = middle + 1;
	}
	return low > 0 ? low - 1 : 0;
}

static int head_compare(const void *a, const void *b)
{
	const struct head *x = a, *y = b;

	if (x->off != y->off)
		return vec_compare(x->off, y->off);
	return vec_compare(x->len, y->len);
}

int heads_gather(const struct store *store, const struct conns *conns, const struct party *p,
		 enum party_way way, uint64_t from, size_t limit, struct heads *out)
{
	int err = 0;

	out->count = 0;
	for (uint32_t i = 0; i < p->view_count && !err; i++) {
		const struct view *v = &conns->views[p->views[i]];
		const struct store_record *records = store->processes[v->process].records;
		const uint32_t *list = way == PARTY_IN ? v->in : v->out;
		uint32_t n = way == PARTY_IN ? v->in_count : v->out_count;
		size_t taken = 0;

		for (uint32_t k = heads_find(records, list, n, from); k < n && taken < limit && !err; k++) {
			const struct store_record *r = &records[list[k]];
			uint32_t len = r->data_len < r->len ? r->data_len : r->len;

			if (len == 0 || (r->flags & HEADS_UNSURE) || r->off + len < r->off)
				continue;
			err = vec_push(out, (struct head){r->off, r->data, len});
			taken++;
		}
	}
	vec_sort(out, head_compare);
	return err;
}

static bool is_masked(uint8_t byte)
{
	return byte == RECORD_MASK || byte == RECORD_MASK_NUMBER;
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

/* Letters beside digits are of a number or a name that was made up. */
static uint32_t byte_worth(uint8_t byte, uint8_t before)
{
	if (byte == before || is_masked(byte))
		return 0;
	if (byte >= 0x7f || (byte < ' ' && byte != '\r' && byte != '\n' && byte != '\t'))
		return byte ? WORTH_BINARY : 0;
	if (is_digit(byte))
		return WORTH_DIGIT;
	return is_digit(before) && byte >= 'a' && byte <= 'z' ? WORTH_MIXED : WORTH_LETTER;
}

uint32_t heads_worth(const uint8_t *bytes, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += byte_worth(bytes[i], i ? bytes[i - 1] : 0);
	return sum;
}

/* [from, to) of a's offsets, which both have. */
static void compare_bytes(const struct head *x, const struct head *y, uint64_t shift, uint64_t from,
			  uint64_t to, struct agreement *out)
{
	uint8_t before = 0;

	for (uint64_t at = from; at < to; at++) {
		uint8_t sent = x->bytes[at - x->off], received = y->bytes[at + shift - y->off];

		if (sent == received) {
			out->same++;
			out->worth += byte_worth(sent, before);
		} else if (!is_masked(sent) && !is_masked(received)) {
			out->different++; /* what only one end masked says nothing */
		}
		before = sent;
	}
}

void heads_compare(const struct heads *a, const struct heads *b, uint64_t shift, struct agreement *out)
{
	size_t i = 0, j = 0;

	while (i < a->count && j < b->count) {
		const struct head *x = &a->items[i], *y = &b->items[j];
		uint64_t y_off = y->off > shift ? y->off - shift : 0;
		uint64_t x_end = x->off + x->len;
		uint64_t y_end = y->off + y->len > shift ? y->off + y->len - shift : 0;

		compare_bytes(x, y, shift, x->off > y_off ? x->off : y_off, x_end < y_end ? x_end : y_end,
			      out);
		if (x_end <= y_end)
			i++;
		else
			j++;
	}
}

size_t heads_copy(const struct heads *h, uint64_t off, uint8_t *to, size_t n)
{
	size_t low = 0, high = h->count, have = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (h->items[middle].off > off)
			high = middle;
		else
			low = middle + 1;
	}
	for (size_t i = low ? low - 1 : 0; i < h->count && have < n && h->items[i].off <= off + have; i++) {
		const struct head *x = &h->items[i];
		uint64_t skip = off + have - x->off, len;

		if (skip >= x->len)
			continue;
		len = x->len - skip < n - have ? x->len - skip : n - have;
		memcpy(to + have, x->bytes + skip, (size_t)len);
		have += (size_t)len;
	}
	return have;
}
