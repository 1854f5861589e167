/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd.h - what other wrappers need of the calls that change the table of descriptors.
 */
#ifndef DPROF_FD_H
#define DPROF_FD_H

#include <stdbool.h>
#include <stdint.h>

struct msghdr;

/* A received message may have brought descriptors: their numbers are new. */
void fd_passed(const struct msghdr *msg, uint8_t call);

/* A sent message took descriptors along: others have them, too. */
void fd_given(const struct msghdr *msg);

/* Before close_range. */
void fd_retire_range(unsigned int first, unsigned int last, int flags, uint8_t call);

/* Around dup2: `to` is closed by it, unless it fails because there is no `from` or they are one. False: no
 * more to do. r is what dup2 returned. */
bool fd_replace_begin(int from, int to, uint8_t call);
void fd_replace_end(int from, int to, uint8_t call, int r);

#endif
