/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_clocks.c - the clocks of the kernels that dumps are from: one per boot, but for dumps that claim one
 * boot and cannot be; and what is said about clocks that are not as they should be. Analyzer, one thread.
 *
 * Invariant: no dump with records is refused for its clock; what is guessed is said.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/loader.h"

#define NS_PER_CLOCK_TICK 10000000u /* of boot_start: USER_HZ is 100 wherever Linux runs */

/* ---- dumps without a reading ---- */

/* Stamps that are RAW themselves can do with those of any unit. */
static bool unit_has_reading(const struct clock *c, uint32_t unit)
{
	bool any = !strcmp(c->units.items[unit].name, "raw");

	for (size_t i = 0; i < c->readings.count; i++) {
		if ((any || c->readings.items[i].unit == unit) &&
		    clock_reading_is_sane(&c->readings.items[i]))
			return true;
	}
	return false;
}

static int take_first(void *to, const struct record *r, struct slice data)
{
	uint64_t *stamp = to;

	(void)data;
	if (r->t1 < *stamp)
		*stamp = r->t1;
	return 1;
}

/* The stamp of about the first record. */
static uint64_t first_stamp(const struct draft *d)
{
	uint64_t stamp = UINT64_MAX;

	for (size_t i = 0; i < d->blocks.count; i++)
		dump_read_records(d->blocks.items[i].object, take_first, &stamp);
	return stamp;
}

/* What the clocks may have read when the first record of a dump was made: it was begun then, and both RAW and
 * the stamps count from about when the machine came up. */
static int guess_reading(struct clock *c, const struct draft *d, uint32_t source)
{
	struct anchor a = {.stamp = first_stamp(d), .real_ns = d->process.start_ns};

	if (a.stamp == UINT64_MAX)
		return 0;
	a.raw_ns = d->process.boot_start;
	if (!strcmp(d->process.stamp, "raw"))
		a.raw_ns = a.stamp;
	else if (__builtin_mul_overflow(a.raw_ns, NS_PER_CLOCK_TICK, &a.raw_ns))
		a.raw_ns = 0;
	return clock_add(c, d->unit, source, CLOCK_BEGINS, &a);
}

static int guess_units(struct loader *l, uint32_t boot)
{
	struct clock *c = &l->boots.items[boot].clock;
	int err = 0;

	for (uint32_t i = 0; i < c->units.count && !err; i++) {
		const struct draft *earliest = NULL;

		if (unit_has_reading(c, i))
			continue;
		for (size_t k = 0; k < l->drafts.count; k++) {
			struct draft *d = &l->drafts.items[k];

			if (d->clock != boot || d->unit != (int)i)
				continue;
			d->readings.guessed = true;
			if (d->blocks.count &&
			    (!earliest || d->process.start_ns < earliest->process.start_ns))
				earliest = d;
		}
		if (earliest)
			err = guess_reading(c, earliest, (uint32_t)(earliest - l->drafts.items));
	}
	return err;
}

/* ---- dumps of one boot that cannot be ---- */

/* A clock with the readings of one part, and the same units. */
static int copy_part(const struct clock *from, const uint32_t *part, uint32_t number, struct clock *to)
{
	int err = 0;

	to->unfolded = from->unfolded;
	for (size_t i = 0; i < from->units.count && !err; i++)
		err = clock_unit(to, from->units.items[i].name) < 0 ? -ENOMEM : 0;
	for (size_t i = 0; i < from->readings.count && !err; i++) {
		if (part[from->readings.items[i].source] == number)
			err = vec_push(&to->readings, from->readings.items[i]);
	}
	return err ? err : clock_fit(to);
}

static int add_part(struct loader *l, uint32_t boot, const uint32_t *part, uint32_t number,
		    const struct clock *whole)
{
	struct boot b = {0};
	uint32_t to = number ? (uint32_t)l->boots.count : boot;
	int err = copy_part(whole, part, number, &b.clock);

	if (!err && number && asprintf(&b.id, "%s#%u", l->boots.items[boot].id, number + 1) < 0)
		err = -ENOMEM;
	if (!err && number)
		err = vec_push(&l->boots, b);
	if (err) {
		clock_free(&b.clock);
		return err;
	}
	if (!number)
		l->boots.items[boot].clock = b.clock;
	for (size_t i = 0; i < l->drafts.count; i++) {
		if (l->drafts.items[i].clock == boot && part[i] == number)
			l->drafts.items[i].clock = to;
	}
	return 0;
}

static int split_boot(struct loader *l, uint32_t boot)
{
	struct clock whole = l->boots.items[boot].clock;
	uint32_t *part = calloc(l->drafts.count + 1, sizeof(*part)), parts = 1;
	int err = part ? clock_part(&whole, part, &parts) : -ENOMEM;

	if (!err && parts > 1) {
		l->boots.items[boot].clock = (struct clock){0};
		l->boots.items[boot].parts = parts;
		for (uint32_t i = 1; i <= parts && !err; i++)
			err = add_part(l, boot, part, i % parts, &whole);
		clock_free(&whole);
	}
	free(part);
	return err;
}

/* ---- the clocks of the store ---- */

static int fill_steps(const struct clock *c, struct store_clock *to)
{
	to->steps = calloc(c->steps.count + 1, sizeof(*to->steps));
	if (!to->steps)
		return -ENOMEM;
	for (size_t i = 0; i < c->steps.count; i++) {
		const struct clock_step *s = &c->steps.items[i];

		to->steps[to->step_count++] =
		    (struct store_step){clock_raw_ns(c, s->raw_ns), s->within_ns, s->by_ns, s->followed};
	}
	return 0;
}

