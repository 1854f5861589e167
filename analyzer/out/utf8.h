/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h - texts of strangers, one character after another. Any thread; pure. */
#ifndef DPROF_OUT_UTF8_H
#define DPROF_OUT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_BAD UINT32_MAX

/* Takes the character at *at (not at its NUL) and moves *at behind it. UTF8_BAD: one byte that is not UTF-8.
 */
uint32_t utf8_next(const char **at);

/* May it be sent to a terminal? Not so: control characters, what changes the direction of text, what has no
 * width. */
bool utf8_printable(uint32_t code);

/* Writes what of `text` a terminal may see, other characters as \n, \x1b, \u202e; at most `cap` bytes with
 * the NUL, cut at a character. Returns how many bytes it wrote, without the NUL. */
size_t utf8_escape(char *to, size_t cap, const char *text);

/* Bytes that utf8_escape() needs for a text of `len` bytes, whatever they are. */
#define UTF8_ESCAPED_BYTES(len) ((len)*6 + 1)

/* Columns that an escaped text takes. */
size_t utf8_width(const char *text);

#endif
