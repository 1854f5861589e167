/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_sql.c - MySQL and PostgreSQL: handshakes, passwords, values of parameters and rows. Flusher and
 * salvage; pure. See secret_stream.h.
 *
 * What the analyzer's grammars read stays: lengths, types, names of statements, capabilities, the server's
 * version and settings, error codes. Statements are walked as text.
 */
#include <string.h>

#include "preload/secret_stream.h"

/* ---- MySQL ---- */

#define MYSQL_SQL      (SECRET_SQL | SECRET_DOUBLE)
#define MYSQL_HEAD     4u
#define LOGIN_KEPT     32u /* capabilities, packet size, character set, filler */
#define VERSION_MAX    40u
#define CAPABILITY_SSL (1u << 11)
#define EOF_BYTES_MAX  9u
#define OK_BYTES       7u /* longer ones look like rows */

enum { MY_LOGIN, MY_COMMAND };
enum { GREETING_NONE, GREETING_SALT, GREETING_REST };

static void mysql_command(struct secret_stream *s, uint32_t len)
{
	switch (s->head[4]) {
	case 0x03: /* query */
	case 0x16: /* prepare */
		secret_piece_text(s, 0, len - 1, MYSQL_SQL);
		return;
	case 0x11: /* change user */
		secret_piece(s, 0, len - 1, THEN_MASK);
		return;
	case 0x17: /* execute: number, flags, iterations; then the values */
		secret_piece(s, len < 10 ? len - 1 : 9, len < 10 ? 0 : len - 10, THEN_MASK);
		return;
	case 0x18: /* long data: number, parameter */
	case 0xfa:
		secret_piece(s, len < 7 ? len - 1 : 6, len < 7 ? 0 : len - 7, THEN_MASK);
		return;
	default:
		secret_piece_text(s, 0, len - 1, MYSQL_SQL);
	}
}

static void mysql_client(struct secret_stream *s, uint32_t len)
{
	if (s->head[3] == 0) {
		if (s->have < 5)
			return;
		mysql_command(s, len);
		return;
	}
	/* inside TLS the login is the second packet; else this is more of the login, or a file's contents */
	if (s->head[3] != 1 && (s->head[3] != 2 || s->phase != MY_LOGIN)) {
		secret_piece(s, 0, len, THEN_MASK);
		return;
	}
	if (s->have < 8)
		return;
	if (len <= LOGIN_KEPT && secret_le32(s->head + 4) & CAPABILITY_SSL) {
		secret_piece(s, len - 4, 0, THEN_MASK);
		s->grammar = s->keep > 0 ? s->grammar : SECRET_TEXT;
		s->class = 1; /* TLS follows */
	} else {
		secret_piece(s, LOGIN_KEPT - 4, len - LOGIN_KEPT, THEN_MASK);
	}
}

/* Version, thread, salt, capabilities and so on, salt, name of the method. */
static void mysql_greeting(struct secret_stream *s, uint32_t len)
{
	uint32_t seen = s->have - MYSQL_HEAD;

	if (s->head[s->have - 1] != 0) {
		if (seen > VERSION_MAX)
			secret_lost(s);
		return;
	}
	if (seen + 31 > len) {
		secret_piece(s, 0, len - seen, THEN_MASK);
		return;
	}
	s->a = len - seen - 12;
	secret_piece(s, 4, 8, THEN_MASK);
	s->class = GREETING_REST;
	s->more = true;
}

/* A reply begins with sequence number 1; what comes then and is neither a column nor an end is a row. */
static void mysql_reply(struct secret_stream *s, uint32_t len)
{
	uint8_t first = s->head[4];

	if (first == 0xff || (first == 0xfe && len < EOF_BYTES_MAX)) {
		secret_piece_text(s, 0, len - 1, MYSQL_SQL);
	} else if (s->head[3] == 1 || (first == 0 && len == OK_BYTES)) {
		secret_piece(s, len - 1, 0, THEN_MASK);
	} else if (first == 3) {
		if (s->have < 8 && s->have < MYSQL_HEAD + len)
			return;
		if (s->have == 8 && !memcmp(s->head + 5, "def", 3))
			secret_piece(s, len - 4, 0, THEN_MASK);
		else
			secret_piece(s, 0, len + MYSQL_HEAD - s->have, THEN_MASK);
	} else {
		secret_piece(s, 0, len - 1, THEN_MASK);
	}
}

