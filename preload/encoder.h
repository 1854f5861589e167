/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encoder.h - the memory in which objects are packed and compressed: once per flusher or salvage. Mapped, not
 * allocated, and not there in a fork's child.
 */
#ifndef DPROF_ENCODER_H
#define DPROF_ENCODER_H

#include "common/dump.h"

struct encoder {
	void *zstd;
	struct block_scratch *scratch;
	struct secrets *secrets;
	struct pack object; /* what encoder_frame() compresses */
	uint8_t *packed;
	uint8_t *frame;
	size_t frame_cap;
};

#define ENCODER_OBJECT_BYTES                                                                                 \
	(2u << 20) /* above the largest block: 16 Ki records of 33 bytes, templates, data */

/* 0 or -ENOMEM. */
int encoder_open(struct encoder *e);
void encoder_close(struct encoder *e);

/* Empties `object`. */
struct pack *encoder_start(struct encoder *e);

/* Compresses `object` as one frame into `frame`; its length, or -errno. */
long encoder_frame(struct encoder *e);

#endif
