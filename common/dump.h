/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump.h - the dump format, both ways. FORMAT.md is its definition; this is its code.
 *
 * Encoder: library (flusher thread), salvage, and tests/tools/mkdump. Calls no malloc, no stdio and no
 * libc function that uses errno or locks: the flusher runs without a libc thread. Memory is the caller's.
 * Decoder: analyzer. Any thread; memory is the caller's; every length is checked against what is left,
 * so hostile input gives -EBADMSG, never a large allocation.
 *
 * Invariant: a dump is a concatenation of zstd frames with checksums; every frame holds exactly one msgpack
 * object, so a damaged frame costs itself and nothing else.
 */
#ifndef DPROF_DUMP_H
#define DPROF_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"
#include "window.h"

#define DUMP_MAJOR 1 /* a reader refuses a larger one by name */
#define DUMP_MINOR 1 /* a reader ignores keys it does not know */

#define DUMP_BLOCK_RECORDS    16384u	   /* at most, per block */
#define DUMP_BLOCK_DATA_BYTES (512u << 10) /* at most, per block */
#define DUMP_OBJECT_BYTES_MAX (8u << 20)   /* of one unpacked object; a reader refuses more */

/* A reading of the clocks at one moment. */
struct anchor {
	uint64_t stamp;	  /* the unit of record.t0 */
	uint64_t raw_ns;  /* CLOCK_MONOTONIC_RAW */
	uint64_t mono_ns; /* CLOCK_MONOTONIC */
	uint64_t real_ns; /* CLOCK_REALTIME */
};

/* ---- encode ---- */

/* A growing msgpack object in the caller's memory; `full` once something did not fit. */
struct pack {
	uint8_t *bytes;
	size_t len;
	size_t cap;
	bool full;
};

void pack_start(struct pack *p, void *memory, size_t cap);
void pack_map(struct pack *p, uint32_t pairs);
void pack_array(struct pack *p, uint32_t items);
void pack_uint(struct pack *p, uint64_t v);
void pack_int(struct pack *p, int64_t v);
void pack_str(struct pack *p, const char *s); /* NUL-terminated */
void pack_str_len(struct pack *p, const char *s, size_t len);
void pack_bin(struct pack *p, const void *data, size_t len);
void pack_bool(struct pack *p, bool v);

/* What was dropped to keep within a budget. */
struct dump_older {
	uint64_t segments, records, bytes;
	struct anchor until;
};

/* Who wrote the dump: first object of every file. Strings are never NULL. */
struct dump_header {
	const char *host, *boot_id, *service, *program, *exe, *version;
	const char *stamp; /* "tsc" or "raw": the unit of t0 and t1 */
	uint64_t pid, ppid, uid, netns;
	uint64_t start_ns; /* CLOCK_REALTIME when this dump was begun; with host and pid names the process */
	uint64_t boot_start; /* start time of the process in clock ticks since boot (/proc/self/stat 22) */
	struct anchor anchor;
	const struct window_plan *plan; /* NULL: recorded from the start on, without windows */
	uint64_t segment;		/* number of this file in the dump of its process, from 0 */
	struct dump_older older;	/* files before it that were dropped */
	bool paused;			/* the gate was shut by hand when the dump was begun */
	const char *const *settings;	/* name, value, name, value, ..., NULL */
	const char *const *calls;	/* names of record.call, from 0, NULL at the end */
};

void dump_pack_header(struct pack *p, const struct dump_header *h);

/* Anchors, any number. */
void dump_pack_anchors(struct pack *p, const struct anchor *anchors, size_t n);

/* The gate was open. Written when it opens, and again when it shuts; the second one holds. */
struct dump_window {
	uint64_t number;	      /* in this dump, from 1 */
	struct anchor opened, closed; /* closed.stamp 0: not yet */
	struct window_plan plan;      /* period_ns 0: opened by hand, or from the start */
	const char *why;	      /* it shut: "plan", "pause", "end"; "" while it is open */
};

void dump_pack_window(struct pack *p, const struct dump_window *w);

/* Last object of a dump that was closed in order. `reason`: "exit", "exec", "salvaged", ... */
struct dump_end {
	const char *reason;
	uint64_t records;	   /* written to this dump, all threads */
	uint64_t dropped;	   /* ring full */
	uint64_t untraced_threads; /* threads that could get no ring */
	uint64_t untraced_conns;   /* connections on descriptors beyond the table */
	uint64_t io_uring;	   /* rings that the program set up: their I/O is not here */
};

void dump_pack_end(struct pack *p, const struct dump_end *e);

/* Scratch of the block encoder: template dictionary, per-stream offsets, rows and data. About 1.3 MiB;
 * the caller hands it over zeroed once and keeps it from block to block. */
struct block_scratch;
size_t block_scratch_bytes(void);

/*
 * Encodes records of one thread as columns. `next` hands out the records one after another (NULL = no more);
 * its pointer stays valid until the next call, and a record that was refused is handed out again first in the
 * next block (the caller counts by what is returned). `seq` is the number of the first record in that thread.
 * Returns how many records were taken: fewer than offered when a limit of the block is reached, 0 if none.
 */
typedef const struct record *dump_next(void *from);
uint32_t dump_pack_block(struct pack *p, struct block_scratch *scratch, uint32_t thread, uint64_t seq,
			 dump_next *next, void *from);

/* ---- decode ---- */

enum dump_kind { DUMP_HEADER, DUMP_ANCHORS, DUMP_BLOCK, DUMP_WINDOW, DUMP_END, DUMP_UNKNOWN };

/* A piece of the unpacked object. */
struct slice {
	const uint8_t *bytes;
	size_t len;
};

struct dump_block {
	uint32_t thread;
	uint32_t count;
	uint64_t seq;
};

/* Kind of an unpacked object; for headers of another major version *major says which. -EBADMSG if it is none
 * of ours. */
int dump_kind(struct slice object, enum dump_kind *kind, uint64_t *major);

/* Slices point into the object; text is not NUL-terminated. */
struct dump_header_read {
	struct slice host, boot_id, service, program, exe, version, stamp;
	uint64_t major, minor;
	uint64_t pid, ppid, uid, netns, start_ns, boot_start;
	struct anchor anchor;
	bool has_anchor;
	uint64_t segment;
	struct dump_older older;
	bool gated; /* the header has a window: what was recorded is what the window objects say */
	struct window_plan plan;
	struct slice settings; /* a msgpack map */
	struct slice calls;    /* a msgpack array */
};
int dump_read_header(struct slice object, struct dump_header_read *h);

/* Iterates over strings of `settings` or `calls`: 1 and *text, 0 at the end, -EBADMSG. *at starts as the
 * slice. */
int dump_next_text(struct slice *at, struct slice *text);

/* Calls `take` for each anchor. */
int dump_read_anchors(struct slice object, void (*take)(void *to, const struct anchor *a), void *to);

struct dump_window_read {
	uint64_t number;
	struct anchor opened, closed; /* closed.stamp 0: it was open to the end */
	struct window_plan plan;
	struct slice why;
};
int dump_read_window(struct slice object, struct dump_window_read *w);

struct dump_end_read {
	struct slice reason;
	uint64_t records, dropped, untraced_threads, untraced_conns, io_uring;
};
int dump_read_end(struct slice object, struct dump_end_read *e);

/* The block's own facts, before its records. */
int dump_read_block(struct slice object, struct dump_block *b);

/* Its records in order; `data` points into the object. Stops early and returns what `take` returns if not 0.
 */
int dump_read_records(struct slice object, int (*take)(void *to, const struct record *r, struct slice data),
		      void *to);

#endif
