/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.h - every pass, in order. */
#ifndef DPROF_PASS_PIPELINE_H
#define DPROF_PASS_PIPELINE_H

struct model;

/* Runs the passes on model->store. 0 or -errno; then *failed names the pass. */
int pipeline_run(struct model *model, const char **failed);
void pipeline_free(struct model *model);

#endif
