/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain.c - see drain.h. Runs on the flusher and in salvage.
 *
 * Invariant: a frame is committed after it is whole in the file, and before anything else is written.
 */
#include "preload/drain.h"

#include <errno.h>

#include "preload/secret.h"

/* Counts what the block encoder is given, to see whether it refused the last one. */
struct offer {
	struct drain *drain;
	struct ring_reader *reader;
	uint32_t count;
};

/*
 * Secrets are masked where the record lies: in the ring it is ours until the tail moves, and the program
 * never looks there again; else it is our copy.
 */
static const struct record *offer_next(void *from)
{
	struct offer *offer = from;
	bool again = offer->reader->again;
	const struct record *r = ring_next(offer->reader);

	if (r == NULL)
		return NULL;
	if (!again)
		secrets_mask(offer->drain->encoder->secrets, offer->drain->owner, (struct record *)r);
	offer->count++;
	return r;
}

/* How many records went into a block; 0: none are left. */
static long drain_block(struct drain *d, struct ring_reader *reader, uint32_t ring, uint32_t serial,
			uint64_t seq)
{
	struct offer offer = {d, reader, 0};
	uint32_t n =
	    dump_pack_block(encoder_start(d->encoder), d->encoder->scratch, serial, seq, offer_next, &offer);
	struct region_commit c = {.ring = ring, .serial = serial};
	int r;

	if (n == 0) {
		reader->broken |= offer.count > 0;
		return 0;
	}
	if (offer.count > n)
		ring_refuse(reader);
	r = file_append(d->file, d->encoder);
	if (r < 0)
		return r;
	d->records += n;
	c.dump_bytes = d->file->bytes;
	c.records = d->records;
	c.tail = ring_consumed(reader);
	c.seq = seq + n;
	r = d->commit(d->to, &c);
	return r < 0 ? r : (long)n;
}

int drain_ring(struct drain *d, struct ring_reader *reader, uint32_t ring, uint32_t serial, uint64_t seq)
{
	struct region_commit c = {.ring = ring, .serial = serial};
	long n;

	while ((n = drain_block(d, reader, ring, serial, seq)) > 0)
		seq += (uint64_t)n;
	if (n < 0)
		return (int)n;
	d->broken += reader->broken;
	c.dump_bytes = d->file->bytes;
	c.records = d->records;
	c.tail = reader->end; /* past a filler, or past what cannot be read */
	c.seq = seq + reader->broken;
	return d->commit(d->to, &c);
}

int drain_loose(struct drain *d, struct ring_reader *reader, uint32_t serial, uint64_t seq)
{
	long n;

	while ((n = drain_block(d, reader, REGION_NO_RING, serial, seq)) > 0)
		seq += (uint64_t)n;
	return (int)n;
}

int drain_object(struct drain *d)
{
	struct region_commit c = {.ring = REGION_NO_RING, .records = d->records};
	int r = file_append(d->file, d->encoder);

	if (r < 0)
		return r;
	c.dump_bytes = d->file->bytes;
	return d->commit(d->to, &c);
}
