/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_scan.c - walks text: words, and what follows a word that names a secret. Flusher and salvage; pure.
 * Values are masked in secret_value.c.
 *
 * A machine of one state per byte, so that it may stop anywhere; runs of bytes that do not matter are passed
 * in one go. Invariant: each step takes at least one byte or changes to a state that does.
 */
#include "preload/secret_scan.h"

#include <string.h>

#include "preload/secret_value.h"

#define GAP_BYTES_MAX 8 /* between a key and its value in binary text: lengths, types */

enum { VERB_ANY_PLACE = 1, VERB_ASKS = 2 };

/* Lines that carry secrets by their first word; `keep` words after it are none. */
static const struct verb {
	const char *text;
	uint8_t bytes, keep, how;
} verbs[] = {
#define VERB(text, keep, how)                                                                                \
	{                                                                                                    \
		text, sizeof(text) - 1, keep, how                                                            \
	}
    VERB("acct", 0, 0),
    VERB("acl", 2, 0),
    VERB("auth", 0, VERB_ASKS),
    VERB("authenticate", 0, VERB_ASKS | VERB_ANY_PLACE),
    VERB("authinfo", 1, VERB_ASKS),
    VERB("config", 2, 0),
    VERB("hello", 1, 0),
    VERB("login", 0, VERB_ASKS | VERB_ANY_PLACE),
    VERB("migrate", 5, 0),
    VERB("oper", 0, 0),
    VERB("pass", 0, 0),
    VERB("sentinel", 3, 0),
    VERB("user", 0, 0),
    VERB("xauth", 0, VERB_ASKS),
};

/* Letters, digits, - and _: one bit each. */
static const uint64_t word_bytes[4] = {0x03ff200000000000, 0x07fffffe87fffffe, 0, 0};

static bool is_word(uint8_t c)
{
	return word_bytes[c >> 6] >> (c & 63) & 1;
}

static bool is_same(const char *word, size_t len, const char *lower, size_t n)
{
	if (len != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((word[i] | 0x20) != lower[i])
			return false;
	return true;
}

void secret_scan_start(struct secret_scan *s, uint8_t flags)
{
	*s = (struct secret_scan){.flags = flags, .line_start = true, .last = '\n'};
}

bool secret_scan_is_http(const uint8_t *b, size_t n)
{
	size_t i = 0;

	if (n >= 7 && !memcmp(b, "HTTP/1.", 7))
		return true;
	while (i < n && i < 20 && b[i] >= 'A' && b[i] <= 'Z')
		i++;
	return i >= 3 && i + 1 < n && b[i] == ' ' && (b[i + 1] == '/' || b[i + 1] == '*' || b[i + 1] == 'h');
}

void secret_scan_turn(struct secret_scan *s, const uint8_t *b, size_t n)
{
	bool line =
	    (s->state == SCAN_PLAIN && s->last == '\n' && s->word_bytes == 0) || s->state == SCAN_FOLD;

	if (secret_scan_is_http(b, n)) {
		secret_scan_start(s, s->flags);
	} else if (line && s->hot_lines > 0) {
		s->hot_lines--;
		s->state = SCAN_LINE_LEAD;
	} else if (line) {
		s->hot = s->part = s->tag = false;
	} else if (s->state == SCAN_PLAIN && s->word_bytes == 0) {
		s->line_start = true;
		s->words = 0;
	}
}

static bool is_base64(uint8_t c)
{
	return (is_word(c) && c != '-' && c != '_') || c == '+' || c == '/' || c == '=';
}

void secret_scan_doubt(struct secret_scan *s, const uint8_t *b, size_t n)
{
	size_t name = 0, coded = 0;

	while (name < n && is_word(b[name]))
		name++;
	while (coded < n && is_base64(b[coded]))
		coded++;
	if ((name > 0 && name < n && b[name] == ':') || (n > 0 && (b[0] == ' ' || b[0] == '\t')) ||
	    (coded >= 8 && coded % 4 == 0 && (coded == n || b[coded] == '\r' || b[coded] == '\n')))
		s->state = SCAN_LINE;
}

bool secret_scan_is_key(const struct secret_scan *s)
{
	return s->state == SCAN_AFTER || (s->word_bytes > 0 && secret_word(s->word, s->word_bytes));
}

/* ---- words ---- */

static void word_carry(struct secret_scan *s, const uint8_t *b, size_t n)
{
	if (n > SECRET_WORD_BYTES) {
		b += n - SECRET_WORD_BYTES;
		n = SECRET_WORD_BYTES;
	}
	if (s->word_bytes + n > SECRET_WORD_BYTES) {
		size_t drop = s->word_bytes + n - SECRET_WORD_BYTES;

		memmove(s->word, s->word + drop, s->word_bytes - drop);
		s->word_bytes = (uint8_t)(s->word_bytes - drop);
	}
	memcpy(s->word + s->word_bytes, b, n);
	s->word_bytes = (uint8_t)(s->word_bytes + n);
}

static bool word_is_verb(struct secret_scan *s, const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		const struct verb *v = &verbs[i];

		if (!is_same(word, len, v->text, v->bytes))
			continue;
		if (s->words == 0 ? !s->first : !(v->how & VERB_ANY_PLACE) || s->before != ' ')
			return false;
		s->keep_words = v->keep;
		s->hot_lines = v->how & VERB_ASKS ? 2 : 0;
		s->state = v->keep > 0 ? SCAN_VERB : SCAN_LINE_LEAD;
		return true;
	}
	return false;
}

