/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.h - what raw.c needs of the calls that start another program.
 */
#ifndef DPROF_EXEC_H
#define DPROF_EXEC_H

/* execve or execveat by number; the result, or -errno. */
long exec_by_number(long number, const long arguments[6]);

#endif
