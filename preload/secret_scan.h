/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_scan.h - finds secrets in text by what stands before them: header names, keys, words of statements.
 * Flusher and salvage; pure. Takes bytes in any portions, knows no protocol; binary bytes do no harm.
 */
#ifndef DPROF_SECRET_SCAN_H
#define DPROF_SECRET_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_WORD_BYTES 40 /* of a word that goes on in the next portion; of a longer one its end */

enum secret_scan_flag {
	SECRET_HEADERS = 1, /* a line may be "name: value" */
	SECRET_VERBS = 2,   /* a line may be "PASS word", "AUTH mechanism data" */
	SECRET_SQL = 4,	    /* a statement: what is not quoted is a name */
	SECRET_DOUBLE = 8,  /* and "..." is a literal, as in MySQL */
};

struct secret_scan {
	uint8_t state;
	uint8_t flags;	/* enum secret_scan_flag */
	uint8_t before; /* the byte before the word */
	uint8_t last;	/* the last byte that belonged to no word */
	uint8_t quote, level, run, depth;
	uint8_t stop;	    /* what ends a value without quotes */
	uint8_t pct[2];	    /* of %XX, what was seen of it */
	uint8_t words;	    /* in this line, before the one at hand */
	uint8_t keep_words; /* of a verb's, that are no secret */
	uint8_t hot_lines;  /* lines to mask at the next turns: what AUTH asks for */
	uint8_t word_bytes;
	bool line_start; /* nothing but this word on the line so far */
	bool first;	 /* the word at hand began the line */
	bool key_quoted, spaced, opened;
	bool tag;	  /* after < */
	bool hot;	  /* literals that follow are secret */
	bool form;	  /* the body is a form: a space is no end */
	bool request;	  /* this line is a request's */
	bool disposition; /* this line is a part's, in a form */
	bool part;	  /* the part that follows is secret */
	char word[SECRET_WORD_BYTES];
};

void secret_scan_start(struct secret_scan *s, uint8_t flags);

/* "HTTP/1.1 ...", "GET /..."; a value that goes on does not look like that. */
bool secret_scan_is_http(const uint8_t *b, size_t n);

/* The direction turned, and these are the next bytes: perhaps another message. */
void secret_scan_turn(struct secret_scan *s, const uint8_t *b, size_t n);

/* These bytes begin a burst of which it is not known what went before: the rest of a header, or what a login
 * was asked for, is masked to the end of the line. */
void secret_scan_doubt(struct secret_scan *s, const uint8_t *b, size_t n);

void secret_scan_run(struct secret_scan *s, uint8_t *b, size_t n);

/* Is the text that was run last, up to its end, a key of secrets. */
bool secret_scan_is_key(const struct secret_scan *s);

/* Does a key, header or column with this name hold a secret. */
bool secret_word(const char *word, size_t len);

#endif
