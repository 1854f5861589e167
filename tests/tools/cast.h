/* SPDX-License-Identifier: Apache-2.0 */
/* cast.h - who plays in a scenario: processes, their threads, and connections, by name. For mkdump.c only. */
#ifndef TESTS_TOOLS_CAST_H
#define TESTS_TOOLS_CAST_H

#include <arpa/inet.h>

#include "analyzer/vec.h"
#include "common/dump.h"
#include "tests/tools/scenario.h"

#define EPOCH_NS   1767225600000000000ull /* t=0: 2026-01-01 00:00:00 UTC */
#define RAW_BASE   1000000000000ull	  /* CLOCK_MONOTONIC_RAW at t=0 */
#define TSC_PER_NS 3

struct thread {
	char *name;
	const char *title;
	size_t title_len;
	uint32_t tid, parent;
	bool begun;
	uint64_t count, skipped; /* records, and those of `skip` before them */
	VEC(uint8_t) records;	 /* struct record + data, one after another */
	VEC(uint64_t) skips;	 /* number of the record, how many are missing before it; in pairs */
	VEC(uint32_t) lost_blocks;
};

/* What a process knows of a connection. */
struct sight {
	uint32_t conn;
	uint8_t way; /* of the last bytes: RECORD_IN, RECORD_OUT */
	uint32_t burst_left;
	uint64_t seen[2]; /* out, in */
};

/* The gate was open; to_ns 0: to the end. */
struct opening {
	uint64_t from_ns, to_ns;
	struct dump_window window;
};

/* Something happens to a clock. */
struct warp {
	uint64_t at_ns; /* UINT64_MAX: never */
	int64_t by_ns;
};

struct process {
	char *name;
	struct dump_header header;
	struct dump_end end;
	uint64_t skew_ns, records, block_records, head_bytes, major, minor;
	bool no_end, tsc, paused, no_anchor;
	int64_t drift_ppm;
	struct warp set, sleeps, back, restart; /* kernel_clock.h */
	uint64_t readings;			/* of the clocks, one each second, beside the header's */
	struct window_plan plan;		/* in the header, and of its windows; period_ns 0: none */
	VEC(const char *) settings;
	VEC(struct thread) threads;
	VEC(struct opening) windows;
	VEC(struct sight) sights; /* conn number - 1 */
};

struct side {
	char *process; /* "?" or a name */
	uint16_t port;
	uint8_t family, addr[16];
};

struct conn {
	char *name, *path;
	size_t path_len;
	struct side sides[2];
	uint64_t base[2]; /* bytes that went before the scenario, by sender */
	uint64_t taken[2];
	VEC(uint8_t) stream[2];
};

static VEC(struct process) processes;
static VEC(struct conn) conns;
static VEC(const char *) calls;

/* ---- things with names ---- */

static struct process *process_named(const char *name, size_t len)
{
	for (size_t i = 0; i < processes.count; i++) {
		struct process *p = &processes.items[i];

		if (strlen(p->name) == len && !memcmp(p->name, name, len))
			return p;
	}
	return NULL;
}

static struct conn *conn_named(const char *name)
{
	for (size_t i = 0; i < conns.count; i++) {
		if (!strcmp(conns.items[i].name, name))
			return &conns.items[i];
	}
	fail("no such conn: %s", name);
}

static struct thread *thread_named(struct process *p, const char *name)
{
	struct thread t = {.title = p->header.program, .title_len = strlen(p->header.program)};

	for (size_t i = 0; i < p->threads.count; i++) {
		if (!strcmp(p->threads.items[i].name, name))
			return &p->threads.items[i];
	}
	t.name = strdup(name);
	t.tid = (uint32_t)(p->header.pid + p->threads.count);
	must(!vec_push(&p->threads, t));
	return vec_last(&p->threads);
}

static uint8_t call_number(const char *name)
{
	for (size_t i = 0; i < calls.count; i++) {
		if (!strcmp(calls.items[i], name))
			return (uint8_t)i;
	}
	must(!vec_push(&calls, strdup(name)));
	return (uint8_t)(calls.count - 1);
}

/* The process's number of a connection, and what it knows of it. */
static uint32_t conn_number(struct process *p, uint32_t conn)
{
	for (size_t i = 0; i < p->sights.count; i++) {
		if (p->sights.items[i].conn == conn)
			return (uint32_t)i + 1;
	}
	must(!vec_push(&p->sights, (struct sight){.conn = conn}));
	return (uint32_t)p->sights.count;
}

#endif
