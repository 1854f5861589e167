/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.h - traced processes seen from outside, by their regions in /dev/shm: who they are, what they record,
 * and the other end of control.h. For dprof-ctl, an ordinary program.
 *
 * A region is read and written with pread and pwrite and never mapped: its owner may cut it meanwhile, and it
 * may hold anything. Invariant: one ctl at a time asks a process (a lock on the block); the command is there
 * before `asked` changes.
 */
#ifndef DPROF_CTL_H
#define DPROF_CTL_H

#include "preload/control.h"

enum ctl_state { CTL_RECORDS, CTL_BETWEEN, CTL_PAUSED, CTL_DEAD, CTL_FOREIGN, CTL_UNKNOWN };

struct ctl_process {
	int fd; /* -1: cannot be asked */
	uint32_t pid, uid;
	enum ctl_state state;
	char region[300];
	char dump[FILE_PATH_BYTES];
	char host[256], service[256], program[256];
	uint64_t start_ns;
	uint64_t size_bytes; /* of the dump */
	struct control_block block;
	uint32_t asked; /* by us */
};

struct ctl_list {
	struct ctl_process *items;
	size_t count;
};

/* All regions, by pid. 0 or -errno. */
int ctl_scan(struct ctl_list *list);
void ctl_free(struct ctl_list *list);

/* Tells the process what to do; it does that at its next turn. 0 or -errno: -EBUSY, another ctl is at it. */
int ctl_ask(struct ctl_process *p, enum control_command command, const struct window_plan *plan);

/* Waits for its answer, at most until `deadline_ns` of CLOCK_MONOTONIC. 0, -ETIMEDOUT, or -ESRCH: it ended.
 */
int ctl_wait(struct ctl_process *p, uint64_t deadline_ns);

/* A plan as DPROF_WINDOW would have it. */
void ctl_print_plan(const struct window_plan *plan, char *text, size_t size);

const char *ctl_state_name(enum ctl_state state);

#endif
