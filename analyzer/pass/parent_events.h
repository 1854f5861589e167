/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parent_events.h - the first half of pass 5: what a process did, in the words of causality. Records become
 * events: a request came in, an answer to a call came in, a call went out, an answer went out, the thread
 * waited for whatever comes next. parent_scan.c reads them in order.
 */
#ifndef DPROF_PASS_PARENT_EVENTS_H
#define DPROF_PASS_PARENT_EVENTS_H

#include "analyzer/pass/span.h"

enum event_kind {
	EVENT_TURN, /* a wait for more than one thing: what comes next may belong to anybody */
	EVENT_LOST, /* records of this thread are missing here */
	EVENT_OPEN, /* connect; subject is the view */
	EVENT_END,  /* of a connection that this process serves: its last byte came, or close; subject is the
		       view */
	EVENT_CALL_OUT,	  /* first bytes of a call; subject is its client span */
	EVENT_ANSWER_OUT, /* bytes of the answer to a request; subject is its server span */
	EVENT_REQUEST_IN, /* bytes of a request; subject is its server span */
	EVENT_ANSWER_IN,  /* bytes of the answer to a call; subject is its client span. The end of the
			     connection  answers what was open on it: there will be no answer */
};

struct event {
	uint64_t at_ns; /* entry of calls that send, return of those that receive */
	uint32_t thread;
	uint32_t record;
	uint32_t order; /* among the events of one record */
	uint32_t subject;
	uint8_t kind;	  /* enum event_kind */
	bool first, last; /* the first or last byte of the message is in it */
};

/* Of one process: ordered by time, and as the thread made them. */
struct events {
	struct event *items;
	uint32_t count;
};

/* Which role a message plays for the spans. */
enum part { PART_NONE, PART_REQUEST, PART_ANSWER, PART_GREETING };

/* Answers questions about the earlier passes' results; built once. */
struct story {
	const struct store *store;
	const struct conns *conns;
	const struct links *links;
	const struct messages *messages;
	const struct spans *spans;
	uint8_t *view_side;	/* enum link_side of each view; 2: on no link */
	uint32_t *stream_first; /* [2 * link + sender] into stream_messages; one more at the end */
	uint32_t *stream_messages;
	uint32_t *message_rpc;
	uint8_t *message_part; /* enum part */
	uint32_t *client_span; /* by rpc, STORE_NONE */
	uint32_t *server_span;
	uint32_t *process_view; /* first view of each process; one more at the end */
	uint32_t *process_span; /* first span of each process; one more at the end */
};

int parent_events_begin(struct story *story);
void parent_events_end(struct story *story);

/* The events of one process; free(out->items) when done. */
int parent_events_of(const struct story *story, uint32_t process, struct events *out);

#endif
