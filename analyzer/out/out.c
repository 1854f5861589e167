/* SPDX-License-Identifier: Apache-2.0 */
/* out.c - the values of a document, and the table of formats. See out.h. */
#include <errno.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/out/format.h"

static const struct out_format *const formats[] = {&out_format_text, &out_format_json, &out_format_dot,
						   &out_format_svg, &out_format_png};

const char *const out_formats[] = {"text", "json", "dot", "svg", "png", NULL};

static const struct out_format *find_format(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!strcmp(formats[i]->name, name))
			return formats[i];
	}
	return NULL;
}

bool out_draws(const char *format)
{
	const struct out_format *f = find_format(format);

	return f && f->drawing;
}

bool out_binary(const char *format)
{
	const struct out_format *f = find_format(format);

	return f && f->binary;
}

/* Whether a directory of PATH has the program. */
static bool is_installed(const char *program)
{
	const char *path = getenv("PATH");
	char file[4096];

	while (path && *path) {
		int len = (int)strcspn(path, ":");

		if (snprintf(file, sizeof(file), "%.*s/%s", len, path, program) < (int)sizeof(file) &&
		    !access(file, X_OK))
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

const char *out_lacks(const char *format)
{
	const struct out_format *f = find_format(format);

	return f && f->program && !is_installed(f->program) ? f->program : NULL;
}

struct out *out_open(const char *format, FILE *to)
{
	const struct out_format *f = find_format(format);
	struct out *o = f ? calloc(1, sizeof(*o)) : NULL;

	if (!o)
		return NULL;
	*o = (struct out){.format = f, .to = to};
	__fsetlocking(to, FSETLOCKING_BYCALLER); /* one thread prints; locks cost a third of the time */
	if (!f->open(o))
		return o;
	free(o);
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

void out_graph_begin(struct out *o, const char *title)
{
	if (o->format->drawing)
		o->format->drawing->graph_begin(o, title);
}

void out_group_begin(struct out *o, const char *label)
{
	if (o->format->drawing)
		o->format->drawing->group_begin(o, label);
}

void out_group_end(struct out *o)
{
	if (o->format->drawing)
		o->format->drawing->group_end(o);
}

void out_vertex(struct out *o, const struct out_vertex *v)
{
	if (o->format->drawing)
		o->format->drawing->vertex(o, v);
}

void out_arc(struct out *o, const struct out_arc *a)
{
	if (o->format->drawing)
		o->format->drawing->arc(o, a);
}

void out_graph_end(struct out *o)
{
	if (o->format->drawing)
		o->format->drawing->graph_end(o);
}

/* ---- slots that print nothing ---- */

void out_no_begin(struct out *o, const char *key, const char *title)
{
	(void)o, (void)key, (void)title;
}

void out_no_end(struct out *o)
{
	(void)o;
}

void out_no_field(struct out *o, const char *key, const char *title, struct out_value value)
{
	(void)o, (void)key, (void)title, (void)value;
}

void out_no_table(struct out *o, const char *key, const char *title, const struct out_column *columns,
		  unsigned int n)
{
	(void)o, (void)key, (void)title, (void)columns, (void)n;
}

void out_no_row(struct out *o, const struct out_value *values)
{
	(void)o, (void)values;
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

struct out_value out_offset(int64_t ns)
{
	return (struct out_value){.type = OUT_OFFSET, .count = (uint64_t)ns};
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
