// SPDX-License-Identifier: Apache-2.0
/* sampling.c - see sampling.h. Analyzer, one thread. */
#include "analyzer/view/sampling.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/out/units.h"
#include "analyzer/vec.h"

/* ---- an operation ---- */

static int value_compare(const void *left, const void *right)
{
	const struct estimate_value *a = left, *b = right;
	int order = vec_compare(a->ns, b->ns);

	order = order ? order : vec_compare(a->censored, b->censored);
	return order ? order : vec_compare(a->part, b->part);
}

/* How long a span took, or at least took. False: nothing is known. */
static bool value_of(const struct model *m, uint32_t number, struct estimate_value *v)
{
	const struct span *s = &m->spans.spans[number];
	uint64_t shut_ns;

	*v = (struct estimate_value){.part = m->nodes[number].part};
	if (s->start_record == STORE_NONE)
		return false;
	if (!s->open) {
		v->ns = model_total_ns(m, number);
		return true;
	}
	shut_ns = window_shut_after(&m->store.processes[s->process], m->nodes[number].start_ns);
	if (shut_ns == UINT64_MAX)
		return false; /* nobody answered while somebody looked */
	v->ns = shut_ns - m->nodes[number].start_ns;
	v->censored = true;
	return true;
}

static void estimate_durations(const struct model *m, struct estimate_value *values, size_t n,
			       struct sampling *out, double *scratch)
{
	size_t ended = 0;

	if (n > 1)
		qsort(values, n, sizeof(*values), value_compare);
	out->reached = estimate_survival(values, n, 0.99, &out->survival_p99);
	for (size_t i = 0; i < n; i++)
		if (!values[i].censored)
			values[ended++] = values[i];
	out->count = ended;
	out->p50 = estimate_quantile(values, ended, m->windows.part_count, 0.5, scratch);
	out->p99 = estimate_quantile(values, ended, m->windows.part_count, 0.99, scratch);
}

/* When the service of a span was recorded. */
static struct recorded service_life(const struct model *m, uint32_t span)
{
	struct recorded all = {UINT64_MAX, 0};

	for (uint32_t i = 0; i < m->store.process_count; i++) {
		if (strcmp(m->store.processes[i].service, model_service(m, span)) != 0)
			continue;
		all.from_ns = m->recorded[i].from_ns < all.from_ns ? m->recorded[i].from_ns : all.from_ns;
		all.to_ns = m->recorded[i].to_ns > all.to_ns ? m->recorded[i].to_ns : all.to_ns;
	}
	return all;
}

int sampling_of(const struct model *m, const uint32_t *spans, uint32_t count, struct sampling *out)
{
	uint32_t parts = m->windows.part_count, used = 0;
	struct estimate_value *values = calloc(count + 1ul, sizeof(*values));
	struct estimate_window *windows = calloc(parts + 1ul, sizeof(*windows));
	double *scratch = calloc(2ul * parts + 1, sizeof(*scratch));
	struct recorded life = service_life(m, spans[0]);
	int err = values && windows && scratch ? 0 : -ENOMEM;
	size_t n = 0;

	*out = (struct sampling){0};
	for (uint32_t i = 0; i < count && !err; i++) {
		windows[m->nodes[spans[i]].part].count++;
		n += value_of(m, spans[i], &values[n]);
		out->censored += n && values[n - 1].censored;
	}
	for (uint32_t i = 0; i < parts && !err; i++) {
		windows[i].open_ns = window_part_ns(&m->windows, i, life.from_ns, life.to_ns);
		if (windows[i].open_ns)
			windows[used++] = windows[i];
	}
	if (!err) {
		out->rate = estimate_rate(windows, used);
		estimate_durations(m, values, n, out, scratch);
	}
	free(values);
	free(windows);
	free(scratch);
	return err;
}

static struct out_value high_of(const struct estimate_quantile *q)
{
	return q->high_known ? out_ns(q->high_ns) : out_null();
}

void sampling_cells(const struct sampling *s, struct out_value cells[SAMPLING_CELLS])
{
	const struct out_value all[SAMPLING_CELLS] = {
	    out_number(s->rate.low),
	    out_number(s->rate.high),
	    s->count ? out_ns(s->p50.low_ns) : out_null(),
	    high_of(&s->p50),
	    s->count ? out_ns(s->p99.low_ns) : out_null(),
	    high_of(&s->p99),
	    out_count(s->censored),
	    s->reached ? out_ns(s->survival_p99) : out_null(),
	};

	for (int i = 0; i < SAMPLING_CELLS; i++)
		cells[i] = all[i];
}

void sampling_draw_begin(struct out *out)
{
	static const struct out_column columns[] = {
	    {NULL, "service", OUT_TEXT},  {NULL, "side", OUT_TEXT},	    {NULL, "operation", OUT_TEXT},
	    {NULL, "rate/s", OUT_TEXT},	  {NULL, "p50", OUT_TEXT},	    {NULL, "p99", OUT_TEXT},
	    {NULL, "cut off", OUT_COUNT}, {NULL, "p99 with those", OUT_NS},
	};

	out_table_begin(out, NULL, "how far these may be off: 95 % bounds of what all the time would give",
			columns, sizeof(columns) / sizeof(columns[0]));
}

