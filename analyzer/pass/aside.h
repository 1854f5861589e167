/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aside.h - connections that are no streams: datagrams, which have no offsets to join by, and pipes and
 * eventfds, whose bytes mean nothing but a wake. Pass 1 counts them and lays them aside.
 */
#ifndef DPROF_PASS_ASIDE_H
#define DPROF_PASS_ASIDE_H

#include "analyzer/store.h"

/* Sights of one process each, and what its records tell. */
struct asides {
	uint64_t datagram_conns, datagrams, datagram_bytes;
	uint64_t wake_conns, wakes;
};

/* Whether these records of one conn are no stream's; counts them then. What is peeked counts nothing. */
bool aside_take(struct asides *a, const struct store_process *p, const uint32_t *records, uint32_t n);

#endif
