/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.c - HTTP/1.0 and HTTP/1.1 (RFC 9112). Analyzer, one thread per connection; pure.
 *
 * The state is the queue of methods whose responses have a different shape: HEAD and CONNECT.
 * Status: the code; 5xx is an error, 4xx is the client's (OpenTelemetry's rule for servers). 1xx is
 * interim, but for 101; after 101 and after 2xx to CONNECT the stream is another protocol.
 *
 * Invariant: a length is given only when every byte that decides it was seen; else PROTO_MORE.
 */
#include <stdbool.h>
#include <string.h>

#include "id.h"
#include "path.h"
#include "pending.h"
#include "table.h"
#include "text.h"

#define METHOD_BYTES_MAX      32
#define EMPTY_LINES_MAX	      4		  /* before a request; RFC 9112 2.2 */
#define LENGTH_MAX	      (1LL << 60) /* of one body or chunk: keeps sums far from overflow */
#define VERSION_BYTES	      8		  /* HTTP/1.x */
#define STATUS_LINE_BYTES_MIN 12	  /* HTTP/1.x 200 */

enum kind { KIND_OTHER = 1, KIND_HEAD, KIND_CONNECT };
enum seen { SEEN_NOT, SEEN_PART, SEEN_WHOLE };

struct state {
	struct pending pending;
};

/* A request line; offsets from the first byte of the message. */
struct line {
	size_t start; /* after empty lines */
	size_t method_len;
	size_t target;
	size_t target_len;
	size_t end; /* of the line, with its line feed */
};

/* What the header fields say of the body. */
struct fields {
	size_t end; /* where the body begins */
	bool length_given;
	bool length_bad;
	bool coded;   /* any Transfer-Encoding */
	bool chunked; /* which ends in chunked */
	int64_t length;
};

static const char *const methods[] = {"GET",	     "HEAD",
				      "POST",	     "PUT",
				      "DELETE",	     "CONNECT",
				      "OPTIONS",     "TRACE",
				      "PATCH",	     "PROPFIND",
				      "PROPPATCH",   "MKCOL",
				      "COPY",	     "MOVE",
				      "LOCK",	     "UNLOCK",
				      "SEARCH",	     "REPORT",
				      "MKCALENDAR",  "CHECKOUT",
				      "CHECKIN",     "MERGE",
				      "MKACTIVITY",  "ACL",
				      "BIND",	     "REBIND",
				      "UNBIND",	     "LINK",
				      "UNLINK",	     "LABEL",
				      "UPDATE",	     "VERSION-CONTROL",
				      "ORDERPATCH",  "BASELINE-CONTROL",
				      "UNCHECKOUT",  "MKWORKSPACE",
				      "NOTIFY",	     "SUBSCRIBE",
				      "UNSUBSCRIBE", "M-SEARCH",
				      "PURGE",	     "BAN",
				      "QUERY",	     "SOURCE",
				      NULL};

