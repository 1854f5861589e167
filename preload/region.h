/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region.h - what outlives the process: a file in /dev/shm that holds its rings, and what salvage must know
 * to finish the dump. Flusher (writes), salvage (reads copies of it); threads only take rings.
 *
 * The flusher holds a lock (flock) on the file as long as it lives; a region that can be locked is a dead
 * one. Each frame of the dump is committed here in one store (commit_at): how long the dump is and how far
 * its ring was consumed belong together, so that after kill -9 each record is in the dump or in a ring, never
 * in both. Where there is no /dev/shm, or no room, the same structure lies in anonymous memory and dies with
 * the process.
 */
#ifndef DPROF_REGION_H
#define DPROF_REGION_H

#include "common/dump.h"
#include "preload/file.h"
#include "preload/ring.h"

#define REGION_DIR	     "/dev/shm"
#define REGION_PREFIX	     "dprof."
#define REGION_MAGIC	     0x4e4f494745525044ull /* "DPREGION" */
#define REGION_VERSION	     2u
#define REGION_RINGS_MAX     4096u
#define REGION_NO_RING	     UINT32_MAX
#define REGION_CONTROL_AT    2048u /* struct control_block */
#define REGION_PATH_AT	     4096u /* of the dump */
#define REGION_HEADER_AT     8192u /* of the dump, packed */
#define REGION_HEADER_BYTES  (56u << 10)
#define REGION_TABLE_AT	     (64u << 10)
#define REGION_FIRST_RING_AT (128u << 10)

/* One frame was written. */
struct region_commit {
	uint64_t dump_bytes;
	uint64_t records; /* in the dump */
	uint64_t tail;	  /* of the ring it came from, and which record is there */
	uint64_t seq;
	uint32_t ring; /* REGION_NO_RING: from none */
	uint32_t serial;
};

/* First page. */
struct region_head {
	uint64_t magic; /* written last: the rest is there */
	uint32_t version;
	uint32_t pid;
	uint64_t boot_start;
	uint32_t header_bytes;
	uint32_t ring_count; /* of the table */
	uint32_t commit_at;
	uint32_t anchor_at;
	struct region_commit commits[2];
	struct anchor anchors[2]; /* the newest one is at anchor_at */
	uint64_t dropped;	  /* in rings that were given to another thread since */
	uint64_t unheard;	  /* dropped by threads that had no ring */
	uint64_t untraced_threads;
	uint64_t untraced_conns;
	uint64_t io_uring;
	uint32_t ended; /* the dump has its end object */
};

/* Where a ring lies in the file; offset 0: in anonymous memory. */
struct region_place {
	uint64_t offset;
	uint32_t bytes;
	uint32_t zero;
};

struct region {
	int fd;	  /* -1: anonymous memory */
	int lock; /* open, locked */
	char path[128];
	struct region_head *head;
	uint64_t file_bytes;
	struct ring *rings[REGION_RINGS_MAX];
	uint32_t count; /* release: rings before it can be taken */
};

_Static_assert(sizeof(struct region_head) <= REGION_CONTROL_AT, "the head fits its part");
_Static_assert(REGION_TABLE_AT + REGION_RINGS_MAX * sizeof(struct region_place) <= REGION_FIRST_RING_AT,
	       "the table fits");

/* Makes the region of this process. 0, or why it is anonymous memory (`r->fd` is -1), or -ENOMEM: none at all
 * (`r->head` is NULL). */
int region_create(struct region *r, uint32_t uid, uint32_t pid, uint64_t boot_start);

/* Notes the dump and its header; from here on salvage can use it. */
int region_describe(struct region *r, const struct dump_file *f, const struct pack *header);

/* Adds a spare ring of at most `bytes`; the errors of region_create. */
int region_add_ring(struct region *r, uint32_t bytes);

/* A spare ring for the calling thread, NULL if there is none. Any thread. */
struct ring *region_take(struct region *r);

/* Grows the rings that will soon need it; those that /dev/shm has no room for go on in anonymous memory, and
 * *error says why. Where the kernel is older than 5.14 all is there from the start. */
void region_grow(struct region *r, int *error);

/* How many are spare. */
uint32_t region_spares(const struct region *r);

/* A ring whose thread has ended and that is empty: spare again. */
void region_recycle(struct region *r, struct ring *ring);

void region_commit(struct region *r, const struct region_commit *c);
void region_note_anchor(struct region *r, const struct anchor *a);

/* The file belongs to this user from now on. */
void region_give(struct region *r, uint32_t uid, uint32_t gid);

/* The dump is whole or was given up: the file goes. The memory stays, threads may still write there. */
void region_remove(struct region *r);

/* In a fork's child: gives back the parent's rings, unless one may be in use. */
void region_drop_inherited(struct region *r, bool unmap);

#endif
