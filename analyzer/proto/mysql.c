/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mysql.c - the protocol of MySQL and MariaDB. Analyzer, one thread per connection; pure.
 *
 * A client's packet with sequence number 0 is a command and begins a request. Higher numbers are the
 * handshake, or the file of a LOAD DATA LOCAL INFILE. The state is the queue of commands that wait for
 * their replies, and what the handshake agreed on.
 *
 * Invariant: nothing of the handshake or of a user change is shown; no value of a statement gets into an
 * operation.
 */
#include <string.h>

#include "id.h"
#include "mysql_reply.h"
#include "pending.h"
#include "sql.h"
#include "table.h"
#include "text.h"

#define CLIENT_COMPRESS	     (1u << 5)
#define CLIENT_PROTOCOL_41   (1u << 9)
#define CLIENT_SSL	     (1u << 11)
#define CLIENT_DEPRECATE_EOF (1u << 24)
#define CLIENT_ZSTD	     (1u << 26)
#define LOGIN_BYTES_MIN	     32u /* flags, packet size, charset, filler: a TLS request has no more */
#define LOGIN_FILLER	     9u	 /* where zeros begin, and how many every client sends */
#define LOGIN_FILLER_BYTES   19u
#define GREETING_VERSION     10
#define ERROR_PROGRESS	     0xffffu /* MariaDB: a report on the way to the reply */
#define ERROR_BYTES_MAX	     4096u
#define LOGIN_SEQ_MAX	     16u
#define LOGIN_REPLY_SEQ_TLS  3u	  /* the server's first packet inside TLS, which is */
#define MYSQL_AUTH_SWITCH    0xfe /* a question, */
#define MYSQL_AUTH_MORE	     0x01 /* or more of the method's own, or OK */
#define ATTRIBUTES_MAX	     32u
#define ANY_LEN		     MYSQL_PACKET_MAX

enum phase { PHASE_UNKNOWN, PHASE_LOGIN, PHASE_COMMAND };

struct state {
	struct pending pending; /* enum mysql_kind */
	uint8_t phase;
	bool no_eof;
	bool compress;
	bool plain;	/* NO_BACKSLASH_ESCAPES */
	uint8_t infile; /* the server asked for a file: sequence number of its first packet */
};

struct command {
	uint8_t code;
	uint8_t kind;	   /* 0 = never answered */
	const char *name;  /* of the operation, or its first word */
	uint32_t min, max; /* bytes of the packet */
	unsigned int flags;
};

enum {
	QUIT = 0x01,
	INIT_DB = 0x02,
	QUERY = 0x03,
	PREPARE = 0x16,
	EXECUTE = 0x17,
	EXECUTE_ROWS = 0xfa, /* MariaDB: many rows at once */
	PING = 0x0e,
};

