/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postgresql.c - PostgreSQL's protocol, version 3. Analyzer, one thread per connection; pure.
 *
 * A request is a simple query, or a run of extended messages up to Sync; a Flush only ends it where the
 * burst ends. A response runs to ReadyForQuery, or to where the server waits for the client: a question of
 * the authentication, or COPY FROM STDIN. The state is the queue of what was asked.
 *
 * Invariant: nothing of startup and password messages is shown; no value of a statement gets into an
 * operation.
 */
#include <stdbool.h>
#include <string.h>

#include "id.h"
#include "pending.h"
#include "sql.h"
#include "statement.h"
#include "table.h"
#include "text.h"

#define HEADER_BYTES	  5u
#define STARTUP_BYTES_MIN 8u
#define STARTUP_BYTES_MAX 10000u
#define MESSAGE_BYTES_MAX (1u << 30)
#define CODE_CANCEL	  80877102u
#define CODE_TLS	  80877103u
#define CODE_GSS	  80877104u
#define PROTOCOL_MAJOR	  3u
#define AUTH_OK		  0u
#define AUTH_SASL_FINAL	  12u
#define SHUTDOWN_CLASS	  "57P" /* errors that the server sends to an idle client as it hangs up */

enum kind { KIND_QUERY = 1, KIND_RUN, KIND_START, KIND_PASSWORD, KIND_TLS };

struct state {
	struct pending pending;	   /* enum kind */
	bool copy_sync;		   /* the COPY that runs was begun by a run: its data end with a Sync */
	bool backslash;		   /* standard_conforming_strings is off */
	struct statements control; /* those that only begin or end a transaction */
};

/* A message; `seen` of its body were captured. */
struct message {
	uint8_t type;
	const uint8_t *body;
	size_t len;
	size_t seen;
	size_t end; /* where the next one begins */
};

enum seen { SEEN_NOT, SEEN_PART, SEEN_WHOLE };

