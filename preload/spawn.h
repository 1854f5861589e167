/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.h - starts the flusher: a thread that libc and the program do not know, with descriptors of its own.
 */
#ifndef DPROF_SPAWN_H
#define DPROF_SPAWN_H

#include <stdbool.h>

/* Runs `run` in a new thread. 0 or -errno. Any thread. */
int spawn_thread(void (*run)(void));

/* Waits until that thread is gone, also for the kernel; at most 1 s. True if it is. */
bool spawn_is_over(void);

/* In a fork's child: there is no such thread, nor its memory. */
void spawn_after_fork(void);

/* First thing in that thread: from here on its descriptors are its own, and it holds none. 0 or -errno. */
int spawn_own_files(void);

#endif
