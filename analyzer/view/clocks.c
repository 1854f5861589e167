// SPDX-License-Identifier: Apache-2.0
/*
 * clocks.c - `dprof-analyze info --clocks`: how the clocks of the hosts were put on one timeline, and how
 * well; and the words that other views say of them. Analyzer, one thread.
 */
#include "analyzer/view/clocks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/out/units.h"
#include "analyzer/vec.h"
#include "analyzer/view/view.h"

#define SLOPES_MAX 33u /* that the drift is the median of */

static const char *const how_names[] = {
    [ALIGN_REFERENCE] = "reference", [ALIGN_MESSAGES] = "messages", [ALIGN_REALTIME] = "realtime"};

/* ---- what other views ask ---- */

const char *clocks_name(const struct model *m, uint32_t clock)
{
	for (uint32_t i = 0; i < m->store.host_count; i++)
		if (m->store.hosts[i].clock == clock)
			return m->store.hosts[i].name;
	return clock < m->store.clock_count ? m->store.clocks[clock].boot_id : "";
}

struct out_value clocks_ns(uint64_t ns)
{
	return ns == ALIGN_UNKNOWN ? out_null() : out_ns(ns);
}

static int compare_numbers(const void *a, const void *b)
{
	return vec_compare(*(const uint64_t *)a, *(const uint64_t *)b);
}

/* Sorts the values; unknown ones are the largest. */
static struct clocks_spread spread(uint64_t *values, size_t n)
{
	if (!n)
		return (struct clocks_spread){ALIGN_UNKNOWN, ALIGN_UNKNOWN, ALIGN_UNKNOWN};
	qsort(values, n, sizeof(*values), compare_numbers);
	return (struct clocks_spread){values[0], values[(n - 1) / 2], values[n - 1]};
}

static uint64_t knot_bound(const struct align_knot *k)
{
	__int128 below = (__int128)k->offset_ns - k->low_ns, above = (__int128)k->high_ns - k->offset_ns;
	__int128 most = below > above ? below : above;

	if (k->low_ns == INT64_MIN || k->high_ns == INT64_MAX || most < 0 || most > INT64_MAX)
		return ALIGN_UNKNOWN;
	return (uint64_t)most;
}

struct clocks_spread clocks_bound(const struct align_clock *c)
{
	uint64_t *values = calloc(c->knot_count + 1ul, sizeof(*values));
	struct clocks_spread s = {ALIGN_UNKNOWN, ALIGN_UNKNOWN, ALIGN_UNKNOWN};

	for (uint32_t i = 0; values && i < c->knot_count; i++)
		values[i] = knot_bound(&c->knots[i]);
	if (values)
		s = spread(values, c->knot_count);
	free(values);
	return s;
}

static bool is_one_way(const struct align_pair *p)
{
	return !p->messages[0] || !p->messages[1];
}

struct clocks_sum clocks_add_up(const struct model *m)
{
	const struct alignment *a = &m->alignment;
	uint64_t *medians = calloc(a->pair_count + 1ul, sizeof(*medians));
	struct clocks_sum s = {.bound = {ALIGN_UNKNOWN, ALIGN_UNKNOWN, ALIGN_UNKNOWN}};
	uint64_t most = 0;
	size_t known = 0;

	for (uint32_t i = 0; i < a->clock_count; i++) {
		s.aligned += a->clocks[i].how != ALIGN_REALTIME;
		s.by_realtime += a->clocks[i].how == ALIGN_REALTIME;
		s.references += a->clocks[i].how == ALIGN_REFERENCE;
		s.steps += m->store.clocks[i].step_count;
	}
	for (uint32_t i = 0; i < a->pair_count && medians; i++) {
		const struct align_pair *p = &a->pairs[i];

		s.one_way += is_one_way(p);
		s.clamped += p->clamped;
		if (p->half_width_ns[1] == ALIGN_UNKNOWN)
			continue;
		medians[known++] = p->half_width_ns[1];
		most = p->half_width_ns[2] > most ? p->half_width_ns[2] : most;
	}
	if (known) {
		s.bound = spread(medians, known);
		s.bound.most = most;
	}
	free(medians);
	return s;
}

void clocks_words(const struct model *m, uint32_t clock, char text[CLOCKS_TEXT_BYTES])
{
	const struct align_clock *c = &m->alignment.clocks[clock];
	struct clocks_spread s;
	char median[UNITS_TEXT_BYTES];

	if (m->store.clock_count < 2) {
		snprintf(text, CLOCKS_TEXT_BYTES, "one clock");
		return;
	}
	if (c->how != ALIGN_MESSAGES) {
		snprintf(text, CLOCKS_TEXT_BYTES, "%s",
			 c->how == ALIGN_REFERENCE ? "reference" : "not aligned");
		return;
	}
	s = clocks_bound(c);
	units_print(median, out_ns(s.median));
	snprintf(text, CLOCKS_TEXT_BYTES,
		 s.median == ALIGN_UNKNOWN ? "by messages one way" : "by messages, ± %s", median);
}