static void mysql_server(struct secret_stream *s, uint32_t len)
{
	if (s->have < 5)
		return;
	if (s->head[3] == 0 && s->head[4] == 10) {
		if (s->have > 5)
			mysql_greeting(s, len);
		return;
	}
	if (s->phase == MY_COMMAND) {
		mysql_reply(s, len);
		return;
	}
	if (s->head[4] == 0xff || s->head[4] == 0) {
		s->phase = s->head[4] == 0 ? MY_COMMAND : MY_LOGIN;
		secret_piece(s, len - 1, 0, THEN_MASK);
	} else if (len == 2) { /* "the cached password will do" and the like */
		secret_piece(s, 1, 0, THEN_MASK);
	} else {
		secret_piece(s, 0, len - 1, THEN_MASK);
	}
}

void plan_mysql(struct secret_stream *s)
{
	uint32_t len;

	if (s->have == 0) { /* the rest of a greeting */
		uint32_t rest = s->a, kept = rest < 19 ? rest : 19;

		s->class = GREETING_NONE;
		secret_piece(s, kept, rest - kept, THEN_MASK);
		return;
	}
	if (s->have < MYSQL_HEAD)
		return;
	len = secret_le32(s->head) & 0xffffff;
	if (s->role == ROLE_CLIENT && s->class == 1) {
		s->grammar = SECRET_TEXT;
		return;
	}
	if (len == 0)
		secret_piece(s, 0, 0, THEN_MASK);
	else if (s->role == ROLE_SERVER)
		mysql_server(s, len);
	else
		mysql_client(s, len);
}

/* ---- PostgreSQL ---- */

#define PG_HEAD	   5u
#define PG_STARTUP 8u
#define PG_TLS	   80877103u
#define PG_GSS	   80877104u
#define PG_LEN_MAX (1u << 30)

static void pg_startup(struct secret_stream *s)
{
	uint32_t len, code;

	if (s->have < PG_STARTUP)
		return;
	len = secret_be32(s->head);
	code = secret_be32(s->head + 4);
	if (len < PG_STARTUP || len > 10000)
		secret_lost(s);
	else if (code == PG_TLS || code == PG_GSS)
		secret_piece(s, len - PG_STARTUP, 0, THEN_MASK);
	else
		secret_piece(s, 0, len - PG_STARTUP, THEN_BLANK);
}

static void pg_client(struct secret_stream *s, uint32_t len)
{
	switch (s->head[0]) {
	case 'Q':
	case 'P':
		secret_piece_text(s, 0, len, SECRET_SQL);
		return;
	case 'B': /* portal, statement; then the values */
		secret_piece(s, 0, len, THEN_SCAN_NUL);
		return;
	case 'D':
	case 'E':
	case 'C':
	case 'S':
	case 'H':
	case 'X':
	case 'c':
		secret_piece(s, len, 0, THEN_MASK);
		return;
	case 'p':
	case 'd':
	case 'F':
	case 'f':
		secret_piece(s, 0, len, THEN_MASK);
		return;
	default:
		secret_lost(s);
	}
}

static void pg_server(struct secret_stream *s, uint32_t len)
{
	switch (s->head[0]) {
	case 'R': /* which question; then salt and the like */
		secret_piece(s, len < 4 ? len : 4, len < 4 ? 0 : len - 4, THEN_MASK);
		return;
	case 'D': /* how many columns */
		secret_piece(s, len < 2 ? len : 2, len < 2 ? 0 : len - 2, THEN_MASK);
		return;
	case 'K':
	case 'd':
	case 'V':
		secret_piece(s, 0, len, THEN_MASK);
		return;
	case 'E': /* may quote the statement */
	case 'N':
	case 'A':
		secret_piece_text(s, 0, len, SECRET_SQL);
		return;
	default:
		secret_piece(s, len, 0, THEN_MASK);
	}
}

void plan_postgresql(struct secret_stream *s)
{
	uint32_t len;

	if (s->head[0] == 0) {
		pg_startup(s);
		return;
	}
	if (s->have == 1 && s->role == ROLE_UNKNOWN)
		s->role = ROLE_SERVER;
	if (s->have < PG_HEAD)
		return;
	len = secret_be32(s->head + 1);
	if (len < 4 || len > PG_LEN_MAX)
		secret_lost(s);
	else if (s->role == ROLE_CLIENT)
		pg_client(s, len - 4);
	else
		pg_server(s, len - 4);
}
