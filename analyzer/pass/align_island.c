// SPDX-License-Identifier: Apache-2.0
/*
 * align_island.c - see align_island.h. Analyzer, one thread; pure but for memory. At every knot all bounds
 * are closed over all clocks, twice: a bound is asked at a time of one clock, and where that stands when the
 * reference is at the knot is known only after the first time.
 *
 * Two solutions: the bounds that are printed, which hold whatever is true; and the offsets that times are
 * corrected by, which lie in them and for which no message around the knot was received before it was sent.
 */
#include "analyzer/pass/align_island.h"
#include "analyzer/pass/align_close.h"
#include "analyzer/vec.h"

#define REFERENCE_KNOTS 64	/* that are looked at to choose the reference */
#define UNKNOWN_NS	1000000 /* where the clock of an open bound is looked at may be wrong by that */
#define MARGIN_NS	4	/* so that rounding makes no latency negative */
#define WIDTH_SHIFT	10	/* a moment is only known to the width of a bound: times 1000 ppm */
#define RELAX_FIRST_NS	1000
#define GUARDS		3

/* One knot being solved. */
struct moment {
	const struct align_island *is;
	uint32_t r;
	int64_t at;	  /* on the axis, as the reference has it */
	int64_t from, to; /* the knots beside it */
	int64_t *most;	  /* closed: n by n */
	int64_t *scratch; /* n by n */
	int64_t *offset;  /* by clock: where it is when the reference is at `at` */
	int64_t *unsure;  /* by how much that can be wrong */
	bool *placed;
};

struct knots {
	struct align_knot *items;
	size_t count, cap;
};

struct solving {
	const struct align_island *is;
	const struct align_problem *p;
	struct alignment *out;
	struct moment m;
	int64_t *rates;	     /* n by n, ppb: how fast two clocks can drift apart */
	uint64_t *bounds;    /* by edge, then knot: how wrong a difference of the two can be */
	uint64_t *halves;    /* by edge, then knot: half the room between its bounds */
	struct knots *knots; /* by clock */
};

static int64_t middle_of(int64_t low, int64_t high)
{
	return low + ((high - low) >> 1);
}

/* ---- a moment ---- */

static void clear(int64_t *m, uint32_t n)
{
	for (size_t i = 0; i < (size_t)n * n; i++)
		m[i] = i % (n + 1ul) ? ALIGN_OPEN : 0;
}

static void lower(int64_t *to, int64_t bound, int64_t wider)
{
	if (bound < ALIGN_OPEN && bound + wider < *to)
		*to = bound + wider;
}

/* Closes the bounds of all edges, each asked where its clock is thought to be. */
static bool close_bounds(struct moment *m, int64_t relax)
{
	const struct align_island *is = m->is;

	clear(m->most, is->n);
	for (uint32_t i = 0; i < is->edge_count; i++) {
		const struct align_edge *e = is->edges[i];
		uint32_t a = is->ends[i][0], b = is->ends[i][1];
		struct align_bounds bounds = align_edge_at(e, m->at + m->offset[a]);
		int64_t wider = align_drift_ns(m->unsure[a], e->rate) + relax;

		lower(&m->most[(size_t)a * is->n + b], bounds.most[0], wider);
		lower(&m->most[(size_t)b * is->n + a], bounds.most[1], wider);
	}
	return align_close(m->most, is->n);
}

/* Where clocks are, and how sure that is. */
static void place(struct moment *m, const int64_t *most)
{
	uint32_t n = m->is->n;

	align_place(most, n, m->r, m->offset, m->placed);
	for (uint32_t j = 0; j < n; j++) {
		int64_t ahead = m->most[(size_t)m->r * n + j], behind = m->most[(size_t)j * n + m->r];

		m->unsure[j] = ahead < ALIGN_OPEN && behind < ALIGN_OPEN ? ahead + behind : UNKNOWN_NS;
	}
}

/* False: the bounds contradict each other. */
static bool find_bounds(struct moment *m, int64_t relax)
{
	uint32_t n = m->is->n;

	memset(m->offset, 0, n * sizeof(*m->offset));
	memset(m->unsure, 0, n * sizeof(*m->unsure));
	if (!close_bounds(m, relax))
		return false;
	place(m, m->most);
	return close_bounds(m, relax);
}

