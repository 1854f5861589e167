// SPDX-License-Identifier: Apache-2.0
/*
 * slab.c - memory for conns, a free list of them. App's threads, cold; raw syscalls only, no lock: a signal
 * handler may open a socket while its thread is in here.
 *
 * Invariant: a conn's memory is never unmapped, and its number and version outlive its users.
 */
#include "preload/slab.h"

#include "preload/sys.h"

#define SLAB_CHUNK  1024u
#define SLAB_CHUNKS 1024u

static struct conn *slab[SLAB_CHUNKS];
static uint32_t slab_made; /* conns handed out of fresh memory */
static uint64_t slab_free; /* low half: number + 1 of the first free conn; high half: a count against ABA */

static void *memory_get(size_t bytes)
{
	long p = sys_call(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p < 0 && p > -4096 ? NULL : (void *)p;
}

void *slab_place(void *place, size_t bytes)
{
	void **at = place, *have = __atomic_load_n(at, __ATOMIC_ACQUIRE), *fresh;

	if (have != NULL)
		return have;
	fresh = memory_get(bytes);
	if (fresh == NULL)
		return NULL;
	if (__atomic_compare_exchange_n(at, &have, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return fresh;
	sys_call(SYS_munmap, fresh, bytes);
	return have;
}

static struct conn *slab_at(uint32_t number)
{
	return &slab[number / SLAB_CHUNK][number % SLAB_CHUNK];
}

static struct conn *slab_pop(void)
{
	uint64_t top = __atomic_load_n(&slab_free, __ATOMIC_ACQUIRE);

	while ((uint32_t)top != 0) {
		struct conn *conn = slab_at((uint32_t)top - 1);
		uint64_t next = ((top >> 32) + 1) << 32 | __atomic_load_n(&conn->next_free, __ATOMIC_RELAXED);

		if (__atomic_compare_exchange_n(&slab_free, &top, next, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			return conn;
	}
	return NULL;
}

void slab_push(struct conn *conn)
{
	uint64_t top = __atomic_load_n(&slab_free, __ATOMIC_RELAXED), next;

	do {
		__atomic_store_n(&conn->next_free, (uint32_t)top, __ATOMIC_RELAXED);
		next = ((top >> 32) + 1) << 32 | (conn->number + 1);
	} while (
	    !__atomic_compare_exchange_n(&slab_free, &top, next, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* Field by field: a call that outlived the last user may still look at it. */
static void slab_reset(struct conn *conn)
{
	for (int way = 0; way < 2; way++) {
		CONN_SET(conn->off[way], 0);
		CONN_SET(conn->hole_end[way], 0);
		CONN_SET(conn->racing[way], 0);
	}
	CONN_SET(conn->checked_at, 0);
	CONN_SET(conn->burst_left, 0);
	CONN_SET(conn->cookie, 0);
	CONN_SET(conn->told, 0);
	CONN_SET(conn->way, CONN_NO_WAY);
	CONN_SET(conn->family, 0);
	CONN_SET(conn->counted, 0);
	CONN_SET(conn->checks_left, 0);
	CONN_SET(conn->shared, 0);
	CONN_SET(conn->connecting, 0);
	CONN_SET(conn->eof_told, 0);
	CONN_SET(conn->asks, CONN_NO_WAY);
	CONN_SET(conn->type, 0);
	CONN_SET(conn->version, CONN_GET(conn->version) + 2);
	__atomic_store_n(&conn->refs, 1, __ATOMIC_RELEASE); /* publishes the above to who looks for a copy */
}

struct conn *slab_take(void)
{
	struct conn *conn = slab_pop();
	uint32_t number;

	if (conn == NULL) {
		number = __atomic_fetch_add(&slab_made, 1, __ATOMIC_RELAXED);
		if (number >= SLAB_CHUNK * SLAB_CHUNKS ||
		    slab_place(&slab[number / SLAB_CHUNK], SLAB_CHUNK * sizeof *conn) == NULL) {
			__atomic_fetch_sub(&slab_made, 1, __ATOMIC_RELAXED);
			return NULL;
		}
		conn = slab_at(number);
		conn->number = number;
	}
	slab_reset(conn);
	return conn;
}
