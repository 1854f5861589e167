/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - see clock.h: units, readings, and stamps to times. clock_fit.c makes the lines. Analyzer, one
 * thread. */
#include "analyzer/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int clock_unit(struct clock *c, const char *name)
{
	struct clock_unit unit = {0};

	if (!*name || strlen(name) >= sizeof(unit.name))
		return -EINVAL;
	for (size_t i = 0; i < c->units.count; i++) {
		if (!strcmp(c->units.items[i].name, name))
			return (int)i;
	}
	memcpy(unit.name, name, strlen(name));
	return vec_push(&c->units, unit) ? -ENOMEM : (int)(c->units.count - 1);
}

int clock_add(struct clock *c, int unit, uint32_t source, enum clock_order order, const struct anchor *a)
{
	return vec_push(&c->readings, (struct clock_reading){order, a->stamp, a->raw_ns, a->real_ns,
							     (uint32_t)unit, source});
}

void clock_free(struct clock *c)
{
	for (size_t i = 0; i < c->units.count; i++)
		vec_free(&c->units.items[i].pieces);
	vec_free(&c->units);
	vec_free(&c->readings);
	vec_free(&c->steps);
}

/* ---- stamps to times ---- */

static uint64_t saturated(uint64_t v, __int128 by)
{
	__int128 sum = by + v;

	return sum < 0 ? 0 : sum > UINT64_MAX ? UINT64_MAX : (uint64_t)sum;
}

uint64_t clock_raw_ns(const struct clock *c, uint64_t raw_ns)
{
	uint64_t ns = clock_line_at(&c->line, raw_ns);
	__int128 shift = 0;

	for (size_t i = 0; i < c->steps.count; i++) {
		const struct clock_step *s = &c->steps.items[i];

		if (!s->followed)
			continue;
		if (s->raw_ns <= raw_ns && s->raw_ns > c->base_ns)
			shift += s->by_ns;
		else if (s->raw_ns > raw_ns && s->raw_ns <= c->base_ns)
			shift -= s->by_ns;
	}
	return shift ? saturated(ns, shift) : ns;
}

/* Pieces of a group are in order of their stamps. */
static const struct clock_piece *find_piece(const struct clock_unit *u, uint32_t group, uint64_t stamp)
{
	const struct clock_piece *found = NULL;

	for (size_t i = 0; i < u->pieces.count; i++) {
		const struct clock_piece *p = &u->pieces.items[i];

		if (p->group == group && (!found || p->from <= stamp))
			found = p;
	}
	return found ? found : &u->pieces.items[0];
}

static uint64_t place(const struct clock *c, const struct clock_piece *p, uint64_t stamp)
{
	uint64_t raw = clock_line_at(&p->line, stamp);

	return clock_raw_ns(c, raw < p->low ? p->low : raw > p->high ? p->high : raw);
}

uint64_t clock_ns(const struct clock *c, int unit, uint64_t stamp)
{
	const struct clock_unit *u = &c->units.items[unit];

	return place(c, u->pieces.count == 1 ? u->pieces.items : find_piece(u, 0, stamp), stamp);
}

struct clock_cursor clock_begin(const struct clock *c, int unit, uint64_t raw_ns)
{
	const struct clock_unit *u = &c->units.items[unit];
	struct clock_cursor at = {0};

	for (size_t i = 1; i < u->pieces.count; i++) {
		if (u->pieces.items[i].low <= raw_ns)
			at.group = u->pieces.items[i].group;
	}
	return at;
}

uint64_t clock_anchor_ns(const struct clock *c, int unit, const struct anchor *a)
{
	const struct clock_unit *u = &c->units.items[unit];

	return place(c, find_piece(u, clock_begin(c, unit, a->raw_ns).group, a->stamp), a->stamp);
}

void clock_place(const struct clock *c, int unit, struct clock_cursor *at, uint64_t t0, uint64_t t1,
		 uint64_t ns[2])
{
	const struct clock_unit *u = &c->units.items[unit];
	uint32_t before = at->group;
	uint64_t back = t1 < at->last ? at->last - t1 : 0;

	/* Where it is known that they do, less is enough than where nested calls may look like it. */
	if (back > (at->group + 1 < u->groups ? u->second / 100 : u->second)) {
		if (at->group + 1 < u->groups) {
			at->group++;
		} else {
			unsigned __int128 by = (unsigned __int128)back * 1000000000 / u->second;

			at->back++;
			if (by > at->back_ns)
				at->back_ns = by > UINT64_MAX ? UINT64_MAX : (uint64_t)by;
		}
		at->last = t1;
	} else if (!back) {
		at->last = t1;
	}
	if (u->pieces.count == 1) {
		ns[0] = place(c, u->pieces.items, t0);
		ns[1] = place(c, u->pieces.items, t1);
		return;
	}
	ns[0] = place(c, find_piece(u, t0 > t1 ? before : at->group, t0), t0);
	ns[1] = place(c, find_piece(u, at->group, t1), t1);
}
