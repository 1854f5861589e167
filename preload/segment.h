/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segment.h - a dump that may only take so much room (DPROF_MAX_DISK): it becomes several files, and the
 * oldest ones go. Flusher.
 *
 * The file that is written has the name of a dump without a budget, so salvage needs to know nothing: when it
 * has its share it is renamed `<...>.s<N>.zst`, and the next one takes its name. Each has a header of its
 * own, of the same process; what was dropped before is in it. Invariant: at every moment the name is that of
 * a dump that salvage can finish, or of none, and then it makes one.
 */
#ifndef DPROF_SEGMENT_H
#define DPROF_SEGMENT_H

#include "preload/drain.h"
#include "preload/identity.h"

/* A dump was begun, with this header. */
void segment_begin(const struct dump_header *h, const struct identity *id);

/* Has the file its share? Then the next one is begun. 0 or -errno: then nothing may be written. */
int segment_turn(struct drain *d, struct region *r);

/* Records in files that were finished. */
uint64_t segment_records(void);

#endif
