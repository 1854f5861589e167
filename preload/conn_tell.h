/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn_tell.h - what conn.c needs to tell of a conn's life. App's threads, cold.
 */
#ifndef DPROF_CONN_TELL_H
#define DPROF_CONN_TELL_H

#include "preload/conn.h"
#include "preload/endpoint.h"

/* What fd is, as far as conn (NULL: none) does not say it; errors as endpoint_read. */
int conn_look(int fd, const struct conn *conn, struct sight *sight);

void conn_tell_open(struct conn *conn, int fd, uint8_t call, uint16_t flags, struct sight *sight, uint64_t t0,
		    uint64_t t1);

/* `readable`: fd is still this socket, so the kernel can be asked. It may be the first thing that this thread
 * does. */
void conn_tell_close(const struct conn *conn, int fd, uint8_t call, uint16_t flags, bool readable);

/* The inode at the other end of a unix socket. */
void conn_tell_peer(const struct conn *conn, uint8_t call, uint64_t peer_inode);

#endif
