/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_ring_test - producer and consumer of a ring: order, lap end, full, what goes before, what a handler
 * does in the middle, bytes that are no records; and both at once (make SAN=thread).
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "preload/emit.h"
#include "preload/ring.h"

#define BYTES RING_BYTES_MIN

static struct ring *ring;
static struct ring_reader reader;

/* This thread is the producer of a fresh ring. */
static int fresh(void **state)
{
	(void)state;
	ring = aligned_alloc(4096, RING_CONTROL_BYTES + BYTES);
	if (ring == NULL)
		return -1;
	memset(ring, 0, RING_CONTROL_BYTES + BYTES);
	ring->bytes = BYTES;
	ring->ready = BYTES;
	ring->state = RING_USED;
	ring->tid = 77;
	thread_self = (struct thread){
	    .ring = ring, .bytes = ring_bytes(ring), .mask = BYTES - 1, .wake_at = BYTES / RING_WAKE_PART};
	process_mark.traced = 1;
	return 0;
}

static int gone(void **state)
{
	(void)state;
	process_mark.traced = 0;
	thread_self = (struct thread){0};
	free(ring);
	return 0;
}

/* A record whose number is in off and whose data say it too. */
static bool put(uint64_t number, uint32_t data_bytes)
{
	struct record *r = emit_begin(data_bytes);

	if (r == NULL)
		return false;
	assert_int_equal(r->size_bytes, sizeof *r + data_bytes);
	r->kind = RECORD_OUT;
	r->off = number;
	r->len = data_bytes;
	memset(r + 1, (int)(number & 0xff), data_bytes);
	emit_commit(r);
	return true;
}

static void look(void)
{
	uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);

	ring_read(&reader, ring_bytes(ring), ring->bytes, ring->tail, head);
}

static void give_back(void)
{
	__atomic_store_n(&ring->tail, ring_consumed(&reader), __ATOMIC_RELEASE);
}

static const struct record *expect_record(uint8_t kind, uint64_t off)
{
	const struct record *r = ring_next(&reader);

	assert_non_null(r);
	assert_int_equal(r->kind, kind);
	assert_int_equal(r->off, off);
	if (kind == RECORD_OUT)
		for (uint32_t i = 0; i < r->len; i++)
			assert_int_equal(((const uint8_t *)(r + 1))[i], off & 0xff);
	return r;
}

static void order(void **state)
{
	(void)state;
	/* sizes that do and do not divide the ring, over many laps */
	for (uint64_t n = 0; n < 20000; n += 3) {
		for (uint64_t i = 0; i < 3; i++)
			assert_true(put(n + i, (uint32_t)((n * 7 + i * 13) % 700)));
		look();
		for (uint64_t i = 0; i < 3; i++)
			expect_record(RECORD_OUT, n + i);
		assert_null(ring_next(&reader));
		assert_false(reader.broken);
		give_back();
	}
	assert_true(ring->head > 10 * BYTES);
	assert_int_equal(ring->dropped, 0);
}

static void largest(void **state)
{
	(void)state;
	for (uint64_t n = 0; n < 50; n++) {
		assert_true(put(n, RING_DATA_MAX));
		look();
		expect_record(RECORD_OUT, n);
		give_back();
	}
	assert_false(put(0, RING_DATA_MAX + 1));
	assert_int_equal(ring->dropped, 1);
}

static void refused(void **state)
{
	(void)state;
	for (uint64_t n = 0; n < 3; n++)
		put(n, 8);
	look();
	expect_record(RECORD_OUT, 0);
	expect_record(RECORD_OUT, 1);
	ring_refuse(&reader);
	give_back();
	assert_int_equal(ring->tail, 48); /* the second is still there */
	expect_record(RECORD_OUT, 1);
	expect_record(RECORD_OUT, 2);
	assert_null(ring_next(&reader));
	give_back();
	assert_int_equal(ring->tail, ring->head);
}

static void full(void **state)
{
	uint64_t kept = 0, dropped = 0;

	(void)state;
	while (put(kept, 100))
		kept++;
	assert_true(ring->head - ring->tail <= BYTES);
	assert_true(ring->head - ring->tail > BYTES - 300);
	for (dropped = 1; dropped < 10; dropped++)
		assert_false(put(0, 0));
	assert_int_equal(ring->dropped, dropped);
	look();
	for (uint64_t n = 0; n < kept; n++)
		expect_record(RECORD_OUT, n);
	give_back();
	assert_true(put(1000, 0));
	look();
	expect_record(RECORD_LOST, dropped);
	expect_record(RECORD_OUT, 1000);
	assert_null(ring_next(&reader));
}

static void before_it(void **state)
{
	const struct record *r;

	(void)state;
	thread_self.pending = THREAD_PENDING_START;
	thread_self.parent = 9;
	emit_wait(3, 5, 42, 100, 200, 1);
	emit_wait(4, 6, 43, 300, 400, 2);
	assert_true(put(7, 1));
	look();
	r = expect_record(RECORD_START, 9);
	assert_int_equal(r->len, 77);
	r = expect_record(RECORD_WAIT, 43);
	assert_int_equal(r->t0, 100); /* of the first */
	assert_int_equal(r->t1, 400); /* of the last */
	assert_int_equal(r->call, 4);
	assert_int_equal(r->conn, 0); /* several connections */
	assert_int_equal(r->len, 2);
	expect_record(RECORD_OUT, 7);
	assert_null(ring_next(&reader));
	assert_int_equal(thread_self.pending, 0);
}

