/* SPDX-License-Identifier: Apache-2.0 */
/*
 * told.h - hand-made input for the tests of the later passes: processes, connections and RPCs, and who moved
 * which bytes when, written in the order in which it happened. Every message has TOLD_BYTES bytes, every
 * call takes 5 ns and starts 10 ns after the one before, so that a test can tell times by counting lines.
 */
#ifndef DPROF_TESTS_TOLD_H
#define DPROF_TESTS_TOLD_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/model.h"
#include "analyzer/pass/span.h"

#define TOLD_BYTES   8u
#define TOLD_MAX     512u
#define TOLD_THREADS 4u
#define TOLD_NOBODY  STORE_NONE

enum told_part { ASKS, ANSWERS };

struct told_move {
	struct store_record record;
	uint32_t process, view;
};

static const struct proto told_fifo = {.name = "test", .pairing = PROTO_FIFO};

struct told {
	struct model m;
	struct store_process processes[4];
	struct store_host hosts[4];
	struct view views[2 * TOLD_MAX];
	struct link links[TOLD_MAX];
	uint32_t ends[TOLD_MAX][2];
	uint64_t sent_off[TOLD_MAX][2];
	struct link_proto protos[TOLD_MAX];
	struct message messages[2 * TOLD_MAX];
	struct rpc rpcs[TOLD_MAX];
	struct told_move moves[TOLD_MAX];
	uint32_t move_count;
	uint64_t now_ns;
};

static inline struct told *told_begin(uint32_t processes)
{
	static const char *const names[] = {"alpha", "beta", "gamma", "delta"};
	struct told *t = calloc(1, sizeof(*t));

	t->now_ns = 1000;
	t->m.strings = strings_new();
	t->m.store = (struct store){.processes = t->processes,
				    .process_count = processes,
				    .hosts = t->hosts,
				    .host_count = processes};
	for (uint32_t i = 0; i < processes; i++) {
		t->hosts[i].name = (char *)names[i];
		t->processes[i] = (struct store_process){.host = i,
							 .service = (char *)names[i],
							 .program = (char *)names[i],
							 .pid = 100 + i,
							 .end_reason = "exit"};
	}
	t->m.conns.views = t->views;
	t->m.links.links = t->links;
	t->m.messages = (struct messages){.messages = t->messages, .rpcs = t->rpcs, .protos = t->protos};
	return t;
}

static inline void told_view(struct told *t, uint32_t process, uint32_t conn, unsigned int side)
{
	uint32_t number = 2 * conn + side;

	t->views[number] = (struct view){.process = process,
					 .conn = conn + 1,
					 .close_ns = UINT64_MAX,
					 .open_record = STORE_NONE,
					 .close_record = STORE_NONE,
					 .carrier = STORE_NONE,
					 .covered_in = UINT64_MAX,
					 .covered_out = UINT64_MAX,
					 .in = calloc(TOLD_MAX, sizeof(uint32_t)),
					 .out = calloc(TOLD_MAX, sizeof(uint32_t))};
	t->ends[conn][side] = number;
	t->links[conn].ends[side] = (struct end){&t->ends[conn][side], process != TOLD_NOBODY};
}

/* A connection from one process to another; either may be TOLD_NOBODY. */
static inline uint32_t told_conn(struct told *t, uint32_t client, uint32_t server)
{
	uint32_t conn = t->m.links.link_count++;

	t->links[conn] = (struct link){.join = JOIN_ADDRESS, .key = conn + 1};
	for (int side = 0; side < 2; side++)
		t->links[conn].address[side] = (struct address){
		    .family = ENDPOINT_IPV4, .port = (uint16_t)(side ? 80 : 5000), .addr = {10, 0, 0, 1}};
	t->protos[conn] = (struct link_proto){.proto = &told_fifo, .server = LINK_SERVER};
	told_view(t, client, conn, LINK_CLIENT);
	told_view(t, server, conn, LINK_SERVER);
	return conn;
}

/* The next RPC on the connection. All RPCs of a connection must be made before those of the next one. */
static inline uint32_t told_rpc(struct told *t, uint32_t conn)
{
	uint32_t rpc = t->m.messages.rpc_count++;

	t->m.messages.message_count += 2;
	for (uint32_t part = ASKS; part <= ANSWERS; part++) {
		struct message *m = &t->messages[2 * rpc + part];
		unsigned int sender = part == ASKS ? LINK_CLIENT : LINK_SERVER;

		*m = (struct message){.link = conn,
				      .sender = (uint8_t)sender,
				      .off0 = t->sent_off[conn][sender],
				      .cid = 1000u + rpc,
				      .sent = {.view = STORE_NONE},
				      .received = {.view = STORE_NONE}};
		m->off1 = m->off0 + TOLD_BYTES;
		t->sent_off[conn][sender] = m->off1;
	}
	t->rpcs[rpc] = (struct rpc){2 * rpc, 2 * rpc + 1, 2 * rpc + 1, conn, 1, false};
	return rpc;
}

static inline struct store_record *told_record(struct told *t, uint32_t process, uint32_t thread,
					       uint8_t kind)
{
	struct told_move *move = &t->moves[t->move_count++];

	assert(t->move_count < TOLD_MAX && thread < TOLD_THREADS);
	move->process = process;
	move->view = STORE_NONE;
	move->record =
	    (struct store_record){.kind = kind, .thread = thread, .t0_ns = t->now_ns, .t1_ns = t->now_ns + 5};
	t->now_ns += 10;
	return &move->record;
}

/* A thread of the process sends or receives bytes of the RPC's request or answer: [from, to) of its
 * TOLD_BYTES, or more, if the next message goes with it. */
static inline void told_bytes(struct told *t, uint32_t process, uint32_t thread, uint32_t rpc,
			      enum told_part part, uint32_t from, uint32_t to)
{
	const struct message *m = &t->messages[2 * rpc + part];
	unsigned int side = t->views[2 * m->link].process == process ? LINK_CLIENT : LINK_SERVER;
	struct store_record *r = told_record(t, process, thread, m->sender == side ? RECORD_OUT : RECORD_IN);

	r->off = m->off0 + from;
	r->len = to - from;
	r->conn = m->link + 1;
	t->moves[t->move_count - 1].view = 2 * m->link + side;
}

static inline void told_move(struct told *t, uint32_t process, uint32_t thread, uint32_t rpc,
			     enum told_part part)
{
	told_bytes(t, process, thread, rpc, part, 0, TOLD_BYTES);
}

static inline void told_wait(struct told *t, uint32_t process, uint32_t thread)
{
	told_record(t, process, thread, RECORD_WAIT);
}

static inline void told_lost(struct told *t, uint32_t process, uint32_t thread)
{
	told_record(t, process, thread, RECORD_LOST)->off = 3;
}

static inline void told_connect(struct told *t, uint32_t process, uint32_t thread, uint32_t conn)
{
	struct store_record *r = told_record(t, process, thread, RECORD_OPEN);

	r->flags = RECORD_FLAG_CONNECT;
	r->conn = conn + 1;
	t->moves[t->move_count - 1].view = 2 * conn + LINK_CLIENT;
}

#include "tests/unit/told_end.h"

#endif
