// SPDX-License-Identifier: Apache-2.0
/*
 * align_split.c - which clock was set, and when, see align_island.h. Analyzer, one thread; pure but for
 * memory. A step of a clock is a cut in all of its edges that were there before and after; so the clock of
 * which all edges have a cut at one time was set, and of several the one with the most edges. It is broken in
 * two there. With two clocks only, nothing tells which: the second one is broken.
 */
#include "analyzer/pass/align_island.h"
#include "analyzer/vec.h"

#define SPLITS_MAX   256u
#define SAME_STEP_NS 1000000 /* how much two pairs may differ in it */

/* A cut, as one of its two clocks has it. */
struct mark {
	uint32_t piece, cut; /* cut: number over all edges */
	uint32_t edge;
	int64_t from, to;
	int64_t by; /* how far the piece went ahead of the other one, about */
};

/* Where a piece may be broken. */
struct place {
	uint32_t piece;
	size_t first, end; /* marks */
	int64_t from, to;
	uint32_t edges;
	bool all; /* of its edges that were there */
};

struct split {
	uint32_t piece;
	int64_t from, to;
};

struct work {
	struct align_problem *p;
	const struct align_line *lines;
	VEC(struct mark) marks; /* by piece, then end */
	bool *done;		/* by cut */
	VEC(struct split) splits;
};

static int mark_compare(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	if (x->piece != y->piece)
		return vec_compare(x->piece, y->piece);
	if (x->to != y->to)
		return vec_compare(x->to, y->to);
	return vec_compare(x->cut, y->cut);
}

static int find_marks(struct work *w)
{
	uint32_t cut = 0;
	int err = 0;

	for (uint32_t i = 0; i < w->p->edges.count && !err; i++) {
		const struct align_edge *e = &w->p->edges.items[i];

		for (size_t k = 0; k < e->cuts.count && !e->hopeless && !err; k++, cut++) {
			const struct align_cut *c = &e->cuts.items[k];
			const struct align_line *a = &w->lines[e->a], *b = &w->lines[e->b];
			struct mark at_a = {
			    e->a, cut, i, align_line_back(a, c->from[0]), align_line_back(a, c->to[0]), 0};
			struct mark at_b = {
			    e->b, cut, i, align_line_back(b, c->from[1]), align_line_back(b, c->to[1]), 0};

			at_b.by = at_b.to - at_b.from - (at_a.to - at_a.from);
			at_a.by = -at_b.by;

			err = vec_push(&w->marks, at_a);
			if (!err)
				err = vec_push(&w->marks, at_b);
		}
	}
	vec_sort(&w->marks, mark_compare);
	w->done = calloc(cut + 1ul, sizeof(*w->done));
	return err ? err : w->done ? 0 : -ENOMEM;
}

/* Whether an edge has points on both sides of a time of one of its pieces. */
static bool spans(const struct work *w, const struct align_edge *e, uint32_t piece, int64_t from, int64_t to)
{
	int64_t least = align_line_at(&w->lines[piece], from), most = align_line_at(&w->lines[piece], to);
	bool before = false, after = false;

	for (int flow = 0; flow < 2; flow++) {
		const struct align_flow *f = &e->flows[flow];
		int64_t first[2], last[2];

		if (!f->count)
			continue;
		align_point_times(&f->items[0], flow, first);
		align_point_times(&f->items[f->count - 1], flow, last);
		before |= first[piece == e->b] <= least;
		after |= last[piece == e->b] >= most;
	}
	return before && after;
}

/* The marks from `first` on that can be one step, and how much speaks for it. */
static struct place place_at(const struct work *w, size_t first)
{
	const struct mark *m = w->marks.items;
	struct place at = {m[first].piece, first, first, m[first].from, m[first].to, 0, true};

	for (; at.end < w->marks.count && m[at.end].piece == at.piece; at.end++) {
		if (w->done[m[at.end].cut])
			continue;
		if (m[at.end].from >= at.to)
			break;
		if (m[at.end].from > at.from)
			at.from = m[at.end].from;
		at.edges++;
	}
	for (uint32_t i = 0; i < w->p->edges.count && at.all; i++) {
		const struct align_edge *e = &w->p->edges.items[i];
		bool found = false;

		if (e->hopeless || (e->a != at.piece && e->b != at.piece) ||
		    !spans(w, e, at.piece, at.from, at.to))
			continue;
		for (size_t k = at.first; k < at.end && !found; k++)
			found = m[k].edge == i && !w->done[m[k].cut];
		at.all = found;
	}
	return at;
}

static bool is_better(const struct place *x, const struct place *y)
{
	if (x->all != y->all)
		return x->all;
	return x->edges != y->edges ? x->edges > y->edges : x->piece > y->piece;
}

/* The step that explains most of what is not explained yet. */
static bool best_place(const struct work *w, struct place *best)
{
	bool any = false;

	for (size_t i = 0; i < w->marks.count;) {
		struct place here;

		if (w->done[w->marks.items[i].cut]) {
			i++;
			continue;
		}
		here = place_at(w, i);
		if (!any || is_better(&here, best))
			*best = here;
		any = true;
		i = here.end > i ? here.end : i + 1;
	}
	return any;
}

static int split_compare(const void *a, const void *b)
{
	const struct split *x = a, *y = b;

	return x->piece != y->piece ? vec_compare(x->piece, y->piece) : vec_compare(x->to, y->to);
}

static int int64_compare(const void *a, const void *b)
{
	return vec_compare(*(const int64_t *)a, *(const int64_t *)b);
}

