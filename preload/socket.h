/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket.h - what other wrappers need of the calls that make connections.
 */
#ifndef DPROF_SOCKET_H
#define DPROF_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct call;
struct iovec;

/* Before connect: false if there is nothing to tell after it. */
bool socket_connects(int fd, uint8_t call, const struct sockaddr *to, socklen_t to_bytes);

/* What connect's result means for a socket whose connection we may know already; error: 0 or its errno. */
void socket_connected(int fd, uint8_t call, const struct sockaddr *to, socklen_t to_bytes, uint64_t t0,
		      int error);

/* shutdown succeeded. */
void socket_shut(const struct call *c, int how);

/* A send with MSG_FASTOPEN on a socket without a connection moved n bytes, or (n < 0) is in progress: it made
 * a connection. */
void socket_fast_opened(int fd, uint8_t call, const struct sockaddr *to, uint32_t to_bytes, uint64_t t0,
			ssize_t n, const struct iovec *parts, size_t count);

/* The same, if errno says so. */
void socket_fast_sent(int fd, uint8_t call, const struct sockaddr *to, uint32_t to_bytes, uint64_t t0,
		      ssize_t n, const struct iovec *parts, size_t count);

#endif
