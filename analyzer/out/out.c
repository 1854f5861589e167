/* SPDX-License-Identifier: Apache-2.0 */
/* out.c - the values of a document, and the table of formats. See out.h. */
#include <errno.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/out/format.h"

static const struct out_format *const formats[] = {&out_format_text, &out_format_json};

const char *const out_formats[] = {"text", "json", NULL};

struct out *out_open(const char *format, FILE *to)
{
	struct out *o;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(formats[i]->name, format))
			continue;
		o = calloc(1, sizeof(*o));
		if (!o)
			return NULL;
		*o = (struct out){.format = formats[i], .to = to};
		__fsetlocking(to,
			      FSETLOCKING_BYCALLER); /* one thread prints; locks cost a third of the time */
		if (!formats[i]->open(o))
			return o;
		free(o);
	}
	return NULL;
}

void out_fail(struct out *o, int err)
{
	if (!o->err)
		o->err = err;
}

int out_close(struct out *o)
{
	int err;

	o->format->close(o);
	errno = 0;
	if (fflush(o->to) || ferror(o->to))
		out_fail(o, errno ? -errno : -EIO);
	err = o->err;
	free(o);
	return err;
}

void out_object_begin(struct out *o, const char *key, const char *title)
{
	o->format->object_begin(o, key, title);
}

void out_object_end(struct out *o)
{
	o->format->object_end(o);
}

void out_field(struct out *o, const char *key, const char *title, struct out_value value)
{
	o->format->field(o, key, title, value);
}

void out_list_begin(struct out *o, const char *key, const char *title)
{
	o->format->list_begin(o, key, title);
}

void out_list_end(struct out *o)
{
	o->format->list_end(o);
}

void out_table_begin(struct out *o, const char *key, const char *title, const struct out_column *columns,
		     unsigned int n)
{
	o->format->table_begin(o, key, title, columns, n);
}

void out_row(struct out *o, const struct out_value *values)
{
	o->format->row(o, values);
}

void out_table_end(struct out *o)
{
	o->format->table_end(o);
}

void out_tree_begin(struct out *o, const char *key, const char *title, const struct out_column *columns,
		    unsigned int n)
{
	o->format->tree_begin(o, key, title, columns, n);
}

void out_node_begin(struct out *o, const struct out_value *values)
{
	o->format->node_begin(o, values);
}

void out_node_end(struct out *o)
{
	o->format->node_end(o);
}

void out_tree_end(struct out *o)
{
	o->format->tree_end(o);
}

/* ---- values ---- */

struct out_value out_text(const char *text)
{
	return text ? (struct out_value){.type = OUT_TEXT, .text = text} : out_null();
}

struct out_value out_words(const char *words)
{
	return words ? (struct out_value){.type = OUT_WORDS, .text = words} : out_null();
}

struct out_value out_count(uint64_t count)
{
	return (struct out_value){.type = OUT_COUNT, .count = count};
}

struct out_value out_ns(uint64_t ns)
{
	return (struct out_value){.type = OUT_NS, .count = ns};
}

struct out_value out_time(uint64_t ns)
{
	return (struct out_value){.type = OUT_TIME, .count = ns};
}

struct out_value out_bytes(uint64_t bytes)
{
	return (struct out_value){.type = OUT_BYTES, .count = bytes};
}

struct out_value out_number(double number)
{
	return (struct out_value){.type = OUT_NUMBER, .number = number};
}

struct out_value out_probability(double probability)
{
	return (struct out_value){.type = OUT_PROBABILITY, .number = probability};
}

struct out_value out_cid(uint64_t cid)
{
	return (struct out_value){.type = OUT_CID, .count = cid};
}

struct out_value out_bool(bool truth)
{
	return (struct out_value){.type = OUT_BOOL, .truth = truth};
}

struct out_value out_null(void)
{
	return (struct out_value){.type = OUT_NULL};
}

struct out_value out_absent(void)
{
	return (struct out_value){.type = OUT_ABSENT};
}
