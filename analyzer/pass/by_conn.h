/* SPDX-License-Identifier: Apache-2.0 */
/* by_conn.h - for conn.c: the records of a process, sorted by the connection that they name. */
#ifndef DPROF_PASS_BY_CONN_H
#define DPROF_PASS_BY_CONN_H

#include "analyzer/store.h"

/* The process's records that name a conn, by conn, those of one conn in their order. free() it. */
int by_conn(const struct store_process *p, uint32_t **sorted, uint32_t *n);

#endif
