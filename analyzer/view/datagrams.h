/* SPDX-License-Identifier: Apache-2.0 */
/* datagrams.h - what `info` and `info --joins` say of datagrams. */
#ifndef DPROF_VIEW_DATAGRAMS_H
#define DPROF_VIEW_DATAGRAMS_H

#include "analyzer/view/view.h"

/* Fields of the object that is open: the sums. */
void datagrams_put_sums(const struct model *m, struct out *out);

/* `datagrams`: by services and address; with `all` also `flows`: each. 0 or -ENOMEM. */
int datagrams_put(const struct model *m, bool all, struct out *out);

#endif
