/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statement.c - names of prepared statements; see statement.h. Analyzer, one connection's thread; pure.
 *
 * Invariant: a statement that is noted as no member is none; of members the oldest may be forgotten.
 */
#include "statement.h"

#include "id.h"
#include "proto.h"

uint64_t statement_key(const uint8_t *name, size_t len)
{
	uint64_t key = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	if (!len)
		return PROTO_STATEMENT_LATEST;
	for (size_t i = 0; i < len; i++)
		key = (key ^ name[i]) * UINT64_C(0x100000001b3);
	if (key < PROTO_STATEMENT_FIRST || key == PROTO_STATEMENT_LATEST)
		key = PROTO_STATEMENT_FIRST;
	return key;
}

bool statements_have(const struct statements *s, uint64_t key)
{
	for (size_t i = 0; i < STATEMENTS_SLOTS; i++) {
		if (key && s->keys[i] == key)
			return true;
	}
	return false;
}

void statements_note(struct statements *s, uint64_t key, bool member)
{
	if (!key || (member && statements_have(s, key)))
		return;
	for (size_t i = 0; i < STATEMENTS_SLOTS && !member; i++) {
		if (s->keys[i] == key)
			s->keys[i] = PROTO_STATEMENT_NONE;
	}
	if (member)
		s->keys[s->next++ % STATEMENTS_SLOTS] = key;
}

void statement_put(struct text *out, const uint8_t *name, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		bool word = text_is_letter(name[i]) || text_is_digit(name[i]), digits = false, hex = true;

		for (n = 0; i + n < len; n++) {
			uint8_t c = name[i + n];

			if ((text_is_letter(c) || text_is_digit(c)) != word)
				break;
			digits |= text_is_digit(c);
			hex &= text_is_hex(c);
		}
		if (word && (digits || (hex && n <= 2)))
			text_string(out, ID_PLACE);
		else
			text_bytes(out, name + i, n);
	}
}