/*
 * The same with every message around the knot as a bound for itself, so that what lies between two knots
 * keeps it too. Where that cannot be, step by step less of it (guard).
 */
static bool close_guarded(struct moment *m, int guard)
{
	const struct align_island *is = m->is;

	clear(m->scratch, is->n);
	for (uint32_t i = 0; i < is->edge_count; i++) {
		const struct align_edge *e = is->edges[i];
		uint32_t a = is->ends[i][0], b = is->ends[i][1];
		int64_t at = m->at + m->offset[a], bin[2] = {e->flows[0].bin_ns, e->flows[1].bin_ns};
		int64_t reach = (bin[0] > bin[1] ? bin[0] : bin[1]) * 2;
		struct align_bounds best = align_edge_at(e, at);
		struct align_bounds flat =
		    align_edge_flat(e, m->from + m->offset[a] - reach, m->to + m->offset[a] + reach);

		for (int flow = 0; flow < 2; flow++) {
			int64_t *to = &m->scratch[flow ? (size_t)b * is->n + a : (size_t)a * is->n + b];
			int64_t here = flat.most[flow] - MARGIN_NS;

			if (guard == 1 && best.most[flow] < ALIGN_OPEN && here < best.most[flow])
				here = middle_of(here, best.most[flow]);
			if (guard < 2 && flat.most[flow] < ALIGN_OPEN)
				lower(to, here, 0);
			lower(to, best.most[flow], 0);
		}
	}
	return align_close(m->scratch, is->n);
}

/* Offsets for all clocks at a moment whose bounds are closed. */
static void choose_offsets(struct moment *m)
{
	for (int guard = 0; guard < GUARDS; guard++) {
		if (close_guarded(m, guard)) {
			align_place(m->scratch, m->is->n, m->r, m->offset, m->placed);
			return;
		}
	}
	align_place(m->most, m->is->n, m->r, m->offset, m->placed);
}

/* ---- the reference ---- */

/* How many pieces the clock of a piece has. */
static uint32_t pieces_of(const struct solving *s, uint32_t piece)
{
	uint32_t clock = s->p->pieces.items[s->is->pieces[piece]].clock, n = 0;

	for (size_t i = 0; i < s->p->pieces.count; i++)
		n += s->p->pieces.items[i].clock == clock;
	return n;
}

/* The clock that was set least often; of those, the one that the others are known best to. */
static uint32_t choose_reference(struct solving *s)
{
	const struct align_island *is = s->is;
	uint32_t n = is->n, best = 0, step = is->knot_count / REFERENCE_KNOTS + 1;
	int64_t *sums = s->m.scratch;

	memset(sums, 0, n * sizeof(*sums));
	for (uint32_t k = 0; k < is->knot_count; k += step) {
		s->m.at = is->knots[k];
		if (!find_bounds(&s->m, 0))
			continue;
		for (uint32_t i = 0; i < n; i++) {
			for (uint32_t j = 0; j < n; j++) {
				int64_t sum = s->m.most[(size_t)i * n + j] + s->m.most[(size_t)j * n + i];

				sums[i] += (sum < ALIGN_OPEN ? sum : ALIGN_OPEN) / n / REFERENCE_KNOTS;
			}
		}
	}
	for (uint32_t i = 1; i < n; i++) {
		uint32_t here = pieces_of(s, i), least = pieces_of(s, best);

		if (here < least || (here == least && sums[i] < sums[best]))
			best = i;
	}
	return best;
}

/* ---- all moments ---- */

/* By how much a printed bound is wider than what holds at the knot itself. */
static int64_t wider_ns(const struct solving *s, uint32_t i, uint32_t j, int64_t width)
{
	int64_t before = s->m.at - s->m.from, after = s->m.to - s->m.at;
	int64_t half = (before > after ? before : after) / 2 + 1;
	int64_t rate = s->rates[(size_t)i * s->is->n + j];

	return align_drift_ns(half, rate < ALIGN_RATE_MOST ? (uint32_t)rate : ALIGN_RATE_MOST) +
	       (width >> WIDTH_SHIFT) + MARGIN_NS;
}

