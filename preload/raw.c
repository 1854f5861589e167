// SPDX-License-Identifier: Apache-2.0
/*
 * raw.c - the numbers of syscall(2) that move bytes, make, copy or close descriptors, or end the program.
 * App's threads, hot. One raw system call each, with the program's own arguments; no cancellation point and
 * no libc behind it, as with libc's syscall(). What is not in raw_ours never comes here (arch_syscall.S).
 *
 * Invariant: before the names of libc are resolved (other constructors, allocators that initialise) a number
 * goes to the kernel and nothing else happens: resolving may allocate. There is nothing to forget by then.
 * fork and clone by number are the kernel's: their child is found as any is (process.h).
 */
#include "preload/raw.h"

#include <errno.h>
#include <linux/close_range.h>

#include "preload/call.h"
#include "preload/exec.h"
#include "preload/fd.h"
#include "preload/moved.h"
#include "preload/seccomp.h"
#include "preload/socket.h"
#include "preload/sys.h"
#include "preload/uring.h"

const uint8_t raw_ours[RAW_NUMBERS] = {
    [SYS_read] = 1,
    [SYS_readv] = 1,
    [SYS_preadv2] = 1,
    [SYS_recvfrom] = 1,
    [SYS_recvmsg] = 1,
    [SYS_recvmmsg] = 1,
    [SYS_write] = 1,
    [SYS_writev] = 1,
    [SYS_pwritev2] = 1,
    [SYS_sendto] = 1,
    [SYS_sendmsg] = 1,
    [SYS_sendmmsg] = 1,
    [SYS_sendfile] = 1,
    [SYS_splice] = 1,
    [SYS_socket] = 1,
    [SYS_socketpair] = 1,
    [SYS_connect] = 1,
    [SYS_accept] = 1,
    [SYS_accept4] = 1,
    [SYS_shutdown] = 1,
    [SYS_close] = 1,
    [SYS_close_range] = 1,
    [SYS_dup] = 1,
    [SYS_dup2] = 1,
    [SYS_dup3] = 1,
    [SYS_fcntl] = 1,
    [SYS_pipe] = 1,
    [SYS_pipe2] = 1,
    [SYS_eventfd] = 1,
    [SYS_eventfd2] = 1,
    [SYS_epoll_create] = 1,
    [SYS_epoll_create1] = 1,
    [SYS_execve] = 1,
    [SYS_execveat] = 1,
    [SYS_exit_group] = 1,
    [SYS_prctl] = 1,
    [SYS_seccomp] = 1,
    [SYS_io_uring_setup] = 1,
    [SYS_io_uring_enter] = 1,
    [SYS_io_uring_register] = 1,
};

/* The arguments of one call. */
struct raw {
	long number;
	long a[6];
};

long raw_failed(long result)
{
	errno = (int)-result;
	return -1;
}

static inline long raw_do(const struct raw *r)
{
	return arch_syscall(r->number, r->a[0], r->a[1], r->a[2], r->a[3], r->a[4], r->a[5]);
}

/* ---- bytes ---- */

/* Who is asked for, and how much room there is for the answer. */
static struct moved_from raw_asks(const struct raw *r, const struct call *c)
{
	struct moved_from from = {0};

	if (!moved_packet(c))
		return from;
	if (r->number == SYS_recvfrom)
		return moved_asks(c, (void *)r->a[4], (void *)r->a[5]);
	if (r->number == SYS_recvmsg)
		from.room = room_of_message((void *)r->a[1]);
	if (r->number == SYS_recvmmsg)
		from.room = room_of_messages((void *)r->a[1], (unsigned int)r->a[2]);
	return from;
}

static long raw_in(const struct raw *r)
{
	void *at = (void *)r->a[1];
	size_t count = (size_t)r->a[2];
	bool has_flags = r->number == SYS_recvfrom || r->number == SYS_recvmmsg;
	int flags = has_flags ? (int)r->a[3] : r->number == SYS_recvmsg ? (int)r->a[2] : 0;
	struct moved_from from;
	struct call c;
	long n;

	if ((flags & MSG_ERRQUEUE) || !call_begin(&c, CALL_syscall, (int)r->a[0], CONN_IN))
		return raw_do(r);
	from = raw_asks(r, &c);
	n = raw_do(r);
	if (n < 0)
		return n;
	switch (r->number) {
	case SYS_read:
		moved_in(&c, n, at, count);
		break;
	case SYS_recvfrom:
		moved_in_from(&c, n, at, count, flags, &from);
		break;
	case SYS_recvmsg:
		moved_in_message(&c, n, at, from.room, flags);
		break;
	case SYS_recvmmsg:
		moved_in_messages(&c, (int)n, at, from.room, flags);
		break;
	default:
		moved_in_vector(&c, n, at, count);
	}
	return n;
}

