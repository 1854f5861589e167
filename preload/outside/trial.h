/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial.h - starts this program itself with the library in it, as a program that uses a socket, and looks
 * whether a dump came of it.
 */
#ifndef DPROF_TRIAL_H
#define DPROF_TRIAL_H

#include <stddef.h>

#define TRIAL_WORD     "--trial" /* argv[1] of the one that is traced */
#define TRIAL_FAILED   1
#define TRIAL_NOT_MADE 2 /* no directory to make it in */

/* 0: traced. Else `said` is what was said on stderr, one line, or why there was no trial. */
int trial_run(const char *library, char *said, size_t cap);

/* In the traced one: bytes go through a socket. Its exit status. */
int trial_traced(void);

#endif
