/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c - see gate.h. The flusher writes; threads read without an order: a record more or less at an edge is
 * within the margin. */
#include "preload/gate.h"

uint32_t gate_now = 1;
uint32_t gate_files;

static uint32_t last = 1; /* number of the last opening */
static uint32_t first;	  /* number from which on what was told is in the present file; 0: all of it */

bool gate_has_told(uint32_t told)
{
	return told >= __atomic_load_n(&first, __ATOMIC_RELAXED);
}

void gate_set(bool open)
{
	if (!open && first == 0)
		__atomic_store_n(&first, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&gate_now, open ? ++last : GATE_SHUT, __ATOMIC_RELAXED);
}

void gate_forget(void)
{
	__atomic_fetch_add(&gate_files, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&first, ++last, __ATOMIC_RELAXED);
	if (gate_read() != GATE_SHUT)
		__atomic_store_n(&gate_now, last, __ATOMIC_RELAXED);
}
