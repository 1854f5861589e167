/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampling.h - the parts of the report that are there if processes were recorded in windows only: how much of
 * the time that was, and how far the numbers of an operation may be off.
 */
#ifndef DPROF_VIEW_SAMPLING_H
#define DPROF_VIEW_SAMPLING_H

#include "analyzer/model.h"
#include "analyzer/out/out.h"
#include "analyzer/view/estimate.h"

struct sampling {
	struct bounds rate;
	struct estimate_quantile p50, p99;
	uint64_t count;	   /* of durations */
	uint64_t censored; /* were not over when the gate was shut */
	bool reached;	   /* survival_p99 is known */
	uint64_t survival_p99;
};

/* Of one operation's spans that count. 0 or -ENOMEM. */
int sampling_of(const struct model *m, const uint32_t *spans, uint32_t count, struct sampling *out);

/* Cells of a row, in the order of SAMPLING_COLUMNS. */
#define SAMPLING_CELLS 8
#define SAMPLING_COLUMNS                                                                                     \
	{"sampling.rate_low_per_s", NULL, OUT_NUMBER}, {"sampling.rate_high_per_s", NULL, OUT_NUMBER},       \
	    {"sampling.p50_low_ns", NULL, OUT_NS}, {"sampling.p50_high_ns", NULL, OUT_NS},                   \
	    {"sampling.p99_low_ns", NULL, OUT_NS}, {"sampling.p99_high_ns", NULL, OUT_NS},                   \
	    {"sampling.censored", NULL, OUT_COUNT},                                                          \
	{                                                                                                    \
		"sampling.p99_survival_ns", NULL, OUT_NS                                                     \
	}
void sampling_cells(const struct sampling *s, struct out_value cells[SAMPLING_CELLS]);

/* One line per operation for people, between begin and end. */
void sampling_draw_begin(struct out *out);
void sampling_draw(const struct model *m, uint32_t any, const struct sampling *s, struct out *out);
void sampling_draw_end(struct out *out);

/* What was recorded of the time. */
void sampling_put(const struct model *m, struct out *out);

/* For info: the openings of each process. */
void sampling_put_windows(const struct model *m, struct out *out);

#endif
