/* SPDX-License-Identifier: Apache-2.0 */
/* join_nat.h - joins of ends whose addresses were translated, or do not know of each other. Part of pass 2.
 */
#ifndef DPROF_PASS_JOIN_NAT_H
#define DPROF_PASS_JOIN_NAT_H

#include "analyzer/pass/join.h"

/* Among ends without a partner. 0 or -ENOMEM. */
int join_nat(struct joining *j);

#endif
