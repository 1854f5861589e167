/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet.h - calls on what is no stream: datagrams and packets, which keep their edges and have an address
 * each, and pipes and eventfds, whose bytes only wake somebody. App's threads, on the way that streams do not
 * take.
 */
#ifndef DPROF_PACKET_H
#define DPROF_PACKET_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "preload/call.h"

/* What a call says of the datagram that it moved. */
struct packet {
	const struct iovec *parts; /* where the bytes lie, at most that much is copied */
	size_t count;
	const void *addr; /* who it went to or came from; NULL: the other end, or unknown */
	uint32_t addr_bytes;
	int flags;   /* MSG_PEEK: it stays; MSG_TRUNC: there was more of it than the program had room for */
	size_t skip; /* of the parts: other datagrams lie there */
};

/* n is what the call returned, or the length of one message of several. */
void packet_moved(const struct call *c, ssize_t n, const struct packet *p, uint64_t t1);

/* For calls that have no address to tell. */
void packet_bytes(const struct call *c, size_t n, const void *bytes, uint64_t t1);
void packet_parts(const struct call *c, size_t n, const struct iovec *parts, size_t count, uint64_t t1);

/* A receiving call that had room returned 0: an empty datagram, or there will be no more. */
void packet_ended(const struct call *c);

#endif
