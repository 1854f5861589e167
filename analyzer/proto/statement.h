/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statement.h - names of prepared statements: as keys, in operations, and a small set of them, which can be
 * part of a connection's state (zero bytes are an empty one). Analyzer, one thread per connection; pure.
 */
#ifndef DPROF_PROTO_STATEMENT_H
#define DPROF_PROTO_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

#define STATEMENTS_SLOTS 8u

struct statements {
	uint64_t keys[STATEMENTS_SLOTS];
	uint32_t next;
};

/* For label.remember and label.recall. */
uint64_t statement_key(const uint8_t *name, size_t len);

bool statements_have(const struct statements *s, uint64_t key);
void statements_note(struct statements *s, uint64_t key, bool member);

/* Names that drivers give to statements are numbered, in decimal or hex. */
void statement_put(struct text *out, const uint8_t *name, size_t len);

#endif
