/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_value.c - masks the value after a key, to where it ends. Flusher and salvage; pure.
 *
 * What ends a value (quotes, line ends, separators) and backslashes stay, all else becomes '*'. Invariant: a
 * value that has been masked ends at the same place as before.
 */
#include "preload/secret_value.h"

#include <string.h>

#include "common/record.h"

static bool is_control(uint8_t c)
{
	return c < ' ' && c != '\t';
}

static bool is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void value_quote(struct secret_scan *s, uint8_t quote, uint8_t level)
{
	s->state = SCAN_QUOTED;
	s->quote = quote;
	s->level = level;
	s->run = 0;
}

/* ---- before a value ---- */

static bool stops(uint8_t stop, uint8_t c)
{
	if (is_control(c))
		return true;
	switch (stop) {
	case STOP_QUERY:
		return c == '&' || c == ' ' || c == '\t';
	case STOP_FORM:
		return c == '&';
	case STOP_JSON:
		return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t';
	case STOP_LIST:
		return c == ',' || c == '}' || c == ']' || c == ')';
	default:
		return !is_alnum(c) && c != '.';
	}
}

/* A statement's value: what is no literal is a name, a parameter or an expression. */
static bool is_bare_name(const struct secret_scan *s, uint8_t c)
{
	return s->stop == STOP_NAME && !(c >= '0' && c <= '9');
}

static size_t value_begin(struct secret_scan *s, uint8_t c)
{
	bool blank = c == ' ' || c == '\t';

	if (blank && (s->spaced || s->stop >= STOP_JSON || (!s->request && s->stop == STOP_QUERY)))
		return 1;
	if (c == '\\') {
		s->run++;
		return 1;
	}
	s->last = c;
	if (c == '"' || c == '\'') {
		if (c == '"' && (s->flags & SECRET_SQL) && !(s->flags & SECRET_DOUBLE)) {
			s->state = SCAN_PLAIN; /* a name */
			return 0;
		}
		value_quote(s, c, s->run);
		return 1;
	}
	if ((c == '=' || c == '>') && s->run == 0) /* == and => */
		return 1;
	if ((c == '[' || c == '{') && s->stop != STOP_NAME) {
		s->state = SCAN_NEST;
		s->depth = 1;
		return 1;
	}
	if (c == ':' || stops(s->stop, c) || is_bare_name(s, c)) {
		s->state = SCAN_PLAIN;
		return 0;
	}
	s->state = SCAN_BARE;
	return 0;
}

/* ---- values ---- */

static size_t value_bare(struct secret_scan *s, uint8_t *b, size_t n)
{
	size_t i = 0;

	/* a number in a statement stays one, so that the statement keeps its name */
	for (; i < n && !stops(s->stop, b[i]); i++)
		b[i] = s->stop != STOP_NAME ? RECORD_MASK : b[i] == '.' ? '.' : RECORD_MASK_NUMBER;
	if (i < n)
		s->state = SCAN_PLAIN;
	s->last = RECORD_MASK;
	return i;
}

static size_t value_quoted(struct secret_scan *s, uint8_t *b, size_t n)
{
	size_t i = 0;

	for (; i < n; i++) {
		if (b[i] == '\\') {
			s->run += s->run < UINT8_MAX - 1 ? 1 : -1; /* its parity counts */
			continue;
		}
		if (b[i] == s->quote && (s->level == 0 ? s->run % 2 == 0 : s->run <= s->level)) {
			s->state = SCAN_QUOTE_END;
			s->last = s->quote;
			return i + 1;
		}
		s->run = 0;
		b[i] = RECORD_MASK;
	}
	return i;
}

/* A doubled quote stands for one, and the literal goes on. */
static size_t value_quote_end(struct secret_scan *s, uint8_t c)
{
	if (c == s->quote && s->level == 0) {
		value_quote(s, c, 0);
		return 1;
	}
	s->state = SCAN_PLAIN;
	return 0;
}

static size_t value_nest(struct secret_scan *s, uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t c = b[i];

		if (s->state == SCAN_NEST_TEXT) {
			if (c == '"' && s->run % 2 == 0)
				s->state = SCAN_NEST;
			s->run = c == '\\' ? (uint8_t)(s->run ^ 1) : 0;
		} else if (c == '"') {
			s->state = SCAN_NEST_TEXT;
			s->run = 0;
		} else if (c == '[' || c == '{') {
			s->depth += s->depth < UINT8_MAX;
		} else if ((c == ']' || c == '}') && --s->depth == 0) {
			s->state = SCAN_PLAIN;
			s->last = c;
			return i;
		}
		b[i] = RECORD_MASK;
	}
	return n;
}

