/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parent_habits.h - pass 5, before the walk: how a process goes about its work, as all its events together
 * show. What one event cannot tell, a thousand of the same kind can.
 */
#ifndef DPROF_PASS_PARENT_HABITS_H
#define DPROF_PASS_PARENT_HABITS_H

#include "analyzer/pass/parent_events.h"

struct thread_habits {
	bool loops; /* waits for several things at once */
	bool given; /* answers requests that another thread has read */
};

/* Towards one address: how often did something go out right after something came in, with more coming in
 * after it in the same turn; and how often only when all of the turn had come in. */
struct manner {
	uint32_t process; /* of which the counts are; STORE_NONE */
	uint32_t between, behind;
};

struct habits {
	const struct story *story;
	struct thread_habits *threads; /* of the process */
	bool passes;		       /* hands the connections that it serves from thread to thread */
	uint32_t process;
	uint32_t *group;	/* by link: number of its server's address */
	struct manner *manners; /* by group */
	uint32_t *reader;	/* by view: the thread that serves it, STORE_NONE */
};

int parent_habits_begin(struct habits *h, const struct story *story);
void parent_habits_end(struct habits *h);

/* Looks at the events of the next process. 0 or -ENOMEM. */
int parent_habits_learn(struct habits *h, const struct events *events, uint32_t process);

/* Whether what goes out on this link belongs to what came in last, even if earlier things of the turn wait.
 */
bool parent_habits_at_once(const struct habits *h, uint32_t link);

#endif
