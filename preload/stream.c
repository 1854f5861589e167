// SPDX-License-Identifier: Apache-2.0
/*
 * stream.c - the calls that move bytes. App's threads, hot: see call.h. Nothing but wrappers: a call that is
 * none of ours goes straight to libc.
 *
 * Invariant: one real call per wrapper, with the program's own arguments, and its result and errno as they
 * came.
 */
#include <stdarg.h>

#include "preload/call.h"
#include "preload/fd.h"
#include "preload/moved.h"
#include "preload/socket.h"

#include "common/record.h"

/* ---- in ---- */

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_read, fd, CONN_IN))
		return REAL_KNOWN(read)(fd, buf, len);
	n = REAL_KNOWN(read)(fd, buf, len);
	moved_in(&c, n, buf, len);
	return n;
}

EXPORT ssize_t __read(int fd, void *buf, size_t len)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL___read, fd, CONN_IN))
		return REAL_KNOWN(__read)(fd, buf, len);
	n = REAL_KNOWN(__read)(fd, buf, len);
	moved_in(&c, n, buf, len);
	return n;
}

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL___read_chk, fd, CONN_IN))
		return REAL_KNOWN(__read_chk)(fd, buf, len, room);
	n = REAL_KNOWN(__read_chk)(fd, buf, len, room);
	moved_in(&c, n, buf, len);
	return n;
}

EXPORT ssize_t readv(int fd, const struct iovec *parts, int count)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_readv, fd, CONN_IN))
		return REAL_KNOWN(readv)(fd, parts, count);
	n = REAL_KNOWN(readv)(fd, parts, count);
	moved_in_vector(&c, n, parts, (size_t)count);
	return n;
}

/* With an offset other than -1 a socket answers ESPIPE, which is no bytes. */
EXPORT ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_preadv2, fd, CONN_IN))
		return REAL_KNOWN(preadv2)(fd, parts, count, at, flags);
	n = REAL_KNOWN(preadv2)(fd, parts, count, at, flags);
	moved_in_vector(&c, n, parts, (size_t)count);
	return n;
}

EXPORT ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_preadv64v2, fd, CONN_IN))
		return REAL_KNOWN(preadv64v2)(fd, parts, count, at, flags);
	n = REAL_KNOWN(preadv64v2)(fd, parts, count, at, flags);
	moved_in_vector(&c, n, parts, (size_t)count);
	return n;
}

EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_recv, fd, CONN_IN) || (flags & MSG_ERRQUEUE))
		return REAL_KNOWN(recv)(fd, buf, len, flags);
	n = REAL_KNOWN(recv)(fd, buf, len, flags);
	moved_in_from(&c, n, buf, len, flags, &(struct moved_from){0});
	return n;
}

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL___recv_chk, fd, CONN_IN) || (flags & MSG_ERRQUEUE))
		return REAL_KNOWN(__recv_chk)(fd, buf, len, room, flags);
	n = REAL_KNOWN(__recv_chk)(fd, buf, len, room, flags);
	moved_in_from(&c, n, buf, len, flags, &(struct moved_from){0});
	return n;
}

EXPORT ssize_t recvfrom(int fd, void *restrict buf, size_t len, int flags, __SOCKADDR_ARG addr,
			socklen_t *restrict addr_len)
{
	struct moved_from from;
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_recvfrom, fd, CONN_IN) || (flags & MSG_ERRQUEUE))
		return REAL_KNOWN(recvfrom)(fd, buf, len, flags, addr, addr_len);
	from = moved_asks(&c, addr.__sockaddr__, addr_len);
	n = REAL_KNOWN(recvfrom)(fd, buf, len, flags, addr, addr_len);
	moved_in_from(&c, n, buf, len, flags, &from);
	return n;
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *addr,
			      socklen_t *addr_len)
{
	struct moved_from from;
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL___recvfrom_chk, fd, CONN_IN) || (flags & MSG_ERRQUEUE))
		return REAL_KNOWN(__recvfrom_chk)(fd, buf, len, room, flags, addr, addr_len);
	from = moved_asks(&c, addr, addr_len);
	n = REAL_KNOWN(__recvfrom_chk)(fd, buf, len, room, flags, addr, addr_len);
	moved_in_from(&c, n, buf, len, flags, &from);
	return n;
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_recvmsg, fd, CONN_IN) || (flags & MSG_ERRQUEUE)) {
		n = REAL_KNOWN(recvmsg)(fd, msg, flags);
	} else {
		uint32_t room = moved_packet(&c) ? room_of_message(msg) : 0;

		n = REAL_KNOWN(recvmsg)(fd, msg, flags);
		moved_in_message(&c, n, msg, room, flags);
	}
	if (n >= 0 && msg->msg_controllen > 0)
		fd_passed(msg, CALL_recvmsg);
	return n;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int count, int flags, struct timespec *timeout)
{
	struct call c;
	int n;

	if (!call_begin(&c, CALL_recvmmsg, fd, CONN_IN) || (flags & MSG_ERRQUEUE)) {
		n = REAL_KNOWN(recvmmsg)(fd, msgs, count, flags, timeout);
	} else {
		uint32_t room = moved_packet(&c) ? room_of_messages(msgs, count) : 0;

		n = REAL_KNOWN(recvmmsg)(fd, msgs, count, flags, timeout);
		moved_in_messages(&c, n, msgs, room, flags);
	}
	for (int i = 0; i < n; i++)
		if (msgs[i].msg_hdr.msg_controllen > 0)
			fd_passed(&msgs[i].msg_hdr, CALL_recvmmsg);
	return n;
}

