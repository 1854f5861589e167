// SPDX-License-Identifier: Apache-2.0
/*
 * operations.c - spans counted by service, by operation and by who called whom. Every table is made the same
 * way: sort the spans by what they have in common, then walk the runs.
 *
 * A span without an end (open), or without its beginning, is counted, but its time is not known: it is not in
 * the percentiles. Handshakes and logins are operations of their own, marked `control`. Rates are per second
 * of the time over which the service was recorded.
 */
#include "analyzer/view/operations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/vec.h"
#include "analyzer/view/sampling.h"
#include "analyzer/view/spread.h"

typedef int compare_spans(const void *left, const void *right, void *model);

static const struct span *span_at(const struct model *m, uint32_t number)
{
	return &m->spans.spans[number];
}

/* All spans that count, in the given order; the caller frees them. NULL: no memory. */
static uint32_t *sorted_spans(const struct model *m, compare_spans *compare, uint32_t *count)
{
	uint32_t *order = calloc(m->spans.span_count + 1ul, sizeof(*order));

	*count = 0;
	for (uint32_t i = 0; order && i < m->spans.span_count; i++)
		if (m->nodes[i].part != STORE_NONE)
			order[(*count)++] = i;
	if (order && *count > 1)
		qsort_r(order, *count, sizeof(*order), compare, (void *)(uintptr_t)m);
	return order;
}

/* The end of the run of spans that compare equal to the one at `from`. */
static uint32_t run_end(const struct model *m, const uint32_t *order, uint32_t n, uint32_t from,
			compare_spans *compare)
{
	uint32_t to = from + 1;

	while (to < n && !compare(&order[from], &order[to], (void *)(uintptr_t)m))
		to++;
	return to;
}

static int compare_texts(const struct model *m, uint32_t a, uint32_t b)
{
	return a == b ? 0 : strcmp(strings_get(m->strings, a), strings_get(m->strings, b));
}

/* ---- services ---- */

/* The time over which a service was recorded, from its first record to its last. */
static uint64_t recorded_ns(const struct model *m, const char *service)
{
	uint64_t from_ns = UINT64_MAX, to_ns = 0;

	for (uint32_t i = 0; i < m->store.process_count; i++) {
		const struct recorded *r = &m->recorded[i];

		if (strcmp(m->store.processes[i].service, service) != 0)
			continue;
		from_ns = r->from_ns < from_ns ? r->from_ns : from_ns;
		to_ns = r->to_ns > to_ns ? r->to_ns : to_ns;
	}
	if (m->windows.sampled)
		return window_open_ns(&m->windows, from_ns, to_ns);
	return to_ns > from_ns ? to_ns - from_ns : 0;
}

static struct out_value rate(uint64_t count, uint64_t ns)
{
	return ns ? out_number((double)count * 1e9 / (double)ns) : out_null();
}

static int compare_processes(const void *left, const void *right, void *model)
{
	const struct model *m = model;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	int order = strcmp(m->store.processes[a].service, m->store.processes[b].service);

	return order ? order : vec_compare(a, b);
}

static void put_service(const struct model *m, const uint32_t *processes, uint32_t count,
			const uint64_t *requests, const uint64_t *calls, struct out *out)
{
	uint64_t served = 0, called = 0, took_ns = recorded_ns(m, m->store.processes[processes[0]].service);
	VEC(char) hosts = {0};
	int err = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct store_process *p = &m->store.processes[processes[i]];
		const char *host = m->store.hosts[p->host].name;

		served += requests[processes[i]];
		called += calls[processes[i]];
		/* Processes are ordered by host: equal ones follow each other. */
		if (i && m->store.processes[processes[i - 1]].host == p->host)
			continue;
		if (hosts.count)
			err |= vec_push(&hosts, ' ');
		err |= vec_append(&hosts, host, strlen(host));
	}
	err |= vec_push(&hosts, 0);
	out_row(out, (const struct out_value[]){out_text(m->store.processes[processes[0]].service),
						err ? out_null() : out_words(hosts.items), out_count(count),
						out_count(served), out_count(called), rate(served, took_ns),
						out_ns(took_ns)});
	vec_free(&hosts);
}