static void print_range(char *text, size_t size, const struct estimate_quantile *q, uint64_t count)
{
	char low[UNITS_TEXT_BYTES], high[UNITS_TEXT_BYTES];

	units_print(low, out_ns(q->low_ns));
	units_print(high, out_ns(q->high_ns));
	if (!count)
		snprintf(text, size, "-");
	else if (q->high_known)
		snprintf(text, size, "%s to %s", low, high);
	else
		snprintf(text, size, "%s or more", low);
}

void sampling_draw(const struct model *m, uint32_t any, const struct sampling *s, struct out *out)
{
	char rate[64], p50[2 * UNITS_TEXT_BYTES + 8], p99[2 * UNITS_TEXT_BYTES + 8];

	snprintf(rate, sizeof(rate), "%.4g to %.4g", s->rate.low, s->rate.high);
	print_range(p50, sizeof(p50), &s->p50, s->count);
	print_range(p99, sizeof(p99), &s->p99, s->count);
	out_row(out, (const struct out_value[]){
			 out_text(model_service(m, any)),
			 out_text(m->spans.spans[any].side == SPAN_SERVER ? "server" : "client"),
			 out_text(model_operation(m, any)), out_text(rate), out_text(p50), out_text(p99),
			 out_count(s->censored), s->reached ? out_ns(s->survival_p99) : out_null()});
}

void sampling_draw_end(struct out *out)
{
	out_table_end(out);
}

/* ---- the whole ---- */

void sampling_put(const struct model *m, struct out *out)
{
	const struct windows *w = &m->windows;
	uint64_t open_ns = window_open_ns(w, w->from_ns, w->to_ns), outside = 0, gated = 0;
	uint64_t all_ns = w->to_ns > w->from_ns ? w->to_ns - w->from_ns : 0;

	if (!w->sampled)
		return;
	for (uint32_t i = 0; i < m->root_count; i++)
		outside += m->nodes[m->roots[i]].part == STORE_NONE;
	for (uint32_t i = 0; i < m->store.process_count; i++)
		gated += m->store.processes[i].gated_records;
	out_object_begin(out, "sampling",
			 "sampling: numbers are of what began in these windows, rates per second of them");
	out_field(out, "windows", "windows", out_count(w->part_count));
	out_field(out, "open_ns", "open", out_ns(open_ns));
	out_field(out, "span_ns", "of", out_ns(all_ns));
	out_field(out, "share", NULL, out_number(all_ns ? (double)open_ns / (double)all_ns : 0));
	out_field(out, "traces_outside", "traces that began outside, not counted", out_count(outside));
	out_field(out, "gated_records", "records not made, at least", out_count(gated));
	out_object_end(out);
}

static uint64_t process_open_ns(const struct model *m, uint32_t number)
{
	const struct store_process *p = &m->store.processes[number];
	uint64_t sum = 0;

	for (uint32_t i = 0; i < p->window_count; i++) {
		uint64_t to = p->windows[i].closed_ns != UINT64_MAX ? p->windows[i].closed_ns
								    : m->recorded[number].to_ns;

		sum += to > p->windows[i].opened_ns ? to - p->windows[i].opened_ns : 0;
	}
	return sum;
}

static void put_openings(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"host", NULL, OUT_TEXT},	   {"pid", NULL, OUT_COUNT},	  {"number", NULL, OUT_COUNT},
	    {"opened_ns", NULL, OUT_TIME}, {"closed_ns", NULL, OUT_TIME}, {"why", NULL, OUT_TEXT},
	    {"window_ns", NULL, OUT_NS},   {"period_ns", NULL, OUT_NS},	  {"margin_ns", NULL, OUT_NS},
	    {"seed", NULL, OUT_COUNT},
	};

	out_table_begin(out, "windows", NULL, columns, sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < m->store.process_count; i++) {
		const struct store_process *p = &m->store.processes[i];

		for (uint32_t k = 0; k < p->window_count; k++) {
			const struct store_window *w = &p->windows[k];

			out_row(out,
				(const struct out_value[]){
				    out_text(m->store.hosts[p->host].name), out_count(p->pid),
				    out_count(w->number), out_time(w->opened_ns),
				    w->closed_ns == UINT64_MAX ? out_null() : out_time(w->closed_ns),
				    out_text(w->why), out_ns(w->plan.window_ns), out_ns(w->plan.period_ns),
				    out_ns(w->plan.margin_ns), out_count(w->plan.seed)});
		}
	}
	out_table_end(out);
}

void sampling_put_windows(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {NULL, "host", OUT_TEXT},
	    {NULL, "service", OUT_TEXT},
	    {NULL, "pid", OUT_COUNT},
	    {NULL, "windows", OUT_COUNT},
	    {NULL, "open, with margins", OUT_NS},
	    {NULL, "records not made", OUT_COUNT},
	    {NULL, "last shut by", OUT_TEXT},
	};

	if (!m->windows.sampled)
		return;
	sampling_put(m, out);
	put_openings(m, out);
	out_table_begin(out, NULL, "processes that were not recorded all the time", columns,
			sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < m->store.process_count; i++) {
		const struct store_process *p = &m->store.processes[i];

		if (p->gated)
			out_row(out, (const struct out_value[]){
					 out_text(m->store.hosts[p->host].name), out_text(p->service),
					 out_count(p->pid), out_count(p->window_count),
					 out_ns(process_open_ns(m, i)), out_count(p->gated_records),
					 out_text(p->window_count ? p->windows[p->window_count - 1].why
								  : "start")});
	}
	out_table_end(out);
}
