/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out.h - what a view says, and the formats that print it. A view builds one document: an object of typed fields, tables
 * and trees. A format knows how to print such a document and knows nothing of RPCs. Keys are those of the JSON; a
 * column's title and unit are for people.
 *
 * Text shows titles, aligned, with units chosen to read well; JSON shows keys, raw numbers (ns, bytes), stable order.
 */
#ifndef DPROF_OUT_H
#define DPROF_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum out_type {
	OUT_TEXT,
	OUT_COUNT,       /* whole number */
	OUT_NS,          /* duration */
	OUT_TIME,        /* ns since the epoch, shown in UTC */
	OUT_BYTES,
	OUT_NUMBER,      /* double */
	OUT_PROBABILITY, /* 0 to 1 */
	OUT_CID,         /* 16 hex digits */
	OUT_BOOL,
	OUT_NULL,
};

struct out_value {
	enum out_type type;
	union {
		const char *text;
		uint64_t u;
		double d;
		bool b;
	};
};

struct out;

/* Printers: begin/end must nest. `key` names a member of the enclosing object, NULL inside an array. `title` is for text;
 * NULL leaves it out of the text. */
struct out_format {
	const char *name;
	void (*begin)(struct out *o);
	void (*end)(struct out *o);
	void (*object_begin)(struct out *o, const char *key, const char *title);
	void (*object_end)(struct out *o);
	void (*array_begin)(struct out *o, const char *key, const char *title);
	void (*array_end)(struct out *o);
	void (*value)(struct out *o, const char *key, const char *title, struct out_value v);
};

#endif
