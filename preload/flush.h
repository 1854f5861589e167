/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flush.h - the flusher, dprof's own thread: empties the rings into the dump. This is what other threads ask
 * of it; all of it is cold, raw system calls, and bounded in time.
 */
#ifndef DPROF_FLUSH_H
#define DPROF_FLUSH_H

#include <stdbool.h>
#include <stdint.h>

struct ring;

/* Starts the flusher and waits until it has a dump and a ring, at most 200 ms. 0 or -errno (-EAGAIN: not
 * yet). */
int flush_start(void);

/* Tells it that a ring fills up. */
void flush_wake(void);

/* A spare ring for the calling thread, NULL if there is none; with `wait` for at most 200 ms. */
struct ring *flush_take_ring(bool wait);

/* Spawned, and not there yet. */
bool flush_is_starting(void);

/* The last drain and the end object; waits at most 2 s. */
void flush_finish(const char *reason);

/* The program gave up root for good: so does our thread, before this returns (or after 200 ms). */
void flush_follow_user(uint32_t uid, uint32_t gid);

/* It has finished, and its thread is gone; waits for that, at most 1 s. */
bool flush_is_over(void);

/* In a fork's child: there is no flusher. `unmap`: nothing here still uses the parent's rings. */
void flush_after_fork(bool unmap);

/* Wants to know the other end of the unix socket `inode`: a PEER record for conn will follow. */
void flush_ask_peer(uint32_t conn, uint64_t inode);

/* Threads and connections that are not traced, as of now, into the region: they count even after kill -9. */
void flush_note_untraced(void);

#endif
