/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dgram_ends.h - for dgram.c: the sockets of datagrams as each process saw them, and their sends and receives
 * in groups that have both addresses in common.
 */
#ifndef DPROF_PASS_DGRAM_ENDS_H
#define DPROF_PASS_DGRAM_ENDS_H

#include "analyzer/hash.h"
#include "analyzer/pass/dgram.h"
#include "analyzer/vec.h"

/* Where an address means one thing: a network namespace of a kernel; for unix sockets the kernel. */
struct dgram_scope {
	uint32_t clock;
	uint64_t netns;
};

#define DGRAM_NETNS_UNIX UINT64_MAX

/* What names a unix socket, in an address: its inode, or the hash of its path. */
enum dgram_unix { DGRAM_UNIX_NONE, DGRAM_UNIX_INODE, DGRAM_UNIX_PATH };

/* One process's sight of a socket. */
struct dgram_view {
	uint32_t process, conn;
	uint32_t scope;
	uint32_t socket;	       /* smallest view of the same socket */
	struct address local, remote;  /* family 0: not known; zero address: any, or none */
	uint64_t inode, cookie, netns; /* as its OPEN tells */
	uint64_t peer_inode;	       /* unix */
	uint64_t path;		       /* unix: hash, of the other end's if it is connected; 0: none */
	uint8_t family;
	bool connected;
};

/* A send or a receive. */
struct dgram_item {
	uint32_t process, record, group;
	enum dgram_side side;
};

/* What a view sent to one address, or a socket took from one. */
struct dgram_group {
	enum dgram_side side;
	uint32_t view;	       /* of receives: the first that took one */
	uint32_t socket;       /* view number, see dgram_view */
	struct address other;  /* family 0: not known */
	uint32_t first, count; /* in items */
};

struct dgram_ends {
	const struct store *store;
	VEC(struct dgram_view) views;
	VEC(struct dgram_scope) scopes;
	VEC(struct dgram_group) groups;
	VEC(struct dgram_item) items; /* by group, then in the order of the records */
	uint32_t *captured;	      /* by process: most bytes that it records of a datagram */
	bool *gaps;		      /* by process: records are missing */
	struct hash view_index, scope_index, group_index;
};

/* 0 or -ENOMEM; dgram_ends_free() in any case. */
int dgram_ends_gather(const struct store *store, struct dgram_ends *out);
void dgram_ends_free(struct dgram_ends *e);

static inline const struct store_record *dgram_record(const struct dgram_ends *e, const struct dgram_item *i)
{
	return &e->store->processes[i->process].records[i->record];
}

/* The number of the scope; it is made if it is new. 0 or -ENOMEM. */
int dgram_scope_of(struct dgram_ends *e, uint32_t clock, uint64_t netns, uint32_t *scope);

/* Addresses of the internet: 127/8 or ::1; 0.0.0.0 or ::; one send to it may be received by several. */
bool dgram_is_loopback(const struct address *a);
bool dgram_is_any(const struct address *a);
bool dgram_is_many(const struct address *a);

int dgram_address_compare(const struct address *a, const struct address *b);

#endif
