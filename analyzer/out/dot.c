// SPDX-License-Identifier: Apache-2.0
/*
 * dot.c - the graphs of a document in Graphviz's language, and its trees for people; nothing else of it.
 * Groups are clusters, and so is each tree. Analyzer, one thread.
 *
 * Invariant: a text of a stranger stands between quotes, escaped twice: for a terminal (utf8_escape), and so
 * that neither the language nor its labels (backslash, entities) find anything in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/out/dot.h"
#include "analyzer/out/utf8.h"

#define LABEL_WIDTH_MAX 48u /* of what is drawn; a hint is not cut */

int dot_open(struct out *o)
{
	o->state = calloc(1, sizeof(struct dot));
	return o->state ? 0 : -ENOMEM;
}

void dot_close(struct out *o)
{
	struct dot *d = o->state;

	if (d->left_out)
		fprintf(o->to, "\tmore [label=\"%u more are not drawn\", shape=plaintext, style=\"\"];\n",
			d->left_out);
	if (d->begun)
		fputs("}\n", o->to);
	vec_free(&d->text);
	vec_free(&d->path);
	vec_free(&d->arcs);
	free(d);
}

void dot_text(struct out *o, const char *text, size_t width)
{
	struct dot *d = o->state;
	const char *at;

	if (vec_reserve(&d->text, UTF8_ESCAPED_BYTES(strlen(text)))) {
		out_fail(o, -ENOMEM);
		return;
	}
	utf8_escape(d->text.items, d->text.cap, text);
	at = d->text.items;
	for (size_t shown = 0; *at && (!width || shown < width); shown++) {
		do {
			if (*at == '"' || *at == '\\')
				fputc('\\', o->to);
			if (*at == '&')
				fputs("&amp;", o->to);
			else
				fputc(*at, o->to);
			at++;
		} while ((*at & 0xc0) == 0x80);
	}
	if (*at)
		fputs("…", o->to);
}

static void put_indent(struct out *o)
{
	const struct dot *d = o->state;

	fputs(d->grouped ? "\t\t" : "\t", o->to);
}

void dot_begin(struct out *o, const char *title)
{
	struct dot *d = o->state;

	if (d->begun)
		return;
	d->begun = true;
	fputs("digraph {\n"
	      "\tgraph [rankdir=LR, ranksep=0.9, nodesep=0.25, labelloc=t, labeljust=l, fontsize=12,\n"
	      "\t\tfontname=\"Helvetica,Arial,sans-serif\", label=\"",
	      o->to);
	dot_text(o, title, 0);
	fputs(
	    "\"];\n"
	    "\tnode [shape=box, style=\"rounded,filled\", fillcolor=white, color=\"#4a5568\", fontsize=11,\n"
	    "\t\tmargin=\"0.12,0.05\", height=0.3, fontname=\"Helvetica,Arial,sans-serif\"];\n"
	    "\tedge [color=\"#a3b3c9\", fontcolor=\"#1a202c\", fontsize=9, arrowsize=0.7,\n"
	    "\t\tfontname=\"Helvetica,Arial,sans-serif\"];\n",
	    o->to);
}

static void group_begin(struct out *o, const char *label)
{
	struct dot *d = o->state;

	fprintf(o->to,
		"\tsubgraph cluster_%u {\n"
		"\t\tgraph [style=\"rounded,filled\", color=\"#cbd5e0\", fillcolor=\"#f4f6f9\", label=\"",
		d->groups++);
	dot_text(o, label, LABEL_WIDTH_MAX);
	fputs("\"];\n", o->to);
	d->grouped = true;
}

static void group_end(struct out *o)
{
	struct dot *d = o->state;

	fputs("\t}\n", o->to);
	d->grouped = false;
}

static void put_tone(struct out *o, enum out_tone tone, const char *faint)
{
	if (tone == OUT_TONE_FAINT)
		fputs(faint, o->to);
	else if (tone == OUT_TONE_ALERT)
		fputs(", color=\"#f0a0a0\", fontcolor=\"#a01c1c\"", o->to);
}

static void vertex(struct out *o, const struct out_vertex *v)
{
	put_indent(o);
	fprintf(o->to, "v%u [label=\"", v->number);
	dot_text(o, v->label, LABEL_WIDTH_MAX);
	if (v->detail) {
		fputs("\\n", o->to);
		dot_text(o, v->detail, LABEL_WIDTH_MAX);
	}
	fputs("\", tooltip=\"", o->to);
	dot_text(o, v->label, 0);
	fputc('"', o->to);
	put_tone(o, v->tone, ", style=\"rounded,dashed\", fontcolor=\"#4a5568\"");
	fputs("];\n", o->to);
}

static void arc(struct out *o, const struct out_arc *a)
{
	unsigned int tenths = 8 + (a->width < 100 ? a->width : 100) * 24 / 100;

	put_indent(o);
	fprintf(o->to, "v%u -> v%u [label=\"", a->from, a->to);
	for (const char *line = a->label; line; line = strchr(line, '\n')) {
		size_t len;
		char *copy;

		line += line != a->label;
		len = strcspn(line, "\n");
		copy = strndup(line, len);
		if (!copy)
			out_fail(o, -ENOMEM);
		else
			dot_text(o, copy, LABEL_WIDTH_MAX);
		free(copy);
		fputs(line[len] ? "\\n" : "", o->to);
	}
	fputs("\", tooltip=\"", o->to);
	dot_text(o, a->hint ? a->hint : "", 0);
	fprintf(o->to, "\", penwidth=%u.%u", tenths / 10, tenths % 10);
	put_tone(o, a->tone, ", style=dashed");
	fputs("];\n", o->to);
}

static void graph_end(struct out *o)
{
	(void)o;
}

const struct out_drawing dot_drawing = {
    .graph_begin = dot_begin,
    .group_begin = group_begin,
    .group_end = group_end,
    .vertex = vertex,
    .arc = arc,
    .graph_end = graph_end,
};

const struct out_format out_format_dot = {
    .name = "dot",
    .drawing = &dot_drawing,
    .open = dot_open,
    .close = dot_close,
    DOT_DOCUMENT,
};
