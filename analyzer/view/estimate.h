/* SPDX-License-Identifier: Apache-2.0 */
/*
 * estimate.h - what a sample in windows says of the whole: bounds that hold the truth in 95 of 100 samples.
 * Pure. The methods, with their sources, are in README.md.
 */
#ifndef DPROF_VIEW_ESTIMATE_H
#define DPROF_VIEW_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bounds {
	double low, high;
};

/* What was counted in one window, and how long that was open. */
struct estimate_window {
	uint64_t count;
	uint64_t open_ns;
};

/* A duration; `part`: the window its request began in. */
struct estimate_value {
	uint64_t ns;
	uint32_t part;
	bool censored; /* at least so long: the end was not seen */
};

/* Student's t that 97.5 % lie below, at so many degrees of freedom. */
double estimate_t(size_t df);

/* Per second. */
struct bounds estimate_rate(const struct estimate_window *windows, size_t n);

/* Bounds of a quantile. */
struct estimate_quantile {
	uint64_t low_ns, high_ns;
	bool high_known; /* false: the sample has too few above */
};

/* `sorted`: n durations in order, from `parts` windows; `scratch` has room for 2 * parts numbers. */
struct estimate_quantile estimate_quantile(const struct estimate_value *sorted, size_t n, uint32_t parts,
					   double quantile, double *scratch);

/* The quantile with censored durations in it (Kaplan and Meier); false: the sample does not reach it.
 * `sorted` by duration, what ended before what was censored. */
bool estimate_survival(const struct estimate_value *sorted, size_t n, double quantile, uint64_t *ns);

#endif