/* The marks that one step explains. Where the step was another one the other clock was set, too. */
static int explain(struct work *w, const struct place *at)
{
	const struct mark *m = w->marks.items;
	int64_t *by = malloc((at->end - at->first + 1) * sizeof(*by)), middle;
	size_t n = 0;

	if (!by)
		return -ENOMEM;
	for (size_t i = at->first; i < at->end; i++)
		if (!w->done[m[i].cut])
			by[n++] = m[i].by;
	qsort(by, n, sizeof(*by), int64_compare);
	middle = by[n / 2];
	free(by);
	for (size_t i = at->first; i < at->end; i++) {
		int64_t off = m[i].by > middle ? m[i].by - middle : middle - m[i].by;

		if (off <= SAME_STEP_NS + align_drift_ns(m[i].to - m[i].from, ALIGN_RATE_MOST))
			w->done[m[i].cut] = true;
	}
	return 0;
}

static int find_splits(struct work *w)
{
	struct place best;
	int err = 0;

	while (!err && w->splits.count < SPLITS_MAX && best_place(w, &best)) {
		err = explain(w, &best);
		if (!err)
			err = vec_push(&w->splits, (struct split){best.piece, best.from, best.to});
	}
	vec_sort(&w->splits, split_compare);
	return err;
}

/* ---- pieces ---- */

/* New pieces; first[old] is the first one of each, first[count] their number. */
static int make_pieces(struct work *w, struct align_problem *next, uint32_t *first)
{
	size_t split = 0;
	int err = 0;

	for (uint32_t i = 0; i < w->p->pieces.count && !err; i++) {
		struct align_piece left = w->p->pieces.items[i];

		first[i] = (uint32_t)next->pieces.count;
		for (; split < w->splits.count && w->splits.items[split].piece == i && !err; split++) {
			const struct split *s = &w->splits.items[split];
			struct align_piece done = left;

			done.life[1] = s->from;
			left.life[0] = s->to;
			done.range[1] = s->from > done.range[0] ? s->from : done.range[0];
			left.range[0] = s->to < left.range[1] ? s->to : left.range[1];
			err = vec_push(&next->pieces, done);
		}
		if (!err)
			err = vec_push(&next->pieces, left);
	}
	first[w->p->pieces.count] = (uint32_t)next->pieces.count;
	return err;
}

/* In between steps it does not matter. */
static uint32_t piece_at(const struct align_problem *p, uint32_t first, uint32_t end, int64_t at)
{
	while (first + 1 < end &&
	       at > p->pieces.items[first].life[1] +
			(p->pieces.items[first + 1].life[0] - p->pieces.items[first].life[1]) / 2)
		first++;
	return first;
}

static struct align_edge *edge_between(struct align_problem *p, size_t from, uint32_t a, uint32_t b)
{
	for (size_t i = p->edges.count; i-- > from;)
		if (p->edges.items[i].a == a && p->edges.items[i].b == b)
			return &p->edges.items[i];
	return vec_push(&p->edges, (struct align_edge){.a = a, .b = b}) ? NULL : vec_last(&p->edges);
}

/* The points of an edge to edges between the new pieces, and back to the times of clocks. */
static int hand_out(const struct work *w, const struct align_edge *e, struct align_problem *next,
		    const uint32_t *first)
{
	size_t begin = next->edges.count;
	int err = 0;

	for (int flow = 0; flow < 2 && !err; flow++) {
		const struct align_flow *f = &e->flows[flow];

		for (size_t i = 0; i < f->count && !err; i++) {
			int64_t times[2], a, b;
			struct align_edge *to;

			align_point_times(&f->items[i], flow, times);
			a = align_line_back(&w->lines[e->a], times[0]);
			b = align_line_back(&w->lines[e->b], times[1]);
			to = edge_between(next, begin, piece_at(next, first[e->a], first[e->a + 1], a),
					  piece_at(next, first[e->b], first[e->b + 1], b));
			err = to ? align_flow_add(&to->flows[flow], a, flow == 0 ? b - a : a - b) : -ENOMEM;
		}
	}
	if (!err && next->edges.count == begin && !edge_between(next, begin, first[e->a], first[e->b]))
		err = -ENOMEM;
	for (size_t i = begin; i < next->edges.count && !err; i++)
		next->edges.items[i].hopeless = e->hopeless;
	if (!err)
		vec_last(&next->edges)->outliers += e->outliers;
	return err;
}

static int edge_compare(const void *left, const void *right)
{
	const struct align_edge *x = left, *y = right;

	return x->a != y->a ? vec_compare(x->a, y->a) : vec_compare(x->b, y->b);
}

int align_split(struct align_problem *p, const struct align_line *lines, bool *broken)
{
	struct work w = {.p = p, .lines = lines};
	struct align_problem next = {0};
	uint32_t *first = calloc(p->pieces.count + 1, sizeof(*first));
	int err = first ? find_marks(&w) : -ENOMEM;

	if (!err)
		err = find_splits(&w);
	*broken = w.splits.count > 0;
	if (!err && *broken)
		err = make_pieces(&w, &next, first);
	for (size_t i = 0; *broken && i < p->edges.count && !err; i++)
		err = hand_out(&w, &p->edges.items[i], &next, first);
	if (!err && *broken) {
		vec_sort(&next.edges, edge_compare);
		align_problem_free(p);
		*p = next;
		next = (struct align_problem){0};
	}
	align_problem_free(&next);
	vec_free(&w.marks);
	vec_free(&w.splits);
	free(w.done);
	free(first);
	return err;
}
