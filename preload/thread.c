/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c - a thread's way to its ring, and back. App's threads, cold.
 *
 * Invariant: a thread that gets no ring is not held up: it tries again at most every 100 ms, and meanwhile
 * its calls go through unrecorded. No handler runs while it tries, so none can jump out of that. Serials are
 * never used twice in a process: (serial, seq) names a record.
 */
#include "preload/thread.h"

#include "preload/emit.h"
#include "preload/flush.h"
#include "preload/gate.h"
#include "preload/seccomp.h"
#include "preload/stamp.h"
#include "preload/sys.h"

#define THREAD_RETRY_NS 100000000u

__thread struct thread thread_self;
bool thread_many;
uint64_t thread_untraced;

static uint32_t last_serial;

uint32_t thread_serial(void)
{
	struct thread *t = &thread_self;

	if (t->serial == 0)
		t->serial = __atomic_add_fetch(&last_serial, 1, __ATOMIC_RELAXED);
	return t->serial;
}

static void thread_take(struct thread *t, struct ring *ring)
{
	if (t->over) { /* its serial has had an END record */
		t->over = 0;
		t->parent = t->serial;
		t->created_at = 0;
		t->born_at = 0;
		t->serial = 0;
	}
	ring->serial = thread_serial();
	if (ring->serial > 1) /* thrd_create and libc's own threads do not pass by pthread_create */
		__atomic_store_n(&thread_many, true, __ATOMIC_RELAXED);
	ring->tid = (uint32_t)sys_call(SYS_gettid);
	t->bytes = ring_bytes(ring);
	t->mask = ring->bytes - 1;
	t->head = 0;
	t->fence = 0;
	t->wake_at = ring->bytes / RING_WAKE_PART;
	if (t->born_at == 0)
		t->born_at = stamp_now();
	t->pending |= THREAD_PENDING_START;
	t->told = __atomic_load_n(&gate_files, __ATOMIC_RELAXED);
	emit_barrier();
	t->ring = ring;
}

/* Not now. It counts once, also if the thread gets its ring later: what it did until then is nowhere. */
static void thread_refused(struct thread *t, uint64_t now_ns)
{
	if (t->retry_ns == 0)
		__atomic_fetch_add(&thread_untraced, 1, __ATOMIC_RELAXED);
	t->retry_ns = now_ns + THREAD_RETRY_NS;
	flush_note_untraced();
}

static struct ring *thread_ask(struct thread *t, uint64_t now_ns)
{
	struct ring *ring = NULL;

	if (!process_is_vfork_child() && process_start())
		ring = flush_take_ring(t->retry_ns == 0);
	if (ring != NULL) {
		flush_note_untraced(); /* before the LOST record that tells of the same */
		thread_take(t, ring);
	} else if (process_check()) {
		thread_refused(t, now_ns);
	}
	return ring;
}

bool thread_enter(void)
{
	struct thread *t = &thread_self;
	struct ring *ring;
	uint64_t now_ns, held = 0;
	bool holds;

	if (!process_check() || t->entering || t->busy)
		return false;
	if (thread_has_ring())
		return true;
	now_ns = sys_clock_ns(CLOCK_MONOTONIC);
	if (now_ns < t->retry_ns)
		return false;
	holds = seccomp_allows(SECCOMP_BEGIN);
	if (holds)
		held = sys_hold_signals();
	t->entering = 1;
	emit_barrier();
	ring = thread_ask(t, now_ns);
	emit_barrier();
	t->entering = 0;
	if (holds)
		sys_release_signals(held);
	return ring != NULL;
}

void thread_born(uint32_t parent_serial, uint64_t created_at)
{
	thread_self.parent = parent_serial;
	thread_self.created_at = created_at;
	thread_self.born_at = stamp_now();
}

void thread_gone(void)
{
	struct thread *t = &thread_self;
	struct ring *ring = t->ring;
	struct record *r;

	if (!thread_has_ring() || t->busy)
		return;
	/* a thread that nothing was told of, the gate being shut, ends untold */
	r = gate_is_shut() && (t->pending & THREAD_PENDING_START) ? NULL : emit_begin_always(0);
	if (r != NULL) {
		r->kind = RECORD_END;
		r->t0 = r->t1 = stamp_now();
		r->len = ring->tid;
		emit_commit(r);
	}
	t->over = 1;
	t->ring = NULL;
	t->fence = 0;
	t->pending = 0;
	emit_barrier();
	__atomic_store_n(&ring->state, RING_GONE, __ATOMIC_RELEASE); /* gives the ring back to the flusher */
}

void thread_after_fork(void)
{
	thread_self = (struct thread){.entering = thread_self.entering};
	last_serial = 0;
	thread_many = false;
	thread_untraced = 0;
}
