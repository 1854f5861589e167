/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_http2.c - HTTP/2: frames, and in their headers (HPACK) the values of secret names. Flusher and
 * salvage; pure. See secret_stream.h.
 *
 * Names are read in both codings. Of the dynamic table only one bit per entry is kept: is the name secret.
 * After a hole it is not known which entries there are, so all are. A masked value loses its Huffman bit, so
 * that the stars are its text; a value that is shown up to a secret in it goes on with zeros in Huffman.
 * Invariant: no length changes.
 */
#include <string.h>

#include "common/record.h"
#include "preload/secret_stream.h"

#define PREFACE_BYTES 24u
#define FRAME_HEAD    9u
#define FRAME_MAX     (1u << 20)
#define FLAG_PADDED   0x08
#define FLAG_PRIORITY 0x20
#define STATIC_LAST   61u
#define NAMES	      128u /* entries of the dynamic table that are remembered */

enum { FRAME_DATA, FRAME_HEADERS, FRAME_PUSH = 5, FRAME_CONTINUATION = 9, FRAME_TYPE_MAX = 0x10 };

/* Symbols by their Huffman codes, and how many codes there are of each length (RFC 7541, appendix B). */
static const uint8_t symbols[256] = {
    48,	 49,  50,  97,	99,  101, 105, 111, 115, 116, 32,  37,	45,  46,  47,  51,  52,	 53,  54,  55,
    56,	 57,  61,  65,	95,  98,  100, 102, 103, 104, 108, 109, 110, 112, 114, 117, 58,	 66,  67,  68,
    69,	 70,  71,  72,	73,  74,  75,  76,  77,	 78,  79,  80,	81,  82,  83,  84,  85,	 86,  87,  89,
    106, 107, 113, 118, 119, 120, 121, 122, 38,	 42,  44,  59,	88,  90,  33,  34,  40,	 41,  63,  39,
    43,	 124, 35,  62,	0,   36,  64,  91,  93,	 126, 94,  125, 60,  96,  123, 92,  195, 208, 128, 130,
    131, 162, 184, 194, 224, 226, 153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230, 129,
    132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190,
    196, 198, 228, 232, 233, 1,	  135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157,
    158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239, 9,   142, 144, 145, 148, 159,
    171, 206, 215, 225, 236, 237, 199, 207, 234, 235, 192, 193, 200, 201, 202, 205, 210, 213, 218, 219,
    238, 240, 242, 243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250,
    251, 252, 253, 254, 2,   3,	  4,   5,   6,	 7,   8,   11,	12,  14,  15,  16,  17,	 18,  19,  20,
    21,	 23,  24,  25,	26,  27,  28,  29,  30,	 31,  127, 220, 249, 10,  13,  22,
};
static const uint8_t codes_of_length[31] = {0, 0, 0, 0, 0, 10, 26, 32, 6,  0, 5,  3,  2,  6, 2, 3,
					    0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4};

/* `class` is where in a field we are; a: number being read, or bytes left; b: bits of it so far, or of a
 * code; count: a Huffman code; `phase` holds the flags. */
enum field {
	FIELD_BEGIN,
	FIELD_SKIP,	   /* the rest of a number that does not matter */
	FIELD_INDEX,	   /* of a name */
	FIELD_NAME_LEN,	   /* first byte */
	FIELD_NAME_NUMBER, /* the rest */
	FIELD_NAME,
	FIELD_VALUE_LEN,
	FIELD_VALUE_NUMBER,
	FIELD_VALUE,
};

enum { IS_SECRET = 1, IS_HUFFMAN = 2, IS_NEW = 4, IS_STARTED = 8, IS_CUT = 16 };

static bool is_static_secret(uint32_t index)
{
	return index == 23 || index == 32 || index == 48 || index == 49 || index == 55 || index == 61;
}

/* Is the name of this index secret? The newest entry of the dynamic table is 62. */
static bool is_index_secret(const struct secret_stream *s, uint32_t index)
{
	uint32_t place = index - STATIC_LAST - 1;

	if (index <= STATIC_LAST)
		return is_static_secret(index);
	return place >= NAMES || (s->names[place / 64] >> (place % 64) & 1);
}

