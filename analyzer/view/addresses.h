/* SPDX-License-Identifier: Apache-2.0 */
/* addresses.h - addresses that several hosts call their own: private networks, copied machines. */
#ifndef DPROF_VIEW_ADDRESSES_H
#define DPROF_VIEW_ADDRESSES_H

#include "analyzer/model.h"
#include "analyzer/out/out.h"

/* How many there are. 0 or -ENOMEM. */
int addresses_count_shared(const struct model *m, uint32_t *count);

/* A table of them, with their hosts. 0 or -ENOMEM. */
int addresses_put_shared(const struct model *m, struct out *out);

#endif
