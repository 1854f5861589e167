// SPDX-License-Identifier: Apache-2.0
/*
 * moved.c - see moved.h: vectors and message headers. App's threads, hot.
 *
 * Invariant: reads only what the kernel filled in or the program had filled in, after the call succeeded.
 */
#include "preload/moved.h"

#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static size_t parts_room(const struct iovec *parts, size_t count)
{
	size_t room = 0;

	for (size_t i = 0; i < count; i++)
		room += parts[i].iov_len;
	return room;
}

void moved_in_vector(const struct call *c, ssize_t n, const struct iovec *parts, size_t count)
{
	if (n == 0 && parts_room(parts, count) > 0)
		call_ended(c);
	else
		call_done_vector(c, n, parts, count);
}

/* ---- datagrams and packets ---- */

void moved_in_packet(const struct call *c, ssize_t n, const void *buf, size_t room, int flags,
		     const struct moved_from *from)
{
	struct iovec part = {(void *)buf, room};
	struct packet p = {&part, 1, from->addr, 0, flags, 0};

	if (n < 0)
		return;
	if (from->room > 0)
		p.addr_bytes = *from->bytes < from->room ? *from->bytes : from->room;
	p.flags &= n > (ssize_t)room ? MSG_PEEK | MSG_TRUNC : MSG_PEEK;
	if (n == 0 && room > 0 && CONN_GET(c->conn->type) == CONN_SEQPACKET)
		packet_ended(c);
	else
		packet_moved(c, n, &p, stamp_now());
}

void moved_out_packet(const struct call *c, ssize_t n, const void *buf, const struct sockaddr *addr,
		      socklen_t addr_bytes)
{
	struct iovec part = {(void *)buf, n > 0 ? (size_t)n : 0};

	packet_moved(c, n, &(struct packet){&part, 1, addr, addr_bytes, 0, 0}, stamp_now());
}

/*
 * How long each of several datagrams is that the kernel moved as one (UDP_SEGMENT, UDP_GRO); 0: it is one.
 * Where a program set UDP_SEGMENT for the whole socket, nothing in the message tells.
 */
static size_t message_segment(const struct call *c, ssize_t n, const struct msghdr *msg)
{
	uint16_t bytes = 0;

	if (msg->msg_controllen == 0 || msg->msg_control == NULL ||
	    CONN_GET(c->conn->family) == ENDPOINT_UNIX)
		return 0;
	for (struct cmsghdr *at = CMSG_FIRSTHDR(msg); at != NULL; at = CMSG_NXTHDR((struct msghdr *)msg, at))
		if (at->cmsg_level == SOL_UDP && at->cmsg_len >= CMSG_LEN(sizeof bytes) &&
		    at->cmsg_type == (c->way == CONN_IN ? UDP_GRO : UDP_SEGMENT))
			memcpy(&bytes, CMSG_DATA(at), sizeof bytes);
	return bytes < n ? bytes : 0;
}

/* One message; the kernel says in msg_flags if it had to cut it. */
static void message_packet(const struct call *c, ssize_t n, const struct msghdr *msg, uint32_t room,
			   int flags, uint64_t t1)
{
	struct packet p = {msg->msg_iov,     msg->msg_iovlen,
			   msg->msg_name,    msg->msg_namelen < room ? msg->msg_namelen : room,
			   flags & MSG_PEEK, 0};
	size_t segment = message_segment(c, n, msg);

	/* the last one may be shorter, and only it may be cut */
	for (; segment > 0 && n > (ssize_t)segment; n -= (ssize_t)segment) {
		packet_moved(c, (ssize_t)segment, &p, t1);
		p.skip += segment;
	}
	if (c->way == CONN_IN)
		p.flags |= msg->msg_flags & MSG_TRUNC;
	if (n == 0 && c->way == CONN_IN && CONN_GET(c->conn->type) == CONN_SEQPACKET &&
	    !(msg->msg_flags & MSG_EOR))
		packet_ended(c);
	else
		packet_moved(c, n, &p, t1);
}

static void messages_packets(const struct call *c, int n, const struct mmsghdr *msgs, uint32_t room,
			     int flags)
{
	uint64_t t1 = stamp_now();

	for (int i = 0; i < n; i++)
		message_packet(c, msgs[i].msg_len, &msgs[i].msg_hdr, room, flags, t1);
}

/* ---- messages ---- */

void moved_in_message(const struct call *c, ssize_t n, const struct msghdr *msg, uint32_t room, int flags)
{
	if (n < 0)
		return;
	if (moved_packet(c))
		message_packet(c, n, msg, room, flags, stamp_now());
	else if (n == 0 && parts_room(msg->msg_iov, msg->msg_iovlen) > 0)
		call_ended(c);
	else if (flags & MSG_PEEK)
		call_peeked(c, n);
	else if ((flags & MSG_TRUNC) && CONN_GET(c->conn->family) != ENDPOINT_UNIX)
		call_done(c, n, NULL);
	else
		call_done_vector(c, n, msg->msg_iov, msg->msg_iovlen);
}

static size_t messages_bytes(int n, const struct mmsghdr *msgs)
{
	size_t bytes = 0;

	for (int i = 0; i < n; i++)
		bytes += msgs[i].msg_len;
	return bytes;
}

/* On a stream each message is the next run of bytes. */
static void messages_moved(struct call *c, int n, const struct mmsghdr *msgs)
{
	size_t all = messages_bytes(n, msgs);
	uint64_t t1 = stamp_now();

	for (int i = 0; i < n; i++) {
		const struct msghdr *m = &msgs[i].msg_hdr;

		if (msgs[i].msg_len > 0)
			call_done_part(c, msgs[i].msg_len, all, m->msg_iov, m->msg_iovlen, t1);
		all -= msgs[i].msg_len;
	}
}

void moved_in_messages(struct call *c, int n, const struct mmsghdr *msgs, uint32_t room, int flags)
{
	const struct msghdr *last = &msgs[n > 0 ? n - 1 : 0].msg_hdr;

	if (n <= 0)
		return;
	if (moved_packet(c)) {
		messages_packets(c, n, msgs, room, flags);
		return;
	}
	if (flags & MSG_PEEK)
		call_peeked(c, (ssize_t)messages_bytes(n, msgs));
	else if (flags & MSG_TRUNC)
		call_done(c, (ssize_t)messages_bytes(n, msgs), NULL);
	else
		messages_moved(c, n, msgs);
	if (msgs[n - 1].msg_len == 0 && parts_room(last->msg_iov, last->msg_iovlen) > 0)
		call_ended(c);
}

void moved_out_message(const struct call *c, ssize_t n, const struct msghdr *msg)
{
	if (moved_packet(c))
		message_packet(c, n, msg, UINT32_MAX, 0, stamp_now());
	else
		call_done_vector(c, n, msg->msg_iov, msg->msg_iovlen);
}

void moved_out_messages(struct call *c, int n, const struct mmsghdr *msgs)
{
	if (moved_packet(c))
		messages_packets(c, n, msgs, UINT32_MAX, 0);
	else
		messages_moved(c, n, msgs);
}
