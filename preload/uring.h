/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring.h - io_uring: its I/O passes the library by, so it is said, counted and, on request, refused. App's
 * threads, cold.
 */
#ifndef DPROF_URING_H
#define DPROF_URING_H

#include <stdbool.h>
#include <stdint.h>

/* DPROF_IO_URING=refuse: the program is to be told that the kernel has none. */
bool uring_refused(void);

/* The program has a ring, of its own or inherited. Says so once. */
void uring_used(bool is_new);

/* Rings of this process; also those that a fork's child found. For the end object. */
uint64_t uring_rings(void);

#endif
