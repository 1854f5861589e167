/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moved.h - a call that moves bytes has returned: what its result, its flags and its message headers make of
 * it, for stream.c and for the same calls made by number (raw.c). App's threads, hot; calls nothing but
 * call.h.
 */
#ifndef DPROF_MOVED_H
#define DPROF_MOVED_H

#include "preload/call.h"
#include "preload/packet.h"
#include "preload/room.h"

/* Of all that is no stream the calls that carry an address or flags tell more. */
static inline bool moved_packet(const struct call *c)
{
	return __builtin_expect(c->conn->type != CONN_STREAM, 0);
}

/* read() and its like. */
static inline void moved_in(const struct call *c, ssize_t n, const void *buf, size_t room)
{
	if (n == 0 && room > 0)
		call_ended(c);
	else
		call_done(c, n, buf);
}

/* An address that a call yielded: as long as *bytes says, of which `room` were there. NULL: nobody asked. */
struct moved_from {
	const struct sockaddr *addr;
	const socklen_t *bytes;
	uint32_t room;
};

/* Before the call; of streams nobody asks. */
static inline struct moved_from moved_asks(const struct call *c, const struct sockaddr *addr,
					   const socklen_t *bytes)
{
	return (struct moved_from){addr, bytes, moved_packet(c) ? room_given(addr, bytes) : 0};
}

/* recv() and its like. */
void moved_in_packet(const struct call *c, ssize_t n, const void *buf, size_t room, int flags,
		     const struct moved_from *from);

static inline void moved_in_from(const struct call *c, ssize_t n, const void *buf, size_t room, int flags,
				 const struct moved_from *from)
{
	if (moved_packet(c))
		moved_in_packet(c, n, buf, room, flags, from);
	else if (n == 0 && room > 0)
		call_ended(c);
	else if (flags & MSG_PEEK)
		call_peeked(c, n);
	else if ((flags & MSG_TRUNC) && c->conn->family != ENDPOINT_UNIX)
		call_done(c, n, NULL); /* TCP threw them away */
	else
		call_done(c, n, buf);
}

/* readv(), recvmsg(), recvmmsg(); `room` is what there was for an address. */
void moved_in_vector(const struct call *c, ssize_t n, const struct iovec *parts, size_t count);
void moved_in_message(const struct call *c, ssize_t n, const struct msghdr *msg, uint32_t room, int flags);
void moved_in_messages(struct call *c, int n, const struct mmsghdr *msgs, uint32_t room, int flags);

/* sendto(), sendmsg(), sendmmsg(); the others are call_done and call_done_vector. */
void moved_out_packet(const struct call *c, ssize_t n, const void *buf, const struct sockaddr *addr,
		      socklen_t addr_bytes);

static inline void moved_out_to(const struct call *c, ssize_t n, const void *buf, const struct sockaddr *addr,
				socklen_t addr_bytes)
{
	if (moved_packet(c))
		moved_out_packet(c, n, buf, addr, addr_bytes);
	else
		call_done(c, n, buf);
}

void moved_out_message(const struct call *c, ssize_t n, const struct msghdr *msg);
void moved_out_messages(struct call *c, int n, const struct mmsghdr *msgs);

#endif
