/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.h - one producer, one consumer: the records of one thread on their way to the dump. The producer's
 * half is in emit.h; here are the layout, which outlives the process, and the consumer's half.
 *
 * Positions count bytes and only grow; position & (size - 1) is the place. A record lies in one piece: where
 * it would not fit before the end, a RECORD_NONE of the rest's size fills that. Invariants: tail <= head <=
 * tail + size; bytes before `head` are whole records; the consumer trusts no length it reads, a program may
 * have written there by mistake.
 */
#ifndef DPROF_RING_H
#define DPROF_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/record.h"

#define RING_CONTROL_BYTES 4096u /* before the bytes of the ring: a page */
#define RING_BYTES_MIN	   (64u << 10)
#define RING_BYTES_MAX	   (256u << 20)
#define RING_DATA_MAX	   16384u	/* of one record */
#define RING_FIRST_BYTES   (256u << 10) /* of a new ring that have memory; more when they are needed */
#define RING_WAKE_PART	   32u /* a ring that is full to such a part wakes the flusher: small drains keep p99 */

enum ring_state {
	RING_FREE,  /* has no memory yet */
	RING_SPARE, /* ready for a thread */
	RING_USED,  /* a thread writes */
	RING_GONE,  /* its thread has ended; to be drained, then spare again */
};

/* First page of a ring. Zeros but for `bytes` and `state` when a thread takes it. */
struct ring {
	uint64_t head __attribute__((aligned(64))); /* producer, release: records before it are whole */
	uint64_t dropped;			    /* producer: records that found no room */
	uint64_t tail
	    __attribute__((aligned(64))); /* consumer, release: bytes before it may be written over */
	uint64_t seq;			  /* consumer: number of the record at tail */
	uint32_t state __attribute__((aligned(64))); /* enum ring_state */
	uint32_t serial;			     /* of the thread */
	uint32_t tid;
	uint32_t bytes; /* of the ring, a power of two */
	/* Bytes of the ring, from its first, that have memory: only those may be touched. Grows; release by
	 * who grew it, either side. Odd: the consumer is about to put other memory behind them. */
	uint32_t ready;
};

/* The consumer's way through what a ring holds. Works on a copy as well. */
struct ring_reader {
	const uint8_t *bytes;
	uint64_t mask;
	uint64_t at;   /* of the record handed out last */
	uint64_t next; /* of the one after it */
	uint64_t end;  /* head when we looked */
	bool again;    /* hand the last one out once more */
	bool broken;   /* what follows `at` are no records */
};

static inline uint8_t *ring_bytes(struct ring *ring)
{
	return (uint8_t *)ring + RING_CONTROL_BYTES;
}

static inline uint64_t ring_room(uint64_t record_bytes)
{
	return (record_bytes + RECORD_ALIGN - 1) & ~(uint64_t)(RECORD_ALIGN - 1);
}

/* How much of the ring may be touched. */
static inline uint32_t ring_ready(const struct ring *ring)
{
	/* acquire: the memory that whoever grew the ring got for it */
	return __atomic_load_n(&ring->ready, __ATOMIC_ACQUIRE) & ~1u;
}

/*
 * Gets memory for at least `need` bytes of the ring: a page fault for each page, taken at once and in the
 * kernel, so that a full /dev/shm is an error and never a SIGBUS. Either side, cold. 0 or -errno.
 */
int ring_grow(struct ring *ring, uint64_t need);

void ring_read(struct ring_reader *reader, const uint8_t *bytes, uint32_t size_bytes, uint64_t tail,
	       uint64_t head);

/* The next record; NULL at the end or where the ring is broken. A dump_next. */
const struct record *ring_next(void *reader);

/* The last one was not taken: the next call gives it again. */
void ring_refuse(struct ring_reader *reader);

/* Position up to which everything handed out (and not refused) is consumed. */
uint64_t ring_consumed(const struct ring_reader *reader);

#endif
