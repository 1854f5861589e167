// SPDX-License-Identifier: Apache-2.0
/*
 * wait.c - the calls that wait for descriptors: the boundaries between a thread's turns. App's threads, hot.
 * A wait is noted, not recorded: emit writes one record for all waits right before the thread's next
 * record, so an idle process writes nothing.
 *
 * Invariant: a wait alone does not make a process be recorded.
 */
#include "preload/call.h"
#include "preload/emit.h"

/* Who waits for a stream alone goes on with what it was doing; a pipe or an eventfd may bring anything. */
static uint32_t wait_conn(int fd)
{
	const struct conn *conn = conn_of(fd);

	return conn == NULL || conn->type != CONN_STREAM ? 0 : CONN_GET(conn->id);
}

static void wait_note(uint8_t call, uint32_t conn, int object, uint64_t t0, int n)
{
	emit_wait(call, conn, (uint64_t)object, t0, stamp_now(), n > 0 ? (uint32_t)n : 0);
}

EXPORT int epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
	uint64_t t0;
	int n;

	if (!call_waits())
		return REAL(epoll_wait)(fd, events, count, timeout_ms);
	t0 = stamp_now();
	n = REAL(epoll_wait)(fd, events, count, timeout_ms);
	wait_note(CALL_epoll_wait, 0, fd, t0, n);
	return n;
}

EXPORT int epoll_pwait(int fd, struct epoll_event *events, int count, int timeout_ms, const sigset_t *mask)
{
	uint64_t t0;
	int n;

	if (!call_waits())
		return REAL(epoll_pwait)(fd, events, count, timeout_ms, mask);
	t0 = stamp_now();
	n = REAL(epoll_pwait)(fd, events, count, timeout_ms, mask);
	wait_note(CALL_epoll_pwait, 0, fd, t0, n);
	return n;
}

EXPORT int epoll_pwait2(int fd, struct epoll_event *events, int count, const struct timespec *timeout,
			const sigset_t *mask)
{
	uint64_t t0;
	int n;

	if (!call_waits())
		return REAL(epoll_pwait2)(fd, events, count, timeout, mask);
	t0 = stamp_now();
	n = REAL(epoll_pwait2)(fd, events, count, timeout, mask);
	wait_note(CALL_epoll_pwait2, 0, fd, t0, n);
	return n;
}

/* One descriptor alone was waited for: the wait is its connection's. */
static void poll_note(uint8_t call, const struct pollfd *fds, nfds_t count, uint64_t t0, int n)
{
	bool one = count == 1;

	wait_note(call, one ? wait_conn(fds[0].fd) : 0, one ? fds[0].fd : 0, t0, n);
}

EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	uint64_t t0;
	int n;

	if (!call_waits())
		return REAL(poll)(fds, count, timeout_ms);
	t0 = stamp_now();
	n = REAL(poll)(fds, count, timeout_ms);
	poll_note(CALL_poll, fds, count, t0, n);
	return n;
}

EXPORT int __poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	uint64_t t0;
	int n;

	if (!call_waits())
		return REAL(__poll)(fds, count, timeout_ms);
	t0 = stamp_now();
	n = REAL(__poll)(fds, count, timeout_ms);
	poll_note(CALL___poll, fds, count, t0, n);
	return n;
}

EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room)
{
	uint64_t t0;
	int n;

	if (!call_waits())
		return REAL(__poll_chk)(fds, count, timeout_ms, room);
	t0 = stamp_now();
	n = REAL(__poll_chk)(fds, count, timeout_ms, room);
	poll_note(CALL___poll_chk, fds, count, t0, n);
	return n;
}

EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	uint64_t t0;
	int n;

	if (!call_waits())
		return REAL(ppoll)(fds, count, timeout, mask);
	t0 = stamp_now();
	n = REAL(ppoll)(fds, count, timeout, mask);
	poll_note(CALL_ppoll, fds, count, t0, n);
	return n;
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
		       size_t room)
{
	uint64_t t0;
	int n;

	if (!call_waits())
		return REAL(__ppoll_chk)(fds, count, timeout, mask, room);
	t0 = stamp_now();
	n = REAL(__ppoll_chk)(fds, count, timeout, mask, room);
	poll_note(CALL___ppoll_chk, fds, count, t0, n);
	return n;
}

/* The only descriptor in up to three sets, which select overwrites; -1 if there are none or several. */
static int sets_single(int count, const fd_set *in, const fd_set *out, const fd_set *odd)
{
	const fd_set *sets[] = {in, out, odd};
	int single = -1;

	/* a program may bring sets larger than fd_set: look at whole words below count only */
	for (int word = 0; word * (int)NFDBITS < count; word++) {
		unsigned long bits = 0;
		int left = count - word * (int)NFDBITS;

		for (int i = 0; i < 3; i++)
			if (sets[i] != NULL)
				bits |= (unsigned long)((const __fd_mask *)sets[i])[word];
		if (left < (int)NFDBITS)
			bits &= (1ul << left) - 1;
		if (bits == 0)
			continue;
		if (single >= 0 || (bits & (bits - 1)) != 0)
			return -1;
		single = word * (int)NFDBITS + __builtin_ctzl(bits);
	}
	return single;
}

static void select_note(uint8_t call, int single, uint64_t t0, int n)
{
	wait_note(call, single >= 0 ? wait_conn(single) : 0, single >= 0 ? single : 0, t0, n);
}

EXPORT int select(int count, fd_set *restrict in, fd_set *restrict out, fd_set *restrict odd,
		  struct timeval *restrict timeout)
{
	uint64_t t0;
	int n, single;

	if (!call_waits())
		return REAL(select)(count, in, out, odd, timeout);
	single = sets_single(count, in, out, odd);
	t0 = stamp_now();
	n = REAL(select)(count, in, out, odd, timeout);
	select_note(CALL_select, single, t0, n);
	return n;
}

EXPORT int __select(int count, fd_set *in, fd_set *out, fd_set *odd, struct timeval *timeout)
{
	uint64_t t0;
	int n, single;

	if (!call_waits())
		return REAL(__select)(count, in, out, odd, timeout);
	single = sets_single(count, in, out, odd);
	t0 = stamp_now();
	n = REAL(__select)(count, in, out, odd, timeout);
	select_note(CALL___select, single, t0, n);
	return n;
}

EXPORT int pselect(int count, fd_set *restrict in, fd_set *restrict out, fd_set *restrict odd,
		   const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
	uint64_t t0;
	int n, single;

	if (!call_waits())
		return REAL(pselect)(count, in, out, odd, timeout, mask);
	single = sets_single(count, in, out, odd);
	t0 = stamp_now();
	n = REAL(pselect)(count, in, out, odd, timeout, mask);
	select_note(CALL_pselect, single, t0, n);
	return n;
}