static int keep_knot(struct solving *s, uint32_t j)
{
	const struct align_island *is = s->is;
	const struct moment *m = &s->m;
	const struct align_line *line = &is->lines[j];
	int64_t ahead = m->most[(size_t)m->r * is->n + j], behind = m->most[(size_t)j * is->n + m->r];
	int64_t at = align_line_back(line, m->at + m->offset[j]);
	int64_t there = align_line_back(&is->lines[m->r], m->at);
	struct align_knot knot = {
	    .at_ns = (uint64_t)at, .offset_ns = at - there, .low_ns = INT64_MIN, .high_ns = INT64_MAX};
	struct knots *list = &s->knots[j];
	bool closed = ahead < ALIGN_OPEN && behind < ALIGN_OPEN;
	int64_t wider = wider_ns(s, m->r, j, closed ? ahead + behind : 0);

	if (ahead < ALIGN_OPEN)
		knot.high_ns = align_line_back(line, m->at + ahead) - there + wider;
	if (behind < ALIGN_OPEN)
		knot.low_ns = align_line_back(line, m->at - behind) - there - wider;
	if (j == m->r)
		knot.low_ns = knot.high_ns = 0;
	/* time goes on, on the clock as on the reference; of that every knot is kept */
	if (j != m->r && (at < 0 || there < 0 || (list->count && knot.at_ns < vec_last(list)->at_ns)))
		return 0;
	return vec_push(list, knot);
}

static void keep_bounds(struct solving *s, uint32_t number, uint32_t knot)
{
	const struct align_island *is = s->is;
	uint32_t a = is->ends[number][0], b = is->ends[number][1];
	int64_t ahead = s->m.most[(size_t)a * is->n + b], behind = s->m.most[(size_t)b * is->n + a];
	size_t at = (size_t)number * is->knot_count + knot;
	int64_t offset = s->m.offset[b] - s->m.offset[a], high = ahead - offset, low = behind + offset, wider;

	s->bounds[at] = s->halves[at] = ALIGN_UNKNOWN;
	if (ahead >= ALIGN_OPEN || behind >= ALIGN_OPEN || !s->m.placed[a] || !s->m.placed[b])
		return;
	wider = wider_ns(s, a, b, ahead + behind);
	s->bounds[at] = (uint64_t)((high > low ? high : low) + wider);
	s->halves[at] = (uint64_t)((ahead + behind) / 2 + wider);
}

/* Solves at a knot. False: what the edges say cannot be at their rates. */
static bool solve_knot(struct solving *s, uint32_t k, bool relax)
{
	const struct align_island *is = s->is;

	s->m.at = is->knots[k];
	s->m.from = k ? is->knots[k - 1] : is->knots[k];
	s->m.to = k + 1 < is->knot_count ? is->knots[k + 1] : is->knots[k];
	if (!find_bounds(&s->m, 0)) {
		int64_t by = RELAX_FIRST_NS;

		if (!relax)
			return false;
		while (!find_bounds(&s->m, by) && by < ALIGN_AXIS_MAX)
			by *= 2;
	}
	choose_offsets(&s->m);
	return true;
}

/* 0, -ENOMEM, or -EAGAIN: clocks are faster than their rates. */
static int solve_all(struct solving *s, bool relax)
{
	const struct align_island *is = s->is;
	int err = 0;

	for (uint32_t j = 0; j < is->n; j++)
		s->knots[j].count = 0;
	for (uint32_t k = 0; k < is->knot_count && !err; k++) {
		if (!solve_knot(s, k, relax))
			return -EAGAIN;
		for (uint32_t j = 0; j < is->n && !err; j++)
			if (s->m.placed[j])
				err = keep_knot(s, j);
		for (uint32_t i = 0; i < is->edge_count && !err; i++)
			keep_bounds(s, i, k);
	}
	return err;
}

/* The rates between all clocks, through others if that is less. */
static void find_rates(struct solving *s)
{
	const struct align_island *is = s->is;

	clear(s->rates, is->n);
	for (uint32_t i = 0; i < is->edge_count; i++) {
		uint32_t a = is->ends[i][0], b = is->ends[i][1];

		s->rates[(size_t)a * is->n + b] = s->rates[(size_t)b * is->n + a] = is->edges[i]->rate;
	}
	align_close(s->rates, is->n);
}

