// SPDX-License-Identifier: Apache-2.0
/*
 * call.c - the return half of a call that moved bytes: claims the offset, copies the head of a burst,
 * leaves the record. App's threads, hot.
 *
 * Invariant: the conn's counter advances by what the call returned whether or not there is room for a
 * record, so a lost record makes a hole and never shifts what follows.
 */
#include "preload/call.h"

#include <string.h>

#include "common/record.h"
#include "preload/arch.h"
#include "preload/config.h"
#include "preload/emit.h"
#include "preload/gate.h"
#include "preload/packet.h"
#include "preload/truth.h"

/* What call_moved found out before the record is written. */
struct moved {
	uint64_t off;
	uint16_t flags;
	bool ours; /* the bytes are this conn's, and it is a stream */
};

/*
 * Claims n bytes. Where another thread set the counters after we saw that nobody had (`version`), it knew of
 * our bytes: acquire, so that we see its version if we see its counters.
 */
static inline __attribute__((always_inline)) uint64_t call_add(const struct call *c, uint64_t *off,
							       uint64_t n, uint32_t version)
{
	uint64_t at = __atomic_fetch_add(off, n, __ATOMIC_ACQUIRE);

	if (__builtin_expect(CONN_GET(c->conn->version) != version, 0))
		at = truth_reclaim(c->conn, c->way, n, at, version);
	return at;
}

/*
 * Were the counters set while the call was away? Not if it began while they were being set (odd): the kernel
 * had been asked before that.
 */
static bool call_is_outdated(const struct call *c)
{
	uint32_t version = CONN_GET(c->conn->version);

	return version != c->version && !((c->version & 1) && version - c->version + 1 <= 2);
}

/*
 * Cold: the conn changed under the call, or it is time to look at the kernel's counters. On return n bytes
 * are claimed; `all` of them the call moved from here on.
 */
static __attribute__((noinline)) struct moved call_settle(const struct call *c, size_t n, size_t all,
							  uint64_t t1)
{
	struct conn *conn = c->conn;
	struct moved moved = {c->off, 0, CONN_GET(conn->type) == CONN_STREAM};
	uint32_t version = c->version;

	if (!moved.ours)
		return moved;
	if (CONN_GET(conn->id) != c->id) {
		moved.flags = RECORD_FLAG_LATE;
		return moved;
	}
	if (call_is_outdated(c)) {
		/* the counters were set while we were away: they may have our bytes or not, so look again */
		moved.flags = RECORD_FLAG_RACE;
		CONN_SET(conn->racing[c->way], 1);
		if (truth_check(conn, c->fd, c->way, 0, t1, &version))
			moved.off = truth_fill(conn, c->way, n, c->off);
		return moved;
	}
	if (!truth_check(conn, c->fd, c->way, all, t1, &version)) {
		conn_forget(c->fd, c->name);
		moved.ours = false;
		return moved;
	}
	moved.off = call_add(c, &conn->off[c->way], n, version);
	return moved;
}

/* Was the conn set anew under the call, or is it time to look at the kernel's counters? */
static inline __attribute__((always_inline)) bool call_is_overtaken(const struct call *c, uint64_t t1)
{
	return __builtin_expect(CONN_GET(c->conn->now) != c->then ||
				    t1 - CONN_GET(c->conn->checked_at) > CONN_GET(stamp_second),
				0);
}

static inline __attribute__((always_inline)) struct moved call_claim(const struct call *c, size_t n,
								     size_t all, uint64_t t1)
{
	struct conn *conn = c->conn;
	uint64_t *off = &conn->off[c->way];
	struct moved moved = {0, 0, true};

	if (call_is_overtaken(c, t1) || !gate_knows(CONN_GET(conn->told)))
		return call_settle(c, n, all, t1);
	if (CONN_GET(thread_many)) {
		moved.off = call_add(c, off, n, c->version);
		if (moved.off != c->off) {
			moved.flags = RECORD_FLAG_RACE;
			CONN_SET(conn->racing[c->way], 1);
		}
	} else {
		moved.off = arch_add(off, n);
	}
	return moved;
}

