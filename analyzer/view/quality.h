/* SPDX-License-Identifier: Apache-2.0 */
/* quality.h - the end of the report: what was seen, joined and explained, and what was not. */
#ifndef DPROF_VIEW_QUALITY_H
#define DPROF_VIEW_QUALITY_H

#include "analyzer/model.h"
#include "analyzer/out/out.h"

/* 0 or -ENOMEM. */
int quality_put(const struct model *m, struct out *out);

#endif