int operations_put_services(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"service", "service", OUT_TEXT},	   {"hosts", "hosts", OUT_WORDS},
	    {"processes", "processes", OUT_COUNT}, {"requests", "requests", OUT_COUNT},
	    {"calls", "calls", OUT_COUNT},	   {"rate_per_s", "requests/s", OUT_NUMBER},
	    {"recorded_ns", "recorded", OUT_NS},
	};
	uint32_t n = m->store.process_count, to;
	uint64_t *requests = calloc(2ul * n + 1, sizeof(*requests)), *calls = requests + n;
	uint32_t *order = calloc(n + 1ul, sizeof(*order));

	if (!requests || !order) {
		free(requests);
		free(order);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < m->spans.span_count; i++)
		if (!span_at(m, i)->control && m->nodes[i].part != STORE_NONE)
			(span_at(m, i)->side == SPAN_SERVER ? requests : calls)[span_at(m, i)->process]++;
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	if (n > 1)
		qsort_r(order, n, sizeof(*order), compare_processes, (void *)(uintptr_t)m);
	out_table_begin(out, "services", "services", columns, sizeof(columns) / sizeof(columns[0]));
	for (uint32_t from = 0; from < n; from = to) {
		for (to = from + 1; to < n && strcmp(m->store.processes[order[from]].service,
						     m->store.processes[order[to]].service) == 0;)
			to++;
		put_service(m, order + from, to - from, requests, calls, out);
	}
	out_table_end(out);
	free(requests);
	free(order);
	return 0;
}

/* ---- operations ---- */

static int compare_operations(const void *left, const void *right, void *model)
{
	const struct model *m = model;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	int order = compare_texts(m, m->nodes[a].service, m->nodes[b].service);

	order = order ? order : vec_compare(span_at(m, a)->side, span_at(m, b)->side);
	order = order ? order : vec_compare(span_at(m, a)->control, span_at(m, b)->control);
	order = order ? order : strcmp(model_protocol(m, a), model_protocol(m, b));
	return order ? order : compare_texts(m, m->nodes[a].operation, m->nodes[b].operation);
}

/* A run of spans of one operation, and what is said of them. */
struct operation {
	uint32_t any; /* one of the spans */
	uint64_t count, errors, unanswered, bytes_in, bytes_out;
	uint64_t recorded_ns;
	uint64_t spent_ns; /* sum of the totals */
	struct spread total, handle;
	struct sampling sampling; /* if there is any */
};

static bool has_total(const struct span *s)
{
	return !s->open && s->start_record != STORE_NONE;
}

static struct operation operation_of(const struct model *m, const uint32_t *spans, uint32_t count,
				     uint64_t *totals, uint64_t *handles)
{
	struct operation o = {.any = spans[0], .count = count};
	size_t total_count = 0, handle_count = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct span *s = span_at(m, spans[i]);
		const struct span *server = s->side == SPAN_SERVER  ? s
					    : s->peer != STORE_NONE ? span_at(m, s->peer)
								    : NULL;

		o.errors += s->error;
		o.unanswered += s->open;
		o.bytes_in += s->bytes_in;
		o.bytes_out += s->bytes_out;
		if (has_total(s)) {
			totals[total_count++] = model_total_ns(m, spans[i]);
			o.spent_ns += model_total_ns(m, spans[i]);
		}
		if (server && has_total(server))
			handles[handle_count++] = model_handle_ns(m, spans[i]);
	}
	o.total = spread_of(totals, total_count);
	o.handle = spread_of(handles, handle_count);
	return o;
}

/* Within a service: what it serves, then what it calls; what took the most time in all comes first. */
static int compare_rows(const void *left, const void *right, void *model)
{
	const struct model *m = model;
	const struct operation *a = left, *b = right;
	int order = compare_texts(m, m->nodes[a->any].service, m->nodes[b->any].service);

	order = order ? order : vec_compare(span_at(m, a->any)->side, span_at(m, b->any)->side);
	order = order ? order : vec_compare(span_at(m, a->any)->control, span_at(m, b->any)->control);
	order = order ? order : vec_compare(b->spent_ns, a->spent_ns);
	return order ? order : compare_operations(&a->any, &b->any, model);
}