static int fill_clock(struct boot *b, struct store_clock *to)
{
	const struct clock *c = &b->clock;

	*to = (struct store_clock){
	    .boot_id = b->id,
	    .anchors = c->used,
	    .bad_anchors = c->bad,
	    .wrong_anchors = c->wrong,
	    .error_ns = c->error_ns,
	    .wander_ns = c->wander_ns,
	    .breaks = c->breaks,
	    .guessed = c->guessed,
	};
	b->id = NULL;
	return fill_steps(c, to);
}

int clocks_build(struct loader *l)
{
	struct store *s = l->store;
	size_t boots = l->boots.count;
	int err = 0;

	for (uint32_t i = 0; i < boots && !err; i++) {
		struct clock *c = &l->boots.items[i].clock;

		err = guess_units(l, i);
		err = err ? err : clock_fit(c);
		if (!err && (c->steps.count || c->wrong))
			err = split_boot(l, i);
	}
	s->clocks = calloc(l->boots.count + 1, sizeof(*s->clocks));
	if (err || !s->clocks)
		return -ENOMEM;
	for (size_t i = 0; i < l->boots.count && !err; i++)
		err = fill_clock(&l->boots.items[i], &s->clocks[s->clock_count++]);
	return err;
}

/* ---- what is said ---- */

static const char *times(uint64_t n)
{
	return n == 1 ? "time" : "times";
}

/* "1.500 s" */
struct seconds {
	char text[32];
};

static struct seconds seconds(uint64_t ns)
{
	struct seconds s;

	snprintf(s.text, sizeof(s.text), "%" PRIu64 ".%03" PRIu64 " s", ns / 1000000000, ns / 1000000 % 1000);
	return s;
}

int clocks_tell_process(struct loader *l, const struct draft_clock *d, const struct store_process *p)
{
	bool guessed = l->boots.items[p->clock].clock.guessed;
	int err = 0;

	if (p->back_records || ((guessed || d->guessed) && strcmp(p->stamp, "raw") != 0))
		l->store->clocks[p->clock].unsteady = true;
	if (!p->record_count)
		return 0;
	if (d->guessed)
		err = load_note(
		    l, p->path,
		    "no dump of this boot has a reading of the clocks: its times are guesses, as if "
		    "its first record was made when it says that it was begun");
	else if (!d->readings)
		err = load_note(l, p->path,
				"no reading of the clocks: those of other dumps of this boot are used");
	else if (guessed)
		err =
		    load_note(l, p->path,
			      "the clock was read too seldom to know how long a tick is: times are guesses");
	if (!err && (d->disordered || p->back_records))
		err = load_note(l, p->path,
				"its clock goes back, by up to %s (readings: %" PRIu64 ", records: %" PRIu64
				"): its records stay in the order in which they were made",
				seconds(d->back_ns > p->back_ns ? d->back_ns : p->back_ns).text,
				d->disordered, p->back_records);
	return err;
}

static int tell_steps(struct loader *l, const struct store_clock *c, const char *where)
{
	uint32_t set = 0;
	int64_t most = 0;

	for (uint32_t i = 0; i < c->step_count; i++) {
		int64_t by = c->steps[i].by_ns;

		if (!by || c->steps[i].followed)
			continue;
		set++;
		if (!most || llabs(by) > llabs(most))
			most = by;
	}
	if (!set)
		return 0;
	return load_note(l, where,
			 "its CLOCK_REALTIME was set, or the machine slept, %" PRIu32
			 " %s while programs ran, by %s%s at most: their times do not jump with it",
			 set, times(set), most < 0 ? "-" : "+", seconds((uint64_t)llabs(most)).text);
}

static int tell_clock(struct loader *l, uint32_t clock, const char *where)
{
	const struct store_clock *c = &l->store->clocks[clock];
	uint32_t parts = clock < l->boots.count ? l->boots.items[clock].parts : 0;
	int err = 0;

	if (parts)
		err =
		    load_note(l, where,
			      "dumps with boot %s have %" PRIu32
			      " clocks that cannot be one (a cloned machine, a copied image): each is taken "
			      "for a machine of its own",
			      c->boot_id, parts);
	if (!err && c->wrong_anchors)
		err = load_note(l, where,
				"%" PRIu64 " of the %" PRIu64
				" readings of its clock contradict the others: not used",
				c->wrong_anchors, c->anchors + c->bad_anchors);
	if (!err && c->breaks)
		err = load_note(l, where,
				"its stamps broke against CLOCK_MONOTONIC_RAW %" PRIu64
				" %s: times between the readings before and after are guesses",
				c->breaks, times(c->breaks));
	return err ? err : tell_steps(l, c, where);
}

int clocks_tell(struct loader *l)
{
	struct store *s = l->store;
	int err = 0;

	for (uint32_t i = 0; i < s->clock_count && !err; i++) {
		const char *name = NULL;
		char where[300];

		for (uint32_t k = 0; k < s->host_count && !name; k++)
			name = s->hosts[k].clock == i ? s->hosts[k].name : NULL;
		snprintf(where, sizeof(where), "host %.250s", name ? name : "?");
		err = tell_clock(l, i, where);
	}
	return err;
}
