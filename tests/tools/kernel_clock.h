/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_clock.h - what the clocks of a scenario's host show at its times, and what happens to them. For
 * mkdump.c only. */
#ifndef TESTS_TOOLS_KERNEL_CLOCK_H
#define TESTS_TOOLS_KERNEL_CLOCK_H

#include "tests/tools/cast.h"

/* NAME=AT,BY */
static struct warp warp_of(const struct word *w, unsigned int n, const char *name)
{
	const char *text = text_of(w, n, name, NULL), *rest;
	struct warp warp = {.at_ns = UINT64_MAX};

	if (!text)
		return warp;
	warp.at_ns = time_in(text, &rest);
	if (*rest == ',')
		warp.by_ns = (int64_t)time_in(rest + 1, &rest);
	if (*rest)
		fail("%s: not AT,BY: %s", name, text);
	return warp;
}

static void declare_clock(struct process *p, const struct word *w, unsigned int n)
{
	const char *rest;

	p->skew_ns = time_in(text_of(w, n, "skew", "0"), &rest);
	p->drift_ppm = (int64_t)number_of(w, n, "drift", 0);
	p->set = warp_of(w, n, "set");
	p->sleeps = warp_of(w, n, "sleeps");
	p->back = warp_of(w, n, "back");
	p->restart = warp_of(w, n, "restart");
	p->readings = number_of(w, n, "readings", 0);
	p->no_anchor = !strcmp(text_of(w, n, "anchor", ""), "none");
}

/* ns since t=0 on the clock that the stamps are of, if it never stops. */
static uint64_t ticks_ns(const struct process *p, uint64_t ns)
{
	uint64_t own = ns + (uint64_t)(int64_t)((__int128)ns * p->drift_ppm / 1000000);

	return ns >= p->back.at_ns ? own - (uint64_t)p->back.by_ns : own;
}

static bool is_asleep(const struct process *p, uint64_t ns)
{
	return ns >= p->sleeps.at_ns && ns - p->sleeps.at_ns < (uint64_t)p->sleeps.by_ns;
}

static uint64_t raw_at(const struct process *p, uint64_t ns)
{
	uint64_t own = RAW_BASE + ticks_ns(p, ns);

	if (is_asleep(p, ns))
		return RAW_BASE + ticks_ns(p, p->sleeps.at_ns);
	return ns < p->sleeps.at_ns ? own : own - (uint64_t)p->sleeps.by_ns;
}

static uint64_t stamp_at(const struct process *p, uint64_t ns)
{
	if (!p->tsc)
		return raw_at(p, ns);
	if (ns >= p->restart.at_ns)
		return (ns - p->restart.at_ns + (uint64_t)p->restart.by_ns) * TSC_PER_NS;
	return (RAW_BASE + ticks_ns(p, ns)) * TSC_PER_NS;
}

static struct anchor anchor_at(const struct process *p, uint64_t ns)
{
	uint64_t raw = raw_at(p, ns);
	uint64_t set = ns >= p->set.at_ns ? (uint64_t)p->set.by_ns : 0;

	if (ns >= p->back.at_ns)
		set -= (uint64_t)p->back.by_ns;
	return (struct anchor){.stamp = stamp_at(p, ns),
			       .raw_ns = raw,
			       .mono_ns = raw,
			       .real_ns = EPOCH_NS + ns + p->skew_ns + set};
}

#endif
