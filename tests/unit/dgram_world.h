/* SPDX-License-Identifier: Apache-2.0 */
/* dgram_world.h - for tests of the pass of datagrams: sockets, and what they sent and took. */
#ifndef DPROF_TEST_DGRAM_WORLD_H
#define DPROF_TEST_DGRAM_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/pass/dgram.h"
#include "story.h"

#define S  1000000000ull
#define US 1000ull

/* A socket, as its OPEN tells. */
struct sock {
	uint32_t process, conn;
	uint8_t host, remote_host; /* 10.0.0.x; 0: any; 127: loopback; 239: 239.1.1.x */
	uint16_t port, remote_port;
	uint64_t cookie, inode;
	const char *path;
	uint8_t type;
	uint16_t flags;
};

static inline void host_addr(uint8_t addr[16], uint8_t host)
{
	memset(addr, 0, 16);
	if (host == 239)
		memcpy(addr, (uint8_t[]){239, 1, 1, 1}, 4);
	else if (host)
		story_host(addr, host);
}

static inline void sock_open(struct story *s, const struct sock *k)
{
	uint8_t data[sizeof(struct endpoint) + 64];
	struct endpoint e = {.family =
				 k->path || k->type == ENDPOINT_SEQPACKET ? ENDPOINT_UNIX : ENDPOINT_IPV4,
			     .type = k->type ? k->type : ENDPOINT_DATAGRAM,
			     .local_port = k->port,
			     .remote_port = k->remote_port,
			     .inode = k->inode,
			     .cookie = k->cookie,
			     .path_bytes = k->path ? (uint32_t)strlen(k->path) : 0};

	host_addr(e.local_addr, k->host);
	host_addr(e.remote_addr, k->remote_host);
	memcpy(data, &e, sizeof(e));
	memcpy(data + sizeof(e), k->path ? k->path : "", e.path_bytes);
	story_record(s, k->process,
		     (struct store_record){.kind = RECORD_OPEN, .conn = k->conn, .flags = k->flags}, data,
		     sizeof(e) + e.path_bytes);
}

struct shot {
	const void *bytes;
	uint32_t len, head;
	uint8_t host; /* of the other end; 0: not told */
	uint16_t port, flags;
	uint64_t at_ns;
};

static inline uint32_t moved(struct story *s, const struct sock *k, uint8_t kind, const struct shot *h)
{
	uint8_t data[sizeof(struct datagram) + 2048];
	struct datagram d = {.family = h->host ? ENDPOINT_IPV4 : 0, .port = h->port};

	host_addr(d.addr, h->host);
	memcpy(data, &d, sizeof(d));
	memcpy(data + sizeof(d), h->bytes, h->head);
	return story_record(s, k->process,
			    (struct store_record){.kind = kind,
						  .conn = k->conn,
						  .flags = h->flags,
						  .len = h->len,
						  .t0_ns = h->at_ns,
						  .t1_ns = h->at_ns + US},
			    data, sizeof(d) + h->head);
}

static inline uint32_t text_out(struct story *s, const struct sock *k, uint64_t at, const char *text,
				uint8_t host, uint16_t port)
{
	uint32_t n = (uint32_t)strlen(text);

	return moved(s, k, RECORD_DGRAM_OUT, &(struct shot){text, n, n, host, port, 0, at});
}

static inline uint32_t text_in(struct story *s, const struct sock *k, uint64_t at, const char *text,
			       uint8_t host, uint16_t port)
{
	uint32_t n = (uint32_t)strlen(text);

	return moved(s, k, RECORD_DGRAM_IN, &(struct shot){text, n, n, host, port, 0, at});
}

static inline struct story *world(uint32_t processes, uint32_t clocks)
{
	static char exit_reason[] = "exit";
	struct story *s = story_new();

	for (uint32_t i = 0; i < processes; i++) {
		uint32_t p = story_process(s, i % clocks, 100 + i, 1);

		s->processes[p].end_reason = exit_reason;
		s->processes[p].netns = 1 + i;
	}
	return s;
}

static inline struct dgrams run(struct story *s)
{
	struct conns conns;
	struct dgrams d;

	assert_int_equal(conn_run(&s->store, &conns), 0);
	assert_int_equal(dgram_run(&s->store, &conns, &d), 0);
	conn_free(&conns);
	return d;
}

/* The send that a receive was joined with; STORE_NONE: none. */
static inline uint32_t joined_with(const struct dgrams *d, uint32_t process, uint32_t record)
{
	for (uint32_t i = 0; i < d->pair_count; i++)
		if (d->pairs[i].process[1] == process && d->pairs[i].record[1] == record)
			return d->pairs[i].record[0];
	return STORE_NONE;
}

#endif
