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

/* The slots of a format that draws. */
struct out_drawing {
	void (*graph_begin)(struct out *o, const char *title);
	void (*group_begin)(struct out *o, const char *label);
	void (*group_end)(struct out *o);
	void (*vertex)(struct out *o, const struct out_vertex *v);
	void (*arc)(struct out *o, const struct out_arc *a);
	void (*graph_end)(struct out *o);
};

/* The slots are those of out.h. `open` makes the state: 0 or -ENOMEM; `close` ends the document and frees it.
 */
struct out_format {
	const char *name;
	const struct out_drawing *drawing; /* NULL: does not print graphs */
	const char *program;		   /* that prints it in the end; NULL: none */
	bool binary;			   /* for no terminal */
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
extern const struct out_format out_format_dot, out_format_svg, out_format_png;

/* The slots of a document but for trees, for formats that print nothing of it. */
#define OUT_NO_DOCUMENT                                                                                      \
	.object_begin = out_no_begin, .object_end = out_no_end, .field = out_no_field,                       \
	.list_begin = out_no_begin, .list_end = out_no_end, .table_begin = out_no_table, .row = out_no_row,  \
	.table_end = out_no_end
void out_no_begin(struct out *o, const char *key, const char *title);
void out_no_end(struct out *o);
void out_no_field(struct out *o, const char *key, const char *title, struct out_value value);
void out_no_table(struct out *o, const char *key, const char *title, const struct out_column *columns,
		  unsigned int n);
void out_no_row(struct out *o, const struct out_value *values);

/* Remembers the first failure. */
void out_fail(struct out *o, int err);

#endif