static void wait_alone(void **state)
{
	(void)state;
	emit_wait(3, 5, 42, 100, 200, 1);
	look();
	assert_null(ring_next(&reader));
}

static void handler(void **state)
{
	struct record *r = emit_begin(4);

	(void)state;
	/* a signal handler comes here */
	assert_false(put(50, 4));
	assert_false(put(51, 4));
	emit_wait(3, 5, 42, 100, 200, 1);
	r->kind = RECORD_OUT;
	r->off = 1;
	r->len = 0;
	emit_commit(r);
	assert_true(put(2, 0));
	look();
	expect_record(RECORD_OUT, 1);
	expect_record(RECORD_LOST, 2);
	expect_record(RECORD_OUT, 2);
	assert_null(ring_next(&reader));
	assert_int_equal(ring->dropped, 2);
}

/* siglongjmp out of such a handler: the record is never finished, the thread records again after a while. */
static void left(void **state)
{
	int tries = 0;

	(void)state;
	emit_begin(4);
	while (!put(1, 0))
		assert_true(tries++ < 10000);
	look();
	expect_record(RECORD_LOST, (uint64_t)tries);
	expect_record(RECORD_OUT, 1);
}

static void another_process(void **state)
{
	(void)state;
	process_mark.traced = 0; /* as the kernel does in a fork's child */
	put(0, 200);
	thread_self.fence = 0;
	assert_false(put(1, 0));
	look();
	assert_int_equal(ring->dropped, 0);
}

/* Any bytes at all: the reader ends, within the ring. */
static void garbage(void **state)
{
	(void)state;
	srand(3);
	for (int round = 0; round < 20000; round++) {
		uint64_t tail = (uint64_t)(rand() % 4096) * 8,
			 head = tail + (uint64_t)(rand() % (BYTES / 8 + 2)) * 8;
		uint32_t *words = (uint32_t *)ring_bytes(ring);
		const struct record *r;
		int n = 0;

		for (int i = 0; i < 64; i++)
			words[rand() % (BYTES / 4)] = (uint32_t)rand() % (i % 3 == 0   ? 200
									  : i % 3 == 1 ? 70000
										       : UINT32_MAX);
		ring_read(&reader, ring_bytes(ring), BYTES, tail, head);
		while ((r = ring_next(&reader)) != NULL) {
			const uint8_t *end = (const uint8_t *)r + ring_room(r->size_bytes);

			assert_true((const uint8_t *)r >= ring_bytes(ring) &&
				    end <= ring_bytes(ring) + BYTES);
			assert_true(r->size_bytes - sizeof *r <= RING_DATA_MAX);
			assert_true(r->kind != RECORD_NONE && r->kind < RECORD_KINDS);
			n++;
		}
		assert_true(n <= (int)(BYTES / sizeof(struct record)));
		assert_true(reader.broken || reader.next == head);
	}
}

#define BOTH 200000u

static uint64_t produced; /* 0: not done yet */

static void *produce(void *of)
{
	uint64_t n = 0;

	thread_self = *(struct thread *)of;
	/* to the end, and until what was lost last is told as well */
	while (n < BOTH || thread_self.pending) {
		put(n, (uint32_t)(n % 90));
		if (++n % 2000 == 0)
			sched_yield();
	}
	__atomic_store_n(&produced, n, __ATOMIC_RELEASE);
	return NULL;
}

static uint64_t consume(uint64_t next)
{
	const struct record *r;

	look();
	while ((r = ring_next(&reader)) != NULL) {
		if (r->kind == RECORD_LOST) {
			next += r->off;
			continue;
		}
		if (r->kind == RECORD_END)
			continue; /* the producer's thread has ended */
		assert_int_equal(r->off, next);
		for (uint32_t i = 0; i < r->len; i++)
			assert_int_equal(((const uint8_t *)(r + 1))[i], next & 0xff);
		next++;
	}
	assert_false(reader.broken);
	give_back();
	return next;
}

static void both(void **state)
{
	uint64_t next = 0;
	pthread_t producer;
	struct thread given = thread_self;

	(void)state;
	thread_self = (struct thread){0};
	produced = 0;
	assert_int_equal(pthread_create(&producer, NULL, produce, &given), 0);
	while (__atomic_load_n(&produced, __ATOMIC_ACQUIRE) == 0)
		next = consume(next);
	next = consume(next);
	pthread_join(producer, NULL);
	assert_int_equal(next, produced);
}

/* What a thread did before it had a ring is a loss that has a number, and the first thing it tells. */
static void homeless(void **state)
{
	uint64_t before = emit_unheard, wanted = process_mark.wanted;

	(void)state;
	thread_self.ring = NULL;
	process_mark.wanted = 0;
	assert_false(put(1, 0)); /* not traced: no loss */
	process_mark.wanted = 1;
	assert_false(put(2, 0));
	assert_false(put(3, 0));
	process_mark.wanted = wanted;
	assert_int_equal(emit_unheard, before + 2);
	thread_self.ring = ring;
	assert_true(put(4, 0));
	look();
	expect_record(RECORD_LOST, 2);
	expect_record(RECORD_OUT, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, gone)
	const struct CMUnitTest tests[] = {
	    TEST(order),	   TEST(largest),    TEST(refused), TEST(full),
	    TEST(before_it),	   TEST(wait_alone), TEST(handler), TEST(left),
	    TEST(another_process), TEST(garbage),    TEST(both),    TEST(homeless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
