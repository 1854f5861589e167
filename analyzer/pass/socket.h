/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket.h - which views are of one socket. A socket that was inherited over fork or passed on is held, and
 * seen, by several processes.
 */
#ifndef DPROF_PASS_SOCKET_H
#define DPROF_PASS_SOCKET_H

#include "analyzer/pass/conn.h"

/*
 * The views of one socket, one socket after another. Sockets are in the order of their smallest view,
 * and so are the views of each. free() both arrays.
 */
struct sockets {
	uint32_t *views;
	uint32_t *first; /* of each socket, into views; socket_count + 1 items */
	uint32_t socket_count;
};

/* Two views are of one socket if kernel, cookie and inode are equal; without a cookie the addresses must be,
 * too; with neither, a view that only saw the socket joins the one ancestor that opened it. 0 or -ENOMEM. */
int socket_group(const struct store *store, const struct view *views, uint32_t view_count,
		 struct sockets *out);
void socket_free(struct sockets *s);

/* The kernel that a view's process ran on: an index into store->clocks. */
static inline uint32_t socket_clock(const struct store *store, const struct view *v)
{
	return store->processes[v->process].clock;
}

/* Equal but for the scope, which a holder in another network namespace may see differently. */
bool socket_same_address(const struct address *a, const struct address *b);

#endif