/* ---- the clocks ---- */

static const struct out_column clock_columns[] = {
    {"hosts", "host", OUT_WORDS},
    {"boot_id", "boot", OUT_TEXT},
    {"how", "aligned by", OUT_TEXT},
    {"reference", "to", OUT_TEXT},
    {"readings", "readings", OUT_COUNT},
    {"bad", "bad", OUT_COUNT},
    {"error_ns", "error", OUT_NS},
    {"wander_ns", NULL, OUT_NS},
    {"steps", "steps", OUT_COUNT},
    {"breaks", NULL, OUT_COUNT},
    {"guessed", NULL, OUT_BOOL},
    {"offset_start_ns", "offset at start", OUT_OFFSET},
    {"offset_end_ns", "at end", OUT_OFFSET},
    {"drift_ppm", "drift ppm", OUT_NUMBER},
    {"bound_ns.least", "± least", OUT_NS},
    {"bound_ns.median", "median", OUT_NS},
    {"bound_ns.most", "most", OUT_NS},
    {"why", "not aligned because", OUT_TEXT},
};

#define CLOCK_COLUMNS (sizeof(clock_columns) / sizeof(clock_columns[0]))

static int compare_slopes(const void *a, const void *b)
{
	return vec_compare(*(const double *)a, *(const double *)b);
}

/* In ppm: the median of the slopes between some of the knots, so that a step is none. */
static struct out_value drift(const struct align_clock *c)
{
	double slopes[SLOPES_MAX];
	size_t n = 0;

	for (uint64_t i = 0; i < SLOPES_MAX && c->knot_count > 1; i++) {
		uint64_t last = c->knot_count - 1;
		const struct align_knot *p = &c->knots[last * i / SLOPES_MAX];
		const struct align_knot *q = &c->knots[last * (i + 1) / SLOPES_MAX];

		if (q->at_ns > p->at_ns)
			slopes[n++] = ((double)q->offset_ns - (double)p->offset_ns) * 1e6 /
				      (double)(q->at_ns - p->at_ns);
	}
	if (!n)
		return out_null();
	qsort(slopes, n, sizeof(*slopes), compare_slopes);
	return out_number(slopes[n / 2]);
}

/* Why a clock stands by its own CLOCK_REALTIME. */
static const char *why_not(const struct model *m, uint32_t clock)
{
	const struct alignment *a = &m->alignment;

	if (a->clocks[clock].how != ALIGN_REALTIME)
		return NULL;
	if (m->options.raw_clock)
		return "raw times were asked for";
	if (m->store.clocks[clock].unsteady)
		return "its stamps go back, or its tick has no known length";
	for (uint32_t i = 0; i < a->pair_count; i++)
		if (a->pairs[i].a == clock || a->pairs[i].b == clock)
			return "its messages contradict each other";
	return "no joined bytes went to or from another clock";
}

/* The names of the hosts that have this clock, with blanks between. */
static char *names_of(const struct model *m, uint32_t clock)
{
	char *names = NULL;
	size_t len;
	FILE *to = open_memstream(&names, &len);

	if (!to)
		return NULL;
	for (uint32_t i = 0; i < m->store.host_count; i++)
		if (m->store.hosts[i].clock == clock)
			fprintf(to, "%s%s", ftell(to) ? " " : "", m->store.hosts[i].name);
	if (fclose(to)) {
		free(names);
		return NULL;
	}
	return names;
}

static int put_clock(const struct model *m, uint32_t number, struct out *out)
{
	const struct store_clock *s = &m->store.clocks[number];
	const struct align_clock *c = &m->alignment.clocks[number];
	struct clocks_spread bound = clocks_bound(c);
	bool knots = c->knot_count > 0 && c->how == ALIGN_MESSAGES;
	char *names = names_of(m, number);

	if (!names)
		return -ENOMEM;
	out_row(out, (const struct out_value[CLOCK_COLUMNS]){
			 out_words(names),
			 out_text(s->boot_id),
			 out_text(how_names[c->how]),
			 c->how == ALIGN_MESSAGES ? out_text(clocks_name(m, c->reference)) : out_null(),
			 out_count(s->anchors),
			 out_count(s->bad_anchors),
			 s->guessed ? out_null() : out_ns(s->error_ns),
			 out_ns(s->wander_ns),
			 out_count(s->step_count),
			 out_count(s->breaks),
			 out_bool(s->guessed),
			 knots ? out_offset(c->knots[0].offset_ns) : out_null(),
			 knots ? out_offset(c->knots[c->knot_count - 1].offset_ns) : out_null(),
			 knots ? drift(c) : out_null(),
			 knots ? clocks_ns(bound.least) : out_null(),
			 knots ? clocks_ns(bound.median) : out_null(),
			 knots ? clocks_ns(bound.most) : out_null(),
			 out_text(why_not(m, number)),
		     });
	free(names);
	return 0;
}