/* What a word means, now that `next` has ended it. */
static void word_judge(struct secret_scan *s, const char *word, size_t len, uint8_t next)
{
	bool gap = next == ' ' || next == '\t';

	if ((s->flags & SECRET_VERBS) && s->words < 2 && gap && len >= 3 && len <= 12 &&
	    word_is_verb(s, word, len))
		return;
	if (secret_word(word, len)) {
		s->state = SCAN_AFTER;
		s->key_quoted = s->before == '"' || s->before == '\'' || s->before == '`';
		s->spaced = s->opened = false;
		s->run = 0;
		if ((s->flags & SECRET_SQL) || s->before == '(' || s->before == ',')
			s->hot = true;
		return;
	}
	if (gap && !(s->flags & SECRET_SQL) && is_same(word, len, "bearer", 6)) {
		s->state = SCAN_VALUE;
		s->stop = STOP_QUERY;
		s->spaced = true;
	} else if (is_same(word, len, "x-www-form-urlencoded", 21)) {
		s->form = true;
	} else if (s->first && is_same(word, len, "content-disposition", 19)) {
		s->disposition = true;
	}
}

static void word_end(struct secret_scan *s, const uint8_t *b, size_t n, uint8_t next)
{
	if (s->word_bytes > 0) {
		word_carry(s, b, n);
		word_judge(s, s->word, s->word_bytes, next);
		s->word_bytes = 0;
	} else {
		word_judge(s, (const char *)b, n, next);
	}
	s->words += s->words < UINT8_MAX;
}

/* ---- between words ---- */

static void line_begin(struct secret_scan *s)
{
	s->line_start = true;
	s->words = 0;
	s->request = s->disposition = false;
}

/* A byte that is in no word, and follows no key. */
static void plain_step(struct secret_scan *s, uint8_t c)
{
	if (c == '\n') {
		if (s->line_start && s->part)
			s->state = SCAN_PART;
		line_begin(s);
	} else if (c != '\r') {
		if (s->words == 1 && s->last == ' ' && c == '/')
			s->request = true;
		s->line_start = false;
	}
	if ((c == '<' || c == '>') && !(s->flags & SECRET_SQL))
		s->tag = c == '<';
	else if (c == ':')
		s->state = SCAN_SLASH_1;
	else if (s->hot && (c == '\'' || (c == '"' && (s->flags & SECRET_DOUBLE))))
		value_quote(s, c, 0);
	else if (s->hot && c == '%')
		s->state = SCAN_HOT_PERCENT;
	else if (c == ';' || c == 0)
		s->hot = false;
	else if (s->hot && c == '$' && s->last == '$')
		s->state = SCAN_DOLLAR;
	s->pct[0] = 0;
	s->last = c;
}

