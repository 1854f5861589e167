/* SPDX-License-Identifier: Apache-2.0 */
/* timing.h - how long each step of the analysis took, said on stderr for `--timings`. One thread. */
#ifndef DPROF_TIMING_H
#define DPROF_TIMING_H

void timing_begin(void);

/* Says the time since the step before, and the most memory so far. */
void timing_tell(const char *step);

#endif
