/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parent_serving.h - pass 5, during the walk: which requests a process is serving, and which of them wait for
 * something that no record shows (a lock, a timer, a file, a free connection). Those may go on at any moment.
 */
#ifndef DPROF_PASS_PARENT_SERVING_H
#define DPROF_PASS_PARENT_SERVING_H

#include "analyzer/pass/span.h"

/* What is known of a request; by span, server spans only. */
struct service {
	uint64_t begin_ns; /* its first byte came in */
	uint32_t next;	   /* request on its connection, STORE_NONE */
	uint32_t previous;
	uint32_t thread;     /* that read its last byte, STORE_NONE: not yet */
	uint32_t record;     /* with it */
	uint32_t unanswered; /* calls and connects made for it that wait */
	bool begun;	     /* its first byte has come in, */
	bool answering;	     /* its answer has begun, */
	bool answered;	     /* and ended, as far as the walk has come */
	bool whole;	     /* one thread took it in and answered it, and did nothing else in between */
	bool given;	     /* one that gets its work from others has answered it */
};

struct serving {
	const struct spans *spans;
	struct service *services; /* by span */
	uint32_t *idle;		  /* by thread of the process: requests that it read, and that wait unseen */
	uint32_t open;		  /* requests of the process */
	uint64_t open_sum;	  /* of their numbers: if there is one, that one */
	uint64_t open_till_ns;	  /* those that were never answered may be open until here */
};

int parent_serving_begin(struct serving *s, uint32_t thread_count); /* a process; 0 or -ENOMEM */
void parent_serving_end(struct serving *s);

void parent_serving_begun(struct serving *s, uint32_t request);
void parent_serving_read(struct serving *s, uint32_t request, uint32_t thread, uint32_t record);
void parent_serving_answering(struct serving *s, uint32_t request);
void parent_serving_answered(struct serving *s, uint32_t request);

/* One more (by 1) or less (-1) of its calls waits for its answer. A call's context that is no request:
 * nothing. */
void parent_serving_wait(struct serving *s, uint32_t context, int by);

/* The only request that this process serves at this time; STORE_NONE: none, several, or nobody knows. */
uint32_t parent_serving_sole(const struct serving *s, uint64_t at_ns);
bool parent_serving_none(const struct serving *s, uint64_t at_ns);

/* How many requests that this thread has read wait unseen, but for this one. */
uint32_t parent_serving_others(const struct serving *s, uint32_t thread, uint32_t but);

#endif
