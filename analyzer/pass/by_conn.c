// SPDX-License-Identifier: Apache-2.0
/* by_conn.c - see by_conn.h. Pure. */
#include "analyzer/pass/by_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_conn(const struct store_record *r)
{
	switch (r->kind) {
	case RECORD_OUT:
	case RECORD_IN:
	case RECORD_OPEN:
	case RECORD_CLOSE:
	case RECORD_RESYNC:
	case RECORD_PEER:
	case RECORD_DGRAM_OUT:
	case RECORD_DGRAM_IN:
	case RECORD_TLS:
		return r->conn != RECORD_CONN_NONE;
	default:
		return false;
	}
}

/* One stable pass of a radix sort by 16 bits of the conn number. */
static void radix_pass(const struct store_process *p, const uint32_t *from, uint32_t *to, uint32_t n,
		       uint32_t *starts, unsigned int shift)
{
	uint32_t sum = 0;

	memset(starts, 0, 65536 * sizeof(*starts));
	for (uint32_t i = 0; i < n; i++)
		starts[p->records[from[i]].conn >> shift & 0xffff]++;
	for (uint32_t i = 0; i < 65536; i++) {
		uint32_t count = starts[i];

		starts[i] = sum;
		sum += count;
	}
	for (uint32_t i = 0; i < n; i++)
		to[starts[p->records[from[i]].conn >> shift & 0xffff]++] = from[i];
}

int by_conn(const struct store_process *p, uint32_t **sorted, uint32_t *n)
{
	uint32_t *order = malloc((p->record_count + 1) * sizeof(*order));
	uint32_t *other = malloc((p->record_count + 1) * sizeof(*other));
	uint32_t *starts = malloc(65536 * sizeof(*starts));
	int err = order && other && starts ? 0 : -ENOMEM;

	*n = 0;
	if (!err) {
		for (uint32_t i = 0; i < p->record_count; i++) {
			if (has_conn(&p->records[i]))
				order[(*n)++] = i;
		}
		radix_pass(p, order, other, *n, starts, 0);
		radix_pass(p, other, order, *n, starts, 16);
		*sorted = order;
		order = NULL;
	}
	free(order);
	free(other);
	free(starts);
	return err;
}
