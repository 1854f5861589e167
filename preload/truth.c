// SPDX-License-Identifier: Apache-2.0
/*
 * truth.c - the kernel's byte counters against ours. App's threads, cold: at first sight, once a second per
 * active conn, at each call while a socket is shared, and at close. Raw syscalls only.
 *
 * Measured on Linux 6.18, loopback, in every state: bytes_sent never counts a FIN, notsent_bytes does while
 * it waits behind unsent bytes; bytes_received counts the peer's FIN, SIOCINQ does not. Once the state is
 * CLOSE nothing tells whether a FIN came or went: there one byte more than expected is taken for the FIN.
 * After a reset both counters keep standing, also what was purged unsent.
 */
#include "preload/truth.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "preload/emit.h"
#include "preload/endpoint.h"
#include "preload/gate.h"
#include "preload/stamp.h"
#include "preload/sys.h"
#include "preload/thread.h"

#define TRUTH_PATIENCE 1000
#define TRUTH_TRIES    4 /* bytes keep arriving between the questions */

/* include/net/tcp_states.h */
enum tcp_state {
	STATE_FIN_WAIT1 = 4,
	STATE_TIME_WAIT = 6,
	STATE_CLOSE,
	STATE_CLOSE_WAIT,
	STATE_LAST_ACK,
	STATE_CLOSING = 11
};

static bool fin_waits(unsigned int state)
{
	return state == STATE_FIN_WAIT1 || state == STATE_LAST_ACK || state == STATE_CLOSING;
}

static bool fin_came(unsigned int state)
{
	return state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK || state == STATE_CLOSING ||
	       state == STATE_TIME_WAIT;
}

