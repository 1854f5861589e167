/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint.h - asks the kernel what a descriptor is, and who is at both ends of a socket. App's threads,
 * cold, raw syscalls only.
 */
#ifndef DPROF_ENDPOINT_H
#define DPROF_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/record.h"

#define ENDPOINT_PATH_BYTES 108 /* sun_path */

struct sight {
	struct endpoint end; /* offsets are left 0 */
	char path[ENDPOINT_PATH_BYTES];
	bool counted; /* the kernel counts its bytes */
	uint8_t type; /* enum conn_type */
	uint64_t
	    key; /* tells it from what has its number later: SO_COOKIE, a pipe's inode, 0 of an eventfd */
};

/*
 * 0; -ENOTSOCK or another error of the kernel; -EPROTOTYPE: no socket that we trace; -ENOTCONN: a stream that
 * is not connected. With `to` (what connect was given) a socket without a peer yet takes that as its remote
 * end.
 */
int endpoint_read(int fd, const struct sockaddr *to, uint32_t to_bytes, struct sight *sight);

/* A thread of this process went to another network namespace: from now on each socket's is asked for. */
void endpoint_leave_network(void);

/* SO_COOKIE, 0 if it is no socket. */
uint64_t endpoint_cookie(int fd);

/* The address of a datagram, as the program gave it or was given it; NULL: none. Calls nothing. */
void endpoint_name(const void *address, uint32_t bytes, struct datagram *to);

/* Is it a TCP connection? For what is none it costs one system call. */
bool endpoint_is_tcp(int fd);

/* An eventfd: there is nothing to ask. Its number is the caller's to give. */
void endpoint_event(struct sight *sight);

/* Has it no kind (eventfds, timers, epolls)? */
bool endpoint_is_nameless(int fd);

/* The inode of a pipe or a FIFO, 0 if it is none. */
uint64_t endpoint_pipe(int fd);

#endif
