/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket.h - what other wrappers need of the calls that make connections.
 */
#ifndef DPROF_SOCKET_H
#define DPROF_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct iovec;
struct sockaddr;

/* A send with MSG_FASTOPEN on a socket without a connection returned n: it may have made one, and its first
 * bytes. */
void socket_fast_opened(int fd, uint8_t call, const struct sockaddr *to, uint32_t to_bytes, uint64_t t0,
			ssize_t n, const struct iovec *parts, size_t count);

#endif