/* Descriptors that came with a message are told after it. */
static long raw_receive(const struct raw *r)
{
	long n = raw_in(r);
	struct mmsghdr *msgs = (void *)r->a[1];
	struct msghdr *msg = (void *)r->a[1];

	if (n >= 0 && r->number == SYS_recvmsg && msg->msg_controllen > 0)
		fd_passed(msg, CALL_syscall);
	for (long i = 0; r->number == SYS_recvmmsg && i < n; i++)
		if (msgs[i].msg_hdr.msg_controllen > 0)
			fd_passed(&msgs[i].msg_hdr, CALL_syscall);
	return n;
}

/* sendto and sendmsg with MSG_FASTOPEN connect. */
static long raw_fast_open(const struct raw *r)
{
	const struct msghdr *msg = (void *)r->a[1];
	struct iovec part = {(void *)r->a[1], (size_t)r->a[2]};
	uint64_t t0 = stamp_now();
	long n = raw_do(r);

	if (n < 0 && n != -EINPROGRESS)
		return n;
	if (r->number == SYS_sendto)
		socket_fast_opened((int)r->a[0], CALL_syscall, (void *)r->a[4], (uint32_t)r->a[5], t0, n,
				   &part, 1);
	else
		socket_fast_opened((int)r->a[0], CALL_syscall, msg->msg_name, msg->msg_namelen, t0, n,
				   msg->msg_iov, msg->msg_iovlen);
	return n;
}

static void raw_given(const struct msghdr *msg)
{
	if (msg->msg_controllen > 0)
		fd_given(msg);
}

static long raw_out(const struct raw *r)
{
	void *at = (void *)r->a[1];
	int flags = r->number == SYS_sendto ? (int)r->a[3] : r->number == SYS_sendmsg ? (int)r->a[2] : 0;
	struct call c;
	long n;

	if (!call_begin(&c, CALL_syscall, (int)r->a[0], CONN_OUT))
		return flags & MSG_FASTOPEN ? raw_fast_open(r) : raw_do(r);
	n = raw_do(r);
	if (n < 0)
		return n;
	switch (r->number) {
	case SYS_write:
		call_done(&c, n, at);
		break;
	case SYS_sendto:
		moved_out_to(&c, n, at, (void *)r->a[4], (socklen_t)r->a[5]);
		break;
	case SYS_sendmsg:
		moved_out_message(&c, n, at);
		raw_given(at);
		break;
	case SYS_sendmmsg:
		moved_out_messages(&c, (int)n, at);
		for (long i = 0; i < n; i++)
			raw_given(&((struct mmsghdr *)at)[i].msg_hdr);
		break;
	case SYS_sendfile:
		call_done(&c, n, NULL);
		break;
	default:
		call_done_vector(&c, n, at, (size_t)r->a[2]);
	}
	return n;
}

static long raw_splice(const struct raw *r)
{
	struct call from, to;
	bool is_from =
	    call_begin(&from, CALL_syscall, (int)r->a[0], CONN_IN) && CONN_GET(from.conn->type) != CONN_WAKE;
	bool is_to =
	    call_begin(&to, CALL_syscall, (int)r->a[2], CONN_OUT) && CONN_GET(to.conn->type) != CONN_WAKE;
	long n = raw_do(r);

	if (is_from && n >= 0)
		moved_in(&from, n, NULL, (size_t)r->a[4]);
	if (is_to && n > 0)
		call_done(&to, n, NULL);
	return n;
}

/* ---- sockets ---- */

static long raw_connect(const struct raw *r)
{
	const struct sockaddr *to = (void *)r->a[1];
	int fd = (int)r->a[0];
	uint64_t t0 = stamp_now();
	long result;

	if (!socket_connects(fd, CALL_syscall, to, (socklen_t)r->a[2]))
		return raw_do(r);
	result = raw_do(r);
	socket_connected(fd, CALL_syscall, to, (socklen_t)r->a[2], t0, result < 0 ? (int)-result : 0);
	return result;
}

static long raw_shutdown(const struct raw *r)
{
	struct call c;
	long result;

	if (!call_begin(&c, CALL_syscall, (int)r->a[0], CONN_OUT))
		return raw_do(r);
	result = raw_do(r);
	if (result == 0)
		socket_shut(&c, (int)r->a[1]);
	return result;
}