static size_t scan_plain(struct secret_scan *s, uint8_t *b, size_t n)
{
	size_t i = 0;

	while (i < n && s->state == SCAN_PLAIN) {
		size_t from = i;

		while (i < n && is_word(b[i]))
			i++;
		if (i > from && s->word_bytes == 0) {
			s->before = s->last;
			s->first = s->line_start;
			if (s->words == 1 && s->last == ' ' && i - from >= 4 &&
			    is_same((const char *)b + from, 4, "http", 4))
				s->request = true;
			s->line_start = false;
		}
		if (i == n) {
			word_carry(s, b + from, n - from);
			return n;
		}
		if (i > from || s->word_bytes > 0)
			word_end(s, b + from, i - from, b[i]);
		if (s->state == SCAN_PLAIN)
			plain_step(s, b[i++]);
	}
	return i;
}

/* ---- after a key ---- */

static void value_expect(struct secret_scan *s, uint8_t stop)
{
	s->state = SCAN_VALUE;
	s->stop = stop;
	s->run = 0;
}

static void after_colon(struct secret_scan *s)
{
	if (s->first && (s->flags & SECRET_HEADERS))
		s->state = SCAN_LINE_LEAD;
	else if (s->key_quoted || s->opened)
		value_expect(s, STOP_JSON);
	else if (s->before == '{' || s->before == '(' || s->before == ',')
		value_expect(s, STOP_LIST);
	else
		s->state = SCAN_COLON;
}

static void after_equals(struct secret_scan *s)
{
	uint8_t stop = s->form && !s->request ? STOP_FORM : STOP_QUERY;

	value_expect(s, s->flags & SECRET_SQL ? STOP_NAME : stop);
}

/* No value, or none that begins here. True: the byte is to be looked at as plain. */
static bool after_none(struct secret_scan *s, uint8_t c)
{
	if (s->disposition)
		s->part = true;
	if (s->tag && s->spaced) {
		s->state = SCAN_TAG;
		return true;
	}
	if (s->spaced || c == '(')
		s->hot = true;
	/* a key in binary text; HTTP's lines end where they end */
	if ((c < ' ' && c != '\r' && c != '\n') || c >= 0x7f) {
		s->state = SCAN_GAP;
		s->run = 0;
		return true;
	}
	s->state = SCAN_PLAIN;
	return true;
}

static bool after_quote(struct secret_scan *s, uint8_t c)
{
	bool literal = c == '\'' || !(s->flags & SECRET_SQL) || (s->flags & SECRET_DOUBLE);

	if (s->spaced && c != '`' && literal && !(s->key_quoted && !s->opened)) {
		value_quote(s, c, s->run);
		s->last = c;
		return false;
	}
	s->opened = true;
	return false;
}

/* True: look at the byte again in the new state. */
static bool scan_after(struct secret_scan *s, uint8_t c)
{
	switch (c) {
	case '"':
	case '\'':
	case '`':
		return after_quote(s, c);
	case '\\':
		s->run++;
		return false;
	case ' ':
	case '\t':
	case '+':
		s->spaced = true;
		return false;
	case ']':
	case '[':
	case ')':
		return false;
	case '%':
		s->state = SCAN_PERCENT;
		s->pct[0] = 0;
		return false;
	case ':':
		after_colon(s);
		break;
	case '=':
		after_equals(s);
		break;
	case '>':
		if (!s->tag || s->before == '/')
			return after_none(s, c);
		s->tag = false;
		s->state = SCAN_ELEMENT;
		break;
	default:
		return after_none(s, c);
	}
	s->last = c;
	return false;
}

