/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit.c - what emit_begin() does not do in line: the end of a lap, a ring that fills up, a full ring,
 * records that wait to go first. App's threads; still no lock, no allocation; the system calls are the
 * flusher's wake, and in a ring's first lap the memory for its next part.
 *
 * Invariant: `busy` is set from the first change of the producer's end to the commit.
 */
#include "preload/emit.h"

#include <string.h>

#include "preload/flush.h"
#include "preload/say.h"
#include "preload/stamp.h"
#include "preload/sys.h"

#include <sys/prctl.h>

#define EMIT_STUCK                                                                                           \
	4096 /* nested records in a row, after which the interrupted one was left by siglongjmp              \
	      */

/* Wakes the flusher when a part of the ring is full, and again with each further part. */
static void emit_consider_wake(struct thread *t, uint64_t end, uint64_t tail, uint64_t size)
{
	if (end <= t->wake_at)
		return;
	if (end - tail >= size / RING_WAKE_PART) {
		flush_wake();
		t->wake_at = end + size / RING_WAKE_PART;
	} else {
		t->wake_at = tail + size / RING_WAKE_PART;
	}
}

/* Where what is left of the ring has no memory yet, gets some; false if there is none. */
static bool emit_grow(struct thread *t, uint64_t need)
{
	if (need <= ring_ready(t->ring) || ring_grow(t->ring, need) == 0)
		return true;
	flush_wake(); /* it finds memory of another kind */
	return false;
}

/* Makes room for a record at t->head, in one piece; false if the ring is full. */
static bool emit_room(struct thread *t, uint64_t room)
{
	uint64_t size = t->mask + 1, rest = size - (t->head & t->mask), ready;
	uint64_t need = room <= rest ? room : rest + room;
	/* acquire: the flusher has read what it gives back before we write there */
	uint64_t tail = __atomic_load_n(&t->ring->tail, __ATOMIC_ACQUIRE);

	if (t->head + need - tail > size) {
		flush_wake();
		return false;
	}
	if (!emit_grow(t, room <= rest ? size - rest + room : size))
		return false;
	if (room > rest) {
		struct record *filler = (struct record *)(t->bytes + (t->head & t->mask));

		/* may have room for 8 bytes only */
		filler->size_bytes = (uint32_t)rest;
		filler->kind = RECORD_NONE;
		t->head += rest;
		rest = size;
	}
	emit_consider_wake(t, t->head + room, tail, size);
	t->fence = tail + size;
	ready = ring_ready(t->ring);
	if (t->fence > t->head + rest - (size - ready))
		t->fence = t->head + rest - (size - ready);
	if (t->fence > t->wake_at)
		t->fence = t->wake_at;
	return true;
}

static struct record *emit_place(struct thread *t, uint32_t data_bytes)
{
	uint64_t bytes = sizeof(struct record) + data_bytes;
	struct record *r;

	if (data_bytes > RING_DATA_MAX || !emit_room(t, ring_room(bytes)))
		return NULL;
	r = (struct record *)(t->bytes + (t->head & t->mask));
	*r = (struct record){.size_bytes = (uint32_t)bytes};
	return r;
}

static void emit_publish(struct thread *t, const struct record *r)
{
	t->head += ring_room(r->size_bytes);
	__atomic_store_n(&t->ring->head, t->head, __ATOMIC_RELEASE);
}

static bool emit_start(struct thread *t)
{
	char name[16] = "";
	size_t len;
	struct record *r;

	sys_call(SYS_prctl, PR_GET_NAME, name);
	for (len = 0; len < sizeof name && name[len] != '\0'; len++)
		;
	r = emit_place(t, (uint32_t)len);
	if (r == NULL)
		return false;
	r->kind = RECORD_START;
	r->t0 = t->created_at != 0 && t->created_at < t->born_at ? t->created_at : t->born_at;
	r->t1 = t->born_at;
	r->off = t->parent;
	r->len = t->ring->tid;
	memcpy(r + 1, name, len);
	emit_publish(t, r);
	return true;
}

static bool emit_lost(struct thread *t)
{
	struct record *r = emit_place(t, 0);
	uint64_t nested;

	if (r == NULL)
		return false;
	nested = __atomic_exchange_n(&t->nested, 0, __ATOMIC_RELAXED);
	if (nested > 0) {
		t->lost_t1 = stamp_now();
		if (t->lost_count == 0)
			t->lost_t0 = t->lost_t1;
	}
	r->kind = RECORD_LOST;
	r->t0 = t->lost_t0;
	r->t1 = t->lost_t1;
	r->off = t->lost_count + nested;
	t->lost_count = 0;
	emit_publish(t, r);
	return true;
}

