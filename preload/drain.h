/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain.h - from a ring to frames in the dump. Flusher and salvage; they differ in how a frame is committed.
 */
#ifndef DPROF_DRAIN_H
#define DPROF_DRAIN_H

#include "preload/encoder.h"
#include "preload/file.h"
#include "preload/region.h"
#include "preload/ring.h"

struct drain {
	struct encoder *encoder;
	struct dump_file *file;
	uint64_t records; /* in the dump */
	uint64_t broken;  /* rings whose rest could not be read */
	uint32_t owner;	  /* whose records: secrets_mask() */
	int (*commit)(void *to, const struct region_commit *c);
	void *to;
};

/*
 * Writes what `reader` has as frames of thread `serial`, from its record `seq` on, and commits each. 0 or
 * -errno (then the rest stays in the ring).
 */
int drain_ring(struct drain *d, struct ring_reader *reader, uint32_t ring, uint32_t serial, uint64_t seq);

/* The same for records that lie in no ring. */
int drain_loose(struct drain *d, struct ring_reader *reader, uint32_t serial, uint64_t seq);

/* Appends the encoder's object, which comes from no ring. */
int drain_object(struct drain *d);

#endif