/* How much of n bytes is the head of a burst. */
static inline __attribute__((always_inline)) uint32_t call_head(struct conn *conn, uint8_t way, size_t n,
								uint16_t *flags)
{
	uint32_t left = CONN_GET(conn->burst_left), head;

	/* the conn is somebody else's by now */
	if (__builtin_expect(*flags & RECORD_FLAG_LATE, 0))
		return n < config_head_bytes[0] ? (uint32_t)n : config_head_bytes[0];

	if (CONN_GET(conn->way) != way) {
		CONN_SET(conn->way, way);
		left = config_head_bytes[way == CONN_GET(conn->asks)];
		*flags |= RECORD_FLAG_BURST;
	}
	head = n < left ? (uint32_t)n : left;
	CONN_SET(conn->burst_left, left - head);
	return head;
}

static inline __attribute__((always_inline)) struct record *
call_record(const struct call *c, struct moved moved, size_t n, uint32_t head, uint64_t t1)
{
	struct record *r = emit_begin(head);

	if (__builtin_expect(r == NULL, 0))
		return NULL;
	r->kind = c->kind;
	r->call = c->name;
	r->flags = moved.flags;
	r->conn = c->id;
	r->len = (uint32_t)n; /* the kernel moves less than 2 GiB at once */
	r->t0 = c->t0;
	r->t1 = t1;
	r->off = moved.off;
	return r;
}

/*
 * The gate is shut: the conn keeps its position, and nothing else happens. What another holder of the socket
 * moves meanwhile, and whether it is the same socket at all, is looked at when the gate opens.
 */
static void call_pass(const struct call *c, size_t n)
{
	struct conn *conn = c->conn;
	uint16_t flags = 0;

	emit_gated(c->t0);
	if (CONN_GET(conn->id) != c->id)
		return;
	if (CONN_GET(conn->type) == CONN_STREAM)
		call_head(conn, c->way, n, &flags);
	if (CONN_GET(thread_many))
		__atomic_fetch_add(&conn->off[c->way], n, __ATOMIC_RELAXED);
	else
		arch_add(&conn->off[c->way], n);
}

/* Cold: everything that call_done does not do in one go. t1 0: the clock is not read yet. */
static __attribute__((noinline)) void call_done_rest(const struct call *c, size_t n, const void *bytes,
						     uint64_t t1)
{
	struct moved moved;
	struct record *r;
	uint32_t head;

	if (gate_is_shut()) {
		call_pass(c, n);
		return;
	}
	if (t1 == 0)
		t1 = stamp_now();
	thread_ready(); /* a thread's first call gets it its ring */
	moved = call_claim(c, n, n, t1);
	if (!moved.ours) {
		if (CONN_GET(c->conn->type) != CONN_STREAM)
			packet_bytes(c, n, bytes, t1);
		return;
	}
	head = call_head(c->conn, c->way, n, &moved.flags);
	if (bytes == NULL) {
		head = 0;
		moved.flags |= RECORD_FLAG_NOCOPY;
	}
	r = call_record(c, moved, n, head, t1);
	if (r == NULL)
		return;
	if (head > 0)
		memcpy(r + 1, bytes, head);
	emit_commit(r);
}

