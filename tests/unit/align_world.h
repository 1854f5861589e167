/* SPDX-License-Identifier: Apache-2.0 */
/*
 * align_world.h - hosts with clocks of their own that send each other messages, for tests of pass align. All
 * in integers, from a seed; the truth is known at any time. cmocka comes before it.
 */
#ifndef DPROF_TEST_ALIGN_WORLD_H
#define DPROF_TEST_ALIGN_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "analyzer/pass/align_gather.h"

#define WORLD_HOSTS_MAX 12
#define WORLD_EPOCH	1767225600000000000ll
#define SECOND		1000000000ll
#define MS		1000000ll
#define US		1000ll

/* A clock: offset, drift, and what it is steered by: another rate every so often, and steps. */
struct world_clock {
	int64_t offset_ns, drift_ppb;
	int64_t steer_ppb; /* largest */
	int64_t steer_ns;  /* a rate lasts that long */
	int64_t step_at_ns, step_ns;
	int64_t *steered; /* at the beginning of each such stretch */
	int64_t *rates;
};

struct world_message {
	uint8_t from, to;
	int64_t sent, received; /* true times */
};

struct world {
	uint64_t seed;
	uint32_t n;
	int64_t length_ns;
	struct world_clock clocks[WORLD_HOSTS_MAX];
	int64_t delay[WORLD_HOSTS_MAX][WORLD_HOSTS_MAX]; /* least; 0: they do not talk */
	int64_t gap[WORLD_HOSTS_MAX][WORLD_HOSTS_MAX];	 /* between messages, on average */
	int64_t queue_ns;				 /* on average */
	struct world_message *messages;
	size_t count, cap;
	struct store store;
	struct store_clock store_clocks[WORLD_HOSTS_MAX];
	struct alignment alignment;
};

static inline uint64_t world_random(struct world *w)
{
	uint64_t v = w->seed += 0x9e3779b97f4a7c15ull;

	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

static inline int64_t world_below(struct world *w, int64_t n)
{
	return n > 0 ? (int64_t)(world_random(w) % (uint64_t)n) : 0;
}

static inline int64_t world_between(struct world *w, int64_t from, int64_t to)
{
	return from + world_below(w, to - from + 1);
}

/* About exponential, in integers: the logarithm to base 2 by its leading zeros, the rest straight. */
static inline int64_t world_exponential(struct world *w, int64_t mean)
{
	uint64_t v = world_random(w) | 1;
	int zeros = __builtin_clzll(v);
	uint64_t rest = zeros < 47 ? v << (zeros + 1) >> 48 : 0; /* 16 bits */
	int64_t bits = ((int64_t)(zeros + 1) << 16) - (int64_t)rest;

	return mean * bits / 65536 * 693 / 1000;
}

/* How the steering went, once for all. */
static inline void world_steer(struct world *w, struct world_clock *c)
{
	size_t n = c->steer_ns ? (size_t)(w->length_ns / c->steer_ns) + 2 : 0;

	c->steered = calloc(n + 1, sizeof(*c->steered));
	c->rates = calloc(n + 1, sizeof(*c->rates));
	for (size_t i = 0; i < n; i++) {
		c->rates[i] = world_between(w, -c->steer_ppb, c->steer_ppb);
		c->steered[i + 1] = c->steered[i] + c->rates[i] * (c->steer_ns / 1000) / 1000000;
	}
}

/* What a clock shows at a true time. */
static inline int64_t world_clock_at(const struct world *w, uint32_t host, int64_t at)
{
	const struct world_clock *c = &w->clocks[host];
	int64_t t = WORLD_EPOCH + at + c->offset_ns + (int64_t)((__int128)at * c->drift_ppb / 1000000000);

	if (c->steer_ns) {
		size_t i = (size_t)(at / c->steer_ns);

		t += c->steered[i] + (int64_t)((__int128)(at % c->steer_ns) * c->rates[i] / 1000000000);
	}
	return c->step_at_ns && at >= c->step_at_ns ? t + c->step_ns : t;
}

static inline void world_send(struct world *w, uint32_t from, uint32_t to, int64_t at, int64_t delay)
{
	if (w->count == w->cap) {
		w->cap = w->cap * 2 + 1024;
		w->messages = realloc(w->messages, w->cap * sizeof(*w->messages));
	}
	w->messages[w->count++] = (struct world_message){(uint8_t)from, (uint8_t)to, at, at + delay};
}

static inline void world_connect(struct world *w, uint32_t a, uint32_t b, int64_t delay_ns, int64_t gap_ns)
{
	w->delay[a][b] = w->delay[b][a] = delay_ns;
	w->gap[a][b] = w->gap[b][a] = gap_ns;
}

/* All messages, link by link. */
static inline void world_talk(struct world *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		world_steer(w, &w->clocks[i]);
	for (uint32_t i = 0; i < w->n; i++) {
		for (uint32_t j = 0; j < w->n; j++) {
			int64_t at = 0;

			if (!w->delay[i][j])
				continue;
			while ((at += world_exponential(w, w->gap[i][j])) < w->length_ns - SECOND / 10)
				world_send(w, i, j, at, w->delay[i][j] + world_exponential(w, w->queue_ns));
		}
	}
}

static inline void world_begin(struct world *w)
{
	w->store = (struct store){.clocks = w->store_clocks, .clock_count = w->n};
	w->alignment =
	    (struct alignment){.clocks = calloc(w->n + 1, sizeof(*w->alignment.clocks)), .clock_count = w->n};
	for (uint32_t i = 0; i < w->n; i++)
		w->alignment.clocks[i] = (struct align_clock){.how = ALIGN_REALTIME, .reference = i};
}

/* Aligns what the hosts saw of the messages. */
static inline void world_align(struct world *w)
{
	struct gather g = {.store = &w->store};
	struct sink to;

	world_begin(w);
	for (size_t i = 0; i < w->count; i++) {
		const struct world_message *m = &w->messages[i];

		assert_int_equal(gather_sink(&g, m->from, m->to, &to), 0);
		assert_int_equal(sink_take(&to, (uint64_t)world_clock_at(w, m->from, m->sent),
					   (uint64_t)world_clock_at(w, m->to, m->received)),
				 0);
	}
	assert_int_equal(gather_solve(&g, &w->alignment), 0);
	gather_free(&g);
}

static inline void world_end(struct world *w)
{
	align_free(&w->alignment);
	for (uint32_t i = 0; i < w->n; i++) {
		free(w->clocks[i].steered);
		free(w->clocks[i].rates);
	}
	free(w->messages);
	free(w);
}

#endif
