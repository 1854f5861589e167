/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.h - a statement without its values: the name of an operation. Analyzer, any thread; pure.
 * The rules are in README.md.
 */
#ifndef DPROF_PROTO_SQL_H
#define DPROF_PROTO_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

enum sql_dialect {
	SQL_MYSQL,	/* "..." is a literal, `...` a name, # starts a comment */
	SQL_POSTGRESQL, /* "..." is a name, $1 a parameter, $tag$...$tag$ a literal, comments nest */
};

struct sql_text {
	const uint8_t *bytes;
	size_t len;
	enum sql_dialect dialect;
	bool backslash; /* in '...' a backslash escapes */
	bool cut;	/* the statement goes on after `len` */
};

/* What else was learned of the statement. */
struct sql_facts {
	bool control; /* it begins or ends a transaction and does nothing else */
};

/* Appends the statement with every value replaced by "?". Values never reach `out`, also not cut ones. */
void sql_normalise(struct text *out, const struct sql_text *sql, struct sql_facts *facts);

/* True if the bytes start as a statement does: one of SQL's verbs, whole and followed by a space or an end.
 */
bool sql_sniff(const uint8_t *bytes, size_t len);

#endif