static bool read_info(int fd, struct tcp_info *info)
{
	socklen_t len = sizeof *info;

	return sys_call(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0 &&
	       len >= offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof info->tcpi_bytes_retrans;
}

static bool is_expected(const uint64_t kernel[2], const uint64_t expected[2])
{
	return kernel[CONN_IN] == expected[CONN_IN] && kernel[CONN_OUT] == expected[CONN_OUT];
}

/* The kernel reads the state before it locks the socket, and the counters behind that: a FIN that comes in
 * between is counted and not seen. */
static bool is_state(int fd, unsigned int state)
{
	struct tcp_info info;

	return read_info(fd, &info) && info.tcpi_state == state;
}

bool truth_read(int fd, const uint64_t expected[2], uint64_t kernel[2])
{
	struct tcp_info info;
	int before, waiting;

	for (int i = 0; i < TRUTH_TRIES; i++) {
		if (sys_call(SYS_ioctl, fd, FIONREAD, &before) < 0 || !read_info(fd, &info) ||
		    sys_call(SYS_ioctl, fd, FIONREAD, &waiting) < 0)
			return false;
		if (before != waiting)
			continue;
		kernel[CONN_OUT] = info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
		kernel[CONN_IN] = info.tcpi_bytes_received - (uint64_t)waiting;
		if (info.tcpi_notsent_bytes > 0 &&
		    (fin_waits(info.tcpi_state) ||
		     (info.tcpi_state == STATE_CLOSE && kernel[CONN_OUT] == expected[CONN_OUT] + 1)))
			kernel[CONN_OUT]--;
		if (fin_came(info.tcpi_state) ||
		    (info.tcpi_state == STATE_CLOSE && kernel[CONN_IN] == expected[CONN_IN] + 1))
			kernel[CONN_IN]--;
		if (is_expected(kernel, expected) || is_state(fd, info.tcpi_state))
			return true;
	}
	return false;
}

/* A codec in the kernel (kTLS) makes the kernel count what it sends, not what the program wrote. */
static bool has_codec(int fd)
{
	char name[16];
	socklen_t len = sizeof name;

	return sys_call(SYS_getsockopt, fd, IPPROTO_TCP, TCP_ULP, name, &len) == 0 && len > 0;
}

static void tell_resync(const struct conn *conn, const uint64_t ours[2], const uint64_t kernel[2],
			uint64_t now)
{
	struct record *r = emit_begin(sizeof(struct counts));
	struct counts *counts;

	if (r == NULL)
		return;
	r->kind = RECORD_RESYNC;
	r->conn = CONN_GET(conn->id);
	r->t0 = now;
	r->t1 = now;
	counts = (struct counts *)(r + 1);
	counts->out_seen = ours[CONN_OUT];
	counts->in_seen = ours[CONN_IN];
	counts->out_kernel = kernel[CONN_OUT];
	counts->in_kernel = kernel[CONN_IN];
	emit_commit(r);
}

/* Not seen, or moved by another thread that has yet to return from its call. */
static void note_hole(struct conn *conn, enum conn_way way, uint64_t begin, uint64_t end)
{
	CONN_SET(conn->hole_begin[way], begin);
	__atomic_store_n(&conn->hole_end[way], end,
			 __ATOMIC_RELEASE); /* publishes the begin to truth_fill() */
}

uint64_t truth_fill(struct conn *conn, enum conn_way way, uint64_t len, uint64_t otherwise)
{
	uint64_t end = __atomic_load_n(&conn->hole_end[way], __ATOMIC_ACQUIRE);
	uint64_t begin = CONN_GET(conn->hole_begin[way]);

	while (begin + len <= end)
		if (__atomic_compare_exchange_n(&conn->hole_begin[way], &begin, begin + len, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return begin;
	return otherwise;
}

/* False if another thread sets them too, or claimed bytes since we read `ours`: then the kernel's counts are
 * old. */
static bool set_counters(struct conn *conn, enum conn_way way, const uint64_t ours[2],
			 const uint64_t kernel[2], uint32_t *made)
{
	enum conn_way other = way == CONN_IN ? CONN_OUT : CONN_IN;
	uint32_t version = CONN_GET(conn->version);
	uint64_t before = ours[way];

	/* odd while we are here: who claims bytes meanwhile waits for what comes of it (truth_reclaim) */
	if ((version & 1) || !__atomic_compare_exchange_n(&conn->version, &version, version + 1, false,
							  __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	if (!__atomic_compare_exchange_n(&conn->off[way], &before, kernel[way], false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED)) {
		CONN_SET(conn->racing[way], 1);
		__atomic_fetch_sub(&conn->version, 1, __ATOMIC_RELEASE); /* nothing changed */
		return false;
	}
	note_hole(conn, way, ours[way], kernel[way]);
	before = ours[other];
	if (kernel[other] != ours[other])
		__atomic_compare_exchange_n(&conn->off[other], &before, kernel[other], false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	*made = __atomic_add_fetch(&conn->version, 1, __ATOMIC_RELEASE); /* publishes counters and hole */
	return true;
}

uint64_t truth_reclaim(struct conn *conn, enum conn_way way, uint64_t len, uint64_t off, uint32_t version)
{
	uint32_t now = __atomic_load_n(&conn->version, __ATOMIC_ACQUIRE);
	uint64_t filled;

	/* a few instructions of another thread; if it lost the processor there, the next look at the kernel
	 * mends it */
	for (int i = 0; i < TRUTH_PATIENCE && (now & 1); i++)
		now = __atomic_load_n(&conn->version, __ATOMIC_ACQUIRE);
	/* odd then: the kernel had been asked before the call began, so our bytes were not among those it
	 * counted */
	if (now == version || (now & 1) || (version & 1) || off < CONN_GET(conn->hole_end[way]))
		return off;
	CONN_SET(conn->racing[way], 1);
	filled = truth_fill(conn, way, len, off);
	if (filled != off)
		__atomic_fetch_sub(&conn->off[way], len, __ATOMIC_RELAXED);
	return filled;
}

/* When to look again: in a second, but where others were given the socket as soon as that costs little. */
static uint64_t looked_at(const struct conn *conn, uint64_t now)
{
	uint64_t second = CONN_GET(stamp_second);

	return CONN_GET(conn->shared) ? now - second + second / TRUTH_SHARED_PARTS : now;
}

bool truth_check(struct conn *conn, int fd, enum conn_way way, uint64_t len, uint64_t now, uint32_t *made)
{
	uint64_t ours[2] = {CONN_GET(conn->off[0]), CONN_GET(conn->off[1])};
	uint64_t expected[2] = {ours[0], ours[1]};
	uint64_t kernel[2];
	enum conn_way other = way == CONN_IN ? CONN_OUT : CONN_IN;

	if (endpoint_cookie(fd) != CONN_GET(conn->cookie))
		return false;
	if (!gate_knows(CONN_GET(conn->told)))
		conn_tell_again(conn, fd, 0, RECORD_FLAG_SEEN);
	CONN_SET(conn->checked_at, looked_at(conn, now));
	expected[way] += len;
	if (!CONN_GET(conn->counted) || !truth_read(fd, expected, kernel))
		return true;
	kernel[way] -= len;
	/* another thread may be in the middle of a call the other way, its bytes moved and not yet claimed */
	if (CONN_GET(thread_many))
		kernel[other] = ours[other];
	if (CONN_GET(conn->racing[way]) && kernel[way] > ours[way])
		kernel[way] = ours[way];
	if (kernel[CONN_IN] == ours[CONN_IN] && kernel[CONN_OUT] == ours[CONN_OUT]) {
		uint8_t left = CONN_GET(conn->checks_left);

		if (left > 0)
			CONN_SET(conn->checks_left, left - 1);
		if (left > 1)
			CONN_SET(conn->checked_at, 0);
		return true;
	}
	if (has_codec(fd)) {
		CONN_SET(conn->counted, false);
		return true;
	}
	CONN_SET(conn->checked_at, 0);
	if (!set_counters(conn, way, ours, kernel, made))
		return true;
	if (CONN_GET(thread_many))
		kernel[other] = COUNT_UNKNOWN;
	tell_resync(conn, ours, kernel, now);
	CONN_SET(conn->checks_left, TRUTH_SHARED_CHECKS);
	return true;
}

void truth_foretell(struct conn *conn, int fd, uint64_t bytes, uint64_t now)
{
	uint64_t ours[2] = {CONN_GET(conn->off[0]), CONN_GET(conn->off[1])}, kernel[2];

	if (!CONN_GET(conn->counted) || endpoint_cookie(fd) != CONN_GET(conn->cookie) ||
	    !truth_read(fd, ours, kernel))
		return;
	kernel[CONN_OUT] += bytes;
	tell_resync(conn, ours, kernel, now);
}