/* Twice the rates. False: they were the highest. */
static bool raise_rates(struct solving *s)
{
	bool raised = false;

	for (uint32_t i = 0; i < s->is->edge_count; i++) {
		struct align_edge *e = s->is->edges[i];

		raised |= e->rate < ALIGN_RATE_MOST;
		align_edge_envelope(e, e->rate * 2 < ALIGN_RATE_MOST ? e->rate * 2 : ALIGN_RATE_MOST);
	}
	return raised;
}

/* ---- what is left ---- */

static int uint64_compare(const void *a, const void *b)
{
	return vec_compare(*(const uint64_t *)a, *(const uint64_t *)b);
}

static int tell_pair(struct solving *s, uint32_t number)
{
	const struct align_island *is = s->is;
	struct align_pair *pair = &s->out->pairs[is->edges[number] - s->p->edges.items];
	uint32_t n = is->knot_count;
	uint64_t *halves = &s->halves[(size_t)number * n];

	pair->bound_ns = malloc((n + 1ul) * sizeof(*pair->bound_ns));
	if (!pair->bound_ns)
		return -ENOMEM;
	memcpy(pair->bound_ns, &s->bounds[(size_t)number * n], n * sizeof(*pair->bound_ns));
	qsort(halves, n, sizeof(*halves), uint64_compare);
	pair->half_width_ns[0] = halves[0];
	pair->half_width_ns[1] = halves[n / 2];
	pair->half_width_ns[2] = halves[n - 1];
	pair->rate_ppb = is->edges[number]->rate;
	return 0;
}

static int tell(struct solving *s)
{
	const struct align_island *is = s->is;
	uint32_t reference = is->pieces[s->m.r];
	int err = 0;

	for (uint32_t j = 0; j < is->n; j++) {
		struct align_clock *c = &s->out->clocks[is->pieces[j]];

		if (!s->knots[j].count)
			continue;
		c->how = j == s->m.r ? ALIGN_REFERENCE : ALIGN_MESSAGES;
		c->reference = reference;
		c->knots = s->knots[j].items;
		c->knot_count = (uint32_t)s->knots[j].count;
		s->knots[j] = (struct knots){0};
	}
	for (uint32_t i = 0; i < is->edge_count && !err; i++)
		err = tell_pair(s, i);
	return err;
}

static int begin(struct solving *s)
{
	size_t n = s->is->n, cells = (size_t)s->is->edge_count * s->is->knot_count;

	s->m.most = calloc(n * n, sizeof(*s->m.most));
	s->m.scratch = calloc(n * n, sizeof(*s->m.scratch));
	s->m.offset = calloc(n, sizeof(*s->m.offset));
	s->m.unsure = calloc(n, sizeof(*s->m.unsure));
	s->m.placed = calloc(n, sizeof(*s->m.placed));
	s->rates = calloc(n * n, sizeof(*s->rates));
	s->knots = calloc(n, sizeof(*s->knots));
	s->bounds = calloc(cells, sizeof(*s->bounds));
	s->halves = calloc(cells, sizeof(*s->halves));
	return s->m.most && s->m.scratch && s->m.offset && s->m.unsure && s->m.placed && s->rates &&
		       s->knots && s->bounds && s->halves
		   ? 0
		   : -ENOMEM;
}

static void finish(struct solving *s)
{
	for (uint32_t j = 0; s->knots && j < s->is->n; j++)
		vec_free(&s->knots[j]);
	free(s->m.most);
	free(s->m.scratch);
	free(s->m.offset);
	free(s->m.unsure);
	free(s->m.placed);
	free(s->rates);
	free(s->knots);
	free(s->bounds);
	free(s->halves);
}

int align_island_solve(struct align_island *is, const struct align_problem *p, struct alignment *out)
{
	struct solving s = {.is = is, .p = p, .out = out, .m = {.is = is}};
	bool relax = false;
	int err = begin(&s);

	if (!err)
		s.m.r = choose_reference(&s);
	while (!err) {
		find_rates(&s);
		err = solve_all(&s, relax);
		if (err != -EAGAIN)
			break;
		relax = !raise_rates(&s);
		err = 0;
	}
	if (!err)
		err = tell(&s);
	finish(&s);
	return err;
}