static const struct out_column operation_columns[] = {
    {"service", NULL, OUT_TEXT},
    {"operation", NULL, OUT_TEXT},
    {"side", NULL, OUT_TEXT},
    {"protocol", NULL, OUT_TEXT},
    {"control", NULL, OUT_BOOL},
    {NULL, "service", OUT_TEXT},
    {NULL, "side", OUT_TEXT},
    {NULL, "operation", OUT_TEXT},
    {"count", "count", OUT_COUNT},
    {"errors", "errors", OUT_COUNT},
    {"unanswered", NULL, OUT_COUNT},
    {"bytes_in", NULL, OUT_BYTES},
    {"bytes_out", NULL, OUT_BYTES},
    {"rate_per_s", "rate/s", OUT_NUMBER},
    {NULL, "p50", OUT_NS},
    {NULL, "p90", OUT_NS},
    {NULL, "p99", OUT_NS},
    {NULL, "max", OUT_NS},
    SPREAD_COLUMNS("total_ns"),
    SPREAD_COLUMNS("handle_ns"),
    SAMPLING_COLUMNS, /* left out if all was recorded */
};

#define OPERATION_COLUMNS (sizeof(operation_columns) / sizeof(operation_columns[0]))
#define SAMPLING_AT	  (OPERATION_COLUMNS - SAMPLING_CELLS)
#define SPREADS_AT	  (SAMPLING_AT - 2 * SPREAD_CELLS)

static void put_operation(const struct model *m, const struct operation *o, const struct operation *above,
			  struct out *out)
{
	bool same_service = above && m->nodes[above->any].service == m->nodes[o->any].service;
	bool same_side = same_service && span_at(m, above->any)->side == span_at(m, o->any)->side;
	const char *side = span_at(m, o->any)->side == SPAN_SERVER ? "server" : "client";
	struct out_value cells[OPERATION_COLUMNS] = {
	    out_text(model_service(m, o->any)),
	    out_text(model_operation(m, o->any)),
	    out_text(side),
	    out_text(model_protocol(m, o->any)),
	    out_bool(span_at(m, o->any)->control),
	    same_service ? out_absent() : out_text(model_service(m, o->any)),
	    same_side ? out_absent() : out_text(side),
	    out_text(model_operation(m, o->any)),
	    out_count(o->count),
	    out_count(o->errors),
	    out_count(o->unanswered),
	    out_bytes(o->bytes_in),
	    out_bytes(o->bytes_out),
	    rate(o->count, o->recorded_ns),
	    o->total.count ? out_ns(o->total.p50) : out_null(),
	    o->total.count ? out_ns(o->total.p90) : out_null(),
	    o->total.count ? out_ns(o->total.p99) : out_null(),
	    o->total.count ? out_ns(o->total.max) : out_null(),
	};

	spread_cells(&o->total, cells + SPREADS_AT);
	spread_cells(&o->handle, cells + SPREADS_AT + SPREAD_CELLS);
	sampling_cells(&o->sampling, cells + SAMPLING_AT);
	out_row(out, cells);
}

int operations_put(const struct model *m, struct out *out)
{
	uint32_t n, *order = sorted_spans(m, compare_operations, &n);
	uint64_t *totals = calloc(2ul * n + 1, sizeof(*totals));
	VEC(struct operation) rows = {0};
	int err = order && totals ? 0 : -ENOMEM;

	for (uint32_t from = 0, to; from < n && !err; from = to) {
		struct operation o;

		to = run_end(m, order, n, from, compare_operations);
		o = operation_of(m, order + from, to - from, totals, totals + n);
		if (rows.count && m->nodes[vec_last(&rows)->any].service == m->nodes[o.any].service)
			o.recorded_ns = vec_last(&rows)->recorded_ns;
		else
			o.recorded_ns = recorded_ns(m, model_service(m, o.any));
		if (m->windows.sampled)
			err = sampling_of(m, order + from, to - from, &o.sampling);
		err = err ? err : vec_push(&rows, o);
	}
	if (!err) {
		if (rows.count > 1)
			qsort_r(rows.items, rows.count, sizeof(*rows.items), compare_rows,
				(void *)(uintptr_t)m);
		out_table_begin(out, "operations", "operations", operation_columns,
				m->windows.sampled ? OPERATION_COLUMNS : SAMPLING_AT);
		for (size_t i = 0; i < rows.count; i++)
			put_operation(m, &rows.items[i], i ? &rows.items[i - 1] : NULL, out);
		out_table_end(out);
		if (m->windows.sampled) {
			sampling_draw_begin(out);
			for (size_t i = 0; i < rows.count; i++)
				sampling_draw(m, rows.items[i].any, &rows.items[i].sampling, out);
			sampling_draw_end(out);
		}
	}
	vec_free(&rows);
	free(totals);
	free(order);
	return err;
}

