// SPDX-License-Identifier: Apache-2.0
/*
 * dot_tree.c - trees in Graphviz's language: what text draws with branches. A vertex has the first column,
 * below it the other texts, below those the times; the rest is shown on demand. Analyzer, one thread.
 *
 * Invariant: of all trees of a document so many nodes are drawn as a layout can be made of; the others are
 * counted.
 */
#include <errno.h>
#include <stdlib.h>

#include "analyzer/out/dot.h"
#include "analyzer/out/units.h"

#define NODES_MAX      1000u
#define LINE_WIDTH_MAX 48u
#define NOT_DRAWN      UINT32_MAX

void dot_tree_begin(struct out *o, const char *key, const char *title, const struct out_column *columns,
		    unsigned int n)
{
	struct dot *d = o->state;

	(void)key;
	vec_clear(&d->path);
	d->columns = title ? columns : NULL;
	d->column_count = n;
	if (!title)
		return;
	dot_begin(o, "");
	dot_drawing.group_begin(o, title);
	fputs("\t\tgraph [ordering=out];\n", o->to);
}

static bool is_text(struct out_value v)
{
	return v.type == OUT_TEXT || v.type == OUT_WORDS;
}

/* The values of a kind, with blanks between; numbers behind their titles. */
static void put_values(struct out *o, const struct out_value *values, bool texts, bool times)
{
	const struct dot *d = o->state;
	const char *before = texts ? "\\n" : times ? "\\n" : "";

	for (unsigned int i = 1; i < d->column_count; i++) {
		char number[UNITS_TEXT_BYTES];

		if (!d->columns[i].title || values[i].type == OUT_ABSENT || values[i].type == OUT_NULL ||
		    is_text(values[i]) != texts || (!texts && times != (values[i].type == OUT_NS)))
			continue;
		if (texts && !*values[i].text)
			continue;
		fputs(before, o->to);
		before = texts ? " " : ", ";
		if (texts) {
			dot_text(o, values[i].text, LINE_WIDTH_MAX);
			continue;
		}
		units_print(number, values[i]);
		dot_text(o, d->columns[i].title, 0);
		fputc(' ', o->to);
		dot_text(o, number, 0);
	}
}

void dot_node_begin(struct out *o, const struct out_value *values)
{
	struct dot *d = o->state;
	uint32_t above = d->path.count ? *vec_last(&d->path) : NOT_DRAWN, number = NOT_DRAWN;

	if (!d->columns)
		return;
	if (d->nodes < NODES_MAX && (!d->path.count || above != NOT_DRAWN))
		number = d->nodes++;
	else
		d->left_out++;
	if (vec_push(&d->path, number))
		out_fail(o, -ENOMEM);
	if (number == NOT_DRAWN)
		return;
	fprintf(o->to, "\t\tt%u [label=\"", number);
	dot_text(o, is_text(values[0]) && values[0].text ? values[0].text : "", LINE_WIDTH_MAX);
	put_values(o, values, true, false);
	put_values(o, values, false, true);
	fputs("\", tooltip=\"", o->to);
	put_values(o, values, false, false);
	fputs("\"];\n", o->to);
	if (above != NOT_DRAWN && (vec_push(&d->arcs, above) || vec_push(&d->arcs, number)))
		out_fail(o, -ENOMEM);
}

void dot_node_end(struct out *o)
{
	struct dot *d = o->state;

	if (d->columns && d->path.count)
		d->path.count--;
}

/* The last arc first: from left to right, Graphviz sets the first one at the bottom. */
void dot_tree_end(struct out *o)
{
	struct dot *d = o->state;

	for (; d->arcs.count > 1; d->arcs.count -= 2)
		fprintf(o->to, "\t\tt%u -> t%u;\n", d->arcs.items[d->arcs.count - 2], *vec_last(&d->arcs));
	vec_clear(&d->arcs);
	if (d->columns)
		dot_drawing.group_end(o);
	d->columns = NULL;
}
