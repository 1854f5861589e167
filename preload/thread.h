/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.h - what the library keeps per thread: its ring's producer end, and records that wait for the next
 * one to go before. App's threads, hot.
 *
 * Lives in initial-exec TLS, so reaching it costs one instruction and a fork's child has a copy of its own.
 * Invariant: only the owning thread writes it; a signal handler that interrupts emit_begin .. emit_commit
 * finds `busy` set and leaves everything but `nested` alone.
 */
#ifndef DPROF_THREAD_H
#define DPROF_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/process.h"

struct ring;

enum thread_pending {
	THREAD_PENDING_START = 1,
	THREAD_PENDING_LOST = 2,
	THREAD_PENDING_WAIT = 4,
	THREAD_PENDING_GATED = 8
};

/* Waits since the last record. */
struct thread_wait {
	uint64_t t0; /* of the first */
	uint64_t t1; /* of the last */
	uint64_t object;
	uint32_t conn;
	uint32_t ready;
	uint8_t call;
};

struct thread {
	/* hot: one cache line */
	struct ring *ring; /* NULL: none */
	uint8_t *bytes;	   /* of the ring */
	uint64_t mask;
	uint64_t head;	 /* as published, while not busy */
	uint64_t fence;	 /* up to here there is room in one piece and nobody to wake */
	uint8_t busy;	 /* between emit_begin and emit_commit */
	uint8_t pending; /* enum thread_pending */
	uint8_t entering;
	uint8_t over;	 /* thread_gone() was called */
	uint32_t serial; /* 0: not given yet */
	struct thread_wait wait;
	/* cold */
	uint64_t wake_at;    /* when head passes it, the flusher hears */
	uint64_t created_at; /* by the thread that made it */
	uint64_t born_at;    /* when it ran first, or was first seen */
	uint64_t lost_count;
	uint64_t lost_t0;
	uint64_t lost_t1;
	uint64_t gated_count; /* records that were not made, the gate being shut */
	uint64_t gated_t0;
	uint64_t gated_t1;
	uint64_t nested; /* records that handlers could not emit: counted by them alone */
	uint64_t retry_ns;
	uint32_t parent;
	uint32_t told;	     /* gate_files when its START record was asked for */
	uint32_t nested_row; /* of them with head at nested_head */
	uint64_t nested_head;
};

extern __thread struct thread thread_self __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The program has made a second thread. Never set back but in a fork's child. */
extern bool thread_many __attribute__((visibility("hidden")));

/* Tries to get this thread a ring; false for now if there is none. Cold. */
bool thread_enter(void);

/* True if this thread has a ring, in this process. Never starts anything. */
static inline bool thread_has_ring(void)
{
	return process_traced() && __builtin_expect(thread_self.ring != (struct ring *)0, 1);
}

/* The same, and gets it one if it can. */
static inline bool thread_ready(void)
{
	return thread_has_ring() || thread_enter();
}

/* The calling thread's number in this process, from 1. */
uint32_t thread_serial(void);

/* First thing in a new thread: who made it, and when (stamp_now() in the parent; 0 unknown). */
void thread_born(uint32_t parent_serial, uint64_t created_at);

/* Last thing in a thread: its END record, and its ring goes to the next one. */
void thread_gone(void);

/* In a fork's child: this thread is the only one, and new. */
void thread_after_fork(void);

/* Threads that wanted a ring and got none, or not at once. */
extern uint64_t thread_untraced;

#endif
