/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit.h - the only door to the ring. App's threads, hot: emit_begin() gives room for one record, the caller
 * fills it, emit_commit() publishes it. Nothing in between may block or call out.
 *
 * Invariant: a record that finds no room, no ring, or a record half made (we are in a signal handler that
 * interrupted one) is dropped and counted; never waits.
 */
#ifndef DPROF_EMIT_H
#define DPROF_EMIT_H

#include "common/record.h"
#include "preload/gate.h"
#include "preload/ring.h"
#include "preload/thread.h"

/* Compilers may not move memory accesses across: for what a signal handler sees of its own thread. */
#define emit_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

struct record *emit_begin_slow(uint32_t data_bytes);

/* Records dropped because their thread had no ring; those that find room have counts of their own. */
extern uint64_t emit_unheard __attribute__((visibility("hidden")));

/* Room for a record and its data (at most RING_DATA_MAX), zeroed but for size_bytes; NULL: ask emit_begin().
 */
static inline struct record *emit_try(uint32_t data_bytes)
{
	struct thread *t = &thread_self;
	uint64_t bytes = sizeof(struct record) + data_bytes;
	struct record *r;

	if (__builtin_expect(t->busy | t->pending, 0))
		return NULL;
	t->busy = 1;
	emit_barrier();
	if (__builtin_expect(t->head + ring_room(bytes) > t->fence, 0)) {
		t->busy = 0;
		return NULL;
	}
	r = (struct record *)(t->bytes + (t->head & t->mask));
	r->size_bytes = (uint32_t)bytes;
	return r;
}

/* A record is not made, because the gate is shut; its call began at t0 (0: not known). No loss. */
static inline void emit_gated(uint64_t t0)
{
	struct thread *t = &thread_self;

	if (t->busy)
		return;
	if (t->gated_count++ == 0)
		t->gated_t0 = t0;
	t->gated_t1 = t0;
	t->pending |= THREAD_PENDING_GATED;
}

/* Room for a record, all zero but size_bytes, whether or not the gate is open; NULL: dropped. What waits to
 * go before it (START, LOST, GATED, WAIT) goes before it. */
static inline struct record *emit_begin_always(uint32_t data_bytes)
{
	struct record *r = emit_try(data_bytes);

	if (__builtin_expect(r == NULL, 0))
		return emit_begin_slow(data_bytes);
	*r = (struct record){.size_bytes = r->size_bytes};
	return r;
}

/* The same, if the gate is open. */
static inline struct record *emit_begin(uint32_t data_bytes)
{
	if (gate_is_shut()) {
		emit_gated(0);
		return NULL;
	}
	return emit_begin_always(data_bytes);
}

/* Publishes what emit_begin() gave. size_bytes may have been lowered, if there was less data than thought. */
static inline void emit_commit(struct record *r)
{
	struct thread *t = &thread_self;

	t->head += ring_room(r->size_bytes);
	__atomic_store_n(&t->ring->head, t->head, __ATOMIC_RELEASE); /* publishes the record to the flusher */
	emit_barrier();
	t->busy = 0;
}

/* Notes a wait; it becomes one WAIT record, with all that follow it, before the thread's next record. */
static inline void emit_wait(uint8_t call, uint32_t conn, uint64_t object, uint64_t t0, uint64_t t1,
			     uint32_t ready)
{
	struct thread *t = &thread_self;
	struct thread_wait *w = &t->wait;

	if (t->busy)
		return;
	if (!(t->pending & THREAD_PENDING_WAIT)) {
		w->t0 = t0;
		w->conn = conn;
	} else if (w->conn != conn) {
		w->conn = RECORD_CONN_NONE; /* several: a turn ends */
	}
	w->t1 = t1;
	w->object = object;
	w->ready = ready;
	w->call = call;
	emit_barrier();
	t->pending |= THREAD_PENDING_WAIT;
}

#endif
