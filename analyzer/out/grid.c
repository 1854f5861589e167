/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grid.c - see grid.h. Analyzer, one thread.
 *
 * Invariant: what is printed went through utf8_escape(); on a terminal a row is cut to its width as far as
 * the text columns can give way.
 */
#include "analyzer/out/grid.h"

#include "analyzer/out/units.h"
#include "analyzer/out/utf8.h"

#define CUT_WIDTH_MIN 12u  /* a text column is not cut below this */
#define DRAWN_MAX     100u /* deeper nodes of a tree are drawn at this depth */
#define BRANCH_WIDTH  3u

static void clear_rows(struct grid *g)
{
	vec_clear(&g->chars);
	vec_clear(&g->cells);
	vec_clear(&g->depths);
	g->rows = 0;
}

int grid_begin(struct grid *g, const struct out_column *columns, unsigned int n)
{
	int err = 0;

	clear_rows(g);
	vec_clear(&g->shown);
	g->columns = columns;
	g->column_count = n;
	g->header_printed = false;
	for (unsigned int i = 0; !err && i < n; i++) {
		const char *title = columns[i].title;

		if (title)
			err = vec_push(&g->shown,
				       (struct grid_column){.title = title,
							    .width = utf8_width(title),
							    .right = units_align_right(columns[i].type)});
	}
	return err;
}

static int add_cell(struct grid *g, struct out_value value, struct grid_column *column, size_t prefix_width)
{
	char number[UNITS_TEXT_BYTES];
	const char *text = number;
	size_t start = g->chars.count, len;
	struct grid_cell cell;

	if (value.type == OUT_TEXT || value.type == OUT_WORDS)
		text = value.text;
	else
		units_print(number, value);
	len = strlen(text);
	if (vec_reserve(&g->chars, start + UTF8_ESCAPED_BYTES(len)))
		return -ENOMEM;
	len = utf8_escape(g->chars.items + start, g->chars.cap - start, text);
	g->chars.count = start + len + 1;
	cell = (struct grid_cell){.text = start, .width = utf8_width(g->chars.items + start)};
	if (prefix_width + cell.width > column->width)
		column->width = prefix_width + cell.width;
	return vec_push(&g->cells, cell);
}

int grid_add_row(struct grid *g, const struct out_value *values, uint32_t depth)
{
	size_t prefix_width = BRANCH_WIDTH * (size_t)(depth < DRAWN_MAX ? depth : DRAWN_MAX);
	size_t cells = g->cells.count;
	unsigned int shown = 0;
	int err = vec_push(&g->depths, depth);

	for (unsigned int i = 0; !err && i < g->column_count; i++) {
		if (!g->columns[i].title)
			continue;
		err = add_cell(g, values[i], &g->shown.items[shown], shown ? 0 : prefix_width);
		shown++;
	}
	if (err) {
		g->cells.count = cells;
		g->depths.count = g->rows;
		return err;
	}
	g->rows++;
	return 0;
}

static void put_spaces(FILE *to, size_t n)
{
	for (; n; n--)
		fputc(' ', to);
}

/* Puts a text of `text_width` columns into `width`; one that is too wide is cut if `cut`. */
static void put_cell(FILE *to, const char *text, size_t text_width, size_t width, bool right, bool cut)
{
	size_t pad = text_width < width ? width - text_width : 0;

	put_spaces(to, right ? pad : 0);
	if (!cut || text_width <= width) {
		fputs(text, to);
	} else {
		for (size_t shown = 0; shown + 1 < width; shown++) {
			do
				fputc(*text++, to);
			while ((*text & 0xc0) == 0x80);
		}
		fputs("…", to);
	}
	put_spaces(to, right ? 0 : pad);
}

/* The widest text column gives way until the line fits the terminal. */
static void fit_widths(const struct grid *g, const struct grid_place *place, size_t *widths)
{
	size_t count = g->shown.count;

	for (size_t i = 0; i < count; i++)
		widths[i] = g->shown.items[i].width;
	while (place->terminal_width) {
		size_t total = place->indent + GRID_SPACING * (count - 1), widest = SIZE_MAX, excess, room;

		for (size_t i = 0; i < count; i++) {
			total += widths[i];
			if (!g->shown.items[i].right && (widest == SIZE_MAX || widths[i] > widths[widest]))
				widest = i;
		}
		if (total <= place->terminal_width || widest == SIZE_MAX || widths[widest] <= CUT_WIDTH_MIN)
			return;
		excess = total - place->terminal_width;
		room = widths[widest] - CUT_WIDTH_MIN;
		/* In small steps: two wide columns then give way alike. */
		excess = excess > 4 ? excess / 2 : excess;
		widths[widest] -= excess < room ? excess : room;
	}
}

