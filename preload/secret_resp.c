/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_resp.c - Redis: arguments of the commands that take passwords, and values after a key of that name.
 * Flusher and salvage; pure. See secret_stream.h.
 *
 * Both ways alike: a reply's first element is no command's name by chance. Nesting is not followed: an inner
 * array's elements count as those of the outer one.
 */
#include <string.h>

#include "preload/secret_stream.h"

#define NAME_BYTES_MAX 16u /* of a command that is looked at */
#define KEY_BYTES_MAX  64u
#define NUMBER_MAX     (1ull << 40)
#define ERROR_KEPT     (SECRET_HEAD_BYTES - 1) /* of an error: it may quote arguments further on */

/* From which argument on all are masked. */
static const struct command {
	const char *name;
	uint8_t bytes, from;
} commands[] = {
    {"auth", 4, 1}, {"hello", 5, 2}, {"acl", 3, 3}, {"config", 6, 3}, {"migrate", 7, 6}, {"sentinel", 8, 3},
};

/* The stream's own words here: class: from which argument on; total: arguments so far; count: still to come;
 * a: bytes of the line before a name, zeros: of the name; b: the last bulk is a key. */
static bool number_read(const struct secret_stream *s, uint64_t *v)
{
	*v = 0;
	for (uint32_t i = 1; i < s->have && s->head[i] != '\r' && s->head[i] != '\n'; i++) {
		if (s->head[i] < '0' || s->head[i] > '9' || *v > NUMBER_MAX)
			return false;
		*v = *v * 10 + (s->head[i] - '0');
	}
	return true;
}

static void resp_aggregate(struct secret_stream *s)
{
	uint64_t n;

	if (!number_read(s, &n)) /* -1, or a length that is not known yet */
		n = 0;
	if (s->head[0] == '%' || s->head[0] == '|')
		n *= 2;
	if (s->count > 0) {
		s->count--;
	} else {
		s->total = 0;
		s->class = 0;
		s->b = 0;
	}
	s->count += n < 1u << 24 ? (uint32_t)n : 1u << 24;
	secret_piece(s, 0, 0, THEN_MASK);
}

static void resp_element(struct secret_stream *s)
{
	s->count -= s->count > 0;
	s->total++;
}

static void resp_name(struct secret_stream *s)
{
	const char *name = (const char *)s->head + s->a;
	uint32_t len = s->have - s->a;

	s->class = 0;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		bool same = commands[i].bytes == len;

		for (uint32_t k = 0; same && k < len; k++)
			same = (name[k] | 0x20) == commands[i].name[k];
		if (same)
			s->class = commands[i].from;
	}
	s->b = s->class == 0 && secret_word(name, len);
	resp_element(s);
	secret_piece(s, 0, 0, THEN_MASK);
}

static void resp_bulk(struct secret_stream *s)
{
	bool array = s->count > 0, secret;
	uint64_t n;

	if (!number_read(s, &n)) {
		resp_element(s);
		secret_piece(s, 0, 0, THEN_MASK);
		return;
	}
	if (n > NUMBER_MAX) {
		secret_lost(s);
		return;
	}
	if (array && s->total == 0 && n > 0 && n <= NAME_BYTES_MAX) {
		s->a = s->have;
		s->zeros = (uint8_t)n;
		return;
	}
	secret =
	    array &&
	    ((s->class > 0 && s->total >= s->class) ||
	     (s->total > 0 && s->class == 0 && (s->b == 1 || (s->b == 2 && secret_scan_is_key(&s->scan)))));
	resp_element(s);
	if (secret) {
		s->b = 0;
		secret_piece(s, 0, n, THEN_MASK);
	} else {
		s->b = n <= KEY_BYTES_MAX ? 2 : 0;
		secret_piece_text(s, 0, n, 0);
	}
}

/* A simple value, or a command as one types it. */
static void resp_line(struct secret_stream *s, uint8_t flags)
{
	uint8_t first = s->head[0];

	resp_element(s);
	s->b = 0;
	secret_piece_text(s, 0, UINT64_MAX, flags);
	s->then = THEN_LINE;
	secret_scan_run(&s->scan, &first, 1);
}

void plan_resp(struct secret_stream *s)
{
	uint8_t last = s->have > 0 ? s->head[s->have - 1] : 0;

	if (s->zeros > 0) {
		if (s->have == s->a + s->zeros)
			resp_name(s);
		return;
	}
	switch (s->head[0]) {
	case '*':
	case '~':
	case '>':
	case '%':
	case '|':
		if (last == '\n')
			resp_aggregate(s);
		return;
	case '$':
	case '=':
	case '!':
		if (last == '\n')
			resp_bulk(s);
		return;
	case '-':
		if (last == '\n' || s->have == ERROR_KEPT) {
			resp_element(s);
			secret_piece(s, 0, last == '\n' ? 0 : UINT64_MAX, THEN_MASK_LINE);
		}
		return;
	case '\r':
	case '\n':
		secret_piece(s, 0, 0, THEN_MASK);
		return;
	case '+':
	case ':':
	case ',':
	case '#':
	case '(':
	case '_':
		resp_line(s, 0);
		return;
	default:
		resp_line(s, SECRET_VERBS);
	}
}