static void name_insert(struct secret_stream *s, bool secret)
{
	s->names[1] = s->names[1] << 1 | s->names[0] >> 63;
	s->names[0] = s->names[0] << 1 | secret;
}

static void flag_set(struct secret_stream *s, uint8_t flag, bool on)
{
	s->phase = (uint8_t)(on ? s->phase | flag : s->phase & ~flag);
}

/* One more bit; the symbol if that ends a code, else -1. */
static int huffman_bit(struct secret_stream *s, unsigned int bit)
{
	uint32_t first = 0, at = 0;

	s->count = s->count << 1 | bit;
	s->b++;
	for (uint32_t len = 1; len <= s->b && len <= 30; len++) {
		first = first << 1;
		if (len == s->b && s->count - first < codes_of_length[len] && s->count >= first) {
			int symbol = symbols[at + s->count - first];

			s->count = s->b = 0;
			return symbol;
		}
		first += codes_of_length[len];
		at += codes_of_length[len];
	}
	return -1;
}

/* A byte of a string; true if what it says is to be masked. */
static bool string_byte(struct secret_stream *s, uint8_t c)
{
	bool mask = false;

	if (!(s->phase & IS_HUFFMAN)) {
		uint8_t seen = c;

		secret_scan_run(&s->scan, &seen, 1);
		return seen != c;
	}
	for (int bit = 7; bit >= 0; bit--) {
		int symbol = huffman_bit(s, c >> bit & 1);
		uint8_t seen = (uint8_t)symbol;

		if (symbol < 0)
			continue;
		secret_scan_run(&s->scan, &seen, 1);
		mask |= seen != (uint8_t)symbol;
	}
	return mask;
}

static void string_begin(struct secret_stream *s, uint8_t state)
{
	s->class = state;
	s->b = s->count = 0;
	/* a name is read without meaning; a value as text in the middle of a line */
	secret_scan_start(&s->scan, 0);
	s->scan.line_start = false;
	s->scan.request = true;
}

static void field_end(struct secret_stream *s)
{
	s->class = FIELD_BEGIN;
	if (s->phase & IS_NEW)
		name_insert(s, s->phase & IS_SECRET);
}

static void name_known(struct secret_stream *s, bool secret)
{
	if (secret)
		flag_set(s, IS_SECRET, true);
	s->class = FIELD_VALUE_LEN;
}

static void name_indexed(struct secret_stream *s, uint32_t index)
{
	name_known(s, is_index_secret(s, index));
}

/* A field's first byte. */
static void field_begin(struct secret_stream *s, uint8_t c)
{
	uint8_t most = c & 0x40 ? 0x3f : 0x0f, index = c & most;

	flag_set(s, IS_SECRET | IS_HUFFMAN | IS_NEW | IS_CUT, false);
	if (c & 0x80) {
		s->class = (c & 0x7f) == 0x7f ? FIELD_SKIP : FIELD_BEGIN;
	} else if (!(c & 0x40) && c & 0x20) {
		s->class = (c & 0x1f) == 0x1f ? FIELD_SKIP : FIELD_BEGIN;
	} else {
		flag_set(s, IS_NEW, c & 0x40);
		flag_set(s, IS_SECRET, !(c & 0x40) && c & 0x10); /* "never indexed" */
		s->a = index;
		s->b = 0;
		if (index == 0)
			s->class = FIELD_NAME_LEN;
		else if (index == most)
			s->class = FIELD_INDEX;
		else
			name_indexed(s, index);
	}
}

/* A further byte of a number; true if it was the last. */
static bool number_byte(struct secret_stream *s, uint8_t c)
{
	if (s->b > 21)
		secret_lost(s);
	else
		s->a += (uint32_t)(c & 0x7f) << s->b;
	s->b += 7;
	return !(c & 0x80);
}

