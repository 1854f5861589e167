/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out.h - what a view says, and the formats that print it. A view builds one document out of objects, fields,
 * lists, tables and trees; a format prints it and knows nothing of RPCs. Analyzer, one thread.
 *
 * A key is a member's name in JSON. A key of a field or column may be nested: "total_ns.p50" is the member
 *p50 of the member total_ns; columns of one nest stand next to each other. Inside a list the key is NULL. A
 *title is what people read. The rules for both: field, column, table, tree	title NULL: JSON only; title
 *"": text without a heading object, list			title NULL or "": text without a heading all
 *key NULL inside an object or among columns: text only
 *
 * Text: aligned, units that read well, control characters and bad UTF-8 escaped, cut to the width of a
 * terminal if it is one. JSON: raw numbers (ns, bytes), members in the order in which they were given.
 * Begin and end must nest. Texts are copied if they are needed after the call.
 */
#ifndef DPROF_OUT_H
#define DPROF_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum out_type {
	OUT_TEXT,
	OUT_COUNT,	 /* whole number */
	OUT_NS,		 /* duration */
	OUT_OFFSET,	 /* duration with a sign */
	OUT_TIME,	 /* ns since the epoch, shown in UTC */
	OUT_BYTES,	 /* amount of bytes */
	OUT_NUMBER,	 /* double */
	OUT_PROBABILITY, /* 0 to 1 */
	OUT_CID,	 /* 16 hex digits */
	OUT_BOOL,
	OUT_NULL,   /* not known: null, or "-" */
	OUT_WORDS,  /* blank-separated: an array of strings in JSON */
	OUT_ABSENT, /* does not apply: no such member in JSON, an empty cell in text */
};

struct out_value {
	enum out_type type;
	union {
		const char *text;
		uint64_t count;
		double number;
		bool truth;
	};
};

/* A text that is NULL is the same as out_null(). */
struct out_value out_text(const char *text);
struct out_value out_words(const char *words);
struct out_value out_count(uint64_t count);
struct out_value out_ns(uint64_t ns);
struct out_value out_offset(int64_t ns);
struct out_value out_time(uint64_t ns);
struct out_value out_bytes(uint64_t bytes);
struct out_value out_number(double number);
struct out_value out_probability(double probability);
struct out_value out_cid(uint64_t cid);
struct out_value out_bool(bool truth);
struct out_value out_null(void);
struct out_value out_absent(void);

/* `type` says how the column is aligned; a value of another type is printed as what it is. */
struct out_column {
	const char *key;
	const char *title;
	enum out_type type;
};

struct out;

/* `format`: one of out_formats. NULL: unknown format, or no memory. */
struct out *out_open(const char *format, FILE *to);

/* Ends the document and flushes the stream. 0 or the -errno of the first write that failed. */
int out_close(struct out *o);

/* Names of the formats, NULL-terminated; the first is the default. */
extern const char *const out_formats[];

/* Whether the format prints graphs, and nothing else of a document. */
bool out_draws(const char *format);

/* Whether what it prints is for no terminal. */
bool out_binary(const char *format);

/* What the format needs and this system has not; NULL: nothing. */
const char *out_lacks(const char *format);

void out_object_begin(struct out *o, const char *key, const char *title);
void out_object_end(struct out *o);
void out_field(struct out *o, const char *key, const char *title, struct out_value value);

/* An array of objects, values or trees. */
void out_list_begin(struct out *o, const char *key, const char *title);
void out_list_end(struct out *o);

/* An array of objects with the same members. `columns` stays valid until the end. */
void out_table_begin(struct out *o, const char *key, const char *title, const struct out_column *columns,
		     unsigned int n);
void out_row(struct out *o, const struct out_value *values);
void out_table_end(struct out *o);

/* One root node; in JSON a node's members are its columns and `children`, an array. In text the first titled
 * column is drawn with the branches, the others stand to the right of it. */
void out_tree_begin(struct out *o, const char *key, const char *title, const struct out_column *columns,
		    unsigned int n);
void out_node_begin(struct out *o, const struct out_value *values);
void out_node_end(struct out *o);
void out_tree_end(struct out *o);

/* ---- graphs, for formats that draw; the others leave them out, so a view tells the same in tables ---- */

enum out_tone {
	OUT_TONE_PLAIN,
	OUT_TONE_FAINT, /* dashed: known from one side only, or not certain */
	OUT_TONE_ALERT, /* something went wrong there */
};

/* A point of the graph; `number` is the caller's name for it, once per graph. */
struct out_vertex {
	uint32_t number;
	const char *label;
	const char *detail; /* a second line, NULL: none */
	enum out_tone tone;
};

struct out_arc {
	uint32_t from, to;  /* numbers of vertices */
	const char *label;  /* stands beside it: short */
	const char *hint;   /* shown on demand, if the format can; NULL: none */
	unsigned int width; /* 0 to 100 */
	enum out_tone tone;
};

/* Vertices and groups of them in any order, then the arcs. Groups do not nest. */
void out_graph_begin(struct out *o, const char *title);
void out_group_begin(struct out *o, const char *label);
void out_group_end(struct out *o);
void out_vertex(struct out *o, const struct out_vertex *v);
void out_arc(struct out *o, const struct out_arc *a);
void out_graph_end(struct out *o);

#endif
