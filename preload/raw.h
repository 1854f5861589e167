/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw.h - what arch_syscall.S needs of raw.c: syscall(2) is written in two places.
 */
#ifndef DPROF_RAW_H
#define DPROF_RAW_H

#include <stdint.h>

#define RAW_NUMBERS 448 /* also written in arch_syscall.S */

/* By number: 1 goes through raw_call. */
extern const uint8_t raw_ours[RAW_NUMBERS] __attribute__((visibility("hidden")));

/* The whole of syscall() for a number that is ours. */
long raw_call(long number, long a, long b, long c, long d, long e, long f);

/* -errno as libc tells it. */
long raw_failed(long result);

#endif