static bool is_token(uint8_t c)
{
	return text_is_letter(c) || text_is_digit(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_version(const uint8_t *b)
{
	return !memcmp(b, "HTTP/1.", 7) && text_is_digit(b[7]);
}

static bool is_method(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; methods[i]; i++) {
		if (strlen(methods[i]) == len && !memcmp(methods[i], bytes, len))
			return true;
	}
	return false;
}

/* The line before its line end; `end` is where its line feed is. */
static size_t line_len(const uint8_t *line, size_t end)
{
	return end && line[end - 1] == '\r' ? end - 1 : end;
}

/* A request line that is cut: all that is there must fit, and methods in lower case are not believed. */
static enum seen line_part(const uint8_t *b, size_t len, struct line *l)
{
	if (!l->method_len) {
		for (size_t i = l->start; i < len; i++) {
			if (text_lower(b[i]) != b[i] || text_is_digit(b[i]) || b[i] == '-')
				continue;
			return b[i] == '\r' && i == l->start ? SEEN_PART : SEEN_NOT;
		}
		return len - l->start <= METHOD_BYTES_MAX ? SEEN_PART : SEEN_NOT;
	}
	for (size_t i = l->start; i < l->start + l->method_len; i++) {
		if (b[i] >= 'a' && b[i] <= 'z')
			return SEEN_NOT;
	}
	for (size_t i = l->target; i < len; i++) {
		if ((b[i] < ' ' && b[i] != '\r') || b[i] == 0x7f)
			return SEEN_NOT;
	}
	l->target_len = 0;
	while (l->target + l->target_len < len && b[l->target + l->target_len] > ' ')
		l->target_len++;
	return SEEN_PART;
}

static enum seen line_read(const uint8_t *b, size_t len, struct line *l)
{
	size_t i = 0;

	*l = (struct line){0};
	for (int n = 0; n < EMPTY_LINES_MAX && i < len && (b[i] == '\n' || b[i] == '\r'); n++) {
		if (b[i] == '\r' && i + 1 < len && b[i + 1] != '\n')
			return SEEN_NOT;
		i += b[i] == '\r' && i + 1 < len ? 2 : 1;
	}
	l->start = i;
	while (i < len && is_token(b[i]) && i - l->start <= METHOD_BYTES_MAX)
		i++;
	if (i == len)
		return line_part(b, len, l);
	if (b[i] != ' ' || i == l->start || i - l->start > METHOD_BYTES_MAX)
		return SEEN_NOT;
	l->method_len = i - l->start;
	l->target = i + 1;

	const uint8_t *feed = memchr(b + l->target, '\n', len - l->target);

	if (!feed)
		return line_part(b, len, l);
	size_t rest = line_len(b + l->target, (size_t)(feed - b) - l->target);

	/* The target ends before the version; a sloppy client leaves spaces in it. */
	if (rest < VERSION_BYTES + 2 || !is_version(feed - (feed[-1] == '\r') - VERSION_BYTES) ||
	    b[l->target + rest - VERSION_BYTES - 1] != ' ')
		return SEEN_NOT;
	l->target_len = rest - VERSION_BYTES - 1;
	l->end = (size_t)(feed - b) + 1;
	return SEEN_WHOLE;
}

/* The status line: its code, and where the header fields begin. */
static enum seen status_read(const uint8_t *b, size_t len, unsigned int *code, size_t *end)
{
	static const char form[] = "HTTP/1.d ddd";

	for (size_t i = 0; i < STATUS_LINE_BYTES_MIN; i++) {
		if (i >= len)
			return SEEN_PART;
		if (form[i] == 'd' ? !text_is_digit(b[i]) : b[i] != (uint8_t)form[i])
			return SEEN_NOT;
	}
	*code = (b[9] - '0') * 100u + (b[10] - '0') * 10u + (b[11] - '0');
	if (*code < 100)
		return SEEN_NOT;
	if (len > STATUS_LINE_BYTES_MIN && b[STATUS_LINE_BYTES_MIN] > ' ')
		return SEEN_NOT;

	const uint8_t *feed = memchr(b, '\n', len);

	*end = feed ? (size_t)(feed - b) + 1 : 0;
	return feed ? SEEN_WHOLE : SEEN_PART;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void field_length(struct fields *f, const uint8_t *value, size_t len)
{
	int64_t v = 0;

	if (!len)
		f->length_bad = true;
	for (size_t i = 0; i < len; i++) {
		if (!text_is_digit(value[i]) || v > LENGTH_MAX / 10) {
			f->length_bad = true;
			return;
		}
		v = v * 10 + (value[i] - '0');
	}
	if (f->length_given && v != f->length)
		f->length_bad = true;
	f->length_given = true;
	f->length = v;
}

/* One header field, unfolded: its value may hold line ends. */
static void field_read(struct fields *f, const uint8_t *field, size_t len)
{
	const uint8_t *colon = memchr(field, ':', len);
	static const char chunked[] = "chunked";
	const size_t n = sizeof(chunked) - 1;

	if (!colon)
		return;
	size_t name_len = (size_t)(colon - field);
	const uint8_t *value = colon + 1;

	len -= name_len + 1;
	while (len && is_blank(value[len - 1]))
		len--;
	while (len && is_blank(value[0])) {
		value++;
		len--;
	}
	if (text_is_word(field, name_len, "content-length")) {
		field_length(f, value, len);
	} else if (text_is_word(field, name_len, "transfer-encoding")) {
		f->coded = true;
		f->chunked = len >= n && text_is_word(value + len - n, n, chunked) &&
			     (len == n || is_blank(value[len - n - 1]) || value[len - n - 1] == ',');
	}
}

/* Header fields from `at` to the empty line; false if that was not seen. */
static bool fields_read(const uint8_t *b, size_t len, size_t at, struct fields *f)
{
	*f = (struct fields){0};
	while (at < len) {
		size_t end = at;

		if (b[at] == '\n' || (b[at] == '\r' && at + 1 < len && b[at + 1] == '\n')) {
			f->end = at + (b[at] == '\r' ? 2 : 1);
			return true;
		}
		/* A line that begins with a blank continues the field before it. */
		do {
			const uint8_t *feed = memchr(b + end, '\n', len - end);

			if (!feed)
				return false;
			end = (size_t)(feed - b) + 1;
		} while (end < len && (b[end] == ' ' || b[end] == '\t'));
		field_read(f, b + at, end - at);
		at = end;
	}
	return false;
}

/* After the last chunk: lines up to an empty one. */
static int64_t trailer_end(const uint8_t *b, size_t len, size_t at)
{
	while (at < len) {
		const uint8_t *feed = memchr(b + at, '\n', len - at);

		if (!feed)
			return PROTO_MORE;
		size_t n = line_len(b + at, (size_t)(feed - b) - at);

		at = (size_t)(feed - b) + 1;
		if (!n)
			return (int64_t)at;
	}
	return PROTO_MORE;
}

static int64_t chunks_end(const uint8_t *b, size_t len, size_t at)
{
	while (at < len) {
		int64_t size = 0;
		size_t digits = 0;

		for (; at < len && text_is_hex(b[at]); at++, digits++) {
			uint8_t c = text_lower(b[at]);

			if (size > LENGTH_MAX / 16)
				return PROTO_MORE;
			size = size * 16 + (text_is_digit(c) ? c - '0' : c - 'a' + 10);
		}
		const uint8_t *feed = at < len ? memchr(b + at, '\n', len - at) : NULL;

		if (!digits || !feed)
			return PROTO_MORE;
		at = (size_t)(feed - b) + 1;
		if (!size)
			return trailer_end(b, len, at);
		if ((uint64_t)size >= len - at)
			return PROTO_MORE;
		at += (size_t)size;
		if (b[at] == '\r')
			at++;
		if (at >= len || b[at++] != '\n')
			return PROTO_MORE;
	}
	return PROTO_MORE;
}

static int64_t body_end(const uint8_t *b, size_t len, const struct fields *f, bool response)
{
	if (f->chunked)
		return chunks_end(b, len, f->end);
	if (f->coded || f->length_bad)
		return PROTO_MORE;
	if (f->length_given)
		return (int64_t)f->end + f->length;
	return response ? PROTO_MORE : (int64_t)f->end;
}

static bool is_bodyless(const struct state *s, unsigned int code, const uint8_t *b, size_t len,
			const struct fields *f)
{
	uint8_t kind = pending_peek(&s->pending);

	if (code < 200 || code == 204 || code == 304)
		return true;
	if (kind == KIND_CONNECT)
		return code < 300;
	/* If a response was lost the queue is late by one: what follows a header is a header or a body. */
	return kind == KIND_HEAD &&
	       (len <= f->end || !memcmp(b + f->end, "HTTP/1.", len - f->end < 7 ? len - f->end : 7));
}

static int64_t http_edge(const void *state, enum proto_dir dir, const uint8_t *bytes, size_t len)
{
	unsigned int code = 0;
	struct fields f;
	struct line l;
	size_t at = 0;
	enum seen seen;

	if (dir == PROTO_TO_SERVER) {
		seen = line_read(bytes, len, &l);
		at = l.end;
	} else {
		seen = status_read(bytes, len, &code, &at);
	}
	if (seen == SEEN_NOT)
		return PROTO_LOST;
	if (seen == SEEN_PART || !fields_read(bytes, len, at, &f))
		return PROTO_MORE;
	if (dir == PROTO_TO_CLIENT && is_bodyless(state, code, bytes, len, &f))
		return (int64_t)f.end;
	return body_end(bytes, len, &f, dir == PROTO_TO_CLIENT);
}

static void label_request(struct state *s, const uint8_t *b, size_t len, struct label *out)
{
	struct text operation, target;
	struct line l;
	enum seen seen = line_read(b, len, &l);
	const uint8_t *method = b + l.start;
	size_t method_len = l.method_len ? l.method_len : len - l.start;
	uint8_t kind = KIND_OTHER;

	text_start(&operation, out->operation, sizeof(out->operation));
	text_start(&target, out->target, sizeof(out->target));
	if (seen == SEEN_NOT)
		return;
	if (l.method_len == 4 && !memcmp(method, "HEAD", 4))
		kind = KIND_HEAD;
	else if (l.method_len == 7 && !memcmp(method, "CONNECT", 7))
		kind = KIND_CONNECT;
	pending_push(&s->pending, kind);
	if (is_method(method, method_len))
		text_bytes(&operation, method, method_len);
	else
		id_replace(&operation, method, method_len, "-");
	text_bytes(&target, method, method_len);
	if (l.method_len) {
		bool cut = seen == SEEN_PART && l.target + l.target_len == len;

		text_char(&operation, ' ');
		if (kind == KIND_CONNECT)
			path_host(&operation, b + l.target, l.target_len);
		else
			path_normalise(&operation, b + l.target, l.target_len, cut);
		text_char(&target, ' ');
		path_target(&target, b + l.target, l.target_len, cut);
		if (!cut)
			return;
	} else {
		text_cut(&operation);
	}
	text_cut(&target);
	out->flags |= PROTO_CUT;
}

static void label_response(struct state *s, const uint8_t *b, size_t len, struct label *out)
{
	unsigned int code = 0;
	size_t end = 0;
	struct text status;

	if (status_read(b, len, &code, &end) == SEEN_NOT || !code) {
		out->flags |= PROTO_CUT;
		pending_pop(&s->pending);
		return;
	}
	text_start(&status, out->status, sizeof(out->status));
	text_number(&status, code);
	if (code < 200 && code != 101) {
		out->flags |= PROTO_INTERIM;
		return;
	}
	uint8_t kind = pending_pop(&s->pending);

	if (code == 101 || (kind == KIND_CONNECT && code < 300))
		out->flags |= PROTO_UPGRADE;
	if (code >= 500)
		out->flags |= PROTO_ERROR;
}

static void http_label(void *state, enum proto_dir dir, const uint8_t *bytes, size_t len, int full,
		       struct label *out)
{
	(void)full;
	if (dir == PROTO_TO_SERVER)
		label_request(state, bytes, len, out);
	else
		label_response(state, bytes, len, out);
}

static int http_sniff(enum proto_dir dir, const uint8_t *head, size_t len)
{
	unsigned int code;
	struct line l;
	size_t end;

	if (dir == PROTO_TO_CLIENT) {
		if (len < 5 || status_read(head, len, &code, &end) == SEEN_NOT)
			return 0;
		return len >= STATUS_LINE_BYTES_MIN ? 100 : 70;
	}
	switch (line_read(head, len, &l)) {
	case SEEN_WHOLE:
		return is_method(head + l.start, l.method_len) ? 100 : 90;
	case SEEN_PART:
		if (!l.method_len || !is_method(head + l.start, l.method_len) || len <= l.target)
			return 0;
		return head[l.target] == '/' || l.target_len > 8 ? 85 : 60;
	default:
		return 0;
	}
}

static const uint16_t ports[] = {80, 8080, 8000, 5000, 3000, 8888, 0};

const struct proto proto_http = {
    .name = "http",
    .ports = ports,
    .state_bytes = sizeof(struct state),
    .pairing = PROTO_FIFO,
    .sniff = http_sniff,
    .edge = http_edge,
    .label = http_label,
};

_Static_assert(sizeof(struct state) <= PROTO_STATE_BYTES, "the state fits");