/* Calls that yield sockets. */
static long raw_open(const struct raw *r)
{
	uint64_t t0 = stamp_now();
	long result = raw_do(r);

	if (result < 0)
		return result;
	if (r->number == SYS_socket)
		conn_forget((int)result, CALL_syscall);
	else if (r->number == SYS_socketpair)
		conn_open_pair((const int *)r->a[3], CALL_syscall, t0, stamp_now());
	else
		conn_open((int)result, CALL_syscall, RECORD_FLAG_ACCEPT, NULL, 0, t0, stamp_now());
	return result;
}

/* ---- descriptors ---- */

static long raw_close(const struct raw *r)
{
	long result;

	conn_retire((int)r->a[0], CALL_syscall);
	result = raw_do(r);
	conn_closed((int)r->a[0]);
	return result;
}

static long raw_close_range(const struct raw *r)
{
	fd_retire_range((unsigned int)r->a[0], (unsigned int)r->a[1], (int)r->a[2], CALL_syscall);
	return raw_do(r);
}

static long raw_replace(const struct raw *r)
{
	int from = (int)r->a[0], to = (int)r->a[1];
	bool replaces = fd_replace_begin(from, to, CALL_syscall);
	long result = raw_do(r);

	if (replaces)
		fd_replace_end(from, to, CALL_syscall, (int)result);
	return result;
}

static long raw_copy(const struct raw *r)
{
	bool copies = r->number == SYS_dup || r->a[1] == F_DUPFD || r->a[1] == F_DUPFD_CLOEXEC;
	long result = raw_do(r);

	if (copies && result >= 0)
		conn_copy((int)r->a[0], (int)result, CALL_syscall);
	return result;
}

/* Descriptors of other kinds: their numbers have no history. */
static long raw_yield(const struct raw *r)
{
	const int *ends = (const int *)r->a[0];
	long result = raw_do(r);

	if (result < 0)
		return result;
	switch (r->number) {
	case SYS_pipe:
	case SYS_pipe2:
		conn_forget(ends[0], CALL_syscall);
		conn_forget(ends[1], CALL_syscall);
		break;
	case SYS_eventfd:
	case SYS_eventfd2:
		conn_open_event((int)result, CALL_syscall);
		break;
	default:
		conn_forget((int)result, CALL_syscall);
	}
	return result;
}

static long raw_uring(const struct raw *r)
{
	long result;

	if (uring_refused())
		return -ENOSYS;
	result = raw_do(r);
	if (result >= 0)
		uring_used(r->number == SYS_io_uring_setup);
	return result;
}

static long raw_exit(const struct raw *r)
{
	process_finish("exit");
	return raw_do(r);
}

/* ---- all of them ---- */

static long raw_dispatch(const struct raw *r)
{
	switch (r->number) {
	case SYS_read:
	case SYS_readv:
	case SYS_preadv2:
	case SYS_recvfrom:
		return raw_in(r);
	case SYS_recvmsg:
	case SYS_recvmmsg:
		return raw_receive(r);
	case SYS_splice:
		return raw_splice(r);
	case SYS_socket:
	case SYS_socketpair:
	case SYS_accept:
	case SYS_accept4:
		return raw_open(r);
	case SYS_connect:
		return raw_connect(r);
	case SYS_shutdown:
		return raw_shutdown(r);
	case SYS_close:
		return raw_close(r);
	case SYS_close_range:
		return raw_close_range(r);
	case SYS_dup2:
	case SYS_dup3:
		return raw_replace(r);
	case SYS_dup:
	case SYS_fcntl:
		return raw_copy(r);
	case SYS_pipe:
	case SYS_pipe2:
	case SYS_eventfd:
	case SYS_eventfd2:
	case SYS_epoll_create:
	case SYS_epoll_create1:
		return raw_yield(r);
	case SYS_io_uring_setup:
	case SYS_io_uring_enter:
	case SYS_io_uring_register:
		return raw_uring(r);
	case SYS_execve:
	case SYS_execveat:
		return exec_by_number(r->number, r->a);
	case SYS_exit_group:
		return raw_exit(r);
	case SYS_prctl:
		seccomp_before_prctl(r->a[0], r->a[1], (const void *)r->a[2]);
		return raw_do(r);
	case SYS_seccomp:
		seccomp_before(r->a[0], r->a[1], (const void *)r->a[2]);
		return raw_do(r);
	default:
		return raw_out(r);
	}
}

long raw_call(long number, long a, long b, long c, long d, long e, long f)
{
	struct raw r = {number, {a, b, c, d, e, f}};
	long result = __builtin_expect(real_known, 1) ? raw_dispatch(&r) : raw_do(&r);

	return sys_failed(result) ? raw_failed(result) : result;
}
