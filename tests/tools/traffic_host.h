/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traffic_host.h - a host of made-up traffic: one process, its threads, and their records on the way into its
 * dump. For traffic.c only; one thread. Times are true times; the host's clock makes the stamps.
 */
#ifndef TESTS_TOOLS_TRAFFIC_HOST_H
#define TESTS_TOOLS_TRAFFIC_HOST_H

#include "tests/tools/host_clock_read.h"
#include "tests/tools/records.h"

#define EPOCH_NS      1767225600000000000ull /* true time 0: 2026-01-01 00:00:00 UTC */
#define BLOCK_RECORDS 8192u
#define ANCHORS	      64u /* in a frame */
#define FIRST_PID     1000u
#define FIRST_TID     10000u

enum { CALL_NONE, CALL_READ, CALL_WRITE, CALL_CONNECT, CALL_ACCEPT, CALL_CLOSE };
static const char *const call_names[] = {"", "read", "write", "connect", "accept4", "close", NULL};

struct thread {
	uint64_t seq; /* of the first of its records here */
	struct records records;
};

struct host {
	struct host_clock clock;
	FILE *dump;
	VEC(struct thread) threads; /* number - 1 */
	uint32_t conns;
	uint64_t records, inodes;
	int64_t last_ns; /* of its last record */
};

static void flush(struct host *h, uint32_t number)
{
	struct thread *t = &h->threads.items[number - 1];
	uint32_t count = t->records.count;

	write_blocks(h->dump, &t->records, number, t->seq);
	t->seq += count;
}

/* t0 and t1 are true times. */
static void emit(struct host *h, uint32_t number, struct record r, const void *data, size_t len)
{
	struct thread *t = &h->threads.items[number - 1];

	if ((int64_t)r.t1 > h->last_ns)
		h->last_ns = (int64_t)r.t1;
	r.t0 = host_stamp(&h->clock, (int64_t)r.t0);
	r.t1 = host_stamp(&h->clock, (int64_t)r.t1);
	add_record(&t->records, r, data, len);
	h->records++;
	if (t->records.count == BLOCK_RECORDS)
		flush(h, number);
}

/* A new thread of the host, from `at` on. Its number. */
static uint32_t start_thread(struct host *h, const char *name, int64_t at)
{
	uint32_t number = (uint32_t)h->threads.count + 1;

	must(!vec_push(&h->threads, (struct thread){0}));
	emit(h, number,
	     (struct record){
		 .kind = RECORD_START, .t0 = (uint64_t)at, .t1 = (uint64_t)at, .len = FIRST_TID + number},
	     name, strlen(name));
	return number;
}

static void start_host(struct host *h, uint32_t number, const char *directory)
{
	struct host_clock *c = &h->clock;
	const char *const none[] = {NULL};
	struct dump_header header = {
	    .host = c->host,
	    .boot_id = c->boot_id,
	    .program = "server",
	    .exe = "/usr/bin/server",
	    .version = "0.1.0",
	    .stamp = c->tsc_khz ? "tsc" : "raw",
	    .pid = FIRST_PID + number,
	    .ppid = 1,
	    .uid = 1000,
	    .netns = 4026531840,
	    .boot_start = 100000,
	    .anchor = host_anchor(c, EPOCH_NS, 0),
	    .settings = none,
	    .calls = call_names,
	};
	char *path, *service;
	struct pack pack;

	header.start_ns = header.anchor.real_ns;
	if (c->no_header_anchor)
		header.anchor = (struct anchor){0};
	must(asprintf(&service, "s%02u", number) > 0);
	must(asprintf(&path, "%s/%s.server.%u.%llu.zst", directory, c->host, FIRST_PID + number,
		      (unsigned long long)header.start_ns) > 0);
	header.service = service;
	h->dump = fopen(path, "wb");
	if (!h->dump)
		give_up("%s: %s", path, strerror(errno));
	pack_start(&pack, object, sizeof(object));
	dump_pack_header(&pack, &header);
	write_frame(h->dump, &pack);
	free(path);
	free(service);
}

static void write_anchors(struct host *h, int64_t until_ns)
{
	struct anchor anchors[ANCHORS];
	struct pack pack;
	size_t n = 0;

	for (int64_t t = BILLION; t < until_ns + BILLION; t += BILLION) {
		int64_t at = awake_at(&h->clock, t < until_ns ? t : until_ns);

		anchors[n++] = host_anchor(&h->clock, EPOCH_NS, at);
		if (n < ANCHORS && t < until_ns)
			continue;
		pack_start(&pack, object, sizeof(object));
		dump_pack_anchors(&pack, anchors, n);
		write_frame(h->dump, &pack);
		n = 0;
	}
}

static void end_host(struct host *h, int64_t until_ns)
{
	struct dump_end end = {.reason = "exit", .records = h->records + h->threads.count};
	struct pack pack;

	for (uint32_t i = 1; i <= h->threads.count; i++) {
		emit(h, i,
		     (struct record){.kind = RECORD_END,
				     .t0 = (uint64_t)until_ns,
				     .t1 = (uint64_t)until_ns,
				     .len = FIRST_TID + i},
		     NULL, 0);
		flush(h, i);
	}
	if (!h->clock.no_anchors)
		write_anchors(h, until_ns);
	pack_start(&pack, object, sizeof(object));
	dump_pack_end(&pack, &end);
	write_frame(h->dump, &pack);
	must(!fclose(h->dump));
}

#endif
