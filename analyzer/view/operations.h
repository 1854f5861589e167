/* SPDX-License-Identifier: Apache-2.0 */
/* operations.h - the parts of the report that count spans by what they are: services, operations, edges. */
#ifndef DPROF_VIEW_OPERATIONS_H
#define DPROF_VIEW_OPERATIONS_H

#include "analyzer/model.h"
#include "analyzer/out/out.h"

/* 0 or -ENOMEM. */
int operations_put(const struct model *m, struct out *out);
int operations_put_services(const struct model *m, struct out *out);
int operations_put_edges(const struct model *m, struct out *out);

#endif
