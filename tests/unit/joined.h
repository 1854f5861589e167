/* SPDX-License-Identifier: Apache-2.0 */
/* joined.h - runs passes conn and pair over a story, for their tests. cmocka comes before it. */
#ifndef DPROF_TEST_JOINED_H
#define DPROF_TEST_JOINED_H

#include "analyzer/pass/pair.h"
#include "tests/unit/story.h"

struct result {
	struct conns conns;
	struct links links;
};

static inline struct result run(const struct story *s)
{
	struct result r;

	assert_int_equal(conn_run(&s->store, &r.conns), 0);
	assert_int_equal(pair_run(&s->store, &r.conns, &r.links), 0);
	for (uint32_t i = 0; i < r.links.link_count; i++)
		assert_int_equal(r.links.links[i].mismatched, 0);
	return r;
}

static inline void end(struct story *s, struct result *r)
{
	pair_free(&r->links);
	conn_free(&r->conns);
	story_free(s);
}

/* Link of a conn of a process. */
static inline const struct link *link_of(const struct result *r, uint32_t process, uint32_t conn)
{
	for (uint32_t i = 0; i < r->conns.view_count; i++) {
		if (r->conns.views[i].process == process && r->conns.views[i].conn == conn)
			return &r->links.links[r->links.of_view[i]];
	}
	fail();
	return NULL;
}

static inline uint32_t joined(const struct result *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->links.link_count; i++)
		n += r->links.links[i].join != JOIN_NONE;
	return n;
}

#endif
