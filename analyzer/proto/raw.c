/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw.c - the grammar of what has none: a burst is a message. Analyzer, one thread per connection; pure.
 *
 * Invariant: takes anything; shows no byte of it.
 */
#include <string.h>

#include "table.h"

static int raw_sniff(enum proto_dir dir, const uint8_t *head, size_t len)
{
	(void)dir, (void)head, (void)len;
	return 1;
}

static int64_t raw_edge(const void *state, enum proto_dir dir, const uint8_t *bytes, size_t len)
{
	(void)state, (void)dir, (void)bytes, (void)len;
	return PROTO_MORE;
}

static void raw_label(void *state, enum proto_dir dir, const uint8_t *bytes, size_t len, int full,
		      struct label *out)
{
	(void)state, (void)bytes, (void)len, (void)full;
	if (dir == PROTO_TO_SERVER)
		strcpy(out->operation, "message");
}

const struct proto proto_raw = {
    .name = "raw",
    .pairing = PROTO_FIFO,
    .sniff = raw_sniff,
    .edge = raw_edge,
    .label = raw_label,
};
