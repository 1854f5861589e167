/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret.c - the streams, and which of their bytes come next. Flusher and salvage; pure. See secret.h.
 *
 * A stream's records may come out of order (other threads' rings) and with holes (heads are bounded, rings
 * overflow). A record that continues where the last one ended goes on in its state. After a hole within a
 * frame of known length the frame goes on, masked. Else what begins a burst is taken for the beginning of a
 * message, and anything else is masked whole. Invariant: a byte is looked at once, in order, or masked.
 */
#include "preload/secret.h"

#include <string.h>

#include "common/record.h"
#include "preload/secret_stream.h"
#include "preload/secret_value.h"

#define SETS 2048u
#define WAYS 4u

#define TEXT (SECRET_HEADERS | SECRET_VERBS)

struct secrets {
	uint32_t clock;
	struct secret_stream streams[SETS][WAYS];
};

size_t secrets_bytes(void)
{
	return sizeof(struct secrets);
}

/* ---- frames ---- */

/* The rest of a line. */
static size_t line_run(struct secret_stream *s, uint8_t *b, size_t n)
{
	const uint8_t *end = memchr(b, '\n', n);
	size_t len = end != NULL ? (size_t)(end - b) : n;

	if (s->then == THEN_LINE)
		secret_scan_run(&s->scan, b, len);
	else
		memset(b, RECORD_MASK, len > 0 && end != NULL && b[len - 1] == '\r' ? len - 1 : len);
	if (end == NULL)
		return n;
	s->left = len + 1;
	return len + 1;
}

/* How many of n bytes were taken. */
static size_t piece_run(struct secret_stream *s, uint8_t *b, size_t n)
{
	size_t i = 0;

	switch (s->then) {
	case THEN_LINE:
	case THEN_MASK_LINE:
		return line_run(s, b, n);
	case THEN_SCAN:
		secret_scan_run(&s->scan, b, n);
		break;
	case THEN_FIELDS:
		http2_fields(s, b, n);
		break;
	case THEN_SCAN_NUL:
		while (i < n && s->zeros < 2)
			s->zeros += b[i++] == 0;
		memset(b + i, RECORD_MASK, n - i);
		break;
	case THEN_BLANK:
		for (; i < n; i++)
			b[i] = b[i] == 0 ? 0 : RECORD_MASK;
		break;
	default:
		memset(b, RECORD_MASK, n);
	}
	return n;
}

static void frame_run(struct secret_stream *s, uint8_t *b, size_t n)
{
	void (*plan)(struct secret_stream *) = secret_grammars[s->grammar].plan;

	while (n > 0 && !s->blind) {
		size_t m = n;

		if (s->keep > 0) {
			m = s->keep < n ? (size_t)s->keep : n;
			s->keep -= m;
		} else if (s->left > 0) {
			m = s->left < n ? (size_t)s->left : n;
			m = piece_run(s, b, m);
			s->left -= m;
		} else if (s->more && s->have == 0) {
			s->more = false;
			plan(s);
			m = 0;
		} else {
			s->head[s->have++] = *b;
			plan(s);
			m = 1;
			if (s->have == SECRET_HEAD_BYTES)
				secret_lost(s);
		}
		b += m;
		n -= m;
		if (s->grammar >= SECRET_SNIFF)
			break;
	}
	if (s->blind)
		memset(b, RECORD_MASK, n);
	else if (n > 0)
		secret_scan_run(&s->scan, b, n);
}

/* ---- what does it speak ---- */

static void stream_start(struct secret_stream *s)
{
	s->grammar = SECRET_SNIFF;
	s->keep = s->left = 0;
	s->have = s->phase = s->role = s->zeros = 0;
	s->more = s->blind = false;
	s->class = 0;
	s->count = s->total = s->a = s->b = 0;
	s->names[0] = s->names[1] = 0;
	secret_scan_start(&s->scan, TEXT);
}

static void sniff_run(struct secret_stream *s, uint8_t *b, size_t n, size_t total)
{
	uint8_t seen[SECRET_HEAD_BYTES], grammar, before = s->have;
	size_t take = n < (size_t)(SECRET_HEAD_BYTES - before) ? n : (size_t)(SECRET_HEAD_BYTES - before);

	memcpy(s->head + before, b, take);
	s->have = (uint8_t)(before + take);
	grammar = secret_sniff(s->head, s->have, before + total, &s->role);
	if (grammar == SECRET_SNIFF && s->have == SECRET_HEAD_BYTES)
		grammar = SECRET_TEXT;
	s->grammar = grammar;
	if (grammar >= SECRET_SNIFF) {
		if (before == 0 && s->unsure && !s->http)
			secret_scan_doubt(&s->scan, b, n);
		secret_scan_run(&s->scan, b, n);
		return;
	}
	memcpy(seen, s->head, before);
	s->have = 0;
	secret_scan_start(&s->scan, TEXT);
	frame_run(s, seen, before);
	frame_run(s, b, n);
}

/* ---- streams ---- */

static struct secret_stream *stream_find(struct secrets *t, uint32_t owner, const struct record *r,
					 bool *known)
{
	uint64_t key = ((uint64_t)owner << 40 ^ (uint64_t)r->conn << 8 ^ r->kind) * 0x9e3779b97f4a7c15ull;
	struct secret_stream *set = t->streams[key >> 53], *oldest = set;

	t->clock++;
	for (uint32_t i = 0; i < WAYS; i++) {
		struct secret_stream *s = &set[i];

		if (s->used != 0 && s->conn == r->conn && s->owner == owner && s->way == r->kind) {
			s->used = t->clock;
			*known = true;
			return s;
		}
		if (s->used < oldest->used)
			oldest = s;
	}
	oldest->conn = r->conn;
	oldest->owner = owner;
	oldest->way = r->kind;
	oldest->used = t->clock;
	oldest->next = UINT64_MAX;
	*known = false;
	return oldest;
}