static uint32_t number_read(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool is_one_of(uint8_t type, const char *types)
{
	return type && strchr(types, type);
}

/* Messages without a body, and of those with one the least there can be. */
static bool is_length(uint8_t type, enum proto_dir dir, uint32_t len)
{
	if (len < 4 || len > MESSAGE_BYTES_MAX)
		return false;
	if (is_one_of(type, dir == PROTO_TO_SERVER ? "SHXc" : "123nsIc"))
		return len == 4;
	if (dir == PROTO_TO_CLIENT && type == 'Z')
		return len == 5;
	return len > 4 || type == 'd';
}

/* The message at `at`: SEEN_WHOLE if its header is there. */
static enum seen message_read(const uint8_t *b, size_t len, size_t at, enum proto_dir dir, struct message *m)
{
	static const char to_server[] = "QXPBDECHSFpdcf", to_client[] = "RKSZTDCEINnAtGHWVsv123dc";

	if (at >= len)
		return SEEN_PART;
	if (!is_one_of(b[at], dir == PROTO_TO_SERVER ? to_server : to_client))
		return SEEN_NOT;
	if (len - at < HEADER_BYTES)
		return SEEN_PART;
	uint32_t n = number_read(b + at + 1);

	if (!is_length(b[at], dir, n))
		return SEEN_NOT;
	*m = (struct message){b[at], b + at + HEADER_BYTES, n - 4, len - at - HEADER_BYTES, at + 1 + n};
	if (m->seen > m->len)
		m->seen = m->len;
	return SEEN_WHOLE;
}

/* ---- edges ---- */

static int64_t startup_end(const uint8_t *b, size_t len)
{
	if (len < STARTUP_BYTES_MIN)
		return PROTO_MORE;
	uint32_t n = number_read(b), code = number_read(b + 4);

	if (n < STARTUP_BYTES_MIN || n > STARTUP_BYTES_MAX)
		return PROTO_LOST;
	if (code == CODE_TLS || code == CODE_GSS)
		return n == STARTUP_BYTES_MIN ? (int64_t)n : PROTO_LOST;
	return code == CODE_CANCEL || code >> 16 == PROTOCOL_MAJOR ? (int64_t)n : PROTO_LOST;
}

/* The data of a COPY: to CopyDone or CopyFail, and the Sync that a run owes. */
static int64_t copy_end(const struct state *s, const uint8_t *b, size_t len)
{
	struct message m;
	bool done = false;

	for (size_t at = 0;; at = m.end) {
		enum seen seen = message_read(b, len, at, PROTO_TO_SERVER, &m);

		if (seen != SEEN_WHOLE)
			return at || seen == SEEN_PART ? PROTO_MORE : PROTO_LOST;
		if (done)
			return m.type == 'S' ? (int64_t)m.end : (int64_t)at;
		done = m.type == 'c' || m.type == 'f';
		if (done && !s->copy_sync)
			return (int64_t)m.end;
	}
}

static int64_t run_end(const uint8_t *b, size_t len)
{
	struct message m;

	for (size_t at = 0;; at = m.end) {
		enum seen seen = message_read(b, len, at, PROTO_TO_SERVER, &m);

		if (seen != SEEN_WHOLE)
			return at || seen == SEEN_PART ? PROTO_MORE : PROTO_LOST;
		if (m.type == 'S')
			return (int64_t)m.end;
		if (!is_one_of(m.type, "PBDECH"))
			return (int64_t)at;
	}
}

static int64_t request_edge(const struct state *s, const uint8_t *b, size_t len)
{
	struct message m;

	if (len && b[0] == 0)
		return startup_end(b, len);
	switch (message_read(b, len, 0, PROTO_TO_SERVER, &m)) {
	case SEEN_NOT:
		return PROTO_LOST;
	case SEEN_PART:
		return PROTO_MORE;
	default:
		if (is_one_of(m.type, "dcf"))
			return copy_end(s, b, len);
		return is_one_of(m.type, "PBDECHS") ? run_end(b, len) : (int64_t)m.end;
	}
}

/* Sent at any time, also between responses. */
static bool is_async(uint8_t type)
{
	return is_one_of(type, "NSA");
}

static int64_t response_edge(const struct state *s, const uint8_t *b, size_t len)
{
	uint8_t kind = pending_peek(&s->pending);
	struct message m;

	if (kind == KIND_TLS && len && is_one_of(b[0], "SNG"))
		return 1;
	for (size_t at = 0;; at = m.end) {
		enum seen seen = message_read(b, len, at, PROTO_TO_CLIENT, &m);

		if (seen != SEEN_WHOLE)
			return at || seen == SEEN_PART ? PROTO_MORE : PROTO_LOST;
		if (is_one_of(m.type, "ZGW") || (at == 0 && is_async(m.type) && !s->pending.count))
			return (int64_t)m.end;
		if (m.type == 'E' && (kind == KIND_START || kind == KIND_PASSWORD || kind == KIND_TLS))
			return (int64_t)m.end;
		if (m.type != 'R')
			continue;
		if (m.seen < 4)
			return PROTO_MORE;
		uint32_t question = number_read(m.body);

		if (question != AUTH_OK && question != AUTH_SASL_FINAL)
			return (int64_t)m.end;
	}
}

static int64_t postgresql_edge(const void *state, enum proto_dir dir, const uint8_t *bytes, size_t len)
{
	return dir == PROTO_TO_SERVER ? request_edge(state, bytes, len) : response_edge(state, bytes, len);
}

/* ---- requests ---- */

static void label_fixed(struct label *out, const char *name, unsigned int flags)
{
	strcpy(out->operation, name);
	strcpy(out->target, name);
	out->flags |= flags;
}

static void label_startup(struct state *s, const uint8_t *b, size_t len, struct label *out)
{
	uint32_t code = len >= STARTUP_BYTES_MIN ? number_read(b + 4) : 0;

	if (code == CODE_CANCEL) {
		label_fixed(out, "CANCEL", PROTO_CONTROL | PROTO_NO_RESPONSE);
	} else if (code == CODE_TLS || code == CODE_GSS) {
		label_fixed(out, code == CODE_TLS ? "TLS" : "GSS", PROTO_CONTROL);
		pending_push(&s->pending, KIND_TLS);
	} else {
		label_fixed(out, "LOGIN", PROTO_CONTROL);
		pending_push(&s->pending, KIND_START);
	}
}

/* A statement; returns whether it only begins or ends a transaction. */
static bool label_sql(const struct state *s, const uint8_t *text, size_t len, size_t seen, bool prepare,
		      struct label *out)
{
	const uint8_t *nul = memchr(text, 0, seen);
	struct text operation, target;
	struct sql_facts facts;
	struct sql_text sql = {text, nul ? (size_t)(nul - text) : seen, SQL_POSTGRESQL, s->backslash,
			       !nul && seen < len};

	text_start(&operation, out->operation, PROTO_OPERATION_BYTES + (prepare ? PROTO_PREPARE_BYTES : 0));
	text_start(&target, out->target, sizeof(out->target));
	if (prepare)
		text_string(&operation, PROTO_PREPARE);
	sql_normalise(&operation, &sql, &facts);
	sql_normalise(&target, &sql, &facts); /* the same, and longer: no literal is shown anywhere */
	if (sql.cut)
		out->flags |= PROTO_CUT;
	else
		out->flags &= ~(unsigned int)PROTO_CUT;
	return facts.control;
}

/* The first string of a body, and where the second begins. False if it is not wholly there. */
static bool string_read(const struct message *m, size_t *at, const uint8_t **string, size_t *len)
{
	const uint8_t *nul = *at < m->seen ? memchr(m->body + *at, 0, m->seen - *at) : NULL;

	if (!nul)
		return false;
	*string = m->body + *at;
	*len = (size_t)(nul - *string);
	*at += *len + 1;
	return true;
}

/* A run without a statement's text. */
static void label_bind(const struct message *m, struct label *out)
{
	out->remember = out->recall = PROTO_STATEMENT_NONE;
	struct text operation, target;
	const uint8_t *name;
	size_t at = 0, len;

	text_start(&operation, out->operation, sizeof(out->operation));
	text_start(&target, out->target, sizeof(out->target));
	text_string(&operation, "EXECUTE ");
	text_string(&target, "EXECUTE ");
	if (!string_read(m, &at, &name, &len) || !string_read(m, &at, &name, &len)) {
		text_cut(&operation);
		text_cut(&target);
		out->flags |= PROTO_CUT;
		return;
	}
	out->recall = statement_key(name, len);
	if (len) {
		statement_put(&operation, name, len);
		text_bytes(&target, name, len);
	} else {
		text_string(&operation, "statement");
		text_string(&target, "statement");
	}
}

static const char *run_name(uint8_t type)
{
	switch (type) {
	case 'D':
		return "DESCRIBE";
	case 'E':
		return "EXECUTE portal";
	case 'C':
		return "CLOSE";
	case 'H':
		return "FLUSH";
	default:
		return "SYNC";
	}
}

/* Whether a run with statements that are only control is better called after this Bind's. */
static bool is_bind_telling(const struct state *s, const struct message *m)
{
	const uint8_t *name;
	size_t at = 0, len;

	if (!string_read(m, &at, &name, &len) || !string_read(m, &at, &name, &len))
		return false;
	return !statements_have(&s->control, statement_key(name, len));
}

/* A Parse. Once the run has its name it is only noted that the statement's name has a new meaning. */
static bool label_parse(struct state *s, const struct message *m, bool control, bool prepare,
			struct label *out)
{
	const uint8_t *name;
	size_t at = 0, len;

	if (!string_read(m, &at, &name, &len)) {
		if (control) {
			label_fixed(out, "PREPARE", PROTO_CUT);
			out->remember = out->recall = PROTO_STATEMENT_NONE;
		}
		return false;
	}
	if (control) {
		control = label_sql(s, m->body + at, m->len - at, m->seen - at, prepare, out);
		out->remember = statement_key(name, len);
		out->recall = PROTO_STATEMENT_NONE;
	}
	statements_note(&s->control, statement_key(name, len), control);
	return control;
}

/* What a run is called: its first statement that does more than begin or end a transaction. */
static void label_run(struct state *s, const uint8_t *b, size_t len, struct label *out)
{
	/* what gave the run its name so far, and whether that is only control */
	bool parsed = false, bound = false, control = true;
	bool executes = false, ended = false;
	struct message m;

	pending_push(&s->pending, KIND_RUN);
	label_fixed(out, run_name(b[0]), 0);
	for (size_t at = 0; at < len && !ended; at = m.end) {
		if (message_read(b, len, at, PROTO_TO_SERVER, &m) != SEEN_WHOLE)
			break;
		executes |= m.type == 'B' || m.type == 'E' || m.seen < m.len;
		ended = m.type == 'S' || m.type == 'H';
	}
	executes |= !ended;
	for (size_t at = 0; at < len; at = m.end) {
		if (message_read(b, len, at, PROTO_TO_SERVER, &m) != SEEN_WHOLE)
			break;
		if (m.type == 'P') {
			parsed |= control;
			control = label_parse(s, &m, control, !executes, out);
		} else if (m.type == 'B' && control) {
			bool telling = is_bind_telling(s, &m);

			if (telling ? !bound : !bound && !parsed && !out->recall)
				label_bind(&m, out);
			bound |= telling;
		}
	}
}

static void label_request(struct state *s, const uint8_t *b, size_t len, struct label *out)
{
	struct message m;

	if (!len || b[0] == 0) {
		label_startup(s, b, len, out);
		return;
	}
	if (message_read(b, len, 0, PROTO_TO_SERVER, &m) != SEEN_WHOLE)
		m = (struct message){.type = b[0], .body = b + len, .len = 1};
	switch (m.type) {
	case 'Q':
		pending_push(&s->pending, KIND_QUERY);
		label_sql(s, m.body, m.len, m.seen, false, out);
		return;
	case 'F':
		pending_push(&s->pending, KIND_QUERY);
		label_fixed(out, "FUNCTION CALL", 0);
		return;
	case 'p':
		pending_push(&s->pending, KIND_PASSWORD);
		label_fixed(out, "AUTH", PROTO_CONTROL);
		return;
	case 'X':
		label_fixed(out, "TERMINATE", PROTO_NO_RESPONSE);
		return;
	case 'd':
	case 'c':
	case 'f':
		label_fixed(out, "COPY data", PROTO_NO_RESPONSE);
		return;
	default:
		label_run(s, b, len, out);
	}
}

/* ---- responses ---- */

/* The SQLSTATE: the field 'C' of an error. */
static void error_put(const struct message *m, struct label *out)
{
	struct text status;
	const uint8_t *value;
	size_t at = 0, len;

	out->flags |= PROTO_ERROR;
	if (out->status[0])
		return;
	while (at < m->seen && m->body[at]) {
		uint8_t field = m->body[at++];

		if (!string_read(m, &at, &value, &len))
			return;
		if (field != 'C')
			continue;
		text_start(&status, out->status, sizeof(out->status));
		text_bytes(&status, value, len);
		return;
	}
}

static void note_parameter(struct state *s, const struct message *m)
{
	const uint8_t *name, *value;
	size_t at = 0, len, value_len;

	if (string_read(m, &at, &name, &len) && string_read(m, &at, &value, &value_len) &&
	    text_is_word(name, len, "standard_conforming_strings"))
		s->backslash = text_is_word(value, value_len, "off");
}

static void label_response(struct state *s, const uint8_t *b, size_t len, bool full, struct label *out)
{
	uint8_t kind = pending_peek(&s->pending);
	bool only_async = full || !s->pending.count; /* a response may begin with notices */
	bool parsed = false, bound = false;
	struct message m;

	if (kind == KIND_TLS && len && is_one_of(b[0], "SNG")) {
		pending_pop(&s->pending);
		out->flags |= PROTO_CONTROL | (b[0] == 'N' ? 0 : PROTO_UPGRADE);
		return;
	}
	for (size_t at = 0; at < len; at = m.end) {
		if (message_read(b, len, at, PROTO_TO_CLIENT, &m) != SEEN_WHOLE) {
			only_async = full = false;
			break;
		}
		only_async &= is_async(m.type);
		if (m.type == '1' && !(out->flags & PROTO_ERROR))
			parsed = true;
		bound |= m.type == '2';
		if (m.type == 'E')
			error_put(&m, out);
		else if (m.type == 'S')
			note_parameter(s, &m);
		else if (m.type == 'G')
			out->flags |= PROTO_INTERIM;
		else if (m.type == 'W')
			out->flags |= PROTO_UPGRADE;
		else if (m.type == 'R')
			out->flags |= PROTO_CONTROL;
	}
	if (parsed && (out->flags & PROTO_ERROR))
		out->remember = PROTO_STATEMENT_KEPT;
	else if (parsed && !bound && full)
		out->remember = PROTO_STATEMENT_ONLY;
	if (len && (only_async || (!s->pending.count && !strncmp(out->status, SHUTDOWN_CLASS, 3)))) {
		out->flags |= PROTO_PUSH;
		return;
	}
	if (kind == KIND_START || kind == KIND_PASSWORD || kind == KIND_TLS)
		out->flags |= PROTO_CONTROL;
	if (out->flags & PROTO_INTERIM)
		s->copy_sync = kind == KIND_RUN;
	else
		pending_pop(&s->pending);
}

static void postgresql_label(void *state, enum proto_dir dir, const uint8_t *bytes, size_t len, int full,
			     struct label *out)
{
	if (dir == PROTO_TO_SERVER)
		label_request(state, bytes, len, out);
	else
		label_response(state, bytes, len, full, out);
}

/* ---- recognition ---- */

/* How many messages follow each other without a flaw, at most `max`. */
static int chain(enum proto_dir dir, const uint8_t *b, size_t len, int max)
{
	struct message m;
	int n = 0;

	for (size_t at = 0; at < len && n < max; at = m.end, n++) {
		if (message_read(b, len, at, dir, &m) == SEEN_NOT)
			return -1;
		if (len - at < HEADER_BYTES)
			break;
	}
	return n;
}

static int sniff_request(const uint8_t *b, size_t len)
{
	const uint8_t *name;
	struct message m;
	size_t at = 0, n;

	if (b[0] == 0)
		return len >= STARTUP_BYTES_MIN && startup_end(b, len) > 0 ? 100 : 0;
	if (message_read(b, len, 0, PROTO_TO_SERVER, &m) != SEEN_WHOLE)
		return 0;
	switch (m.type) {
	case 'Q':
		if (m.seen == m.len && m.body[m.len - 1])
			return 0;
		return sql_sniff(m.body, m.seen) ? 92 : m.seen && (m.body[0] >= ' ' || m.len == 1) ? 55 : 0;
	case 'P':
		if (!string_read(&m, &at, &name, &n))
			return 0;
		return sql_sniff(m.body + at, m.seen - at) ? 92 : 50;
	case 'X':
		return len == HEADER_BYTES ? 60 : 0;
	case 'p':
		return 20;
	default:
		n = (size_t)(chain(PROTO_TO_SERVER, b, len, 4) + 1);
		return n > 3 ? 85 : n > 2 ? 70 : 0;
	}
}

static int sniff_response(const uint8_t *b, size_t len)
{
	struct message m;

	if (message_read(b, len, 0, PROTO_TO_CLIENT, &m) != SEEN_WHOLE)
		return 0;
	int n = chain(PROTO_TO_CLIENT, b, len, 4);

	if (n < 0)
		return 0;
	if (m.type == 'R')
		return m.seen >= 4 && number_read(m.body) <= AUTH_SASL_FINAL ? 95 : 0;
	if (is_one_of(m.type, "T123tE") && n >= 1 && m.len < 65536)
		return n > 1 ? 90 : 65;
	return n > 2 ? 85 : n > 1 ? 75 : 0;
}

static int postgresql_sniff(enum proto_dir dir, const uint8_t *head, size_t len)
{
	if (!len)
		return 0;
	return dir == PROTO_TO_SERVER ? sniff_request(head, len) : sniff_response(head, len);
}

static const uint16_t ports[] = {5432, 5433, 6432, 0};

const struct proto proto_postgresql = {
    .name = "postgresql",
    .ports = ports,
    .state_bytes = sizeof(struct state),
    .pairing = PROTO_FIFO,
    .sniff = postgresql_sniff,
    .edge = postgresql_edge,
    .label = postgresql_label,
};

_Static_assert(sizeof(struct state) <= PROTO_STATE_BYTES, "the state fits");
