/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario.h - the words of a scenario's lines: names, numbers, times and quoted texts. For mkdump.c only.
 * Anything that cannot be read ends the program with the line's number.
 */
#ifndef TESTS_TOOLS_SCENARIO_H
#define TESTS_TOOLS_SCENARIO_H

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX   32
#define DURATION_NS 1000 /* of an event that does not say */

/* One word of a line: name, name=value, or a quoted text. */
struct word {
	const char *name; /* NULL: a text */
	char *value;	  /* NULL: there is none */
	size_t len;
};

static const char *file;
static unsigned int line_number;
static uint64_t shift_ns, previous_ns; /* of the repetition; end of the event before */

static _Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void fail(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s:%u: ", file, line_number);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(2);
}

/* What cannot fail in a test tool. */
#define must(condition)                                                                                      \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			fail("no memory, or cannot write: %s", #condition);                                  \
	} while (0)

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

/* A quoted text, unescaped in place; *at is behind the closing quote afterwards. */
static size_t read_text(char **at, char **text)
{
	static const char letters[] = "nrt0\\\"", bytes[] = "\n\r\t\0\\\"";
	char *from = *at + 1, *to = from;

	*text = to;
	while (*from && *from != '"') {
		if (*from != '\\') {
			*to++ = *from++;
		} else if (from[1] == 'x' && hex_digit(from[2]) >= 0 && hex_digit(from[3]) >= 0) {
			*to++ = (char)(hex_digit(from[2]) << 4 | hex_digit(from[3]));
			from += 4;
		} else if (from[1] && strchr(letters, from[1])) {
			*to++ = bytes[strchr(letters, from[1]) - letters];
			from += 2;
		} else {
			fail("unknown escape \\%c", from[1]);
		}
	}
	if (!*from)
		fail("a text is not closed");
	*at = from + 1;
	return (size_t)(to - *text);
}

static unsigned int split(char *at, struct word *words)
{
	unsigned int n = 0;

	for (;;) {
		struct word *w = &words[n];

		at += strspn(at, " \t");
		if (!*at || *at == '#')
			return n;
		if (++n > WORDS_MAX)
			fail("more than %d words", WORDS_MAX);
		*w = (struct word){0};
		if (*at != '"') {
			w->name = at;
			at += strcspn(at, " \t=");
			if (*at == '=') {
				*at++ = 0;
				w->value = at;
			}
		}
		if (*at == '"' && (!w->name || w->value == at)) {
			w->len = read_text(&at, &w->value);
		} else if (w->value) {
			w->len = strcspn(at, " \t");
			at += w->len;
		}
		if (*at)
			*at++ = 0;
		if (w->value)
			w->value[w->len] = 0;
	}
}

static const struct word *find(const struct word *words, unsigned int n, const char *name)
{
	for (unsigned int i = 0; i < n; i++) {
		if (words[i].name && !strcmp(words[i].name, name))
			return &words[i];
	}
	return NULL;
}

static const char *text_of(const struct word *words, unsigned int n, const char *name, const char *otherwise)
{
	const struct word *w = find(words, n, name);

	return w && w->value ? strdup(w->value) : otherwise;
}

static uint64_t number_in(const char *text)
{
	char *end;
	uint64_t v = *text == '-' ? (uint64_t)strtoll(text, &end, 0) : strtoull(text, &end, 0);

	if (!*text || *end)
		fail("not a number: %s", text);
	return v;
}

static uint64_t number_of(const struct word *words, unsigned int n, const char *name, uint64_t otherwise)
{
	const struct word *w = find(words, n, name);

	return w && w->value ? number_in(w->value) : otherwise;
}

/* A time in ns, us, ms or s; *end is behind it. */
static uint64_t time_in(const char *text, const char **end)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"", 1}};
	char *rest;
	double v = strtod(text, &rest);

	if (rest == text)
		fail("not a time: %s", text);
	for (unsigned int i = 0;; i++) {
		if (!strncmp(rest, units[i].unit, strlen(units[i].unit))) {
			*end = rest + strlen(units[i].unit);
			return (uint64_t)(int64_t)(v * units[i].ns + (v < 0 ? -0.5 : 0.5));
		}
	}
}

/* t=A, t=A..B, t=A+D, t=+A: since the end of the line before. */
static void times_of(const struct word *words, unsigned int n, uint64_t *t0, uint64_t *t1)
{
	const struct word *w = find(words, n, "t");
	const char *at = w && w->value ? w->value : "+0";
	bool relative = *at == '+';

	*t0 = time_in(at + relative, &at) + (relative ? previous_ns : shift_ns);
	if (!strncmp(at, "..", 2))
		*t1 = time_in(at + 2, &at) + shift_ns;
	else
		*t1 = *t0 + (*at == '+' ? time_in(at + 1, &at) : DURATION_NS);
	if (*at || *t1 < *t0)
		fail("not a time: %s", w ? w->value : "");
	previous_ns = *t1;
}

#endif
