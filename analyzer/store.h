/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - what was loaded: every record of every process, on one timeline. load.c fills it; passes read it.
 *
 * Times are ns since the epoch: a linear map of the stamps, one per host clock (boot id), so that processes
 * of one kernel agree to the nanosecond. Different kernels stand where their CLOCK_REALTIME says, until pass
 * align has put those that messages connect on one timeline. Invariant: read-only after store_load(), but for
 * that one step (align_correct()).
 */
#ifndef DPROF_STORE_H
#define DPROF_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/record.h"
#include "common/window.h"

#define STORE_NONE UINT32_MAX

/* One record. `data` points into memory that the store owns. */
struct store_record {
	uint64_t t0_ns;
	uint64_t t1_ns;
	uint64_t off;
	const uint8_t *data;
	uint32_t data_len;
	uint32_t len;
	uint32_t conn;
	uint32_t thread; /* index into the process's threads */
	uint16_t flags;
	uint8_t kind;
	uint8_t call;
};

/* Records of a thread that are missing in front of records[before]: damaged frames, or before the first
 * block. */
struct store_gap {
	uint32_t before;
	uint64_t missing;
};

/* The records [first, first + count) of the process, in the order in which the thread made them. */
struct store_thread {
	uint32_t number; /* in the dump; 0 is dprof's own */
	uint32_t tid;	 /* 0 if its start record is missing */
	uint32_t parent; /* number of the thread that made it, 0 unknown */
	uint32_t first;
	uint32_t count;
	uint64_t first_seq;
	uint64_t dropped; /* by a full ring: the LOST records say when */
	uint64_t missing; /* sum of the gaps */
	struct store_gap *gaps;
	uint32_t gap_count;
	char *name; /* "" if its start record is missing */
};

/* The stamps of a record as they were dumped. */
struct store_stamps {
	uint64_t t0, t1;
};

/* The gate of a process was open: its records were made. */
struct store_window {
	uint64_t number;
	uint64_t opened_ns, closed_ns; /* closed_ns UINT64_MAX: open to the end */
	uint64_t opened_real_ns;       /* CLOCK_REALTIME as it was read then: what the plan went by */
	struct window_plan plan;       /* period_ns 0: all of it counts */
	char *why;		       /* it shut */
};

/* Files of a dump that were dropped to keep within DPROF_MAX_DISK. */
struct store_older {
	uint64_t segments, records, bytes;
	uint64_t until_ns; /* nothing is known of what was before; 0: nothing was dropped */
};

struct store_process {
	uint32_t host;	/* index into hosts */
	uint32_t clock; /* index into clocks */
	char *service, *program, *exe, *version;
	char *stamp; /* unit of the stamps: "tsc" or "raw" */
	uint64_t pid, ppid, uid, netns;
	uint64_t start_ns; /* as in the header: names the dump, with host and pid */
	uint64_t began_ns; /* the same moment, on the timeline */
	uint64_t boot_start;
	struct store_older older;     /* what was dropped of it */
	bool gated;		      /* recorded in `windows` only; else from its start to its end */
	struct store_window *windows; /* in order of time */
	uint32_t window_count;
	uint64_t gated_records; /* that were not made, as far as they were counted */
	char *path;		/* of the dump */
	char *end_reason;	/* NULL: no end object; killed and not salvaged, cut, or still running */
	uint64_t dropped;	/* sum of what the end object and the LOST records say, the larger */
	uint64_t untraced_threads, untraced_conns;
	uint64_t io_uring; /* rings whose I/O passed dprof by */
	uint64_t missing;  /* records known to be missing; without an end there may be more */
	bool damaged;	   /* something of the file could not be read */
	uint64_t back_records,
	    back_ns; /* whose stamps are more than a second before those of their thread; the most */
	struct store_record *records; /* thread by thread */
	struct store_stamps *stamps;  /* by record; NULL unless asked for */
	uint32_t record_count;
	struct store_thread *threads;
	uint32_t thread_count;
	char **calls; /* names by number */
	uint32_t call_count;
	char **settings; /* name, value, ... */
	uint32_t setting_count;
};

struct store_host {
	char *name; /* with @ and a short boot id if others have the same */
	uint32_t clock;
};

/* A clock's CLOCK_REALTIME jumped against CLOCK_MONOTONIC_RAW: it was set, or RAW stood still while the
 * machine slept. by_ns 0: the stamps broke against RAW. */
struct store_step {
	uint64_t at_ns;	    /* on the timeline of the clock */
	uint64_t within_ns; /* it was so far from there at most: between two readings */
	int64_t by_ns;
	bool followed; /* the timeline jumps with it, for no process was there on both sides */
};

/* One kernel's clock. */
struct store_clock {
	char *boot_id;		/* with #2, #3 ... if dumps of other clocks claim the same */
	uint64_t anchors;	/* readings used */
	uint64_t bad_anchors;	/* readings far off the others, not used */
	uint64_t wrong_anchors; /* of those, that contradict all others or are no readings at all */
	uint64_t error_ns;	/* largest distance of a used reading from the line of its stamps */
	uint64_t wander_ns;	/* the largest of CLOCK_REALTIME from the timeline, between steps: how it was
				   steered */
	uint64_t breaks;	/* of the stamps against RAW */
	bool guessed;		/* too few readings to know how long a tick is, or none */
	bool unsteady; /* guessed, or stamps of a thread go back: nothing follows from when its records were
			  made, beside their order */
	struct store_step *steps; /* in order of time */
	uint32_t step_count;
	uint32_t timeline; /* 0: its own; else the number + 1 of the clock whose time its times are */
};

/* A thing that was wrong with the input; also printed on stderr when found. */
struct store_note {
	char *path;
	char *text;
};

struct store {
	struct store_process *processes; /* ordered by host name, boot, program, pid, start */
	uint32_t process_count;
	struct store_host *hosts;
	uint32_t host_count;
	struct store_clock *clocks;
	uint32_t clock_count;
	struct store_note *notes;
	uint32_t note_count;
	uint32_t files_read, files_skipped, copies; /* copies: all of their records were there already */
	uint64_t record_count, bytes_read;
	uint64_t duplicate_records; /* dropped because (thread, seq) was there already */
	void **memory;		    /* what the records' data points into */
	size_t memory_count;
};

/* Loads dumps, and the *.zst in directories. Says on stderr what could not be read and how much is missing.
 * 0, -ENODATA if nothing was usable, or -ENOMEM; store_free() in any case. */
int store_load(struct store *s, char *const *paths, size_t n);

/* The same, and keeps the stamps. */
int store_load_stamps(struct store *s, char *const *paths, size_t n);

/* Whether the times of two clocks can be compared: what one received from the other was not received before
 * it was sent. */
static inline bool store_same_time(const struct store *s, uint32_t one, uint32_t other)
{
	return one == other ||
	       (s->clocks[one].timeline && s->clocks[one].timeline == s->clocks[other].timeline);
}

void store_free(struct store *s);
void store_process_free(struct store_process *p);

#endif
