/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.h - pass: which times count. A process that was recorded in windows only (DPROF_WINDOW, dprof ctl)
 * says nothing of the rest; a request counts if it began when no process was shut.
 *
 * A part is a stretch of time in which every process that lived had its gate open, by its plan: the windows
 * of all hosts, intersected, without their margins. A process that began later or ended earlier cuts nothing.
 */
#ifndef DPROF_PASS_WINDOW_H
#define DPROF_PASS_WINDOW_H

#include "analyzer/store.h"

struct window_part {
	uint64_t from_ns, to_ns;
};

struct windows {
	bool sampled;		   /* a gate was shut: only what began in a part counts */
	struct window_part *parts; /* in order, apart from each other */
	uint32_t part_count;
	uint64_t from_ns, to_ns; /* of everything, recorded or not */
};

int window_run(const struct store *store, struct windows *out);
void window_free(struct windows *w);

/* Which part holds the moment; STORE_NONE: none. Without sampling all is part 0. */
uint32_t window_part_at(const struct windows *w, uint64_t ns);

/* How much of a part, or of all, lies between two times. */
uint64_t window_part_ns(const struct windows *w, uint32_t part, uint64_t from_ns, uint64_t to_ns);
uint64_t window_open_ns(const struct windows *w, uint64_t from_ns, uint64_t to_ns);

/* When the gate of a process was shut next after `ns`; UINT64_MAX: never. */
uint64_t window_shut_after(const struct store_process *p, uint64_t ns);

#endif
