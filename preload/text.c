/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - see text.h. Any thread, also in a signal handler and on the flusher.
 */
#include "preload/text.h"

#include <string.h>

void text_start(struct text *t, char *memory, size_t cap)
{
	*t = (struct text){.bytes = memory, .cap = cap};
	memory[0] = '\0';
}

void text_add_len(struct text *t, const char *s, size_t len)
{
	size_t room = t->cap - 1 - t->len;

	if (len > room) {
		len = room;
		t->full = true;
	}
	memcpy(t->bytes + t->len, s, len);
	t->len += len;
	t->bytes[t->len] = '\0';
}

void text_add(struct text *t, const char *s)
{
	text_add_len(t, s, strlen(s));
}

void text_add_number(struct text *t, uint64_t v)
{
	char digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	text_add_len(t, digits + at, sizeof digits - at);
}

uint64_t text_number(const char *s, const char **end)
{
	uint64_t v = 0;
	const char *at = s;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (v > (UINT64_MAX - 9) / 10)
			return UINT64_MAX;
		v = v * 10 + (uint64_t)(*at - '0');
	}
	if (end != NULL)
		*end = at;
	return at == s ? UINT64_MAX : v;
}

bool text_equal(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

const char *text_after(const char *s, const char *prefix)
{
	while (*prefix != '\0')
		if (*s++ != *prefix++)
			return NULL;
	return s;
}
