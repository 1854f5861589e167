/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.h - entry and return of one call that moves bytes or waits. App's threads, hot: a table lookup, two
 * stamps and one record; no syscall, lock or allocation, nothing of libc but memcpy.
 *
 * Invariant: nothing is held between begin and done, so a call may be cancelled, left by siglongjmp, or
 * interrupted by a handler that makes calls of its own. errno is never touched.
 */
#ifndef DPROF_CALL_H
#define DPROF_CALL_H

#include <sys/types.h>
#include <sys/uio.h>

#include "common/record.h"
#include "preload/conn.h"
#include "preload/process.h"
#include "preload/real.h"
#include "preload/stamp.h"
#include "preload/thread.h"

struct call {
	struct conn *conn;
	uint64_t t0;
	uint64_t off; /* of the conn, this way, at entry */
	union {
		struct {
			uint32_t id; /* as they were at entry */
			uint32_t version;
		};
		uint64_t then;
	};
	int fd;
	uint8_t kind; /* enum record_kind: RECORD_OUT or RECORD_IN; as they lie in the record */
	uint8_t name; /* enum call_name */
	uint8_t way;  /* enum conn_way */
};

_Static_assert(RECORD_OUT + CONN_OUT == RECORD_OUT && RECORD_OUT + CONN_IN == RECORD_IN,
	       "a way gives its kind");

/* False: leave this call alone (no stream socket, or tracing is off). */
static inline bool call_begin(struct call *c, enum call_name name, int fd, enum conn_way way)
{
	struct conn *conn = conn_of(fd);

	if (__builtin_expect(conn == &conn_none, 1))
		return false;
	if (__builtin_expect(conn == NULL || CONN_GET(conn->id) == 0 || !process_traced(), 0)) {
		conn = conn_enter(fd, (uint8_t)name);
		if (conn == NULL)
			return false;
	}
	c->conn = conn;
	c->then = CONN_GET(conn->now);
	c->kind = (uint8_t)(RECORD_OUT + way);
	c->off = __atomic_load_n(&conn->off[way], __ATOMIC_RELAXED);
	c->fd = fd;
	c->name = (uint8_t)name;
	c->way = (uint8_t)way;
	c->t0 = stamp_now();
	return true;
}

/* n bytes were moved, which are at `bytes` (NULL: they did not pass through the program). n <= 0: nothing
 * was. */
void call_done(const struct call *c, ssize_t n, const void *bytes);
void call_done_vector(const struct call *c, ssize_t n, const struct iovec *parts, size_t count);

/* The bytes stay in the stream. */
void call_peeked(const struct call *c, ssize_t n);

/* A receiving call that had room returned 0: the other end sent no more. */
void call_ended(const struct call *c);

/* One message of several that one call moved, n bytes of `all` that are still to tell of; t1 is the return of
 * the call. */
void call_done_part(struct call *c, size_t n, size_t all, const struct iovec *parts, size_t count,
		    uint64_t t1);

/* True if this thread records; a wait alone does not make a process be recorded. */
static inline bool call_waits(void)
{
	return thread_has_ring();
}

#endif
