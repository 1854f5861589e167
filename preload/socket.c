// SPDX-License-Identifier: Apache-2.0
/*
 * socket.c - the calls that make and end connections. App's threads, cold: a connection costs microseconds
 * anyway. Our questions to the kernel are raw syscalls, so errno stays what the real call left; connect
 * reads it.
 *
 * Invariant: a number that a call yields has no history.
 */
#include "preload/socket.h"

#include <errno.h>

#include "common/record.h"
#include "preload/call.h"
#include "preload/emit.h"

EXPORT int socket(int domain, int type, int protocol)
{
	int fd = REAL(socket)(domain, type, protocol);

	conn_forget(fd, CALL_socket);
	return fd;
}

EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
	uint64_t t0 = stamp_now();
	int r = REAL(socketpair)(domain, type, protocol, fds);

	if (r == 0)
		conn_open_pair(fds, CALL_socketpair, t0, stamp_now());
	return r;
}

void socket_connected(int fd, uint8_t call, const struct sockaddr *to, socklen_t to_bytes, uint64_t t0,
		      int error)
{
	struct conn *conn = conn_of(fd);
	bool known = conn != NULL && CONN_GET(conn->id) != 0;

	switch (error) {
	case 0:
		/* the second connect after EINPROGRESS reports the first one's success */
		if (known && CONN_GET(conn->connecting)) {
			CONN_SET(conn->connecting, 0);
			return;
		}
		break;
	case EISCONN:
		if (known)
			CONN_SET(conn->connecting, 0);
		return;
	case EINTR:
		/* a blocking connect goes on without us; interrupted again it is still the same */
		if (known && CONN_GET(conn->connecting))
			return;
		break;
	case EINPROGRESS:
		break;
	case EALREADY:
		return;
	default:
		if (known && CONN_GET(conn->connecting))
			conn_over(fd, call);
		return;
	}
	conn = conn_open(fd, call, RECORD_FLAG_CONNECT, to, to_bytes, t0, stamp_now());
	if (conn != NULL)
		CONN_SET(conn->connecting, error != 0);
}

static bool is_disconnect(int fd, const struct sockaddr *to, socklen_t to_bytes)
{
	const struct conn *conn = conn_of(fd);

	return conn != NULL && CONN_GET(conn->id) != 0 && to != NULL && to_bytes >= sizeof to->sa_family &&
	       to->sa_family == AF_UNSPEC;
}

bool socket_connects(int fd, uint8_t call, const struct sockaddr *to, socklen_t to_bytes)
{
	if (conn_of(fd) != &conn_none && !is_disconnect(fd, to, to_bytes))
		return true;
	conn_over(fd, call);
	return false;
}

EXPORT int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t to_bytes)
{
	uint64_t t0;
	int r;

	if (!socket_connects(fd, CALL_connect, to.__sockaddr__, to_bytes))
		return REAL(connect)(fd, to, to_bytes);
	t0 = stamp_now();
	r = REAL(connect)(fd, to, to_bytes);
	socket_connected(fd, CALL_connect, to.__sockaddr__, to_bytes, t0, r == 0 ? 0 : errno);
	return r;
}

EXPORT int __connect(int fd, const struct sockaddr *to, socklen_t to_bytes)
{
	uint64_t t0;
	int r;

	if (!socket_connects(fd, CALL___connect, to, to_bytes))
		return REAL(__connect)(fd, to, to_bytes);
	t0 = stamp_now();
	r = REAL(__connect)(fd, to, to_bytes);
	socket_connected(fd, CALL___connect, to, to_bytes, t0, r == 0 ? 0 : errno);
	return r;
}

EXPORT int accept(int fd, __SOCKADDR_ARG addr, socklen_t *restrict addr_bytes)
{
	uint64_t t0 = stamp_now();
	int made = REAL(accept)(fd, addr, addr_bytes);

	if (made >= 0)
		conn_open(made, CALL_accept, RECORD_FLAG_ACCEPT, NULL, 0, t0, stamp_now());
	return made;
}

EXPORT int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict addr_bytes, int flags)
{
	uint64_t t0 = stamp_now();
	int made = REAL(accept4)(fd, addr, addr_bytes, flags);

	if (made >= 0)
		conn_open(made, CALL_accept4, RECORD_FLAG_ACCEPT, NULL, 0, t0, stamp_now());
	return made;
}

void socket_shut(const struct call *c, int how)
{
	struct record *r = gate_has_told(CONN_GET(c->conn->told)) && thread_ready() ? emit_begin(0) : NULL;

	if (r == NULL)
		return;
	r->kind = RECORD_SHUTDOWN;
	r->call = c->name;
	r->conn = c->id;
	r->len = (uint32_t)how;
	r->t0 = c->t0;
	r->t1 = stamp_now();
	emit_commit(r);
}

EXPORT int shutdown(int fd, int how)
{
	struct call c;
	int result;

	if (!call_begin(&c, CALL_shutdown, fd, CONN_OUT))
		return REAL(shutdown)(fd, how);
	result = REAL(shutdown)(fd, how);
	if (result == 0)
		socket_shut(&c, how);
	return result;
}

void socket_fast_opened(int fd, uint8_t call, const struct sockaddr *to, uint32_t to_bytes, uint64_t t0,
			ssize_t n, const struct iovec *parts, size_t count)
{
	uint64_t t1 = stamp_now();
	struct conn *conn;
	struct call c;

	conn = conn_open(fd, call, RECORD_FLAG_CONNECT, to, to_bytes, t0, t1);
	if (conn == NULL)
		return;
	CONN_SET(conn->connecting, n < 0);
	if (n <= 0)
		return;
	c = (struct call){.conn = conn,
			  .t0 = t0,
			  .then = CONN_GET(conn->now),
			  .fd = fd,
			  .kind = RECORD_OUT,
			  .name = call,
			  .way = CONN_OUT};
	call_done_vector(&c, n, parts, count);
}

void socket_fast_sent(int fd, uint8_t call, const struct sockaddr *to, uint32_t to_bytes, uint64_t t0,
		      ssize_t n, const struct iovec *parts, size_t count)
{
	if (n >= 0 || errno == EINPROGRESS)
		socket_fast_opened(fd, call, to, to_bytes, t0, n, parts, count);
}
