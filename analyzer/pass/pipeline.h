/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.h - every pass, in order. */
#ifndef DPROF_PASS_PIPELINE_H
#define DPROF_PASS_PIPELINE_H

struct model;

/* Told after each pass; a pass itself reads no clock. */
typedef void pipeline_told(const char *pass);

/* Runs the passes on model->store; told may be NULL. 0 or -errno; then *failed names the pass. */
int pipeline_run(struct model *model, pipeline_told *told, const char **failed);
void pipeline_free(struct model *model);

#endif