static void put_header(struct grid *g, FILE *to, const struct grid_place *place, const size_t *widths)
{
	size_t count = g->shown.count;

	/* Columns without a heading at the end of the line leave no blanks. */
	while (count && !*g->shown.items[count - 1].title)
		count--;
	put_spaces(to, place->indent);
	for (size_t i = 0; i < count; i++) {
		const struct grid_column *c = &g->shown.items[i];
		bool last = i + 1 == count;

		put_cell(to, c->title, utf8_width(c->title), last && !c->right ? 0 : widths[i], c->right,
			 false);
		put_spaces(to, last ? 0 : GRID_SPACING);
	}
	fputc('\n', to);
	g->header_printed = true;
}

/* ---- branches ---- */

/* For each row, whether a later row is its sibling. Rows are in the order in which a tree is walked. */
static int find_siblings(const struct grid *g, bool *later)
{
	VEC(bool) open = {0};
	size_t deepest = 0;

	for (size_t i = g->rows; i-- > 0;) {
		size_t depth = g->depths.items[i];

		while (open.count <= depth) {
			if (vec_push(&open, false))
				return -ENOMEM;
		}
		for (; deepest > depth; deepest--)
			open.items[deepest] = false;
		deepest = depth;
		later[i] = open.items[depth];
		open.items[depth] = true;
	}
	vec_free(&open);
	return 0;
}

/* Draws the branches of a row, at most `drawn_max` of them; path[level]: does the line at that level go on.
 */
static size_t put_branches(FILE *to, const bool *path, size_t depth, size_t drawn_max)
{
	size_t drawn = depth < drawn_max ? depth : drawn_max;

	for (size_t level = 1; level < drawn; level++)
		fputs(path[level] ? "│  " : "   ", to);
	if (drawn)
		fputs(path[drawn] ? "├─ " : "└─ ", to);
	return drawn * BRANCH_WIDTH;
}

static void put_row(const struct grid *g, FILE *to, const struct grid_place *place, size_t row,
		    const size_t *widths, size_t prefix_width)
{
	const struct grid_cell *cells = &g->cells.items[row * g->shown.count];
	bool cut = place->terminal_width != 0;

	for (size_t i = 0; i < g->shown.count; i++) {
		const struct grid_column *c = &g->shown.items[i];
		size_t width = widths[i], after = i + 1;

		/* Empty cells at the end of a line leave no blanks. */
		while (after < g->shown.count && !cells[after].width)
			after++;
		if (!i && width < prefix_width + CUT_WIDTH_MIN && cells[i].width + prefix_width > width)
			width = CUT_WIDTH_MIN; /* branches of a deep node on a narrow terminal: overflows */
		else if (!i)
			width -= prefix_width;
		if (after == g->shown.count && !c->right && (!cut || cells[i].width < width))
			width = cells[i].width;
		put_cell(to, g->chars.items + cells[i].text, cells[i].width, width, c->right,
			 cut && !c->right);
		if (after == g->shown.count)
			break;
		put_spaces(to, GRID_SPACING);
	}
	fputc('\n', to);
}

static int put_rows(const struct grid *g, FILE *to, const struct grid_place *place, const size_t *widths)
{
	size_t drawn_max = DRAWN_MAX, prefix_width = 0;
	bool path[DRAWN_MAX + 1] = {0};
	bool *later = place->tree ? calloc(g->rows + 1, sizeof(*later)) : NULL;

	if (place->tree && (!later || find_siblings(g, later))) {
		free(later);
		return -ENOMEM;
	}
	if (place->terminal_width && place->terminal_width / 6 < drawn_max)
		drawn_max = place->terminal_width / 6;
	for (size_t i = 0; i < g->rows; i++) {
		put_spaces(to, place->indent);
		if (place->tree) {
			uint32_t depth = g->depths.items[i];

			path[depth < drawn_max ? depth : drawn_max] = later[i];
			prefix_width = put_branches(to, path, depth, drawn_max);
		}
		put_row(g, to, place, i, widths, prefix_width);
	}
	free(later);
	return 0;
}

int grid_print(struct grid *g, FILE *to, const struct grid_place *place)
{
	size_t *widths = calloc(g->shown.count + 1, sizeof(*widths));
	int err;

	if (!widths)
		return -ENOMEM;
	if (g->shown.count) {
		fit_widths(g, place, widths);
		if (place->header && !g->header_printed)
			put_header(g, to, place, widths);
	}
	err = g->shown.count ? put_rows(g, to, place, widths) : 0;
	free(widths);
	clear_rows(g);
	return err;
}

void grid_free(struct grid *g)
{
	vec_free(&g->shown);
	vec_free(&g->chars);
	vec_free(&g->cells);
	vec_free(&g->depths);
}
