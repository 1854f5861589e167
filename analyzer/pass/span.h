/* SPDX-License-Identifier: Apache-2.0 */
/*
 * span.h - pass 4: RPCs to spans. A span is one traced side of an RPC. A one-way message gives one too.
 *
 * Client span: entry of the call that sent the request's first byte, to return of the call that received the
 * response's last byte. Server span: return of the call that received the request's last byte, to return of
 * the call that sent the response's last byte, but not later than the client had it (a send can return after
 * the other CPU has its bytes: `clamped` counts those).
 */
#ifndef DPROF_PASS_SPAN_H
#define DPROF_PASS_SPAN_H

#include "analyzer/pass/message.h"

enum span_side { SPAN_SERVER, SPAN_CLIENT };

struct span {
	uint32_t rpc;
	uint32_t peer; /* the other side's span, STORE_NONE if not traced */
	uint8_t side;  /* enum span_side */
	bool lost;     /* holes or missing records touch it */
	bool open;     /* no response was seen; ends with the last thing known */
	bool one_way;
	bool control; /* handshake, authentication */
	bool error;
	uint32_t process;
	uint32_t start_thread, end_thread; /* store_thread indices */
	uint32_t start_record, end_record; /* the records that open and close the span */
	uint64_t start_ns, end_ns;
	uint64_t first_byte_ns; /* of the response at this side; 0 = none */
	uint64_t handle_ns; /* server side's end - start; of a client span: that of its peer, 0 if unknown */
	uint64_t bytes_in, bytes_out;
	uint64_t cid; /* of the request message: equal on both sides */
};

struct spans {
	struct span *spans; /* by process, then start, then cid, server side first */
	uint32_t span_count;
	uint64_t clamped;
	uint64_t clamped_ns; /* the largest */
};

int span_run(const struct store *store, const struct conns *conns, const struct links *links,
	     const struct messages *messages, struct spans *out);
void span_free(struct spans *s);

#endif
