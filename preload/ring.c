/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.c - the consumer's half of a ring: walks the records that it holds. Runs on the flusher and in
 * salvage, on the ring itself or on a copy; trusts no length it finds. ring_grow runs on both sides, cold.
 */
#include "preload/ring.h"

#include "preload/sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int ring_grow(struct ring *ring, uint64_t need)
{
	uint32_t ready = __atomic_load_n(&ring->ready, __ATOMIC_ACQUIRE), next = ready;
	long r;

	if (ready & 1)
		return -EBUSY;
	if (next == 0)
		next = ring->bytes < RING_FIRST_BYTES ? ring->bytes : RING_FIRST_BYTES;
	while (next < need && next < ring->bytes)
		next = next < ring->bytes / 2 ? 2 * next : ring->bytes;
	/* what is there already stays as it is, so both sides may do it at once */
	r = sys_call(SYS_madvise, ring_bytes(ring) + ready, next - ready, MADV_POPULATE_WRITE);
	if (r < 0)
		return (int)r;
	while (!(ready & 1) && ready < next)
		if (__atomic_compare_exchange_n(&ring->ready, &ready, next, false, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return 0;
	return ready & 1 ? -EBUSY : 0;
}

void ring_read(struct ring_reader *reader, const uint8_t *bytes, uint32_t size_bytes, uint64_t tail,
	       uint64_t head)
{
	*reader = (struct ring_reader){
	    .bytes = bytes, .mask = size_bytes - 1, .at = tail, .next = tail, .end = head};
	if (head - tail > size_bytes || head % RECORD_ALIGN != 0 || tail % RECORD_ALIGN != 0)
		reader->broken = true;
}

/* The record at `next` if it can be one; NULL: broken. */
static const struct record *ring_check(struct ring_reader *reader)
{
	uint64_t place = reader->next & reader->mask;
	uint64_t left = reader->end - reader->next, rest = reader->mask + 1 - place;
	const struct record *r = (const struct record *)(reader->bytes + place);
	uint64_t size = r->size_bytes; /* its own 8 bytes are always there: positions are aligned */

	if (r->kind == RECORD_NONE)
		return size == rest && size <= left ? r : NULL;
	if (r->kind >= RECORD_KINDS || size < sizeof *r || size - sizeof *r > RING_DATA_MAX)
		return NULL;
	return ring_room(size) <= left && ring_room(size) <= rest ? r : NULL;
}

const struct record *ring_next(void *from)
{
	struct ring_reader *reader = from;

	if (reader->again) {
		reader->again = false;
		return (const struct record *)(reader->bytes + (reader->at & reader->mask));
	}
	while (!reader->broken && reader->next != reader->end) {
		const struct record *r = ring_check(reader);

		if (r == NULL) {
			reader->broken = true;
			break;
		}
		reader->at = reader->next;
		reader->next += ring_room(r->size_bytes);
		if (r->kind != RECORD_NONE)
			return r;
	}
	reader->at = reader->next;
	return NULL;
}

void ring_refuse(struct ring_reader *reader)
{
	reader->again = true;
}

uint64_t ring_consumed(const struct ring_reader *reader)
{
	return reader->again ? reader->at : reader->next;
}
