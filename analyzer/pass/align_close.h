/* SPDX-License-Identifier: Apache-2.0 */
/*
 * align_close.h - what bounds between pairs of clocks say of all of them, at one moment. Part of pass align.
 * A matrix of n by n holds at [i * n + j] how far clock j is ahead of clock i at most, ALIGN_OPEN if nothing
 * says so; the diagonal is 0.
 */
#ifndef DPROF_PASS_ALIGN_CLOSE_H
#define DPROF_PASS_ALIGN_CLOSE_H

#include "analyzer/pass/align_edge.h"

/* Makes every bound as tight as all of them together. False: they contradict each other. */
bool align_close(int64_t *m, uint32_t n);

/*
 * Chooses an offset to clock r for every clock, so that each bound of a closed matrix holds: in the middle of
 * what is possible, or at the bound if there is one to one side only. False in placed[]: nothing bounds it.
 */
void align_place(const int64_t *m, uint32_t n, uint32_t r, int64_t *offset, bool *placed);

#endif
