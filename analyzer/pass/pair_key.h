/* SPDX-License-Identifier: Apache-2.0 */
/* pair_key.h - the hashes that a cid is made of; README.md defines them for strangers. Part of pass 2. */
#ifndef DPROF_PASS_PAIR_KEY_H
#define DPROF_PASS_PAIR_KEY_H

#include "analyzer/pass/party.h"

/* Fills p->hash. */
void pair_hash(const struct store *store, const struct conns *conns, struct party *p);

/* Of the connection, but for incarnation and direction: equal whether a is given alone, b alone, or both. b
 * may be NULL. */
uint64_t pair_base(const struct store *store, const struct party *a, const struct party *b);

/* Whether a is the end that comes second among the two, which is what directions are named by. */
bool pair_is_second(const struct party *a, const struct party *b);

/* The key of a link: bit 0 says whether the client is the end that comes second. */
uint64_t pair_link_key(uint64_t base, uint32_t incarnation, bool client_is_second);

#endif
