/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.h - a filter that the program is about to install on itself is asked first what it will do with
 * our system calls. App's threads, cold.
 *
 * Invariant: no system call of ours is made that a known filter would answer with a signal. A filter from
 * before our time cannot be read: there the table's calls are all in systemd's @system-service.
 */
#ifndef DPROF_SECCOMP_H
#define DPROF_SECCOMP_H

#include <stdbool.h>
#include <stdint.h>

enum seccomp_class {
	SECCOMP_PROGRAM = 1,
	SECCOMP_BEGIN = 2,
	SECCOMP_OURS = 4,
	SECCOMP_PAUSE = 8,
	SECCOMP_SAY = 16,
	SECCOMP_RIGHTS = 32,
	SECCOMP_SETUP = 64,
};

/* False if a filter of the program forbids one of these classes. */
bool seccomp_allows(uint32_t classes);

/* Before seccomp(2) or prctl(2) with these arguments. */
void seccomp_before(long operation, long flags, const void *program);
void seccomp_before_prctl(long option, long mode, const void *program);

/* For tests: the classes in which this filter forbids a call. */
struct sock_fprog;
uint32_t seccomp_forbidden(const struct sock_fprog *program);

#endif
