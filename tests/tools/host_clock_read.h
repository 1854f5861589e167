/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_clock_read.h - host clocks from a file of lines. For traffic.c and skew.c only; one thread.
 *
 *	NAME WORD...		# a comment
 * NAME is the host's, or * for all that no line names. Words:
 *	offset=T drift=RATE	REALTIME is off by T at the beginning; RAW is too fast by RATE
 *	slew=RATE/T wave=RATE/T RAW has another rate each T, or one as a sine of period T
 *	real_slew=RATE/T ntp	REALTIME has; REALTIME keeps the rate of true time, whatever RAW does
 *	step=AT:BY		REALTIME alone is set by BY at AT
 *	jump=AT:BY		RAW and the stamps jump
 *	pause=AT:T		RAW and the stamps stand still: the host sleeps
 *	tsc=KHZ base=T		stamps are ticks; RAW at the beginning
 *	as=TEXT boot=TEXT	the name and the boot in the dumps
 *	anchors=header|none	no reading of the clocks but the header's, or none at all
 *	when=host:X ...		skew: the dumps that are of this host, also service: program: pid: netns:
 * Times have a unit (ns us ms s h d), rates ppm or ppb; ~ before a value: at random between -value and value.
 */
#ifndef TESTS_TOOLS_HOST_CLOCK_READ_H
#define TESTS_TOOLS_HOST_CLOCK_READ_H

#include <errno.h>

#include "tests/tools/host_clock.h"

static uint64_t clock_seed;

/* A number with one of the units, behind the values of which *end is. */
static int64_t quantity(const char *text, const char *const *names, const double *factors, const char **end)
{
	static uint64_t drawn;
	bool random = *text == '~';
	char *rest;
	double v = strtod(text + random, &rest);

	if (rest == text + random)
		give_up("not a number: %s", text);
	for (unsigned int i = 0; names[i]; i++) {
		size_t len = strlen(names[i]);

		if (strncmp(rest, names[i], len))
			continue;
		*end = rest + len;
		if (random)
			v *= (double)(int64_t)hash_mix(clock_seed + hash_mix(++drawn)) * 0x1p-63;
		return (int64_t)(v * factors[i]);
	}
	give_up("no unit: %s", text);
}

static int64_t time_in(const char *text, const char **end)
{
	static const char *const names[] = {"ns", "us", "ms", "s", "h", "d", NULL};
	static const double factors[] = {1, 1e3, 1e6, 1e9, 3.6e12, 8.64e13};

	return quantity(text, names, factors, end);
}

static int64_t rate_in(const char *text, const char **end)
{
	static const char *const names[] = {"ppm", "ppb", NULL};
	static const double factors[] = {1000, 1};

	return quantity(text, names, factors, end);
}

static const char *behind(const char *at, char c, const char *text)
{
	if (*at != c)
		give_up("no %c in %s", c, text);
	return at + 1;
}

static void read_change(struct changes *to, const char *text)
{
	const char *at;

	if (to->count == CHANGES_MAX)
		give_up("more than %u: %s", CHANGES_MAX, text);
	to->items[to->count].at_ns = time_in(text, &at);
	to->items[to->count++].by_ns = time_in(behind(at, ':', text), &at);
}

static void read_slewing(struct slewing *to, const char *text)
{
	const char *at;

	to->ppb = llabs(rate_in(text, &at));
	to->period_ns = time_in(behind(at, '/', text), &at);
	to->seed = hash_bytes(text, strlen(text), clock_seed);
	if (to->period_ns <= 0)
		give_up("no period: %s", text);
}

/* False: no such word. */
static bool read_clock_word(struct host_clock *c, const char *word, const char *v)
{
	const char *at;

	if (!strcmp(word, "offset")) {
		c->offset_ns = time_in(v, &at);
	} else if (!strcmp(word, "base")) {
		c->raw_base = (uint64_t)time_in(v, &at);
	} else if (!strcmp(word, "drift")) {
		c->drift_ppb = rate_in(v, &at);
	} else if (!strcmp(word, "wave")) {
		c->wave_ppb = rate_in(v, &at);
		c->wave_ns = time_in(behind(at, '/', v), &at);
	} else if (!strcmp(word, "slew")) {
		read_slewing(&c->slew, v);
		c->slew.seed += hash_bytes(c->name, strlen(c->name), 1);
	} else if (!strcmp(word, "real_slew")) {
		read_slewing(&c->real_slew, v);
		c->real_slew.seed += hash_bytes(c->name, strlen(c->name), 2);
	} else if (!strcmp(word, "step")) {
		read_change(&c->steps, v);
	} else if (!strcmp(word, "jump")) {
		read_change(&c->jumps, v);
	} else if (!strcmp(word, "pause")) {
		read_change(&c->pauses, v);
	} else if (!strcmp(word, "tsc")) {
		c->tsc_khz = strtoull(v, NULL, 10);
	} else if (!strcmp(word, "as")) {
		c->host = strdup(v);
	} else if (!strcmp(word, "boot")) {
		c->boot_id = strdup(v);
	} else if (!strcmp(word, "anchors")) {
		c->no_header_anchor = !strcmp(v, "none");
		c->no_anchors = c->no_header_anchor || !strcmp(v, "header");
	} else if (!strcmp(word, "ntp")) {
		c->ntp = true;
	} else {
		return false;
	}
	return true;
}

/* A clock without words: its own boot, up for some hours. */
static struct host_clock plain_clock(const char *name)
{
	uint64_t hash = hash_bytes(name, strlen(name), clock_seed);
	struct host_clock c = {.name = strdup(name), .host = strdup(name)};

	c.raw_base = BILLION * 1000 + hash % (100000 * (uint64_t)BILLION);
	must(asprintf(&c.boot_id, "%08x-0000-4000-8000-%012llx", (unsigned int)(hash >> 32),
		      (unsigned long long)(hash_mix(hash) >> 16)) > 0);
	return c;
}

/* Reads a line into the clock; `other` is told of words that are not a clock's. */
static void read_clock_line(struct host_clock *c, const char *line, void (*other)(void *to, const char *word),
			    void *to)
{
	char *copy = strdup(line), *rest = NULL;

	for (char *word = strtok_r(copy, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest)) {
		char *value = strchr(word, '=');

		if (*word == '#')
			break;
		if (!strncmp(word, "when=", 5)) {
			if (other)
				other(to, word + 5);
			continue;
		}
		if (value)
			*value++ = 0;
		if (!read_clock_word(c, word, value ? value : ""))
			give_up("%s: no such word: %s", c->name, word);
	}
	free(copy);
}

#endif
