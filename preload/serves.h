/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serves.h - will this process be traced, though it has not moved a byte yet? App's threads, cold.
 */
#ifndef DPROF_SERVES_H
#define DPROF_SERVES_H

#include <stdbool.h>

/* It holds a stream socket, or its program calls listen() and this process runs it from its start. Creates
 * nothing; some 20 us. */
bool serves_look(void);

#endif
