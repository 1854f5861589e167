/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format.h - what a format implements. out.c owns the struct and checks nothing but the stream; a format owns
 * `state`. A new format is one file with one of these, and one line in out.c's table.
 */
#ifndef DPROF_OUT_FORMAT_H
#define DPROF_OUT_FORMAT_H

#include "analyzer/out/out.h"

struct out {
	const struct out_format *format;
	FILE *to;
	void *state;
	int err; /* first -errno: printing goes on into the void */
};

/* The slots are those of out.h. `open` makes the state: 0 or -ENOMEM; `close` ends the document and frees it.
 */
struct out_format {
	const char *name;
	int (*open)(struct out *o);
	void (*close)(struct out *o);
	void (*object_begin)(struct out *o, const char *key, const char *title);
	void (*object_end)(struct out *o);
	void (*field)(struct out *o, const char *key, const char *title, struct out_value value);
	void (*list_begin)(struct out *o, const char *key, const char *title);
	void (*list_end)(struct out *o);
	void (*table_begin)(struct out *o, const char *key, const char *title,
			    const struct out_column *columns, unsigned int n);
	void (*row)(struct out *o, const struct out_value *values);
	void (*table_end)(struct out *o);
	void (*tree_begin)(struct out *o, const char *key, const char *title,
			   const struct out_column *columns, unsigned int n);
	void (*node_begin)(struct out *o, const struct out_value *values);
	void (*node_end)(struct out *o);
	void (*tree_end)(struct out *o);
};

extern const struct out_format out_format_text, out_format_json;

/* Remembers the first failure. */
void out_fail(struct out *o, int err);

#endif
