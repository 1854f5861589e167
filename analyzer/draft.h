/* SPDX-License-Identifier: Apache-2.0 */
/*
 * draft.h - a process in the making: what the objects of its dumps say, until all files are read. Then the
 * blocks are put in order, copies of records dropped and gaps counted, and the records placed on the clock.
 */
#ifndef DPROF_DRAFT_H
#define DPROF_DRAFT_H

#include "analyzer/clock.h"
#include "analyzer/store.h"

struct draft_block {
	uint32_t thread;
	uint32_t count;
	uint64_t seq;
	uint32_t part;	     /* of the input that it came from, see load.c */
	struct slice object; /* owned */
};

struct draft_window {
	struct dump_window_read read;
	char *why; /* owned */
};

/* What its dump says of the clocks. */
struct draft_clock {
	uint64_t readings;     /* that can be */
	uint64_t first_raw_ns; /* of the first of them */
	uint64_t last_raw_ns;  /* of the last in this file */
	uint64_t disordered;   /* are before the one before them */
	uint64_t back_ns;      /* the most */
	bool guessed;	       /* no dump of its boot has one */
};

struct draft {
	struct store_process process; /* facts of the header and the end; owned */
	char *host, *boot_id;
	struct draft_clock readings;
	uint32_t clock;	  /* number of the boot's clock in load.c */
	int unit;	  /* of its stamps, in that clock */
	uint64_t segment; /* the last file's number; 0: it is the only one */
	struct dump_older older;
	bool has_end;
	uint64_t end_records; /* that an end object speaks of, the most */
	VEC(struct draft_block) blocks;
	VEC(struct draft_window) windows;
};

/* What a run of blocks holds. */
struct draft_sum {
	uint64_t records; /* without copies */
	uint64_t gaps;	  /* records missing before and between them */
	uint64_t front;	  /* of those, before the first ones of their threads */
};

/* A new draft with the facts of a header. 0, -ENOMEM, or -EBADMSG. */
int draft_begin(struct draft *d, const struct dump_header_read *header);

/* Is this the dump that the header speaks of? */
bool draft_is(const struct draft *d, const struct dump_header_read *header);

/* Another header of the same dump: of a later file, perhaps. */
void draft_meet(struct draft *d, const struct dump_header_read *header);

/* Another reading of the clocks in its dump. */
void draft_add_reading(struct draft *d, const struct anchor *a, enum clock_order order);

/* Checks a block and enters it; takes over the object's memory if 0. -EBADMSG, -ENOMEM. */
int draft_add_block(struct draft *d, struct slice object, uint32_t part);

/* Enters an opening of the gate; of two with one number the one that tells how it ended holds. 0 or -ENOMEM.
 */
int draft_add_window(struct draft *d, const struct dump_window_read *w);

void draft_add_end(struct draft *d, const struct dump_end_read *end, char *reason);

/* Sums up the blocks from number `first` on. 0 or -ENOMEM. */
int draft_sum(const struct draft *d, size_t first, struct draft_sum *sum);

/*
 * Moves the draft into a process of the store. `accepted[part]` is raised by the records that came from there
 * and were not in an earlier part. The process's host and clock are the caller's to set. 0 or -ENOMEM; in any
 * case the draft is used up.
 */
int draft_finish(struct draft *d, const struct clock *clock, bool keep_stamps, uint64_t *accepted,
		 struct store *store, struct store_process *process);

void draft_free(struct draft *d);

#endif
