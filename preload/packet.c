// SPDX-License-Identifier: Apache-2.0
/*
 * packet.c - records of what is no stream: DGRAM_OUT and DGRAM_IN with an address and a head, OUT and IN of a
 * pipe or an eventfd with neither. App's threads; once in a while it asks whether the number is still the
 * same object, else no system call.
 *
 * Invariant: a conn of these is always due (CONN_ALWAYS), so that call.c hands each of its calls over. Peeked
 * datagrams count nothing; a datagram without a byte counts as one.
 */
#include "preload/packet.h"

#include <string.h>

#include "preload/config.h"
#include "preload/emit.h"
#include "preload/endpoint.h"
#include "preload/gate.h"

#define PACKET_LOOK_SHIFT 30 /* stamps of one look: about a second of ns, less of ticks */

static bool packet_is_same(const struct conn *conn, int fd)
{
	if (CONN_GET(conn->family) == ENDPOINT_EVENT)
		return endpoint_is_nameless(fd); /* nothing tells one from another */
	if (CONN_GET(conn->family) == ENDPOINT_PIPE)
		return endpoint_pipe(fd) == CONN_GET(conn->cookie);
	return endpoint_cookie(fd) == CONN_GET(conn->cookie);
}

/* Are the bytes this conn's? Asks the kernel seldom; tells of the conn what is not told yet. */
static bool packet_look(const struct call *c, uint64_t t1)
{
	struct conn *conn = c->conn;
	uint32_t now = (uint32_t)(t1 >> PACKET_LOOK_SHIFT) | 1;

	if (CONN_GET(conn->burst_left) != now) {
		CONN_SET(conn->burst_left, now);
		if (!packet_is_same(conn, c->fd)) {
			conn_forget(c->fd, c->name);
			return false;
		}
	}
	if (!gate_knows(CONN_GET(conn->told)))
		conn_tell_again(conn, c->fd, c->name, RECORD_FLAG_SEEN);
	return true;
}

static void packet_fill(const struct call *c, struct record *r, size_t n, uint16_t flags, uint64_t t1)
{
	r->call = c->name;
	r->flags = flags;
	r->conn = c->id;
	r->len = (uint32_t)n;
	r->t0 = c->t0;
	r->t1 = t1;
}

static void packet_tell_wake(const struct call *c, size_t n, uint16_t flags, uint64_t off, uint64_t t1)
{
	struct record *r = emit_begin(0);

	if (r == NULL)
		return;
	packet_fill(c, r, n, flags, t1);
	r->kind = c->kind;
	r->off = off;
	emit_commit(r);
}

/* Copies at most `most` bytes; how many. */
static uint32_t packet_copy(char *to, uint32_t most, const struct packet *p)
{
	size_t skip = p->skip;
	uint32_t done = 0;

	for (size_t i = 0; i < p->count && done < most; i++) {
		size_t from = skip < p->parts[i].iov_len ? skip : p->parts[i].iov_len;
		size_t left = p->parts[i].iov_len - from;
		uint32_t part = left < most - done ? (uint32_t)left : most - done;

		skip -= from;
		if (part == 0)
			continue;
		memcpy(to + done, (const char *)p->parts[i].iov_base + from, part);
		done += part;
	}
	return done;
}

static void packet_tell(const struct call *c, size_t n, const struct packet *p, uint16_t flags, uint64_t t1)
{
	uint32_t head = p->count == 0 || (flags & RECORD_FLAG_PEEK) ? 0 : config_head_bytes[0];
	struct datagram *at;
	struct record *r;

	if (head > RING_DATA_MAX - sizeof *at)
		head = (uint32_t)(RING_DATA_MAX - sizeof *at);
	if (n < head)
		head = (uint32_t)n;
	r = emit_begin((uint32_t)sizeof *at + head);
	if (r == NULL)
		return;
	if (p->count == 0 && n > 0)
		flags |= RECORD_FLAG_NOCOPY;
	packet_fill(c, r, n, flags, t1);
	r->kind = c->kind == RECORD_OUT ? RECORD_DGRAM_OUT : RECORD_DGRAM_IN;
	at = (struct datagram *)(r + 1);
	endpoint_name(p->addr, p->addr_bytes, at);
	/* the program's buffer may be smaller than the datagram was */
	r->size_bytes -= head - packet_copy((char *)(at + 1), head, p);
	emit_commit(r);
}

void packet_moved(const struct call *c, ssize_t n, const struct packet *p, uint64_t t1)
{
	struct conn *conn = c->conn;
	uint8_t type = CONN_GET(conn->type);
	uint16_t flags = 0;
	uint64_t off = c->off;

	if (n < 0 || (n == 0 && type == CONN_WAKE))
		return;
	if (gate_is_shut()) {
		emit_gated(c->t0);
		if (!(p->flags & MSG_PEEK) && CONN_GET(conn->id) == c->id)
			__atomic_fetch_add(&conn->off[c->way], (uint64_t)n, __ATOMIC_RELAXED);
		return;
	}
	thread_ready();
	if (p->flags & MSG_PEEK)
		flags |= RECORD_FLAG_PEEK;
	if (p->flags & MSG_TRUNC)
		flags |= RECORD_FLAG_PARTIAL;
	if (CONN_GET(conn->id) != c->id)
		flags |= RECORD_FLAG_LATE;
	else if (!packet_look(c, t1))
		return;
	else if (!(flags & RECORD_FLAG_PEEK))
		off = __atomic_fetch_add(&conn->off[c->way], (uint64_t)n, __ATOMIC_RELAXED);
	if (type == CONN_WAKE)
		packet_tell_wake(c, (size_t)n, flags, off, t1);
	else
		packet_tell(c, (size_t)n, p, flags, t1);
}

void packet_parts(const struct call *c, size_t n, const struct iovec *parts, size_t count, uint64_t t1)
{
	packet_moved(c, (ssize_t)n, &(struct packet){.parts = parts, .count = count}, t1);
}

void packet_bytes(const struct call *c, size_t n, const void *bytes, uint64_t t1)
{
	struct iovec part = {(void *)bytes, n};

	packet_parts(c, n, &part, bytes != NULL, t1);
}

void packet_ended(const struct call *c)
{
	uint64_t t1 = stamp_now();

	if (CONN_GET(c->conn->type) == CONN_DATAGRAM) {
		packet_bytes(c, 0, NULL, t1);
		return;
	}
	if (CONN_GET(c->conn->eof_told) || !gate_has_told(CONN_GET(c->conn->told)))
		return;
	thread_ready();
	if (CONN_GET(c->conn->type) == CONN_WAKE)
		packet_tell_wake(c, 0, RECORD_FLAG_EOF, c->off, t1);
	else
		packet_tell(c, 0, &(struct packet){0}, RECORD_FLAG_EOF, t1);
	if (CONN_GET(c->conn->id) == c->id)
		CONN_SET(c->conn->eof_told, 1);
}
