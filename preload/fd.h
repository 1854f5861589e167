/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd.h - what other wrappers need of the calls that change the table of descriptors.
 */
#ifndef DPROF_FD_H
#define DPROF_FD_H

#include <stdint.h>

struct msghdr;

/* A received message may have brought descriptors: their numbers are new. */
void fd_passed(const struct msghdr *msg, uint8_t call);

/* For arch_syscall.S. */
long fd_syscall_failed(long result);
long fd_syscall_close(int fd);

#endif
