/* SPDX-License-Identifier: Apache-2.0 */
/* dot.h - what dot.c keeps, so that graphviz.c can go on with what it printed. */
#ifndef DPROF_OUT_DOT_H
#define DPROF_OUT_DOT_H

#include "analyzer/out/format.h"
#include "analyzer/vec.h"

struct dot {
	VEC(char) text; /* scratch */
	unsigned int groups;
	bool begun;			  /* the graph that all of the document's stand in */
	bool grouped;			  /* inside a group */
	const struct out_column *columns; /* of the open tree; NULL: it is not for people */
	unsigned int column_count;
	VEC(uint32_t) path; /* vertices of the open nodes */
	uint32_t nodes, left_out;
	VEC(uint32_t) arcs; /* of the open tree: from, to */
	FILE *picture;	    /* graphviz.c: where that goes, while out.to is what dot is to read */
};

int dot_open(struct out *o);
void dot_close(struct out *o);

extern const struct out_drawing dot_drawing;

/* Trees, as graphs (dot_tree.c). */
void dot_tree_begin(struct out *o, const char *key, const char *title, const struct out_column *columns,
		    unsigned int n);
void dot_node_begin(struct out *o, const struct out_value *values);
void dot_node_end(struct out *o);
void dot_tree_end(struct out *o);

#define DOT_DOCUMENT                                                                                         \
	OUT_NO_DOCUMENT, .tree_begin = dot_tree_begin, .node_begin = dot_node_begin,                         \
			 .node_end = dot_node_end, .tree_end = dot_tree_end

/* Opens the graph if it is not; its title is that of the first. */
void dot_begin(struct out *o, const char *title);

/* Inside quotes; what is wider than `width` is cut, 0: nothing is. */
void dot_text(struct out *o, const char *text, size_t width);

#endif
