/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_cgi.c - what a web server tells an application server: pairs of names and values with their lengths,
 * in FastCGI, uwsgi and AJP. Flusher and salvage; pure. See secret_stream.h.
 *
 * A name is walked as text, which leaves the answer whether it is a secret's. Values that are not are walked
 * as text, too: a URL's query holds keys.
 */
#include "preload/secret_stream.h"

static void name_piece(struct secret_stream *s, uint32_t len)
{
	secret_piece_text(s, 0, len, 0);
}

static void value_piece(struct secret_stream *s, uint32_t len, bool secret)
{
	if (secret)
		secret_piece(s, 0, len, THEN_MASK);
	else
		secret_piece_text(s, 0, len, 0);
	s->scan.line_start = false;
	s->scan.request = true; /* a space ends a key's value */
}

/* ---- FastCGI: records; parameters are a stream that is cut into them ---- */

#define FCGI_HEAD   8u
#define FCGI_PARAMS 4

enum { FCGI_RECORD, FCGI_LENGTHS, FCGI_NAME, FCGI_VALUE };

/* `count`: bytes of the record to come, padding in `total`; a: length of the name or value, b: of the value.
 * Parameters that go on in another record are masked. */
static void fcgi_record(struct secret_stream *s)
{
	uint32_t len = secret_be16(s->head + 4), padding = s->head[6];

	if (s->head[0] != 1 || s->head[1] == 0 || s->head[1] > 11) {
		secret_lost(s);
		return;
	}
	if (s->head[1] != FCGI_PARAMS || len == 0) {
		secret_piece_text(s, 0, len + padding, s->head[1] == 6 ? SECRET_HEADERS : 0);
		return;
	}
	s->count = len;
	s->total = padding;
	s->phase = FCGI_LENGTHS;
	secret_piece(s, 0, 0, THEN_MASK);
}

/* A length of one byte, or of four. */
static uint32_t fcgi_length(const uint8_t *b, uint32_t have, uint32_t *at)
{
	uint32_t n = *at < have && b[*at] & 0x80 ? 4 : 1, v;

	if (*at + n > have)
		return UINT32_MAX;
	v = n == 1 ? b[*at] : secret_be32(b + *at) & 0x7fffffff;
	*at += n;
	return v;
}

static void fcgi_lengths(struct secret_stream *s)
{
	uint32_t at = 0, have = s->have, name, value;

	if (s->count == 0) {
		s->phase = FCGI_RECORD;
		secret_piece(s, s->total, 0, THEN_MASK);
		return;
	}
	if (have == 0)
		return;
	name = fcgi_length(s->head, have, &at);
	value = name == UINT32_MAX ? name : fcgi_length(s->head, have, &at);
	if (value == UINT32_MAX) {
		if (have == s->count) /* cut here: what follows is masked */
			secret_lost(s);
		return;
	}
	s->count -= have;
	if (name > s->count || value > s->count - name) {
		secret_lost(s);
		return;
	}
	s->count -= name + value;
	s->a = value;
	s->phase = FCGI_VALUE;
	name_piece(s, name);
	s->more = true;
}

void plan_fastcgi(struct secret_stream *s)
{
	switch (s->phase) {
	case FCGI_RECORD:
		if (s->have == FCGI_HEAD)
			fcgi_record(s);
		return;
	case FCGI_LENGTHS:
		fcgi_lengths(s);
		return;
	default:
		s->phase = FCGI_LENGTHS;
		value_piece(s, s->a, secret_scan_is_key(&s->scan));
		s->more = s->count == 0;
	}
}

/* ---- uwsgi: one packet of pairs, then the body ---- */

enum { UWSGI_HEAD, UWSGI_NAME, UWSGI_VALUE, UWSGI_BODY };

void plan_uwsgi(struct secret_stream *s)
{
	uint32_t len = s->have >= 2 ? (uint32_t)(s->head[0] | s->head[1] << 8) : 0;

	if (s->phase == UWSGI_BODY) {
		s->grammar = SECRET_TEXT;
		secret_scan_start(&s->scan, SECRET_HEADERS);
		return;
	}
	if (s->phase == UWSGI_HEAD) {
		if (s->have < 4)
			return;
		s->count = (uint32_t)(s->head[1] | s->head[2] << 8);
		s->phase = UWSGI_NAME;
		secret_piece(s, 0, 0, THEN_MASK);
		return;
	}
	if (s->have < 2)
		return;
	if (s->count < 2 + len) {
		secret_lost(s);
		return;
	}
	s->count -= 2 + len;
	if (s->phase == UWSGI_NAME) {
		s->phase = UWSGI_VALUE;
		name_piece(s, len);
		return;
	}
	value_piece(s, len, secret_scan_is_key(&s->scan));
	s->phase = UWSGI_NAME;
	if (s->count == 0) {
		s->phase = UWSGI_BODY;
		s->more = true;
	}
}

/* ---- AJP: strings with lengths. The protocol and the URI stay, of headers and attributes nothing does ----
 */

#define AJP_HEAD    6u
#define AJP_REQUEST 2

enum { AJP_PACKET, AJP_PROTOCOL, AJP_URI, AJP_REST };

static void ajp_packet(struct secret_stream *s)
{
	uint32_t len = secret_be16(s->head + 2);

	if (s->head[0] != 0x12 || s->head[1] != 0x34 || len < 2) {
		secret_lost(s);
	} else if (s->head[4] == AJP_REQUEST) {
		s->count = len - 2;
		s->phase = AJP_PROTOCOL;
		secret_piece(s, 0, 0, THEN_MASK);
	} else {
		secret_piece_text(s, 0, len - 2, 0);
	}
}

/* `count`: bytes of the packet to come. */
void plan_ajp(struct secret_stream *s)
{
	uint32_t len;

	if (s->phase == AJP_PACKET) {
		if (s->have == AJP_HEAD)
			ajp_packet(s);
	} else if (s->phase == AJP_REST) {
		s->phase = AJP_PACKET;
		secret_piece(s, 0, s->count, THEN_MASK);
	} else if (s->have == 2) {
		len = secret_be16(s->head) + 1u;
		if (len + 2 > s->count) {
			secret_lost(s);
			return;
		}
		s->count -= len + 2;
		s->phase++;
		value_piece(s, len, false);
		s->more = s->phase == AJP_REST;
	}
}