/* libc reads inside itself; the eight bytes are a number, which is nobody's business. */
EXPORT int eventfd_read(int fd, eventfd_t *value)
{
	struct call c;
	int r;

	if (!call_begin(&c, CALL_eventfd_read, fd, CONN_IN))
		return REAL_KNOWN(eventfd_read)(fd, value);
	r = REAL_KNOWN(eventfd_read)(fd, value);
	call_done(&c, r == 0 ? (ssize_t)sizeof *value : -1, NULL);
	return r;
}

EXPORT int eventfd_write(int fd, eventfd_t value)
{
	struct call c;
	int r;

	if (!call_begin(&c, CALL_eventfd_write, fd, CONN_OUT))
		return REAL_KNOWN(eventfd_write)(fd, value);
	r = REAL_KNOWN(eventfd_write)(fd, value);
	call_done(&c, r == 0 ? (ssize_t)sizeof value : -1, NULL);
	return r;
}

/* ---- out ---- */

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_write, fd, CONN_OUT))
		return REAL_KNOWN(write)(fd, buf, len);
	n = REAL_KNOWN(write)(fd, buf, len);
	call_done(&c, n, buf);
	return n;
}

EXPORT ssize_t __write(int fd, const void *buf, size_t len)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL___write, fd, CONN_OUT))
		return REAL_KNOWN(__write)(fd, buf, len);
	n = REAL_KNOWN(__write)(fd, buf, len);
	call_done(&c, n, buf);
	return n;
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_writev, fd, CONN_OUT))
		return REAL_KNOWN(writev)(fd, parts, count);
	n = REAL_KNOWN(writev)(fd, parts, count);
	call_done_vector(&c, n, parts, (size_t)count);
	return n;
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_pwritev2, fd, CONN_OUT))
		return REAL_KNOWN(pwritev2)(fd, parts, count, at, flags);
	n = REAL_KNOWN(pwritev2)(fd, parts, count, at, flags);
	call_done_vector(&c, n, parts, (size_t)count);
	return n;
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_pwritev64v2, fd, CONN_OUT))
		return REAL_KNOWN(pwritev64v2)(fd, parts, count, at, flags);
	n = REAL_KNOWN(pwritev64v2)(fd, parts, count, at, flags);
	call_done_vector(&c, n, parts, (size_t)count);
	return n;
}

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_send, fd, CONN_OUT))
		return REAL_KNOWN(send)(fd, buf, len, flags);
	n = REAL_KNOWN(send)(fd, buf, len, flags);
	call_done(&c, n, buf);
	return n;
}

