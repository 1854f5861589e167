/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_word.c - which names are those of secrets: one table. Flusher and salvage; pure.
 *
 * A name may hold more than the row's word ("X-Api-Key", "db_password", "HTTP_COOKIE"). Dashes and
 * underscores count as one another. Invariant: names that requests are told apart by (traceparent,
 * x-request-id, correlation-id) are in no row.
 */
#include <string.h>

#include "preload/secret_scan.h"

#define WORD_TAIL 64 /* of a name so long, its end */

enum place { ANYWHERE, WHOLE, END };

static const struct row {
	const char *text; /* lower case, '-' for '_' too */
	uint8_t bytes;
	uint8_t place;
} rows[] = {
#define ROW(text, place)                                                                                     \
	{                                                                                                    \
		text, sizeof(text) - 1, place                                                                \
	}
    ROW("access-key", ANYWHERE),
    ROW("accesskey", ANYWHERE),
    ROW("api-key", ANYWHERE),
    ROW("apikey", ANYWHERE),
    ROW("auth-key", ANYWHERE),
    ROW("authentic", ANYWHERE),
    ROW("authkey", ANYWHERE),
    ROW("authoriz", ANYWHERE),
    ROW("auth", END),
    ROW("cookie", ANYWHERE),
    ROW("credential", ANYWHERE),
    ROW("csrf", ANYWHERE),
    ROW("identified", WHOLE),
    ROW("jwt", WHOLE),
    ROW("masteruser", WHOLE),
    ROW("otp", WHOLE),
    ROW("passcode", ANYWHERE),
    ROW("passphrase", ANYWHERE),
    ROW("passw", ANYWHERE),
    ROW("pass", END),
    ROW("private-key", ANYWHERE),
    ROW("privatekey", ANYWHERE),
    ROW("pwd", END),
    ROW("secret", ANYWHERE),
    ROW("session", ANYWHERE),
    ROW("sessid", ANYWHERE),
    ROW("sid", WHOLE),
    ROW("sig", WHOLE),
    ROW("signature", ANYWHERE),
    ROW("token", ANYWHERE),
    ROW("xsrf", ANYWHERE),
};

#define ROWS (sizeof rows / sizeof rows[0])

/* The first row of each letter, 0: none, else one more than its index. */
static const uint8_t first_row[26] = {['a' - 'a'] = 1,	['c' - 'a'] = 10, ['i' - 'a'] = 13, ['j' - 'a'] = 14,
				      ['m' - 'a'] = 15, ['o' - 'a'] = 16, ['p' - 'a'] = 17, ['s' - 'a'] = 24,
				      ['t' - 'a'] = 30, ['x' - 'a'] = 31};

static char plain(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + 32);
	return c == '_' ? '-' : c;
}

static bool row_fits(const struct row *row, const char *word, size_t at, size_t len)
{
	if (row->bytes > len - at || (row->place == WHOLE && (at > 0 || row->bytes != len)) ||
	    (row->place == END && at + row->bytes != len))
		return false;
	for (size_t i = 1; i < row->bytes; i++)
		if (plain(word[at + i]) != row->text[i])
			return false;
	return true;
}

/* Second letters of the rows that begin with `c`: most words end here. */
static bool may_follow(char c, char second)
{
	second |= 0x20;
	switch (c) {
	case 'a':
		return second == 'c' || second == 'p' || second == 'u';
	case 'c':
		return second == 'o' || second == 'r' || second == 's';
	case 'p':
		return second == 'a' || second == 'r' || second == 'w';
	case 's':
		return second == 'e' || second == 'i';
	case 't':
		return second == 'o';
	default:
		return true;
	}
}

bool secret_word(const char *word, size_t len)
{
	if (len > WORD_TAIL) {
		word += len - WORD_TAIL;
		len = WORD_TAIL;
	}
	for (size_t at = 0; at + 3 <= len; at++) {
		char c = (char)(word[at] | 0x20);
		uint8_t row = c >= 'a' && c <= 'z' ? first_row[c - 'a'] : 0;

		if (row == 0 || !may_follow(c, word[at + 1]))
			continue;
		for (; row > 0 && row <= ROWS && rows[row - 1].text[0] == c; row++)
			if (row_fits(&rows[row - 1], word, at, len))
				return true;
	}
	return false;
}
