/* SPDX-License-Identifier: Apache-2.0 */
/*
 * story.h - a store made by hand, for tests of passes: processes, and the records that their calls would have
 * left. Each process has one thread, number 1. All memory goes with story_free.
 */
#ifndef DPROF_TEST_STORY_H
#define DPROF_TEST_STORY_H

#include <stdlib.h>
#include <string.h>

#include "analyzer/store.h"

#define STORY_PROCESSES_MAX 16
#define STORY_CLOCKS_MAX    8
#define STORY_HEAD_BYTES    256

struct story {
	struct store store;
	struct store_process processes[STORY_PROCESSES_MAX];
	struct store_thread threads[STORY_PROCESSES_MAX];
	struct store_clock clocks[STORY_CLOCKS_MAX];
	struct store_host hosts[1];
	uint32_t room[STORY_PROCESSES_MAX]; /* for records */
	void **data;
	size_t data_count;
};

/* One end of a connection, as its OPEN record tells it. */
struct story_end {
	uint32_t process;
	uint32_t conn;
	uint16_t flags;
	uint16_t local_port, remote_port;
	uint8_t local_host, remote_host; /* 10.0.0.x; 127 is 127.0.0.1 */
	const char *path;		 /* unix */
	uint64_t inode, cookie, off_in, off_out, netns, fd;
	uint32_t peer_pid;
};

static inline struct story *story_new(void)
{
	struct story *s = calloc(1, sizeof(*s));
	static char host[] = "host";

	s->store.processes = s->processes;
	s->store.clocks = s->clocks;
	s->store.hosts = s->hosts;
	s->store.host_count = 1;
	s->hosts[0].name = host;
	return s;
}

static inline void story_free(struct story *s)
{
	for (size_t i = 0; i < s->data_count; i++)
		free(s->data[i]);
	for (uint32_t i = 0; i < s->store.process_count; i++)
		free(s->processes[i].records);
	free(s->data);
	free(s);
}

static inline void *story_keep(struct story *s, const void *bytes, size_t len)
{
	void *copy = malloc(len + 1);

	memcpy(copy, bytes, len);
	s->data = realloc(s->data, (s->data_count + 1) * sizeof(*s->data));
	s->data[s->data_count++] = copy;
	return copy;
}

static inline uint32_t story_process(struct story *s, uint32_t clock, uint64_t pid, uint64_t ppid)
{
	static char boot[STORY_CLOCKS_MAX][8] = {"boot-a", "boot-b", "boot-c", "boot-d",
						 "boot-e", "boot-f", "boot-g", "boot-h"};
	uint32_t number = s->store.process_count++;
	struct store_process *p = &s->processes[number];

	if (clock >= s->store.clock_count)
		s->store.clock_count = clock + 1;
	s->clocks[clock].boot_id = boot[clock];
	*p = (struct store_process){.clock = clock,
				    .pid = pid,
				    .ppid = ppid,
				    .netns = 1,
				    .start_ns = pid * 1000,
				    .threads = &s->threads[number]};
	p->thread_count = 1;
	s->threads[number] = (struct store_thread){.number = 1, .tid = (uint32_t)pid};
	return number;
}

/* Its index in the process. */
static inline uint32_t story_record(struct story *s, uint32_t process, struct store_record r,
				    const void *data, size_t len)
{
	struct store_process *p = &s->processes[process];

	if (p->record_count == s->room[process]) {
		s->room[process] = s->room[process] * 2 + 16;
		p->records = realloc(p->records, s->room[process] * sizeof(*p->records));
	}
	r.data = len ? story_keep(s, data, len) : NULL;
	r.data_len = (uint32_t)len;
	p->records[p->record_count] = r;
	p->threads[0].count = p->record_count + 1;
	return p->record_count++;
}

static inline void story_host(uint8_t addr[16], uint8_t host)
{
	static const uint8_t loopback[4] = {127, 0, 0, 1};

	addr[0] = 10;
	addr[3] = host;
	if (host == 127)
		memcpy(addr, loopback, 4);
}

static inline uint32_t story_open(struct story *s, const struct story_end *e, uint64_t t0, uint64_t t1)
{
	uint8_t data[sizeof(struct endpoint) + 128];
	struct endpoint end = {.family = e->path ? ENDPOINT_UNIX : ENDPOINT_IPV4,
			       .local_port = e->local_port,
			       .remote_port = e->remote_port,
			       .netns = e->netns,
			       .inode = e->inode,
			       .cookie = e->cookie,
			       .off_in = e->off_in,
			       .off_out = e->off_out,
			       .peer_pid = e->peer_pid,
			       .path_bytes = e->path ? (uint32_t)strlen(e->path) : 0};

	if (!e->path) {
		story_host(end.local_addr, e->local_host);
		story_host(end.remote_addr, e->remote_host);
	}
	memcpy(data, &end, sizeof(end));
	memcpy(data + sizeof(end), e->path ? e->path : "", end.path_bytes);
	return story_record(s, e->process,
			    (struct store_record){.kind = RECORD_OPEN,
						  .flags = e->flags,
						  .conn = e->conn,
						  .off = e->fd,
						  .t0_ns = t0,
						  .t1_ns = t1},
			    data, sizeof(end) + end.path_bytes);
}

/* Bytes moved, the first STORY_HEAD_BYTES of them captured if `bytes` is given. */
static inline uint32_t story_move(struct story *s, uint8_t kind, uint32_t process, uint32_t conn,
				  uint64_t off, const void *bytes, uint32_t len, uint16_t flags, uint64_t t0,
				  uint64_t t1)
{
	return story_record(
	    s, process,
	    (struct store_record){
		.kind = kind, .flags = flags, .conn = conn, .off = off, .len = len, .t0_ns = t0, .t1_ns = t1},
	    bytes, bytes ? (len < STORY_HEAD_BYTES ? len : STORY_HEAD_BYTES) : 0);
}

static inline uint32_t story_counts(struct story *s, uint8_t kind, uint32_t process, uint32_t conn,
				    uint64_t fd, struct counts c, uint64_t t)
{
	return story_record(
	    s, process,
	    (struct store_record){.kind = kind, .conn = conn, .off = fd, .t0_ns = t, .t1_ns = t + 10}, &c,
	    sizeof(c));
}

static inline uint32_t story_close(struct story *s, uint32_t process, uint32_t conn, uint64_t out,
				   uint64_t in, uint64_t t)
{
	return story_counts(
	    s, RECORD_CLOSE, process, conn, 0,
	    (struct counts){.out_seen = out, .in_seen = in, .out_kernel = out, .in_kernel = in}, t);
}

#endif
