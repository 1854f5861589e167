// SPDX-License-Identifier: Apache-2.0
/* aside.c - see aside.h. Analyzer, one thread; trusts no record: an OPEN may be lost, cut or false. */
#include "analyzer/pass/aside.h"

#include <string.h>

enum aside { ASIDE_NOT, ASIDE_DATAGRAMS, ASIDE_WAKES };

static enum aside by_endpoint(const struct store_record *r)
{
	struct endpoint e;

	memcpy(&e, r->data, sizeof(e));
	if (e.family == ENDPOINT_PIPE || e.family == ENDPOINT_EVENT)
		return ASIDE_WAKES;
	return e.type == ENDPOINT_STREAM ? ASIDE_NOT : ASIDE_DATAGRAMS;
}

/* A datagram's own record says what its conn is; where there is none the OPEN does. */
static enum aside what_is(const struct store_process *p, const uint32_t *records, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct store_record *r = &p->records[records[i]];

		if (r->kind == RECORD_DGRAM_OUT || r->kind == RECORD_DGRAM_IN)
			return ASIDE_DATAGRAMS;
		if (r->kind == RECORD_OPEN && r->data_len >= sizeof(struct endpoint))
			return by_endpoint(r);
	}
	return ASIDE_NOT;
}

bool aside_take(struct asides *a, const struct store_process *p, const uint32_t *records, uint32_t n)
{
	enum aside what = what_is(p, records, n);

	a->datagram_conns += what == ASIDE_DATAGRAMS;
	a->wake_conns += what == ASIDE_WAKES;
	for (uint32_t i = 0; i < n && what != ASIDE_NOT; i++) {
		const struct store_record *r = &p->records[records[i]];

		if (r->flags & (RECORD_FLAG_PEEK | RECORD_FLAG_EOF))
			continue;
		if (r->kind == RECORD_DGRAM_OUT || r->kind == RECORD_DGRAM_IN) {
			a->datagrams++;
			a->datagram_bytes += r->len;
		} else if (r->kind == RECORD_OUT || r->kind == RECORD_IN) {
			a->wakes += what == ASIDE_WAKES;
		}
	}
	return what != ASIDE_NOT;
}
