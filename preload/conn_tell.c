// SPDX-License-Identifier: Apache-2.0
/*
 * conn_tell.c - the records of a conn's life: OPEN, CLOSE, PEER. App's threads, cold; raw syscalls only.
 *
 * Invariant: the conn is the caller's to speak of: nobody else gives it another id meanwhile.
 */
#include "preload/conn_tell.h"

#include <string.h>

#include "preload/emit.h"
#include "preload/flush.h"
#include "preload/gate.h"
#include "preload/stamp.h"
#include "preload/thread.h"
#include "preload/truth.h"

int conn_look(int fd, const struct conn *conn, struct sight *sight)
{
	if (conn == NULL || CONN_GET(conn->family) != ENDPOINT_EVENT)
		return endpoint_read(fd, NULL, 0, sight);
	endpoint_event(sight);
	return 0;
}

static struct record *record_begin(uint8_t kind, uint8_t call, const struct conn *conn, uint32_t data_bytes)
{
	struct record *r = emit_begin(data_bytes);

	if (r == NULL)
		return NULL;
	r->kind = kind;
	r->call = call;
	r->conn = CONN_GET(conn->id);
	return r;
}

void conn_tell_open(struct conn *conn, int fd, uint8_t call, uint16_t flags, struct sight *sight, uint64_t t0,
		    uint64_t t1)
{
	uint32_t gate = gate_read();
	struct record *r =
	    record_begin(RECORD_OPEN, call, conn, (uint32_t)sizeof(struct endpoint) + sight->end.path_bytes);

	CONN_SET(conn->told, r == NULL || gate == GATE_SHUT ? 0 : gate);
	if (r == NULL)
		return;
	sight->end.off_in = CONN_GET(conn->off[CONN_IN]);
	sight->end.off_out = CONN_GET(conn->off[CONN_OUT]);
	r->flags = flags;
	r->off = (uint64_t)fd;
	r->t0 = t0;
	r->t1 = t1;
	memcpy(r + 1, &sight->end, sizeof sight->end);
	memcpy((char *)(r + 1) + sizeof sight->end, sight->path, sight->end.path_bytes);
	emit_commit(r);
	if (sight->end.family == ENDPOINT_UNIX && sight->end.inode != 0 && !(flags & RECORD_FLAG_PAIR))
		flush_ask_peer(CONN_GET(conn->id), sight->end.inode);
}

void conn_tell_close(const struct conn *conn, int fd, uint8_t call, uint16_t flags, bool readable)
{
	uint64_t t0 = stamp_now(), kernel[2], ours[2] = {CONN_GET(conn->off[0]), CONN_GET(conn->off[1])};
	struct counts *counts;
	struct record *r;

	if (!gate_has_told(CONN_GET(conn->told)))
		return;
	thread_ready();
	if (!readable || !CONN_GET(conn->counted) || !truth_read(fd, ours, kernel))
		kernel[CONN_IN] = kernel[CONN_OUT] = COUNT_UNKNOWN;
	/* also while the gate is shut: what was told to be open is told to be closed */
	r = emit_begin_always(sizeof *counts);
	if (r == NULL)
		return;
	r->kind = RECORD_CLOSE;
	r->call = call;
	r->conn = CONN_GET(conn->id);
	r->flags = flags;
	r->off = (uint64_t)fd;
	r->t0 = t0;
	r->t1 = stamp_now();
	counts = (struct counts *)(r + 1);
	counts->out_seen = ours[CONN_OUT];
	counts->in_seen = ours[CONN_IN];
	counts->out_kernel = kernel[CONN_OUT];
	counts->in_kernel = kernel[CONN_IN];
	emit_commit(r);
}

void conn_tell_peer(const struct conn *conn, uint8_t call, uint64_t peer_inode)
{
	struct record *r = record_begin(RECORD_PEER, call, conn, 0);

	if (r == NULL)
		return;
	r->off = peer_inode;
	r->t0 = r->t1 = stamp_now();
	emit_commit(r);
}

/* It may never have been told, or in a window that was dropped. */
static uint16_t way_it_came(const struct conn *conn)
{
	return CONN_GET(conn->asks) == CONN_OUT	 ? RECORD_FLAG_CONNECT
	       : CONN_GET(conn->asks) == CONN_IN ? RECORD_FLAG_ACCEPT
						 : 0;
}

void conn_tell_again(struct conn *conn, int fd, uint8_t call, uint16_t flags)
{
	struct sight sight;
	uint64_t now = stamp_now();

	if (conn_look(fd, conn, &sight) < 0 || sight.type != CONN_GET(conn->type))
		return;
	if (sight.end.family == ENDPOINT_EVENT)
		sight.end.cookie = CONN_GET(conn->cookie);
	if (!(flags & RECORD_FLAG_PARTIAL))
		flags |= way_it_came(conn);
	conn_tell_open(conn, fd, call, flags, &sight, now, now);
}