EXPORT ssize_t __send(int fd, const void *buf, size_t len, int flags)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL___send, fd, CONN_OUT))
		return REAL_KNOWN(__send)(fd, buf, len, flags);
	n = REAL_KNOWN(__send)(fd, buf, len, flags);
	call_done(&c, n, buf);
	return n;
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG addr,
		      socklen_t addr_len)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_sendto, fd, CONN_OUT)) {
		uint64_t t0 = flags & MSG_FASTOPEN ? stamp_now() : 0;

		n = REAL_KNOWN(sendto)(fd, buf, len, flags, addr, addr_len);
		if (flags & MSG_FASTOPEN)
			socket_fast_sent(fd, CALL_sendto, addr.__sockaddr__, addr_len, t0, n,
					 &(struct iovec){(void *)buf, len}, 1);
		return n;
	}
	n = REAL_KNOWN(sendto)(fd, buf, len, flags, addr, addr_len);
	moved_out_to(&c, n, buf, addr.__sockaddr__, addr_len);
	return n;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_sendmsg, fd, CONN_OUT)) {
		uint64_t t0 = flags & MSG_FASTOPEN ? stamp_now() : 0;

		n = REAL_KNOWN(sendmsg)(fd, msg, flags);
		if (flags & MSG_FASTOPEN)
			socket_fast_sent(fd, CALL_sendmsg, msg->msg_name, msg->msg_namelen, t0, n,
					 msg->msg_iov, msg->msg_iovlen);
		return n;
	}
	n = REAL_KNOWN(sendmsg)(fd, msg, flags);
	moved_out_message(&c, n, msg);
	if (n >= 0 && msg->msg_controllen > 0)
		fd_given(msg);
	return n;
}

EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int count, int flags)
{
	struct call c;
	int n;

	if (!call_begin(&c, CALL_sendmmsg, fd, CONN_OUT))
		return REAL_KNOWN(sendmmsg)(fd, msgs, count, flags);
	n = REAL_KNOWN(sendmmsg)(fd, msgs, count, flags);
	moved_out_messages(&c, n, msgs);
	for (int i = 0; i < n; i++)
		if (msgs[i].msg_hdr.msg_controllen > 0)
			fd_given(&msgs[i].msg_hdr);
	return n;
}

EXPORT ssize_t sendfile(int out, int in, off_t *at, size_t len)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_sendfile, out, CONN_OUT))
		return REAL_KNOWN(sendfile)(out, in, at, len);
	n = REAL_KNOWN(sendfile)(out, in, at, len);
	call_done(&c, n, NULL);
	return n;
}

EXPORT ssize_t sendfile64(int out, int in, off64_t *at, size_t len)
{
	struct call c;
	ssize_t n;

	if (!call_begin(&c, CALL_sendfile64, out, CONN_OUT))
		return REAL_KNOWN(sendfile64)(out, in, at, len);
	n = REAL_KNOWN(sendfile64)(out, in, at, len);
	call_done(&c, n, NULL);
	return n;
}

/* Either end may be a socket; the pipe at the other is a buffer, which wakes nobody. */
EXPORT ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned int flags)
{
	struct call from, to;
	bool is_from = call_begin(&from, CALL_splice, in, CONN_IN) && CONN_GET(from.conn->type) != CONN_WAKE;
	bool is_to = call_begin(&to, CALL_splice, out, CONN_OUT) && CONN_GET(to.conn->type) != CONN_WAKE;
	ssize_t n = REAL_KNOWN(splice)(in, in_at, out, out_at, len, flags);

	if (is_from)
		moved_in(&from, n, NULL, len);
	if (is_to)
		call_done(&to, n, NULL);
	return n;
}

/* libc formats and writes inside itself: we see how many bytes, not which. */
EXPORT int vdprintf(int fd, const char *restrict format, va_list args)
{
	struct call c;
	int n;

	if (!call_begin(&c, CALL_vdprintf, fd, CONN_OUT))
		return REAL_KNOWN(vdprintf)(fd, format, args);
	n = REAL_KNOWN(vdprintf)(fd, format, args);
	call_done(&c, n, NULL);
	return n;
}

EXPORT int dprintf(int fd, const char *restrict format, ...)
{
	struct call c;
	bool ours = call_begin(&c, CALL_dprintf, fd, CONN_OUT);
	va_list args;
	int n;

	va_start(args, format);
	n = REAL_KNOWN(vdprintf)(fd, format, args);
	va_end(args);
	if (ours)
		call_done(&c, n, NULL);
	return n;
}

EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list args)
{
	struct call c;
	int n;

	if (!call_begin(&c, CALL___vdprintf_chk, fd, CONN_OUT))
		return REAL_KNOWN(__vdprintf_chk)(fd, flag, format, args);
	n = REAL_KNOWN(__vdprintf_chk)(fd, flag, format, args);
	call_done(&c, n, NULL);
	return n;
}

EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	struct call c;
	bool ours = call_begin(&c, CALL___dprintf_chk, fd, CONN_OUT);
	va_list args;
	int n;

	va_start(args, format);
	n = REAL_KNOWN(__vdprintf_chk)(fd, flag, format, args);
	va_end(args);
	if (ours)
		call_done(&c, n, NULL);
	return n;
}
