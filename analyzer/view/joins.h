/* SPDX-License-Identifier: Apache-2.0 */
/* joins.h - what `info --joins` is made of: joins.c sums up, connections.c has a row for each. */
#ifndef DPROF_VIEW_JOINS_H
#define DPROF_VIEW_JOINS_H

#include "analyzer/view/view.h"

#define JOINS_ADDRESS_BYTES 160 /* of an address as text, cut to it if it is longer */

/* Bytes that the kernel moved at either end and no record has. */
uint64_t joins_unseen(const struct model *m, const struct link *l);

/* The process that speaks for an end: who opened it, else its first. NULL: not traced. */
const struct view *joins_speaker(const struct model *m, const struct link *l, enum link_side side);

/* An end's address with its port, "10.0.0.7:40001", "[::1]:80", "unix /run/x.sock". */
const char *joins_address(const struct model *m, const struct link *l, const struct address *a, char *text,
			  size_t size);

/* `connections`: one row for each. */
void connections_put(const struct model *m, struct out *out);

#endif