void call_done(const struct call *c, ssize_t n, const void *bytes)
{
	struct conn *conn = c->conn;
	const uint8_t way = c->way;
	uint32_t left, head;
	uint16_t flags = 0;
	struct record *r;
	uint64_t t1;

	if (n <= 0) {
		if (n == 0 && CONN_GET(c->conn->type) == CONN_DATAGRAM)
			packet_bytes(c, 0, NULL, stamp_now());
		return;
	}
	if (__builtin_expect(stamp_unit != STAMP_TSC, 0) || !gate_knows(CONN_GET(conn->told))) {
		call_done_rest(c, (size_t)n, bytes, 0);
		return;
	}
	t1 = stamp_now();
	left = CONN_GET(conn->burst_left);
	if (CONN_GET(conn->way) != way) {
		left = config_head_bytes[way == CONN_GET(conn->asks)];
		flags = RECORD_FLAG_BURST;
	}
	head = (size_t)n < left ? (uint32_t)n : left;
	/* nothing is changed before we know that there is room and that the conn is as it was */
	if (__builtin_expect(bytes == NULL, 0) || call_is_overtaken(c, t1) ||
	    __builtin_expect((r = emit_try(head)) == NULL, 0)) {
		call_done_rest(c, (size_t)n, bytes, t1);
		return;
	}
	CONN_SET(conn->way, way);
	CONN_SET(conn->burst_left, left - head);
	r->kind = c->kind;
	r->call = c->name;
	r->conn = c->id;
	r->len = (uint32_t)n;
	r->t0 = c->t0;
	r->t1 = t1;
	if (CONN_GET(thread_many)) {
		r->off = call_add(c, &conn->off[way], (uint64_t)n, c->version);
		if (__builtin_expect(r->off != c->off, 0)) {
			flags |= RECORD_FLAG_RACE;
			CONN_SET(conn->racing[way], 1);
		}
	} else {
		r->off = arch_add(&conn->off[way], (uint64_t)n);
	}
	r->flags = flags;
	/* by its result, so that nothing has to be saved over the call */
	if (head > 0)
		r = (struct record *)memcpy(r + 1, bytes, head) - 1;
	emit_commit(r);
}

void call_done_part(struct call *c, size_t n, size_t all, const struct iovec *parts, size_t count,
		    uint64_t t1)
{
	struct moved moved;
	struct record *r;
	uint32_t head;
	char *to;

	if (gate_is_shut()) {
		call_pass(c, n);
		c->off += n;
		return;
	}
	thread_ready(); /* before the conn is told of again */
	moved = call_claim(c, n, all, t1);
	if (!moved.ours) {
		if (CONN_GET(c->conn->type) != CONN_STREAM)
			packet_parts(c, n, parts, count, t1);
		return;
	}
	head = call_head(c->conn, c->way, n, &moved.flags);
	r = call_record(c, moved, n, head, t1);
	/* the next part comes after this one, also where the counters were set just now */
	c->off = moved.off + n;
	if (CONN_GET(c->conn->id) == c->id)
		c->version = CONN_GET(c->conn->version);
	if (r == NULL)
		return;
	to = (char *)(r + 1);
	for (size_t i = 0; i < count && head > 0; i++) {
		uint32_t part = parts[i].iov_len < head ? (uint32_t)parts[i].iov_len : head;

		/* gcc's memcpy takes NULL with length 0; C does not */
		if (part == 0)
			continue;
		memcpy(to, parts[i].iov_base, part);
		to += part;
		head -= part;
	}
	emit_commit(r);
}

void call_done_vector(const struct call *c, ssize_t n, const struct iovec *parts, size_t count)
{
	struct call copy = *c;

	if (n > 0)
		call_done_part(&copy, (size_t)n, (size_t)n, parts, count, stamp_now());
}

void call_peeked(const struct call *c, ssize_t n)
{
	struct moved moved = {c->off, RECORD_FLAG_PEEK, true};
	struct record *r;

	if (n <= 0 || !gate_has_told(CONN_GET(c->conn->told)))
		return;
	if (CONN_GET(c->conn->type) != CONN_STREAM) {
		packet_moved(c, n, &(struct packet){.flags = MSG_PEEK}, stamp_now());
		return;
	}
	thread_ready();
	r = call_record(c, moved, (size_t)n, 0, stamp_now());
	if (r != NULL)
		emit_commit(r);
}

void call_ended(const struct call *c)
{
	struct moved moved = {c->off, RECORD_FLAG_EOF, true};
	struct record *r;

	if (CONN_GET(c->conn->type) != CONN_STREAM) {
		packet_ended(c);
		return;
	}
	/* a program that polls a stream that has ended would fill the dump with its zeros */
	if (CONN_GET(c->conn->eof_told) || !gate_has_told(CONN_GET(c->conn->told)))
		return;
	thread_ready();
	r = call_record(c, moved, 0, 0, stamp_now());
	if (r == NULL)
		return;
	if (CONN_GET(c->conn->id) == c->id)
		CONN_SET(c->conn->eof_told, 1);
	emit_commit(r);
}
