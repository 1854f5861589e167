/* SPDX-License-Identifier: Apache-2.0 */
/*
 * truth.h - what the kernel counts. Bytes can pass us by (stdio, io_uring, another process with the same
 * socket); TCP_INFO and SIOCINQ give the true stream offsets at any moment. App's threads, cold.
 */
#ifndef DPROF_TRUTH_H
#define DPROF_TRUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/conn.h"

#define TRUTH_SHARED_CHECKS 16	 /* calls in a row that must agree before we look less often again */
#define TRUTH_SHARED_PARTS  4096 /* looks in a second at a socket that others were given */

/* Stream offsets of the program's next byte, by enum conn_way. `expected` decides where the kernel leaves a
 * FIN ambiguous. False: the kernel does not say. */
bool truth_read(int fd, const uint64_t expected[2], uint64_t kernel[2]);

/*
 * Compares the counters of conn with the kernel's, after a call moved `len` bytes that are not counted yet.
 * Where they differ: a RESYNC record, and the counters are set, which makes *version. False: fd is another
 * socket by now.
 */
bool truth_check(struct conn *conn, int fd, enum conn_way way, uint64_t len, uint64_t now, uint32_t *version);

/* The program ends, and libc will still write `bytes` to fd on its own: they are told now, as moved unseen.
 */
void truth_foretell(struct conn *conn, int fd, uint64_t bytes, uint64_t now);

/* Where the bytes of a call may lie that the kernel's counters, and so a resync, were ahead of: in the hole
 * that it left, or, if they do not fit, `otherwise`. */
uint64_t truth_fill(struct conn *conn, enum conn_way way, uint64_t len, uint64_t otherwise);

/* The caller, whose call began at `version` of conn, added len bytes at `off` and finds another version: if
 * the counters were set before that, and had those bytes already, they are taken back. Their true offset. */
uint64_t truth_reclaim(struct conn *conn, enum conn_way way, uint64_t len, uint64_t off, uint32_t version);

#endif
