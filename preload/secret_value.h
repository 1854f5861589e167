/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_value.h - the states of the walk through text, and those of them that mask. Between secret_scan.c
 * and secret_value.c only.
 */
#ifndef DPROF_SECRET_VALUE_H
#define DPROF_SECRET_VALUE_H

#include "preload/secret_scan.h"

enum scan_state {
	SCAN_PLAIN,
	SCAN_AFTER,	  /* a key has ended */
	SCAN_PERCENT,	  /* %XX after a key */
	SCAN_HOT_PERCENT, /* %XX in a statement that holds a secret */
	SCAN_COLON,	  /* after "key:" */
	SCAN_SLASH_1,	  /* after ":" */
	SCAN_SLASH_2,	  /* after ":/" */
	SCAN_VERB,	  /* the words of a verb that are shown */
	SCAN_GAP,	  /* bytes of a length or type between key and value */
	SCAN_TAG,	  /* attributes after <key */
	SCAN_LINE_BEGUN,
	/* these mask */
	SCAN_VALUE,	/* before a value */
	SCAN_BARE,	/* a value without quotes */
	SCAN_QUOTED,	/* one with */
	SCAN_QUOTE_END, /* its quote: the end, unless another follows */
	SCAN_NEST,	/* an object or array */
	SCAN_NEST_TEXT, /* a string in it */
	SCAN_LINE_LEAD, /* blanks before a line's value */
	SCAN_LINE,
	SCAN_FOLD,	/* its end: a line that begins with a blank goes on with it */
	SCAN_AUTHORITY, /* of a URL */
	SCAN_ELEMENT,	/* between <key> and < */
	SCAN_BINARY,	/* up to the next control byte */
	SCAN_DOLLAR,	/* $$ literal $$ */
	SCAN_PART,	/* of a form, up to a line that begins with -- */
	SCAN_PART_LINE,
	SCAN_PART_DASH,
};

enum scan_stop {
	STOP_QUERY, /* at & and blanks */
	STOP_FORM,  /* at & */
	STOP_JSON,  /* at , } ] and blanks */
	STOP_LIST,  /* at , } ] */
	STOP_NAME,  /* where a number ends */
};

/* A literal begins. */
void value_quote(struct secret_scan *s, uint8_t quote, uint8_t level);

/* Masks from here on; how many bytes were taken. */
size_t value_mask(struct secret_scan *s, uint8_t *b, size_t n);

#endif
