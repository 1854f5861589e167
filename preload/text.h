/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - builds short texts in the caller's memory, where stdio may not be called. Any thread.
 *
 * Invariant: always NUL-terminated; what does not fit is cut and `full` set.
 */
#ifndef DPROF_TEXT_H
#define DPROF_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *bytes;
	size_t len;
	size_t cap; /* with the NUL */
	bool full;
};

void text_start(struct text *t, char *memory, size_t cap);
void text_add(struct text *t, const char *s);
void text_add_len(struct text *t, const char *s, size_t len);
void text_add_number(struct text *t, uint64_t v);

/* A number at the start of s, and where it ended; UINT64_MAX if there is none. */
uint64_t text_number(const char *s, const char **end);

bool text_equal(const char *a, const char *b);

/* What follows `prefix` in s, NULL if s does not start with it. */
const char *text_after(const char *s, const char *prefix);

#endif