static bool emit_passed(struct thread *t)
{
	struct record *r = emit_place(t, 0);

	if (r == NULL)
		return false;
	r->kind = RECORD_GATED;
	r->t1 = t->gated_t1 != 0 ? t->gated_t1 : stamp_now();
	r->t0 = t->gated_t0 != 0 ? t->gated_t0 : r->t1;
	r->off = t->gated_count;
	/* a wait that was noted since the last record that was made began after the last one that was not */
	if (t->wait.t0 < r->t1)
		t->wait.t0 = t->wait.t1 < r->t1 ? t->wait.t1 : r->t1;
	t->gated_count = 0;
	emit_publish(t, r);
	return true;
}

static bool emit_waited(struct thread *t)
{
	struct record *r = emit_place(t, 0);

	if (r == NULL)
		return false;
	r->kind = RECORD_WAIT;
	r->call = t->wait.call;
	r->conn = t->wait.conn;
	r->t0 = t->wait.t0;
	r->t1 = t->wait.t1;
	r->off = t->wait.object;
	r->len = t->wait.ready;
	emit_publish(t, r);
	return true;
}

/* Emits what waits, oldest first; false if there is no room for it. */
static bool emit_pending(struct thread *t)
{
	static const struct {
		uint8_t what;
		bool (*emit)(struct thread *t);
	} order[] = {{THREAD_PENDING_START, emit_start},
		     {THREAD_PENDING_LOST, emit_lost},
		     {THREAD_PENDING_GATED, emit_passed},
		     {THREAD_PENDING_WAIT, emit_waited}};

	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
		if (!(t->pending & order[i].what))
			continue;
		if (!order[i].emit(t))
			return false;
		t->pending &= (uint8_t)~order[i].what;
	}
	return true;
}

/* We are in a handler that interrupted a record half made. */
static void emit_drop_nested(struct thread *t)
{
	__atomic_fetch_add(&t->nested, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&t->ring->dropped, 1, __ATOMIC_RELAXED);
	t->pending |= THREAD_PENDING_LOST;
	if (t->nested_head != t->head) {
		t->nested_head = t->head;
		t->nested_row = 0;
	}
	if (++t->nested_row >= EMIT_STUCK) {
		t->nested_row = 0;
		t->busy = 0;
	}
}

static void emit_drop(struct thread *t)
{
	t->lost_t1 = stamp_now();
	if (t->lost_count++ == 0)
		t->lost_t0 = t->lost_t1;
	__atomic_fetch_add(&t->ring->dropped, 1, __ATOMIC_RELAXED);
	t->pending |= THREAD_PENDING_LOST;
}

uint64_t emit_unheard;

/* A record of a thread that has no ring yet, or gets none. Without `busy`, so that a handler that jumps out
 * of here leaves nothing behind. */
static void emit_drop_unheard(struct thread *t)
{
	if (!__atomic_load_n(&process_mark.wanted, __ATOMIC_RELAXED))
		return;
	t->lost_t1 = stamp_now();
	if (__atomic_fetch_add(&t->lost_count, 1, __ATOMIC_RELAXED) == 0)
		t->lost_t0 = t->lost_t1;
	t->pending |= THREAD_PENDING_LOST;
	__atomic_fetch_add(&emit_unheard, 1, __ATOMIC_RELAXED);
	flush_note_untraced();
}

struct record *emit_begin_slow(uint32_t data_bytes)
{
	struct thread *t = &thread_self;
	struct record *r;

	if (!thread_has_ring()) {
		emit_drop_unheard(t);
		return NULL;
	}
	if (t->busy) {
		emit_drop_nested(t);
		return NULL;
	}
	t->busy = 1;
	emit_barrier();
	if (t->told !=
	    __atomic_load_n(&gate_files, __ATOMIC_RELAXED)) { /* a new file, which does not know us */
		t->told = __atomic_load_n(&gate_files, __ATOMIC_RELAXED);
		t->pending |= THREAD_PENDING_START;
	}
	r = emit_pending(t) ? emit_place(t, data_bytes) : NULL;
	if (r == NULL) {
		emit_drop(t);
		emit_barrier();
		t->busy = 0;
		say_pending();
	}
	return r;
}