/* A string's first byte: is the coding Huffman's, and how long is it. */
static void length_begin(struct secret_stream *s, uint8_t c, uint8_t number, uint8_t string)
{
	flag_set(s, IS_HUFFMAN, c & 0x80);
	s->a = c & 0x7f;
	s->b = 0;
	if (s->a == 0x7f)
		s->class = number;
	else
		string_begin(s, string);
}

/* A name is at its end. */
static void name_end(struct secret_stream *s)
{
	name_known(s, s->scan.word_bytes > 0 && secret_word(s->scan.word, s->scan.word_bytes));
}

static void value_byte(struct secret_stream *s, uint8_t *b)
{
	if (s->phase & IS_SECRET) {
		*b = RECORD_MASK;
	} else if (s->phase & IS_CUT) { /* where codes begin is lost */
		*b = 0;
	} else if (string_byte(s, *b)) {
		flag_set(s, IS_CUT, s->phase & IS_HUFFMAN);
		*b = s->phase & IS_HUFFMAN ? 0 : RECORD_MASK;
	}
	if (--s->a == 0)
		field_end(s);
}

static void field_byte(struct secret_stream *s, uint8_t *b)
{
	switch (s->class) {
	case FIELD_BEGIN:
		field_begin(s, *b);
		return;
	case FIELD_SKIP:
		s->class = *b & 0x80 ? FIELD_SKIP : FIELD_BEGIN;
		return;
	case FIELD_INDEX:
		if (number_byte(s, *b))
			name_indexed(s, s->a);
		return;
	case FIELD_NAME_LEN:
		length_begin(s, *b, FIELD_NAME_NUMBER, FIELD_NAME);
		break;
	case FIELD_NAME_NUMBER:
		if (number_byte(s, *b))
			string_begin(s, FIELD_NAME);
		break;
	case FIELD_NAME:
		string_byte(s, *b);
		s->a--;
		break;
	case FIELD_VALUE_LEN:
		length_begin(s, *b, FIELD_VALUE_NUMBER, FIELD_VALUE);
		if (s->phase & IS_SECRET)
			*b &= 0x7f;
		break;
	case FIELD_VALUE_NUMBER:
		if (number_byte(s, *b))
			string_begin(s, FIELD_VALUE);
		break;
	default:
		value_byte(s, b);
		return;
	}
	if (s->a == 0 && s->class == FIELD_NAME)
		name_end(s);
	else if (s->a == 0 && s->class == FIELD_VALUE)
		field_end(s);
}

void http2_fields(struct secret_stream *s, uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s->blind)
			b[i] = RECORD_MASK;
		else
			field_byte(s, &b[i]);
	}
}

/* ---- frames ---- */

static void frame_begin(struct secret_stream *s)
{
	uint32_t len = secret_be32(s->head) >> 8, skip = 0;
	uint8_t type = s->head[3], flags = s->head[4];

	if (len > FRAME_MAX || type > FRAME_TYPE_MAX || s->head[5] & 0x80) {
		secret_lost(s);
		return;
	}
	if (type == FRAME_DATA) {
		secret_piece_text(s, 0, len, 0);
		return;
	}
	if (type != FRAME_HEADERS && type != FRAME_PUSH && type != FRAME_CONTINUATION) {
		secret_piece(s, len, 0, THEN_MASK);
		return;
	}
	if (type != FRAME_CONTINUATION) {
		skip = flags & FLAG_PADDED ? 1 : 0;
		skip += type == FRAME_PUSH ? 4 : flags & FLAG_PRIORITY ? 5 : 0;
		s->class = FIELD_BEGIN;
	}
	if (skip > len)
		skip = len;
	secret_piece(s, skip, len - skip, THEN_FIELDS);
}

void plan_http2(struct secret_stream *s)
{
	if (s->role == ROLE_CLIENT && !(s->phase & IS_STARTED)) {
		if (s->have == PREFACE_BYTES) {
			s->phase |= IS_STARTED;
			secret_piece(s, 0, 0, THEN_MASK);
		}
		return;
	}
	if (s->have == FRAME_HEAD)
		frame_begin(s);
}
