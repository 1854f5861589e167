/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - the document for people: headings, aligned fields, tables and trees. Fields are kept back until
 * something else comes, a table a thousand rows at a time, a tree whole. Analyzer, one thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "analyzer/out/format.h"
#include "analyzer/out/grid.h"

#define ROWS_KEPT    1000u
#define INDENT_WIDTH 2u

struct text {
	struct grid grid;	 /* the open table or tree */
	struct grid fields;	 /* fields that wait for the others */
	struct grid_place place; /* indent and width of the terminal */
	VEC(bool) indented;	 /* of the open objects and lists */
	uint32_t depth;		 /* in the open tree */
	bool hidden;		 /* the open table or tree has no text */
	bool printed;		 /* something: a blank line comes before a heading */
	bool headed;		 /* the last line was a heading, or is blank */
};

static const struct out_column field_columns[] = {{NULL, "", OUT_TEXT}, {NULL, "", OUT_TEXT}};

static int text_open(struct out *o)
{
	struct text *t = calloc(1, sizeof(*t));
	struct winsize size;

	if (!t || grid_begin(&t->fields, field_columns, 2)) {
		free(t);
		return -ENOMEM;
	}
	if (isatty(fileno(o->to)) && !ioctl(fileno(o->to), TIOCGWINSZ, &size) && size.ws_col >= 40)
		t->place.terminal_width = size.ws_col;
	o->state = t;
	return 0;
}

static void print_grid(struct out *o, struct grid *g, bool header, bool tree)
{
	struct text *t = o->state;
	struct grid_place place = t->place;

	place.header = header;
	place.tree = tree;
	if (grid_print(g, o->to, &place))
		out_fail(o, -ENOMEM);
	t->printed = true;
	t->headed = false;
}

static void flush_fields(struct out *o)
{
	struct text *t = o->state;

	if (!t->fields.rows)
		return;
	print_grid(o, &t->fields, false, false);
	if (grid_begin(&t->fields, field_columns, 2))
		out_fail(o, -ENOMEM);
}

static void text_close(struct out *o)
{
	struct text *t = o->state;

	flush_fields(o);
	grid_free(&t->grid);
	grid_free(&t->fields);
	vec_free(&t->indented);
	free(t);
}

static bool has_heading(const char *title)
{
	return title && *title;
}

static void blank_line(struct out *o)
{
	struct text *t = o->state;

	if (t->printed && !t->headed)
		fputc('\n', o->to);
	t->headed = true; /* one is enough */
}

static void put_heading(struct out *o, const char *title)
{
	struct text *t = o->state;

	flush_fields(o);
	if (!has_heading(title))
		return;
	blank_line(o);
	fprintf(o->to, "%*s%s\n", (int)t->place.indent, "", title);
	t->printed = t->headed = true;
}

static void container_begin(struct out *o, const char *key, const char *title)
{
	struct text *t = o->state;

	put_heading(o, title);
	if (!key && !has_heading(title))
		blank_line(o); /* between the items of a list */
	if (vec_push(&t->indented, has_heading(title)))
		out_fail(o, -ENOMEM);
	else if (has_heading(title))
		t->place.indent += INDENT_WIDTH;
}

static void container_end(struct out *o)
{
	struct text *t = o->state;

	flush_fields(o);
	if (t->indented.count && t->indented.items[--t->indented.count])
		t->place.indent -= INDENT_WIDTH;
}

static void text_field(struct out *o, const char *key, const char *title, struct out_value value)
{
	struct text *t = o->state;
	const struct out_value row[] = {out_text(title), value};

	(void)key;
	if (title && value.type != OUT_ABSENT && grid_add_row(&t->fields, row, 0))
		out_fail(o, -ENOMEM);
}

/* ---- tables and trees ---- */

static void grid_open(struct out *o, const char *title, const struct out_column *columns, unsigned int n)
{
	struct text *t = o->state;

	t->hidden = !title;
	if (t->hidden)
		return;
	if (has_heading(title))
		put_heading(o, title);
	else
		flush_fields(o);
	t->place.indent += has_heading(title) ? INDENT_WIDTH : 0;
	if (vec_push(&t->indented, has_heading(title)) || grid_begin(&t->grid, columns, n))
		out_fail(o, -ENOMEM);
}

static void table_begin(struct out *o, const char *key, const char *title, const struct out_column *columns,
			unsigned int n)
{
	(void)key;
	grid_open(o, title, columns, n);
}

static void table_row(struct out *o, const struct out_value *values)
{
	struct text *t = o->state;

	if (t->hidden)
		return;
	if (grid_add_row(&t->grid, values, 0))
		out_fail(o, -ENOMEM);
	if (t->grid.rows >= ROWS_KEPT)
		print_grid(o, &t->grid, true, false);
}

static void table_end(struct out *o)
{
	struct text *t = o->state;

	if (t->hidden)
		return;
	if (t->grid.rows)
		print_grid(o, &t->grid, true, false);
	else if (!t->grid.header_printed)
		fprintf(o->to, "%*snone\n", (int)t->place.indent, "");
	t->printed = true;
	t->headed = false;
	container_end(o);
}

static void tree_begin(struct out *o, const char *key, const char *title, const struct out_column *columns,
		       unsigned int n)
{
	struct text *t = o->state;

	(void)key;
	t->depth = 0;
	grid_open(o, title, columns, n);
}

static void node_begin(struct out *o, const struct out_value *values)
{
	struct text *t = o->state;

	if (!t->hidden && grid_add_row(&t->grid, values, t->depth))
		out_fail(o, -ENOMEM);
	t->depth++;
}

static void node_end(struct out *o)
{
	struct text *t = o->state;

	t->depth--;
}

static void tree_end(struct out *o)
{
	struct text *t = o->state;

	if (t->hidden)
		return;
	print_grid(o, &t->grid, true, true);
	container_end(o);
}

const struct out_format out_format_text = {
    .name = "text",
    .open = text_open,
    .close = text_close,
    .object_begin = container_begin,
    .object_end = container_end,
    .field = text_field,
    .list_begin = container_begin,
    .list_end = container_end,
    .table_begin = table_begin,
    .row = table_row,
    .table_end = table_end,
    .tree_begin = tree_begin,
    .node_begin = node_begin,
    .node_end = node_end,
    .tree_end = tree_end,
};
