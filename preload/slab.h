/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slab.h - memory for conns. App's threads, cold, raw syscalls only.
 */
#ifndef DPROF_SLAB_H
#define DPROF_SLAB_H

#include "preload/conn.h"

/* A conn with one reference and no id; NULL without memory. */
struct conn *slab_take(void);
void slab_push(struct conn *conn);

/* Puts fresh memory of zeros at *place if there is none yet; whoever came first wins. NULL: there is none. */
void *slab_place(void *place, size_t bytes);

#endif
