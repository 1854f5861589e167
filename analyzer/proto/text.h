/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - the only way from wire bytes into a label: a bounded writer that always leaves a
 * NUL-terminated, valid UTF-8 string. Analyzer, any thread; allocates nothing.
 *
 * Invariant: after every call to[len] is 0 and len < cap. What does not fit is replaced, once, by a
 * final ellipsis; from then on the writer takes no more.
 */
#ifndef DPROF_PROTO_TEXT_H
#define DPROF_PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_ELLIPSIS "\xe2\x80\xa6"

struct text {
	char *to;
	size_t cap;
	size_t len;
	bool full; /* the ellipsis is written */
};

/* `cap` is the whole array, at least 8 bytes. */
void text_start(struct text *t, char *to, size_t cap);

/* A character of ours: printable ASCII. */
void text_char(struct text *t, char c);

/* A string of ours: ASCII, or the ellipsis. */
void text_string(struct text *t, const char *s);

/* A decimal number. */
void text_number(struct text *t, uint64_t v);

/* Bytes of the wire. Tabs and line ends become a space; other control characters and what is no UTF-8
 * become \xHH. A piece that is cut inside a character loses that character only. */
void text_bytes(struct text *t, const uint8_t *bytes, size_t len);

/* Ends the text with the ellipsis: more was sent than was seen. */
void text_cut(struct text *t);

/* Goes back to an earlier `len`, which must be one that the text had between two calls. */
void text_back(struct text *t, size_t len);

/* Letters of ASCII only: the C library's answer depends on the locale. */
bool text_is_letter(uint8_t c);
bool text_is_digit(uint8_t c);
bool text_is_hex(uint8_t c);
uint8_t text_lower(uint8_t c);

/* Equal to a lower-case word, whatever the case of `bytes`. */
bool text_is_word(const uint8_t *bytes, size_t len, const char *word);

#endif
