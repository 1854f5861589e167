/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - pass: where in its stream a byte is, when several processes held the socket. Each counted what it
 * moved itself. TCP's counters in the kernel tell a holder of the others, but not at each call; a unix
 * socket has none, so who is given one (fork, SCM_RIGHTS, exec) begins where he knows, often at 0. All
 * holders together, in order of time on their one clock, say where each of them stood.
 *
 * Writes what was loaded: the offsets of such records, before anybody reads them.
 */
#ifndef DPROF_PASS_PLACE_H
#define DPROF_PASS_PLACE_H

#include "analyzer/store.h"

struct placing {
	uint64_t sockets; /* in which records were moved */
	uint64_t records; /* that were moved */
	uint64_t races;	  /* of these sockets: calls of two holders at once, in the order of their return */
};

int place_run(struct store *store, struct placing *out);

#endif