/* The bytes up to offset `off` were not shown. True if the frame that they are in is known to reach further.
 */
static bool stream_skip(struct secret_stream *s, uint64_t off)
{
	uint64_t gap = off - s->next, m;

	if (s->grammar >= SECRET_SNIFF || s->blind || off < s->next || s->have > 0 || s->then == THEN_LINE ||
	    s->then == THEN_MASK_LINE || gap > s->keep + s->left)
		return false;
	m = gap < s->keep ? gap : s->keep;
	s->keep -= m;
	s->left -= gap - m;
	memset(s->names, 0xff, sizeof s->names);
	s->scan.state = SCAN_AFTER; /* it may have been a key */
	if (secret_grammars[s->grammar].forgets)
		s->class = 1; /* Redis: all further arguments */
	s->then = s->then == THEN_BLANK ? THEN_BLANK : THEN_MASK;
	return true;
}

/* A message begins after a hole. What the connection speaks is known, where its frames are is not. */
static void stream_restart(struct secret_stream *s, const uint8_t *b, size_t n)
{
	uint8_t hot_lines = s->scan.hot_lines;

	s->more = false;
	/* it may be the rest of a head */
	s->blind = s->grammar == SECRET_TEXT && s->http && !secret_scan_is_http(b, n);
	s->keep = s->left = 0;
	s->have = s->zeros = 0;
	s->count = s->total = 0;
	if (s->grammar < SECRET_SNIFF && secret_grammars[s->grammar].forgets)
		s->phase = 0;
	memset(s->names, 0xff, sizeof s->names);
	if (s->grammar < SECRET_SNIFF || s->blind)
		return;
	s->unsure |= s->grammar == SECRET_SNIFF;
	stream_start(s);
	if (hot_lines > 0) { /* a login was under way */
		s->grammar = SECRET_TEXT;
		s->scan.hot_lines = hot_lines;
		secret_scan_turn(&s->scan, b, n);
	}
}

static void stream_run(struct secret_stream *s, uint8_t *b, size_t n, size_t total)
{
	if (s->blind)
		memset(b, RECORD_MASK, n);
	else if (s->grammar == SECRET_SNIFF)
		sniff_run(s, b, n, total);
	else if (s->grammar == SECRET_TEXT)
		secret_scan_run(&s->scan, b, n);
	else
		frame_run(s, b, n);
}

/* A turn in text: another message, or after an upgrade another protocol. */
static void stream_turn(struct secret_stream *s, const uint8_t *b, size_t n, size_t total)
{
	uint8_t role = ROLE_UNKNOWN;

	if (s->grammar == SECRET_SNIFF)
		s->have = 0;
	if (s->grammar != SECRET_TEXT)
		return;
	if (secret_sniff(b, n < SECRET_HEAD_BYTES ? n : SECRET_HEAD_BYTES, total, &role) < SECRET_SNIFF)
		stream_start(s);
	else
		secret_scan_turn(&s->scan, b, n);
	if (s->grammar == SECRET_TEXT && s->unsure && !s->http)
		secret_scan_doubt(&s->scan, b, n);
}

static void mask_stream(struct secrets *t, uint32_t owner, const struct record *r, uint8_t *b, size_t n)
{
	bool known, burst = r->flags & RECORD_FLAG_BURST;
	struct secret_stream *s = stream_find(t, owner, r, &known);

	s->unsure |= r->off != s->end; /* not only a head that was cut */
	s->end = r->off + r->len;
	if (n == 0) { /* beyond the head of a burst */
		s->used = known ? s->used : 0;
		return;
	}
	if (!known) {
		s->http = false;
		s->unsure = r->off > 0;
		stream_start(s);
		s->blind = !burst && r->off > 0;
	} else if (r->off == s->next || stream_skip(s, r->off)) {
		if (burst && s->blind)
			stream_restart(s, b, n);
		else if (burst)
			stream_turn(s, b, n, r->len);
	} else if (burst) {
		stream_restart(s, b, n);
	} else {
		s->blind = true;
	}
	if (burst && secret_scan_is_http(b, n))
		s->http = true;
	stream_run(s, b, n, r->len);
	s->next = r->off + n;
}

/* Each datagram stands for itself. */
static void mask_datagram(uint8_t *b, size_t n)
{
	struct secret_stream s = {0};

	stream_start(&s);
	stream_run(&s, b, n, n);
}

void secrets_mask(struct secrets *t, uint32_t owner, struct record *r)
{
	uint8_t *b = (uint8_t *)(r + 1);
	size_t n = r->size_bytes - sizeof *r;

	if (r->flags & RECORD_FLAG_PEEK)
		return;
	if (r->kind == RECORD_OUT || r->kind == RECORD_IN)
		mask_stream(t, owner, r, b, n);
	else if ((r->kind == RECORD_DGRAM_OUT || r->kind == RECORD_DGRAM_IN) && n > sizeof(struct datagram))
		mask_datagram(b + sizeof(struct datagram), n - sizeof(struct datagram));
}