static int put_clocks(const struct model *m, struct out *out)
{
	int err = 0;

	out_table_begin(out, "clocks", "clocks", clock_columns, CLOCK_COLUMNS);
	for (uint32_t i = 0; i < m->alignment.clock_count && !err; i++)
		err = put_clock(m, i, out);
	out_table_end(out);
	return err;
}

/* ---- pairs, steps, knots ---- */

static void put_pairs(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"a", "from", OUT_TEXT},
	    {"b", "to", OUT_TEXT},
	    {"messages_there", "messages there", OUT_COUNT},
	    {"messages_back", "back", OUT_COUNT},
	    {"rate_ppb", NULL, OUT_COUNT},
	    {NULL, "may change by ppm", OUT_NUMBER},
	    {"splits", "splits", OUT_COUNT},
	    {"outliers", "outliers", OUT_COUNT},
	    {"clamped", "clamped", OUT_COUNT},
	    {"contradictory", NULL, OUT_BOOL},
	    {"one_way", "one way", OUT_BOOL},
	    {"bound_ns.least", "± least", OUT_NS},
	    {"bound_ns.median", "median", OUT_NS},
	    {"bound_ns.most", "most", OUT_NS},
	};
	const struct alignment *a = &m->alignment;

	out_table_begin(out, "pairs", a->pair_count ? "between clocks" : NULL, columns,
			sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < a->pair_count; i++) {
		const struct align_pair *p = &a->pairs[i];

		out_row(out, (const struct out_value[]){
				 out_text(clocks_name(m, p->a)), out_text(clocks_name(m, p->b)),
				 out_count(p->messages[0]), out_count(p->messages[1]), out_count(p->rate_ppb),
				 out_number((double)p->rate_ppb / 1000), out_count(p->splits),
				 out_count(p->outliers), out_count(p->clamped), out_bool(p->hopeless),
				 out_bool(is_one_way(p)), clocks_ns(p->half_width_ns[0]),
				 clocks_ns(p->half_width_ns[1]), clocks_ns(p->half_width_ns[2])});
	}
	out_table_end(out);
}

static void put_steps(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"host", "host", OUT_TEXT},	 {"at_ns", "at", OUT_TIME},    {"within_ns", "±", OUT_NS},
	    {"by_ns", "by", OUT_OFFSET}, {"followed", NULL, OUT_BOOL}, {"what", "what", OUT_TEXT},
	};
	bool any = false;

	for (uint32_t i = 0; i < m->store.clock_count; i++)
		any |= m->store.clocks[i].step_count > 0;
	out_table_begin(out, "steps", any ? "steps of the clocks" : NULL, columns, 6);
	for (uint32_t i = 0; i < m->store.clock_count; i++)
		for (uint32_t k = 0; k < m->store.clocks[i].step_count; k++) {
			const struct store_step *s = &m->store.clocks[i].steps[k];

			out_row(out, (const struct out_value[]){
					 out_text(clocks_name(m, i)), out_time(s->at_ns),
					 out_ns(s->within_ns), out_offset(s->by_ns), out_bool(s->followed),
					 out_text(!s->by_ns ? "the stamps broke"
						  : s->followed
						      ? "set, or the machine slept, while no program ran"
						      : "set, or the machine slept; times do not follow")});
		}
	out_table_end(out);
}

static void put_knots(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"host", "host", OUT_TEXT},		 {"at_ns", "at", OUT_TIME},
	    {"offset_ns", "offset", OUT_OFFSET}, {"low_ns", "low", OUT_OFFSET},
	    {"high_ns", "high", OUT_OFFSET},
	};

	out_table_begin(out, "knots", "offsets over time", columns, 5);
	for (uint32_t i = 0; i < m->alignment.clock_count; i++)
		for (uint32_t k = 0; k < m->alignment.clocks[i].knot_count; k++) {
			const struct align_knot *knot = &m->alignment.clocks[i].knots[k];

			out_row(out,
				(const struct out_value[]){
				    out_text(clocks_name(m, i)), out_time(knot->at_ns),
				    out_offset(knot->offset_ns),
				    knot->low_ns == INT64_MIN ? out_null() : out_offset(knot->low_ns),
				    knot->high_ns == INT64_MAX ? out_null() : out_offset(knot->high_ns)});
		}
	out_table_end(out);
}

int view_clocks(const struct model *m, bool all, struct out *out)
{
	int err;

	out_object_begin(out, NULL, NULL);
	out_field(out, "schema", NULL, out_text("dprof.clocks/1"));
	out_field(out, "raw", NULL, out_bool(m->options.raw_clock));
	err = put_clocks(m, out);
	put_pairs(m, out);
	put_steps(m, out);
	if (all)
		put_knots(m, out);
	out_object_end(out);
	return err;
}
