/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.h - starts the flusher: a thread that libc and the program do not know, with descriptors of its own.
 */
#ifndef DPROF_SPAWN_H
#define DPROF_SPAWN_H

/* Runs `run` in a new thread. 0 or -errno. Any thread. */
int spawn_thread(void (*run)(void));

/* First thing in that thread: from here on its descriptors are its own, and it holds none. 0 or -errno. */
int spawn_own_files(void);

#endif
