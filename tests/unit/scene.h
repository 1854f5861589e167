/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scene.h - a conversation of two ends in the toy protocol, told as a list of what each end did, in the order
 * of time; and what passes conn, pair and message make of it. cmocka comes before it.
 */
#ifndef DPROF_TEST_SCENE_H
#define DPROF_TEST_SCENE_H

#include "analyzer/pass/message.h"
#include "analyzer/strings.h"
#include "tests/unit/story.h"
#include "tests/unit/toy.h"

#define CLIENT 0
#define SERVER 1

struct scene {
	struct story *story;
	struct conns conns;
	struct links links;
	struct strings *strings;
	struct messages m;
	uint64_t off[2][2];
	int way[2];
	uint32_t head_left[2];
	uint64_t t;
};

static inline void scene_open(struct scene *c, const int traced[2], uint16_t how[2])
{
	memset(c, 0, sizeof(*c));
	c->story = story_new();
	c->t = 1000;
	c->way[0] = c->way[1] = -1;
	for (int who = 0; who < 2; who++) {
		struct story_end e = {.conn = 1,
				      .flags = how	       ? how[who]
					       : who == CLIENT ? RECORD_FLAG_CONNECT
							       : RECORD_FLAG_ACCEPT,
				      .local_host = (uint8_t)(who + 1),
				      .local_port = who == CLIENT ? 40000 : 80,
				      .remote_host = (uint8_t)(2 - who),
				      .remote_port = who == CLIENT ? 80 : 40000,
				      .cookie = (uint64_t)who + 1};

		e.process = story_process(c->story, 0, (uint64_t)who + 10, 1);
		if (!traced || traced[who])
			story_open(c->story, &e, c->t, c->t + 10);
	}
}

static inline void scene_do(struct scene *c, int who, int out, const char *bytes, uint32_t len, int lost)
{
	uint16_t flags = c->way[who] == out ? 0 : RECORD_FLAG_BURST;
	uint32_t head;

	if (flags)
		c->head_left[who] = STORY_HEAD_BYTES;
	c->way[who] = out;
	head = len < c->head_left[who] ? len : c->head_left[who];
	c->head_left[who] -= head;
	c->t += 100;
	if (!lost)
		story_record(c->story, (uint32_t)who,
			     (struct store_record){.kind = out ? RECORD_OUT : RECORD_IN,
						   .flags = flags,
						   .conn = 1,
						   .off = c->off[who][out],
						   .len = len,
						   .t0_ns = c->t,
						   .t1_ns = c->t + 50},
			     bytes, head);
	c->off[who][out] += len;
}

static inline void scene_run(struct scene *c)
{
	c->strings = strings_new();
	assert_int_equal(conn_run(&c->story->store, &c->conns), 0);
	assert_int_equal(pair_run(&c->story->store, &c->conns, &c->links), 0);
	assert_int_equal(message_run(&c->story->store, &c->conns, &c->links, c->strings, &c->m), 0);
	for (uint32_t i = 0; i < c->m.message_count; i++) {
		const struct message *m = &c->m.messages[i];

		assert_true(m->off0 < m->off1);
		assert_true(m->cid == pair_cid(c->links.links[m->link].key, m->sender, m->off0));
	}
}

/* A deed is "C>bytes" (the client writes), "S<bytes" (the server reads), with "-" in front if its record is
 * lost. */
static inline void scene_play(struct scene *c, const int traced[2], const char *const *deeds, size_t n)
{
	scene_open(c, traced, NULL);
	for (size_t i = 0; i < n; i++) {
		int lost = deeds[i][0] == '-', who = deeds[i][lost] == 'C' ? CLIENT : SERVER;
		const char *bytes = deeds[i] + lost + 2;

		scene_do(c, who, bytes[-1] == '>', bytes, (uint32_t)strlen(bytes),
			 lost || (traced && !traced[who]));
	}
	scene_run(c);
}

static inline void scene_end(struct scene *c)
{
	message_free(&c->m);
	strings_free(c->strings);
	pair_free(&c->links);
	conn_free(&c->conns);
	story_free(c->story);
}

#define PLAY(c, traced, ...)                                                                                 \
	do {                                                                                                 \
		static const char *const deeds[] = {__VA_ARGS__};                                            \
		scene_play(c, traced, deeds, sizeof(deeds) / sizeof(deeds[0]));                              \
	} while (0)

/* An RPC as text: first letters and ids of request and response, e.g. "Q0001-R0001", "Q0001-", "P0007!" (one
 * way). */
static inline void describe(const struct scene *c, const struct rpc *r, char *to, size_t room)
{
	const char *q = strings_get(c->strings, c->m.messages[r->request].target);
	const char *a =
	    r->response == RPC_NO_RESPONSE ? "" : strings_get(c->strings, c->m.messages[r->response].target);

	snprintf(to, room, "%.5s%s%.5s ", q, r->one_way ? "!" : "-", a);
}

static inline void expect(struct scene *c, const char *rpcs, uint64_t unpaired)
{
	char all[512] = "", one[32];

	for (uint32_t i = 0; i < c->m.rpc_count; i++) {
		describe(c, &c->m.rpcs[i], one, sizeof(one));
		strcat(all, one);
	}
	assert_string_equal(all, rpcs);
	assert_int_equal(c->m.unpaired_responses, unpaired);
}

static const int only_client[2] __attribute__((unused)) = {1, 0};
static const int only_server[2] __attribute__((unused)) = {0, 1};

#endif
