/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.h - pass 1: the connections of each process, from its records. A view is one process's sight of one
 * connection (one conn number); a socket that several processes hold (fork, passing) has several views.
 */
#ifndef DPROF_PASS_CONN_H
#define DPROF_PASS_CONN_H

#include "analyzer/pass/aside.h"
#include "analyzer/store.h"

/* Which side of the connection this process is. */
enum view_role { VIEW_UNKNOWN, VIEW_CLIENT, VIEW_SERVER };

/* One address of a connection, ready to be compared with memcmp and hashed. */
struct address {
	uint8_t family; /* enum endpoint_family */
	uint8_t zero;
	uint16_t port;
	uint32_t
	    scope; /* loopback: index of (clock, netns) + 1, so that 127.0.0.1 of two hosts differ; else 0 */
	uint8_t addr[16];
};

struct view {
	uint32_t process;
	uint32_t conn;
	enum view_role role;
	struct address local, remote;
	uint64_t netns, inode, cookie, peer_inode;
	uint32_t peer_pid;
	const uint8_t *path; /* unix */
	uint32_t path_len;
	uint64_t open_ns, close_ns;	      /* close_ns UINT64_MAX: never closed in the records */
	uint32_t open_record, close_record;   /* indices into the process's records, STORE_NONE */
	uint64_t first_off_in, first_off_out; /* where we came in: 0 unless mid-stream */
	uint64_t unseen_in, unseen_out;	      /* bytes the kernel moved and no record has */
	uint64_t seen_in, seen_out;
	uint32_t *in,
	    *out; /* IN and OUT records (no PEEK), by offset, then time; EOF records (len 0) at the end */
	uint32_t in_count, out_count;
	const uint8_t *random; /* the plaintext of a TLS session, and its client random; NULL: of none */
	uint32_t carrier;      /* the view whose bytes carry it (layer.h); STORE_NONE: unknown, or no TLS */
	uint64_t covered_in,
	    covered_out; /* from there on bytes are ciphertext of a session that has a view */
};

struct conns {
	struct view *views; /* by process, then conn */
	uint32_t view_count;
	uint32_t *indices;	 /* memory of all in and out lists */
	uint64_t orphan_records; /* I/O of a conn whose OPEN record is lost */
	struct asides asides;	 /* what is no stream */
	uint64_t partial_views;	 /* streams that stdio holds too */
};

int conn_run(const struct store *store, struct conns *out);
void conn_free(struct conns *c);

#endif