/* The letters of %XX after a key: %3D and %3A are = and :, spaces and quotes may stand before them. */
static bool scan_percent(struct secret_scan *s, uint8_t c)
{
	uint8_t tens = s->pct[0], units = c | 0x20;

	if (tens == 0) {
		s->pct[0] = c;
		return false;
	}
	s->pct[0] = 0;
	s->state = SCAN_AFTER;
	if (tens == '3' && (units == 'd' || units == 'a'))
		value_expect(s, STOP_QUERY);
	else if (tens == '2' && c == '0')
		s->spaced = true;
	else if (tens == '2' && (c == '7' || c == '2') && s->spaced)
		value_expect(s, STOP_QUERY);
	else if (!(tens == '2' && (c == '7' || c == '2')) && !(tens == '5' && units >= 'b' && units <= 'd') &&
		 !(tens == '0' && c == '9'))
		s->state = SCAN_PLAIN;
	return false;
}

/* %27 in a statement that stands in a URL. */
static bool scan_hot_percent(struct secret_scan *s, uint8_t c)
{
	if (s->pct[0] == 0 && c == '2') {
		s->pct[0] = c;
		return false;
	}
	if (s->pct[0] == '2' && (c == '7' || c == '2')) {
		value_expect(s, STOP_QUERY);
		return false;
	}
	s->state = SCAN_PLAIN;
	if (s->pct[0] == '2' && is_word(c)) { /* part of no word: %20by */
		s->last = c;
		return false;
	}
	return true;
}

/* What follows "key:" where the key is no header's. */
static bool scan_colon(struct secret_scan *s, uint8_t c)
{
	if (c == ' ' || c == '\t' || c == '"' || c == '\'' || c == '\\') {
		value_expect(s, STOP_LIST);
		s->spaced = true;
		return true;
	}
	s->state = SCAN_PLAIN;
	return true;
}

static bool scan_slash(struct secret_scan *s, uint8_t c)
{
	if (c != '/') {
		s->state = SCAN_PLAIN;
		return true;
	}
	s->last = c;
	s->state = s->state == SCAN_SLASH_1 ? SCAN_SLASH_2 : SCAN_AUTHORITY;
	return false;
}

/* A verb's words that are no secret; then the rest of the line is one. */
static bool scan_verb(struct secret_scan *s, uint8_t c)
{
	bool blank = c == ' ' || c == '\t';

	if (c == '\n' || c == '\r') {
		s->state = SCAN_PLAIN;
		return true;
	}
	if (blank && s->last != ' ' && s->last != 0 && s->keep_words-- == 0)
		s->state = SCAN_LINE_LEAD;
	s->last = blank ? ' ' : c;
	return false;
}

static bool scan_gap(struct secret_scan *s, uint8_t c)
{
	if (c > ' ' && c < 0x7f) {
		s->state = SCAN_BINARY;
		return true;
	}
	if (++s->run > GAP_BYTES_MAX)
		s->state = SCAN_PLAIN;
	return s->state == SCAN_PLAIN;
}

static bool scan_tag(struct secret_scan *s, uint8_t c)
{
	if (c == '>') {
		s->tag = false;
		s->state = SCAN_ELEMENT;
	} else if (c == '<') {
		s->state = SCAN_PLAIN;
	}
	return false;
}

/* States that take one byte at a time and mask none. */
static bool scan_step(struct secret_scan *s, uint8_t c)
{
	switch (s->state) {
	case SCAN_AFTER:
		return scan_after(s, c);
	case SCAN_PERCENT:
		return scan_percent(s, c);
	case SCAN_HOT_PERCENT:
		return scan_hot_percent(s, c);
	case SCAN_COLON:
		return scan_colon(s, c);
	case SCAN_SLASH_1:
	case SCAN_SLASH_2:
		return scan_slash(s, c);
	case SCAN_VERB:
		return scan_verb(s, c);
	case SCAN_GAP:
		return scan_gap(s, c);
	default:
		return scan_tag(s, c);
	}
}

void secret_scan_run(struct secret_scan *s, uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n;) {
		if (s->state == SCAN_PLAIN)
			i += scan_plain(s, b + i, n - i);
		else if (s->state >= SCAN_VALUE)
			i += value_mask(s, b + i, n - i);
		else if (!scan_step(s, b[i]))
			i++;
		if (s->state == SCAN_LINE_BEGUN) { /* a masked line has ended */
			line_begin(s);
			s->last = '\n';
			s->state = SCAN_PLAIN;
		}
	}
}
