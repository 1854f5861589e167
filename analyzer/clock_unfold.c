/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock_unfold.c - clocks whose CLOCK_MONOTONIC_RAW goes back, which no healthy kernel's does: from there on
 * it is moved on, so that a later reading is later. Analyzer, one thread.
 *
 * By how much: as CLOCK_REALTIME has it, if that goes on; else so much that the records between two readings
 * have room. The k-th break is the same for all dumps of the clock.
 */
#include <errno.h>
#include <stdlib.h>

#include "analyzer/clock.h"

#define ROOM_MIN_NS 2000000000u /* twice the time between two readings */
#define BREAKS_MAX  16u		/* more are not unfolded */

/* A dump, on the way through its readings. */
struct thread_of_time {
	uint64_t raw_ns, real_ns; /* of the last reading */
	uint64_t apart_ns;	  /* the most between two */
	uint32_t breaks;
	bool begun;
};

struct unfolding {
	struct thread_of_time *sources;
	uint64_t by_ns[BREAKS_MAX]; /* k-th break */
	bool found;
};

/* How much RAW has to be moved on for this reading to be as late as it is. */
static uint64_t needed(const struct thread_of_time *t, const struct clock_reading *r)
{
	uint64_t back_ns = t->raw_ns - r->raw_ns, room_ns = 2 * t->apart_ns;

	if (r->real_ns >= t->real_ns && r->real_ns - t->real_ns <= room_ns + ROOM_MIN_NS)
		return back_ns + (r->real_ns - t->real_ns);
	return back_ns + (room_ns > ROOM_MIN_NS ? room_ns : ROOM_MIN_NS);
}

/* The number of breaks before this reading. */
static uint32_t follow(struct unfolding *u, const struct clock_reading *r)
{
	struct thread_of_time *t = &u->sources[r->source];

	if (r->order == CLOCK_BEGINS || !t->begun) {
		*t = (struct thread_of_time){.begun = true};
	} else if (r->raw_ns < t->raw_ns && t->breaks < BREAKS_MAX) {
		uint64_t by_ns = needed(t, r);

		if (by_ns > u->by_ns[t->breaks])
			u->by_ns[t->breaks] = by_ns;
		t->breaks++;
		u->found = true;
	} else if (r->raw_ns > t->raw_ns && r->raw_ns - t->raw_ns > t->apart_ns) {
		t->apart_ns = r->raw_ns - t->raw_ns;
	}
	t->raw_ns = r->raw_ns;
	t->real_ns = r->real_ns;
	return t->breaks;
}

static void move_on(struct unfolding *u, struct clock_reading *r)
{
	uint32_t breaks;

	if (r->order == CLOCK_ASIDE) { /* before or behind a break, who knows */
		r->real_ns = u->sources[r->source].breaks ? 0 : r->real_ns;
		return;
	}
	breaks = follow(u, r);
	for (uint32_t i = 0; i < breaks; i++)
		r->raw_ns = r->raw_ns > INT64_MAX - u->by_ns[i] ? INT64_MAX : r->raw_ns + u->by_ns[i];
}

int clock_unfold(struct clock *c)
{
	struct unfolding u = {0};
	uint32_t sources = 0;

	if (c->unfolded)
		return 0;
	for (size_t i = 0; i < c->readings.count; i++)
		if (c->readings.items[i].source >= sources)
			sources = c->readings.items[i].source + 1;
	u.sources = calloc(sources + 1ul, sizeof(*u.sources));
	if (!u.sources)
		return -ENOMEM;
	for (size_t i = 0; i < c->readings.count; i++)
		if (c->readings.items[i].order != CLOCK_ASIDE && clock_reading_is_sane(&c->readings.items[i]))
			follow(&u, &c->readings.items[i]);
	for (uint32_t i = 0; i < sources && u.found; i++)
		u.sources[i].begun = false;
	for (size_t i = 0; i < c->readings.count && u.found; i++)
		if (clock_reading_is_sane(&c->readings.items[i]))
			move_on(&u, &c->readings.items[i]);
	c->unfolded = u.found;
	free(u.sources);
	return 0;
}
