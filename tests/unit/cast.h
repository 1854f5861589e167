/* SPDX-License-Identifier: Apache-2.0 */
/* cast.h - a process that serves and calls, for the tests of pass/parent; on top of told.h. */
#ifndef DPROF_TESTS_CAST_H
#define DPROF_TESTS_CAST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/told.h"

#define P 0u /* the process that serves and calls */

/* One request each on `requests` connections, one call each on `calls` connections; numbered from 0. */
struct cast {
	struct told *t;
	uint32_t r[8], q[8], r_conn[8], q_conn[8];
};

static inline struct cast cast_of(uint32_t requests, uint32_t calls)
{
	struct cast c = {.t = told_begin(1)};

	for (uint32_t i = 0; i < requests; i++) {
		c.r_conn[i] = told_conn(c.t, TOLD_NOBODY, P);
		c.r[i] = told_rpc(c.t, c.r_conn[i]);
	}
	for (uint32_t i = 0; i < calls; i++) {
		c.q_conn[i] = told_conn(c.t, P, TOLD_NOBODY);
		c.q[i] = told_rpc(c.t, c.q_conn[i]);
	}
	return c;
}

#define read_request(c, thread, i) told_move((c)->t, P, thread, (c)->r[i], ASKS)
#define send_answer(c, thread, i)  told_move((c)->t, P, thread, (c)->r[i], ANSWERS)
#define send_call(c, thread, i)	   told_move((c)->t, P, thread, (c)->q[i], ASKS)
#define read_answer(c, thread, i)  told_move((c)->t, P, thread, (c)->q[i], ANSWERS)
#define wait_for_any(c, thread)	   told_wait((c)->t, P, thread)

static inline void check(const struct cast *c, uint32_t call, uint32_t request, enum evidence class)
{
	const struct edge *e = told_edge(c->t, c->q[call]);

	assert_int_equal(told_parent(c->t, c->q[call]), request == TOLD_NOBODY ? request : c->r[request]);
	assert_string_equal(parent_evidence_name(e->class), parent_evidence_name(class));
	if (request == TOLD_NOBODY)
		return;
	assert_true(e->probability >= .5f && e->probability <= .999f);
}

static inline float p_of(const struct cast *c, uint32_t call)
{
	return told_edge(c->t, c->q[call])->probability;
}

static inline uint32_t runner_up(const struct cast *c, uint32_t call)
{
	uint32_t span = told_edge(c->t, c->q[call])->runner_up;

	return span == STORE_NONE ? TOLD_NOBODY : c->t->m.spans.spans[span].rpc;
}

#endif
