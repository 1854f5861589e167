/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.c - see utf8.h. Overlong forms, surrogates and anything beyond U+10FFFF are bad bytes. */
#include "analyzer/out/utf8.h"

#include <stdio.h>
#include <string.h>

uint32_t utf8_next(const char **at)
{
	static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)*at;
	unsigned int more = s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : s[0] >= 0xc0 ? 1 : 0;
	uint32_t code;

	(*at)++;
	if (s[0] < 0x80)
		return s[0];
	if (!more || s[0] > 0xf4)
		return UTF8_BAD;
	code = s[0] & (0x3fu >> more);
	for (unsigned int i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return UTF8_BAD;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < smallest[more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return UTF8_BAD;
	*at += more;
	return code;
}

bool utf8_printable(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code == UTF8_BAD)
		return false;
	if (code >= 0x200b && code <= 0x200f)
		return false;
	if (code >= 0x2028 && code <= 0x202e)
		return false;
	return !(code >= 0x2060 && code <= 0x206f) && code != 0xfeff && code != 0xad;
}

/* The escape of one character that is not printable. */
static int escape(char *to, size_t cap, uint32_t code, unsigned char byte)
{
	static const char letters[] = "\a\b\t\n\v\f\r", names[] = "abtnvfr";
	const char *letter = code && code < 0x20 ? strchr(letters, (int)code) : NULL;

	if (letter)
		return snprintf(to, cap, "\\%c", names[letter - letters]);
	if (code == UTF8_BAD || code < 0x100)
		return snprintf(to, cap, "\\x%02x", code == UTF8_BAD ? byte : (unsigned int)code);
	return snprintf(to, cap, "\\u%04x", (unsigned int)code);
}

size_t utf8_escape(char *to, size_t cap, const char *text)
{
	size_t len = 0;

	while (*text) {
		const char *start = text;
		uint32_t code = utf8_next(&text);
		char form[16];
		size_t bytes = (size_t)(text - start);

		if (utf8_printable(code))
			memcpy(form, start, bytes);
		else
			bytes = (size_t)escape(form, sizeof(form), code, (unsigned char)*start);
		if (len + bytes >= cap)
			break;
		memcpy(to + len, form, bytes);
		len += bytes;
	}
	if (cap)
		to[len] = 0;
	return len;
}

size_t utf8_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}
