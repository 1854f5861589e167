/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grid.h - rows of cells, laid out in aligned columns: tables, trees and lists of fields of the text format.
 * Rows are kept until grid_print(), which forgets them and keeps the widths.
 */
#ifndef DPROF_OUT_GRID_H
#define DPROF_OUT_GRID_H

#include "analyzer/out/out.h"
#include "analyzer/vec.h"

#define GRID_SPACING 2u /* between columns */

struct grid_column {
	const char *title;
	size_t width;
	bool right;
};

struct grid_cell {
	size_t text; /* offset into chars */
	size_t width;
};

/* All zero is an empty grid. */
struct grid {
	const struct out_column *columns;
	unsigned int column_count;
	VEC(struct grid_column) shown; /* those with a title */
	VEC(char) chars;
	VEC(struct grid_cell) cells; /* of the shown columns, row by row */
	VEC(uint32_t) depths;	     /* of the rows, in a tree */
	size_t rows;
	bool header_printed;
};

/* How wide, and how it is set in. */
struct grid_place {
	size_t indent;
	size_t terminal_width; /* 0: not a terminal, nothing is cut */
	bool header;
	bool tree; /* the first column is drawn with branches */
};

int grid_begin(struct grid *g, const struct out_column *columns, unsigned int n);
int grid_add_row(struct grid *g, const struct out_value *values, uint32_t depth);
int grid_print(struct grid *g, FILE *to, const struct grid_place *place);
void grid_free(struct grid *g);

#endif
