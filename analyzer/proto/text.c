/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - bounded, valid text out of hostile bytes; see text.h. Analyzer, any thread; pure.
 *
 * Invariant: room for the ellipsis and the NUL is kept free until the ellipsis is written.
 */
#include "text.h"

#include <string.h>

#define RESERVE_BYTES (sizeof(TEXT_ELLIPSIS)) /* the ellipsis and the NUL */

void text_start(struct text *t, char *to, size_t cap)
{
	t->to = to;
	t->cap = cap;
	t->len = 0;
	t->full = false;
	to[0] = 0;
}

static void put(struct text *t, const char *s, size_t len)
{
	if (t->full)
		return;
	if (len > t->cap - RESERVE_BYTES - t->len) {
		text_cut(t);
		return;
	}
	memcpy(t->to + t->len, s, len);
	t->len += len;
	t->to[t->len] = 0;
}

void text_cut(struct text *t)
{
	if (t->full)
		return;
	memcpy(t->to + t->len, TEXT_ELLIPSIS, sizeof(TEXT_ELLIPSIS));
	t->len += sizeof(TEXT_ELLIPSIS) - 1;
	t->full = true;
}

void text_back(struct text *t, size_t len)
{
	if (len > t->len)
		return;
	t->len = len;
	t->to[len] = 0;
	t->full = false;
}

void text_char(struct text *t, char c)
{
	put(t, &c, 1);
}

void text_string(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

void text_number(struct text *t, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	put(t, digits + n, sizeof(digits) - n);
}

/* Length of the character at `b`: 0 if it is not valid, -1 if the bytes end inside of it. C1 control
 * characters count as not valid: terminals obey them. */
static int character_bytes(const uint8_t *b, size_t len)
{
	uint8_t low = 0x80, high = 0xbf;
	int n;

	if (b[0] >= 0xc2 && b[0] <= 0xdf)
		n = 2;
	else if (b[0] >= 0xe0 && b[0] <= 0xef)
		n = 3;
	else if (b[0] >= 0xf0 && b[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (b[0] == 0xc2 || b[0] == 0xe0)
		low = 0xa0;
	else if (b[0] == 0xf0)
		low = 0x90;
	if (b[0] == 0xed)
		high = 0x9f;
	else if (b[0] == 0xf4)
		high = 0x8f;
	for (int i = 1; i < n; i++) {
		if ((size_t)i >= len)
			return -1;
		if (b[i] < low || b[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

/* How many bytes from here on need no care: nearly all, so they are copied at once. */
static size_t plain_bytes(const uint8_t *bytes, size_t len)
{
	size_t n = 0;

	while (n < len && bytes[n] >= ' ' && bytes[n] < 0x7f)
		n++;
	return n;
}

void text_bytes(struct text *t, const uint8_t *bytes, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len && !t->full;) {
		size_t room = t->cap - RESERVE_BYTES - t->len;
		size_t plain = plain_bytes(bytes + i, len - i < room ? len - i : room);

		if (plain) {
			put(t, (const char *)bytes + i, plain);
			i += plain;
			continue;
		}
		uint8_t c = bytes[i];
		int n = c < 0x80 ? 1 : character_bytes(bytes + i, len - i);

		if (n < 0)
			return;
		if (c == '\t' || c == '\n' || c == '\r') {
			put(t, " ", 1);
		} else if (n == 0 || c < 0x20 || c == 0x7f) {
			char escape[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};

			put(t, escape, sizeof(escape));
			n = 1;
		} else {
			put(t, (const char *)bytes + i, (size_t)n);
		}
		i += (size_t)n;
	}
}

bool text_is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool text_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

bool text_is_hex(uint8_t c)
{
	return text_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

uint8_t text_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool text_is_word(const uint8_t *bytes, size_t len, const char *word)
{
	for (size_t i = 0; i < len; i++) {
		if (!word[i] || text_lower(bytes[i]) != (uint8_t)word[i])
			return false;
	}
	return word[len] == 0;
}