static size_t value_line(struct secret_scan *s, uint8_t *b, size_t n)
{
	const uint8_t *end = memchr(b, '\n', n);
	size_t len = end != NULL ? (size_t)(end - b) : n;

	for (size_t i = 0; i < len; i++)
		b[i] = b[i] == '\r' ? '\r' : RECORD_MASK;
	if (end == NULL)
		return n;
	s->state = SCAN_FOLD;
	return len + 1;
}

static size_t value_line_lead(struct secret_scan *s, uint8_t c)
{
	if (c == ' ' || c == '\t')
		return 1;
	s->state = SCAN_LINE;
	return 0;
}

static size_t value_fold(struct secret_scan *s, uint8_t c)
{
	s->state = (s->flags & SECRET_HEADERS) && (c == ' ' || c == '\t') ? SCAN_LINE_LEAD : SCAN_LINE_BEGUN;
	return 0;
}

static bool ends_authority(uint8_t c)
{
	static const char ends[] = "/?#\"'<>\\`,;)}]|";

	return c <= ' ' || c >= 0x7f || memchr(ends, c, sizeof ends - 1) != NULL;
}

/* http://user:password@host: what stands before an @. Where that cannot be told yet, all of it. */
static size_t value_authority(struct secret_scan *s, uint8_t *b, size_t n)
{
	size_t end = 0, at = 0;

	while (end < n && !ends_authority(b[end])) {
		if (b[end] == '@')
			at = end;
		end++;
	}
	if (end == n)
		at = n;
	for (size_t i = 0; i < at; i++)
		b[i] = b[i] == '@' ? '@' : RECORD_MASK;
	if (end < n) {
		s->state = SCAN_PLAIN;
		s->last = 'a';
	}
	return end;
}

static size_t value_until(struct secret_scan *s, uint8_t *b, size_t n, bool (*ends)(uint8_t c))
{
	size_t i = 0;

	for (; i < n && !ends(b[i]); i++)
		b[i] = b[i] <= ' ' ? b[i] : RECORD_MASK;
	if (i < n)
		s->state = SCAN_PLAIN;
	s->last = RECORD_MASK;
	return i;
}

static bool ends_element(uint8_t c)
{
	return c == '<';
}

static bool ends_binary(uint8_t c)
{
	return c < ' ';
}

/* $$...$$ without a tag; with one it is masked to the statement's end by no rule, so the tag's words are. */
static size_t value_dollar(struct secret_scan *s, uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (b[i] == '$' && s->last == '$' && s->run > 0) {
			s->state = SCAN_PLAIN;
			s->last = 0;
			s->run = 0;
			return i + 1;
		}
		s->last = b[i];
		if (b[i] != '$') {
			s->run = 1;
			b[i] = RECORD_MASK;
		} else if (s->run == 0) {
			s->run = 1;
		}
	}
	return n;
}

static size_t value_part(struct secret_scan *s, uint8_t *b, size_t n)
{
	size_t i = 0;

	for (; i < n; i++) {
		if (b[i] == '\n') {
			s->state = SCAN_PART_LINE;
			return i + 1;
		}
		b[i] = b[i] == '\r' ? '\r' : RECORD_MASK;
	}
	return i;
}

static size_t value_part_line(struct secret_scan *s, uint8_t c)
{
	if (s->state == SCAN_PART_LINE && c == '-') {
		s->state = SCAN_PART_DASH;
		return 1;
	}
	if (s->state == SCAN_PART_DASH && c == '-') {
		s->part = false;
		s->state = SCAN_PLAIN;
		s->last = c;
		return 1;
	}
	s->state = SCAN_PART;
	return 0;
}

size_t value_mask(struct secret_scan *s, uint8_t *b, size_t n)
{
	switch (s->state) {
	case SCAN_VALUE:
		return value_begin(s, b[0]);
	case SCAN_BARE:
		return value_bare(s, b, n);
	case SCAN_QUOTED:
		return value_quoted(s, b, n);
	case SCAN_QUOTE_END:
		return value_quote_end(s, b[0]);
	case SCAN_NEST:
	case SCAN_NEST_TEXT:
		return value_nest(s, b, n);
	case SCAN_LINE_LEAD:
		return value_line_lead(s, b[0]);
	case SCAN_LINE:
		return value_line(s, b, n);
	case SCAN_FOLD:
		return value_fold(s, b[0]);
	case SCAN_AUTHORITY:
		return value_authority(s, b, n);
	case SCAN_ELEMENT:
		return value_until(s, b, n, ends_element);
	case SCAN_BINARY:
		return value_until(s, b, n, ends_binary);
	case SCAN_DOLLAR:
		return value_dollar(s, b, n);
	case SCAN_PART:
		return value_part(s, b, n);
	default:
		return value_part_line(s, b[0]);
	}
}
