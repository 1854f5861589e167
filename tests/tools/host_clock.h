/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_clock.h - a host's clock, made up: what its stamps and its four clocks read at a true time. For
 * traffic.c and skew.c only; one thread. host_clock_read.h makes one from a line of text, and explains its
 * words.
 *
 * True time is in ns since a beginning. RAW is what a kernel counts: it drifts, is slewed, stands still while
 * the host sleeps, and jumps if it is broken; a stamp is RAW or so many ticks of a TSC. REALTIME follows RAW
 * (or true time), and is slewed and set beside it.
 */
#ifndef TESTS_TOOLS_HOST_CLOCK_H
#define TESTS_TOOLS_HOST_CLOCK_H

#include <math.h>
#include <string.h>

#include "analyzer/hash.h"
#include "analyzer/vec.h"
#include "tests/tools/frame.h"

#define CHANGES_MAX 16u
#define BILLION	    1000000000ll

/* At `at_ns` something changes by `by_ns`. */
struct change {
	int64_t at_ns, by_ns;
};

struct changes {
	struct change items[CHANGES_MAX];
	uint32_t count;
};

/* A rate that changes every `period_ns` to another one between -ppb and ppb. */
struct slewing {
	int64_t ppb, period_ns;
	uint64_t seed;
	VEC(int64_t) sums; /* ns gained up to the begin of each period */
};

struct host_clock {
	char *name, *host, *boot_id; /* host: the name in the dumps */
	int64_t offset_ns;	     /* of REALTIME at the beginning */
	int64_t drift_ppb;
	int64_t wave_ppb, wave_ns; /* the rate as a sine */
	struct slewing slew, real_slew;
	struct changes steps;  /* of REALTIME alone */
	struct changes jumps;  /* of RAW and the stamps alone */
	struct changes pauses; /* RAW and the stamps stand still */
	uint64_t raw_base;
	uint64_t tsc_khz;      /* 0: stamps are RAW */
	bool ntp;	       /* REALTIME keeps the rate of true time */
	bool no_header_anchor; /* no reading at all */
	bool no_anchors;       /* of the header's, and no others */
};

static int64_t rate_in_period(const struct slewing *s, size_t k)
{
	uint64_t random = hash_mix(s->seed + hash_mix(k + 1));

	return (int64_t)(random % (uint64_t)(2 * s->ppb + 1)) - s->ppb;
}

/* What a rate gains in a time: no overflow for days at 10 %. */
static int64_t gained(int64_t ns, int64_t ppb)
{
	return ns / 1000 * ppb / 1000000 + ns % 1000 * ppb / BILLION;
}

static int64_t slewed_by(struct slewing *s, int64_t t)
{
	size_t k;

	if (!s->ppb || t <= 0)
		return 0;
	k = (size_t)(t / s->period_ns);
	while (s->sums.count <= k) {
		size_t n = s->sums.count;
		int64_t sum = n ? s->sums.items[n - 1] + gained(s->period_ns, rate_in_period(s, n - 1)) : 0;

		must(!vec_push(&s->sums, sum));
	}
	return s->sums.items[k] + gained(t % s->period_ns, rate_in_period(s, k));
}

static int64_t changed_by(const struct changes *c, int64_t t)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < c->count; i++)
		sum += t >= c->items[i].at_ns ? c->items[i].by_ns : 0;
	return sum;
}

/* How long it stood still before t. */
static int64_t paused_ns(const struct host_clock *c, int64_t t)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < c->pauses.count; i++) {
		const struct change *p = &c->pauses.items[i];

		if (t > p->at_ns)
			sum += t - p->at_ns < p->by_ns ? t - p->at_ns : p->by_ns;
	}
	return sum;
}

/* When the host can do what it is to do at t. */
static inline int64_t awake_at(const struct host_clock *c, int64_t t)
{
	for (uint32_t i = 0; i < c->pauses.count; i++) {
		const struct change *p = &c->pauses.items[i];

		if (t >= p->at_ns && t < p->at_ns + p->by_ns)
			t = p->at_ns + p->by_ns;
	}
	return t;
}

/* What the clock has gained on true time at t, without pauses and jumps. */
static int64_t wander_ns(struct host_clock *c, int64_t t)
{
	int64_t gain = gained(t, c->drift_ppb) + slewed_by(&c->slew, t);

	if (c->wave_ppb) {
		double turns = 2 * M_PI / (double)c->wave_ns;

		gain += (int64_t)((double)c->wave_ppb * 1e-9 / turns * (1 - cos(turns * (double)t)));
	}
	return gain;
}

static uint64_t host_raw_ns(struct host_clock *c, int64_t t)
{
	return c->raw_base + (uint64_t)(t - paused_ns(c, t) + wander_ns(c, t) + changed_by(&c->jumps, t));
}

static uint64_t host_stamp(struct host_clock *c, int64_t t)
{
	uint64_t raw = host_raw_ns(c, t);

	return c->tsc_khz ? (uint64_t)((unsigned __int128)raw * c->tsc_khz / 1000000) : raw;
}

/* All four clocks; `epoch_ns`: REALTIME at the beginning, if it were right. */
static struct anchor host_anchor(struct host_clock *c, uint64_t epoch_ns, int64_t t)
{
	int64_t slewed = t + (c->ntp ? 0 : wander_ns(c, t)) + slewed_by(&c->real_slew, t);

	return (struct anchor){
	    .stamp = host_stamp(c, t),
	    .raw_ns = host_raw_ns(c, t),
	    .mono_ns = c->raw_base + (uint64_t)(slewed - paused_ns(c, t)),
	    .real_ns = epoch_ns + (uint64_t)(c->offset_ns + slewed + changed_by(&c->steps, t)),
	};
}

/* The truth, each `step_ns`: host, true time, stamp, RAW, REALTIME. */
static void write_truth(FILE *to, struct host_clock *c, uint64_t epoch_ns, int64_t from_ns, int64_t until_ns,
			int64_t step_ns)
{
	for (int64_t t = from_ns / step_ns * step_ns; t <= until_ns; t += step_ns) {
		struct anchor a = host_anchor(c, epoch_ns, t);

		must(fprintf(to, "clock %s %lld %llu %llu %llu\n", c->name, (long long)t,
			     (unsigned long long)a.stamp, (unsigned long long)a.raw_ns,
			     (unsigned long long)a.real_ns) > 0);
	}
}

#endif