static const struct command commands[] = {
    {QUIT, 0, "QUIT", 1, 1, PROTO_NO_RESPONSE},
    {INIT_DB, MYSQL_KIND_ONE, "USE", 1, 1024, 0},
    {QUERY, MYSQL_KIND_QUERY, "", 2, ANY_LEN, 0},
    {0x04, MYSQL_KIND_FIELDS, "FIELD LIST", 2, 2048, 0},
    {0x05, MYSQL_KIND_ONE, "CREATE DB", 2, 1024, 0},
    {0x06, MYSQL_KIND_ONE, "DROP DB", 2, 1024, 0},
    {0x07, MYSQL_KIND_ONE, "REFRESH", 2, 2, 0},
    {0x08, MYSQL_KIND_ONE, "SHUTDOWN", 1, 2, 0},
    {0x09, MYSQL_KIND_ONE, "STATISTICS", 1, 1, 0},
    {0x0a, MYSQL_KIND_QUERY, "PROCESS LIST", 1, 1, 0},
    {0x0c, MYSQL_KIND_ONE, "KILL", 5, 5, 0},
    {0x0d, MYSQL_KIND_ONE, "DEBUG", 1, 1, 0},
    {PING, MYSQL_KIND_ONE, "PING", 1, 1, 0},
    {0x11, MYSQL_KIND_LOGIN, "CHANGE USER", 3, 65536, PROTO_CONTROL},
    {0x12, MYSQL_KIND_STREAM, "BINLOG DUMP", 11, 1024, 0},
    {0x15, MYSQL_KIND_ONE, "REGISTER REPLICA", 18, 1024, PROTO_CONTROL},
    {PREPARE, MYSQL_KIND_PREPARE, "PREPARE", 2, ANY_LEN, 0},
    {EXECUTE, MYSQL_KIND_QUERY, "EXECUTE statement", 10, ANY_LEN, 0},
    {0x18, 0, "LONG DATA", 7, ANY_LEN, PROTO_NO_RESPONSE},
    {0x19, 0, "CLOSE statement", 5, 5, PROTO_NO_RESPONSE},
    {0x1a, MYSQL_KIND_ONE, "RESET statement", 5, 5, 0},
    {0x1b, MYSQL_KIND_ONE, "SET OPTION", 3, 3, 0},
    {0x1c, MYSQL_KIND_FIELDS, "FETCH statement", 9, 9, 0},
    {0x1e, MYSQL_KIND_STREAM, "BINLOG DUMP", 11, 65536, 0},
    {0x1f, MYSQL_KIND_ONE, "RESET CONNECTION", 1, 1, 0},
    {EXECUTE_ROWS, MYSQL_KIND_QUERY, "EXECUTE statement", 7, ANY_LEN, 0},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *command_find(const struct mysql_packet *p)
{
	for (size_t i = 0; i < COMMANDS && p->seen; i++) {
		if (commands[i].code == p->payload[0])
			return p->len >= commands[i].min && p->len <= commands[i].max ? &commands[i] : NULL;
	}
	return NULL;
}

static unsigned int flags_read(const uint8_t *b)
{
	return b[0] | (unsigned int)b[1] << 8 | (unsigned int)b[2] << 16 | (unsigned int)b[3] << 24;
}

/* The client's first packet, or inside TLS its second, as the request for TLS went before: its flags, then
 * zeros at a fixed place. */
static bool is_login(const struct mysql_packet *p)
{
	if ((p->seq != 1 && p->seq != 2) || p->len < LOGIN_BYTES_MIN || p->len > 65536)
		return false;
	for (size_t i = LOGIN_FILLER; i < LOGIN_FILLER + LOGIN_FILLER_BYTES && i < p->seen; i++) {
		if (p->payload[i])
			return false;
	}
	return p->seen < 4 || (flags_read(p->payload) & CLIENT_PROTOCOL_41);
}

static bool is_tls(const struct mysql_packet *p)
{
	return p->seq == 1 && p->len == LOGIN_BYTES_MIN && p->seen >= 4 &&
	       (flags_read(p->payload) & CLIENT_SSL);
}

/* The server's number of a prepared statement; all ones in a request that could not wait for it. */
static uint64_t statement_key(const uint8_t *b)
{
	uint32_t number = flags_read(b);

	return number == UINT32_MAX ? PROTO_STATEMENT_LATEST : PROTO_STATEMENT_FIRST + UINT64_C(0) + number;
}

static bool is_greeting(const struct mysql_packet *p)
{
	return p->seq == 0 && p->len > 30 && p->len < 1024 && p->seen && p->payload[0] == GREETING_VERSION;
}

/* ---- edges ---- */

/* The packets of a file, to the empty one. */
static int64_t infile_end(const uint8_t *b, size_t len)
{
	struct mysql_packet p;

	for (size_t at = 0; mysql_packet_read(b, len, at, &p);) {
		at += MYSQL_HEADER_BYTES + p.len;
		if (!p.len)
			return (int64_t)at;
	}
	return PROTO_MORE;
}

static int64_t request_edge(const struct state *s, const uint8_t *b, size_t len)
{
	struct mysql_packet p;
	size_t at = 0;

	if (!mysql_packet_read(b, len, 0, &p))
		return PROTO_MORE;
	if (s->infile && p.seq == s->infile)
		return infile_end(b, len);
	if (p.seq) {
		if (!(s->phase == PHASE_LOGIN && p.seq < LOGIN_SEQ_MAX) &&
		    !(s->phase == PHASE_UNKNOWN && is_login(&p)))
			return PROTO_LOST;
		return (int64_t)(MYSQL_HEADER_BYTES + p.len);
	}
	if (!p.len)
		return PROTO_LOST;
	if (!p.seen)
		return PROTO_MORE;
	if (!command_find(&p))
		return PROTO_LOST;
	do {
		at += MYSQL_HEADER_BYTES + p.len;
	} while (p.len == MYSQL_PACKET_MAX && mysql_packet_read(b, len, at, &p));
	return p.len == MYSQL_PACKET_MAX ? PROTO_MORE : (int64_t)at;
}

static int64_t reply_edge(const struct state *s, const uint8_t *b, size_t len)
{
	enum mysql_kind kind = pending_peek(&s->pending);
	struct mysql_packet p;

	if (!mysql_packet_read(b, len, 0, &p))
		return PROTO_MORE;
	if (!p.len)
		return PROTO_LOST;
	if (!p.seen)
		return PROTO_MORE;
	if (p.seq == 0 && !s->infile) { /* before any request */
		if (!is_greeting(&p) && p.payload[0] != MYSQL_ERROR)
			return PROTO_LOST;
		return (int64_t)(MYSQL_HEADER_BYTES + p.len);
	}
	if (p.payload[0] == MYSQL_ERROR && p.len > ERROR_BYTES_MAX)
		return PROTO_LOST;
	if (s->infile) { /* counted on from the file's packets, so any number */
		if (p.payload[0] != MYSQL_OK && p.payload[0] != MYSQL_ERROR)
			return PROTO_LOST;
	} else if (p.seq != 1 && !(s->phase == PHASE_LOGIN && p.seq < LOGIN_SEQ_MAX)) {
		return PROTO_LOST;
	}
	if (p.payload[0] == MYSQL_ERROR)
		return (int64_t)(MYSQL_HEADER_BYTES + p.len);
	return mysql_reply_end(b, len, kind, s->phase == PHASE_UNKNOWN ? -1 : s->no_eof);
}

static int64_t mysql_edge(const void *state, enum proto_dir dir, const uint8_t *bytes, size_t len)
{
	return dir == PROTO_TO_SERVER ? request_edge(state, bytes, len) : reply_edge(state, bytes, len);
}

/* ---- requests ---- */

/* How long a query attribute's value is; false if that is not known or it is not wholly there. */
static bool attribute_skip(const uint8_t *b, size_t len, size_t *at, uint8_t type)
{
	static const uint8_t sizes[] = {0, 1, 2, 4, 4, 8, 0, 8, 8, 4};
	uint64_t n = 0;

	if (type == 7 || type == 10 || type == 11 || type == 12) { /* dates and times tell their length */
		if (*at >= len)
			return false;
		n = b[(*at)++];
	} else if (type == 13) {
		n = 2;
	} else if (type < sizeof(sizes) && type != 0) {
		n = sizes[type];
	} else if (!mysql_integer_read(b, len, at, &n)) {
		return false;
	}
	if (n > len - *at)
		return false;
	*at += (size_t)n;
	return true;
}

/* Moves past the query attributes that precede the text, if there are any: a count and a one, which no
 * statement begins with. False if the text was not reached. */
static bool attributes_skip(const struct mysql_packet *p, size_t *at)
{
	uint8_t type[ATTRIBUTES_MAX];
	const uint8_t *b = p->payload, *null;
	size_t n = b[1], i = 3;
	uint64_t name;

	*at = 1;
	if (p->seen < 3 || n >= ATTRIBUTES_MAX || b[2] != 1)
		return true;
	if (n) {
		null = b + i;
		i += (n + 7) / 8 + 1; /* the bitmap, and a flag that types follow */
		for (size_t k = 0; k < n; k++) {
			if (p->seen < i + 3)
				return false;
			type[k] = b[i];
			i += 2;
			if (!mysql_integer_read(b, p->seen, &i, &name) || name > p->seen - i)
				return false;
			i += (size_t)name;
		}
		for (size_t k = 0; k < n; k++) {
			if (!(null[k / 8] >> (k % 8) & 1) && !attribute_skip(b, p->seen, &i, type[k]))
				return false;
		}
	}
	*at = i;
	return i <= p->seen;
}

static void label_sql(const struct state *s, const struct mysql_packet *p, const struct command *c,
		      struct label *out)
{
	struct text operation, target;
	struct sql_facts facts;
	size_t at = 1;

	text_start(&operation, out->operation,
		   PROTO_OPERATION_BYTES + (c->code == PREPARE ? PROTO_PREPARE_BYTES : 0));
	text_start(&target, out->target, sizeof(out->target));
	if (c->code == PREPARE) {
		text_string(&operation, PROTO_PREPARE);
		out->remember = PROTO_STATEMENT_LATEST;
	}
	if (p->seen < 2 || (c->code == QUERY && !attributes_skip(p, &at))) {
		text_cut(&operation);
		text_cut(&target);
		out->flags |= PROTO_CUT;
		return;
	}
	struct sql_text sql = {p->payload + at, p->seen - at, SQL_MYSQL, !s->plain,
			       p->seen < p->len || p->len == MYSQL_PACKET_MAX};

	sql_normalise(&operation, &sql, &facts);
	sql_normalise(&target, &sql, &facts); /* the same, and longer: no literal is shown anywhere */
	if (sql.cut)
		out->flags |= PROTO_CUT;
}

static void label_command(struct state *s, const struct mysql_packet *p, struct label *out)
{
	const struct command *c = command_find(p);
	struct text operation, target;

	s->phase = PHASE_COMMAND;
	s->infile = 0;
	text_start(&operation, out->operation, sizeof(out->operation));
	text_start(&target, out->target, sizeof(out->target));
	if (!c) {
		text_cut(&operation);
		out->flags |= PROTO_CUT;
		pending_push(&s->pending, MYSQL_KIND_ANY);
		return;
	}
	if (c->kind)
		pending_push(&s->pending, c->kind);
	if (c->kind == MYSQL_KIND_LOGIN)
		s->phase = PHASE_LOGIN;
	out->flags |= c->flags;
	if (c->code == QUERY || c->code == PREPARE) {
		label_sql(s, p, c, out);
		return;
	}
	text_string(&operation, c->name);
	text_string(&target, c->name);
	if (c->code == INIT_DB && p->seen > 1) {
		text_char(&operation, ' ');
		id_replace_numbers(&operation, p->payload + 1, p->seen - 1, false);
		text_char(&target, ' ');
		text_bytes(&target, p->payload + 1, p->seen - 1);
	} else if ((c->code == EXECUTE || c->code == EXECUTE_ROWS) && p->seen >= 5) {
		text_char(&target, ' ');
		text_number(&target, flags_read(p->payload + 1));
		out->recall = statement_key(p->payload + 1);
	}
}

static void label_login(struct state *s, const struct mysql_packet *p, struct label *out)
{
	bool first = is_login(p);

	out->flags |= PROTO_CONTROL;
	if (first && is_tls(p)) {
		out->flags |= PROTO_UPGRADE | PROTO_NO_RESPONSE;
		strcpy(out->operation, "TLS");
		return;
	}
	strcpy(out->operation, first ? "LOGIN" : "AUTH");
	strcpy(out->target, out->operation);
	s->phase = PHASE_LOGIN;
	pending_push(&s->pending, MYSQL_KIND_LOGIN);
	if (first && p->seen >= 4) {
		unsigned int flags = flags_read(p->payload);

		s->no_eof = flags & CLIENT_DEPRECATE_EOF;
		s->compress = flags & (CLIENT_COMPRESS | CLIENT_ZSTD);
	}
}

static void label_request(struct state *s, const uint8_t *b, size_t len, struct label *out)
{
	struct mysql_packet p;

	if (!mysql_packet_read(b, len, 0, &p)) {
		p = (struct mysql_packet){0};
		label_command(s, &p, out);
	} else if (s->infile && p.seq == s->infile) {
		strcpy(out->operation, "LOCAL INFILE data");
		strcpy(out->target, out->operation);
		out->flags |= PROTO_NO_RESPONSE;
	} else if (p.seq) {
		label_login(s, &p, out);
	} else {
		label_command(s, &p, out);
	}
}

/* ---- replies ---- */

/* The server's status flags are in the middle of its greeting, after the version's text. */
static void label_greeting(struct state *s, const struct mysql_packet *p, struct label *out)
{
	const uint8_t *nul = memchr(p->payload, 0, p->seen);
	size_t at = nul ? (size_t)(nul - p->payload) + 17 : p->seen; /* number, scramble, flags, charset */

	out->flags |= PROTO_PUSH | PROTO_CONTROL;
	s->phase = PHASE_LOGIN;
	if (at + 2 <= p->seen)
		s->plain = (p->payload[at] | p->payload[at + 1] << 8) & MYSQL_NO_BACKSLASH;
}

static void label_error(struct state *s, const struct mysql_packet *p, struct label *out)
{
	struct text status;

	text_start(&status, out->status, sizeof(out->status));
	if (p->seen >= 3) {
		unsigned int code = p->payload[1] | (unsigned int)p->payload[2] << 8;

		if (code == ERROR_PROGRESS) {
			out->flags |= PROTO_INTERIM;
			return;
		}
		text_number(&status, code);
	}
	out->flags |= PROTO_ERROR;
	if (p->seq == 0 && !s->infile) /* instead of a greeting */
		out->flags |= PROTO_PUSH | PROTO_CONTROL;
	else if (pending_pop(&s->pending) == MYSQL_KIND_LOGIN)
		out->flags |= PROTO_CONTROL;
	s->infile = 0;
}

static void label_login_reply(struct state *s, const struct mysql_packet *p, struct label *out)
{
	out->flags |= PROTO_CONTROL;
	if (p->payload[0] == 0x01 && p->len == 2 && p->seen == 2 && p->payload[1] == 3) {
		out->flags |= PROTO_INTERIM; /* "the cached password will do"; the OK follows */
		return;
	}
	pending_pop(&s->pending);
	if (p->payload[0] != MYSQL_OK)
		return;
	s->phase = PHASE_COMMAND;
	if (s->compress)
		out->flags |= PROTO_UPGRADE;
}

static void label_reply(struct state *s, const uint8_t *b, size_t len, struct label *out)
{
	enum mysql_kind kind = pending_peek(&s->pending);
	unsigned int status;
	struct mysql_packet p;

	if (!mysql_packet_read(b, len, 0, &p) || !p.seen) {
		out->flags |= PROTO_CUT;
		pending_pop(&s->pending);
		return;
	}
	if (is_greeting(&p) && !s->infile) {
		label_greeting(s, &p, out);
		return;
	}
	if (p.payload[0] == MYSQL_ERROR) {
		label_error(s, &p, out);
		return;
	}
	if (kind == MYSQL_KIND_LOGIN) {
		label_login_reply(s, &p, out);
		return;
	}
	if (p.payload[0] == MYSQL_INFILE && (kind == MYSQL_KIND_QUERY || kind == MYSQL_KIND_ANY)) {
		s->infile = (uint8_t)(p.seq + 1);
		out->flags |= PROTO_INTERIM;
		return;
	}
	s->infile = 0;
	pending_pop(&s->pending);
	if (kind == MYSQL_KIND_STREAM)
		out->flags |= PROTO_UPGRADE;
	if (kind == MYSQL_KIND_PREPARE && mysql_is_prepared(&p))
		out->remember = statement_key(p.payload + 1);
	if (kind == MYSQL_KIND_QUERY && p.payload[0] == MYSQL_OK && mysql_status_read(&p, &status))
		s->plain = status & MYSQL_NO_BACKSLASH;
}

static void mysql_label(void *state, enum proto_dir dir, const uint8_t *bytes, size_t len, int full,
			struct label *out)
{
	(void)full;
	if (dir == PROTO_TO_SERVER)
		label_request(state, bytes, len, out);
	else
		label_reply(state, bytes, len, out);
}

/* ---- recognition ---- */

static int sniff_request(const struct mysql_packet *p, size_t len)
{
	bool exact = len == MYSQL_HEADER_BYTES + p->len;
	size_t at = 1;

	if (is_login(p))
		return p->seen >= LOGIN_BYTES_MIN ? 95 : 60;
	const struct command *c = p->seq == 0 ? command_find(p) : NULL;

	if (!c)
		return 0;
	switch (c->code) {
	case QUERY:
	case PREPARE:
		if (p->seen < 2 || (c->code == QUERY && !attributes_skip(p, &at)))
			return 30;
		if (sql_sniff(p->payload + at, p->seen - at))
			return 92;
		return exact && at < p->seen && p->payload[at] >= ' ' ? 50 : 0;
	case EXECUTE: /* one iteration, always */
		return p->seen >= 10 && flags_read(p->payload + 6) == 1 ? 85 : 0;
	case PING:
		return exact ? 65 : 40;
	case INIT_DB:
		return exact ? 55 : 0;
	default:
		return exact ? 50 : 20;
	}
}

static int sniff_reply(const struct mysql_packet *p, const uint8_t *b, size_t len)
{
	static const uint8_t column[] = {3, 'd', 'e', 'f'};
	struct mysql_packet next;

	if (!p->seen)
		return 0;
	if (is_greeting(p)) {
		for (size_t i = 1; i < p->seen && p->payload[i]; i++) {
			if (p->payload[i] < ' ' || p->payload[i] > '~')
				return 0;
		}
		return p->seen >= 6 ? 95 : 60;
	}
	if (p->payload[0] == MYSQL_ERROR && p->seq < 2 && p->len > 3)
		return p->seen >= 4 && p->payload[3] == '#' ? 92 : p->seq == 0 && p->seen > 8 ? 65 : 40;
	if (p->seq == LOGIN_REPLY_SEQ_TLS && len == MYSQL_HEADER_BYTES + p->len)
		return p->payload[0] == MYSQL_OK || p->payload[0] == MYSQL_AUTH_SWITCH ||
			       p->payload[0] == MYSQL_AUTH_MORE
			   ? 40
			   : 0;
	if (p->seq != 1)
		return 0;
	if (p->payload[0] == MYSQL_OK && p->len >= 7 && p->len < 256 && p->seen >= 7)
		return len == MYSQL_HEADER_BYTES + p->len ? 72 : 30;
	if (p->len != 1 || !mysql_packet_read(b, len, MYSQL_HEADER_BYTES + 1, &next) || next.seq != 2)
		return 0;
	return next.seen >= sizeof(column) && !memcmp(next.payload, column, sizeof(column)) ? 95 : 40;
}

static int mysql_sniff(enum proto_dir dir, const uint8_t *head, size_t len)
{
	struct mysql_packet p;

	if (!mysql_packet_read(head, len, 0, &p) || !p.len)
		return 0;
	return dir == PROTO_TO_SERVER ? sniff_request(&p, len) : sniff_reply(&p, head, len);
}

static const uint16_t ports[] = {3306, 3307, 4000, 6033, 0};

const struct proto proto_mysql = {
    .name = "mysql",
    .ports = ports,
    .state_bytes = sizeof(struct state),
    .pairing = PROTO_FIFO,
    .sniff = mysql_sniff,
    .edge = mysql_edge,
    .label = mysql_label,
};

_Static_assert(sizeof(struct state) <= PROTO_STATE_BYTES, "the state fits");
