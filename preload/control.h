/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - moves the gate: by the plan of DPROF_WINDOW, and by what `dprof ctl` asks for through the
 * region's first page. Flusher; ctl.c is the other end of the block.
 *
 * Invariant: each time the gate was open is an object in the dump, with the clocks at both edges; a move that
 * could not be written (disk full) is written before the next one is made.
 */
#ifndef DPROF_CONTROL_H
#define DPROF_CONTROL_H

#include "common/dump.h"
#include "preload/drain.h"

enum control_command { CONTROL_NOTHING, CONTROL_PAUSE, CONTROL_RESUME, CONTROL_WINDOW };
enum control_state { CONTROL_OPEN, CONTROL_BETWEEN, CONTROL_PAUSED, CONTROL_STATES };

/* In the region's first page. ctl writes the command, then `asked`; the flusher obeys, then `answered`. */
struct control_block {
	uint32_t asked;
	uint32_t answered;	 /* release: the last `asked` that was obeyed */
	uint32_t command;	 /* enum control_command */
	uint32_t state;		 /* enum control_state */
	struct window_plan wish; /* of CONTROL_WINDOW */
	struct window_plan plan; /* in force */
	uint64_t since_ns;	 /* CLOCK_REALTIME of the last change of state */
	uint64_t records, dropped, dump_bytes;
	uint64_t flush_ms; /* it looks at least that often */
};

_Static_assert(sizeof(struct control_block) <= REGION_PATH_AT - REGION_CONTROL_AT, "the block fits");

/* Before the first ring: sets the gate and tells of it in the header. A fork's child inherits the plan and a
 * pause. */
void control_begin(struct control_block *block, struct dump_header *h);

/* Obeys, opens, shuts; writes what is to be written. */
void control_turn(struct drain *d);

/* When it wants its next turn, CLOCK_MONOTONIC; `due_ns` if not before. */
uint64_t control_due_ns(uint64_t due_ns);

/* Another file was begun: it is told what is open. */
void control_tell_again(struct drain *d);

/* For `ctl list`. */
void control_tell(const struct drain *d, uint64_t dropped);

/* The last one, before the end object. */
void control_end(struct drain *d);

/* Was the gate ever shut, or will it be? Then a dump without records says something. */
bool control_was_shut(void);

#endif
