/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.h - when to record: the same wall-clock windows on every host, with no word between them. Library
 * (opens and shuts its gate by it) and analyzer (counts what began inside). Pure; any thread.
 *
 * Window k is [k * period + phase(seed, k), + window) in ns of CLOCK_REALTIME; the phase is a hash modulo
 * (period - window), so that no periodic work of the program hides from all windows or sits in each. Around
 * each window a margin is recorded too: a tree that began in the window is whole, also where the clocks of
 * two hosts differ.
 */
#ifndef DPROF_WINDOW_H
#define DPROF_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_MARGIN_NS     1000000000ull /* the standard: this, or half a window if that is less */
#define WINDOW_PERIOD_MAX_NS (24 * 3600 * 1000000000ull)

/* period_ns 0: no windows, always recorded. */
struct window_plan {
	uint64_t window_ns;
	uint64_t period_ns;
	uint64_t margin_ns;
	uint64_t seed;
};

struct window_span {
	uint64_t from_ns, to_ns; /* CLOCK_REALTIME */
};

/* "off", or W/P with units ms, s, m or h, then perhaps ",seed=N" and ",margin=D". False: not that. */
bool window_parse(const char *text, struct window_plan *plan);

/* Could a library have made this plan? For what was read from a file. */
bool window_is_sane(const struct window_plan *plan);

/* Window number k, without its margins. */
struct window_span window_at(const struct window_plan *plan, uint64_t k);

/* Is it recorded at `now_ns`, margins included? *until_ns: the next moment at which that may change. */
bool window_is_open(const struct window_plan *plan, uint64_t now_ns, uint64_t *until_ns);

#endif