/* ---- edges ---- */

/* Who called, who answered: services, or the address of what was not traced. */
static const char *other_end(const struct model *m, uint32_t span)
{
	uint32_t process = m->nodes[span].other;

	return process == STORE_NONE ? model_peer(m, span) : m->store.processes[process].service;
}

static const char *caller(const struct model *m, uint32_t span)
{
	return span_at(m, span)->side == SPAN_CLIENT ? model_service(m, span) : other_end(m, span);
}

static const char *answerer(const struct model *m, uint32_t span)
{
	return span_at(m, span)->side == SPAN_SERVER ? model_service(m, span) : other_end(m, span);
}

/* A server span whose client was traced is on the edge that the client makes. */
static bool makes_edge(const struct span *s)
{
	return s->side == SPAN_CLIENT || s->peer == STORE_NONE;
}

/* All edges of one kind between two services. */
static int compare_routes(const void *left, const void *right, void *model)
{
	const struct model *m = model;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	int order = vec_compare(makes_edge(span_at(m, b)), makes_edge(span_at(m, a)));

	if (order || !makes_edge(span_at(m, a)))
		return order;
	order = strcmp(caller(m, a), caller(m, b));
	order = order ? order : strcmp(answerer(m, a), answerer(m, b));
	return order ? order : vec_compare(m->parents.edges[a].class, m->parents.edges[b].class);
}

/* And of one operation. */
static int compare_edges(const void *left, const void *right, void *model)
{
	const struct model *m = model;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	int order = compare_routes(left, right, model);

	if (order || !makes_edge(span_at(m, a)))
		return order;
	return compare_texts(m, m->nodes[a].operation, m->nodes[b].operation);
}

static double mean_probability(const struct model *m, const uint32_t *spans, uint32_t count)
{
	double sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += (double)m->parents.edges[spans[i]].probability;
	return sum / count;
}

static void put_edges(const struct model *m, const uint32_t *order, uint32_t n, struct out *out)
{
	static const struct out_column columns[] = {
	    {"from", NULL, OUT_TEXT},	{"to", NULL, OUT_TEXT},	   {"operation", NULL, OUT_TEXT},
	    {"count", NULL, OUT_COUNT}, {"class", NULL, OUT_TEXT}, {"probability", NULL, OUT_PROBABILITY},
	};

	out_table_begin(out, "edges", NULL, columns, 6);
	for (uint32_t from = 0, to; from < n && makes_edge(span_at(m, order[from])); from = to) {
		uint32_t any = order[from];

		to = run_end(m, order, n, from, compare_edges);
		out_row(out, (const struct out_value[]){
				 out_text(caller(m, any)), out_text(answerer(m, any)),
				 out_text(model_operation(m, any)), out_count(to - from),
				 out_text(parent_evidence_name(m->parents.edges[any].class)),
				 out_probability(mean_probability(m, order + from, to - from))});
	}
	out_table_end(out);
}

/* For people: all operations together, for there are many. The order of the edges is that of the routes, too.
 */
static void draw_edges(const struct model *m, const uint32_t *order, uint32_t n, struct out *out)
{
	static const struct out_column columns[] = {
	    {NULL, "from", OUT_TEXT},	  {NULL, "to", OUT_TEXT},	   {NULL, "calls", OUT_COUNT},
	    {NULL, "for whom", OUT_TEXT}, {NULL, "sure", OUT_PROBABILITY},
	};

	out_table_begin(out, NULL, "edges", columns, 5);
	for (uint32_t from = 0, to; from < n && makes_edge(span_at(m, order[from])); from = to) {
		uint32_t any = order[from];
		bool root = m->parents.edges[any].class == EVIDENCE_ROOT;

		to = run_end(m, order, n, from, compare_routes);
		out_row(
		    out,
		    (const struct out_value[]){
			out_text(caller(m, any)), out_text(answerer(m, any)), out_count(to - from),
			out_text(root ? "begins a trace" : parent_evidence_name(m->parents.edges[any].class)),
			root ? out_absent() : out_probability(mean_probability(m, order + from, to - from))});
	}
	out_table_end(out);
}

int operations_put_edges(const struct model *m, struct out *out)
{
	uint32_t n, *order = sorted_spans(m, compare_edges, &n);

	if (!order)
		return -ENOMEM;
	put_edges(m, order, n, out);
	draw_edges(m, order, n, out);
	free(order);
	return 0;
}
