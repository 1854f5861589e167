// SPDX-License-Identifier: Apache-2.0
/*
 * tree.c - `dprof-analyze tree`: traces as trees, the slowest first. JSON has every span; text has a line for
 * each RPC, with the client's total and the server's handle time.
 *
 * Without a choice JSON holds every trace and text the ten slowest. A trace is chosen by the cid of any of
 * its messages, or by a part of its root's operation.
 */
#include "analyzer/view/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/err.h"
#include "analyzer/out/units.h"
#include "analyzer/vec.h"
#include "analyzer/view/view.h"

#define DRAWN_DEFAULT 10u

/* ---- a span in JSON ---- */

static const struct out_column span_columns[] = {
    {"cid", NULL, OUT_CID},
    {"host", NULL, OUT_TEXT},
    {"service", NULL, OUT_TEXT},
    {"pid", NULL, OUT_COUNT},
    {"tid", NULL, OUT_COUNT},
    {"operation", NULL, OUT_TEXT},
    {"target", NULL, OUT_TEXT},
    {"protocol", NULL, OUT_TEXT},
    {"side", NULL, OUT_TEXT},
    {"start_ns", NULL, OUT_TIME},
    {"end_ns", NULL, OUT_TIME},
    {"total_ns", NULL, OUT_NS},
    {"handle_ns", NULL, OUT_NS},
    {"self_ns", NULL, OUT_NS},
    {"outside_ns", NULL, OUT_NS},
    {"request_ns", NULL, OUT_NS},
    {"response_ns", NULL, OUT_NS},
    {"bound_ns", NULL, OUT_NS},
    {"bytes_in", NULL, OUT_BYTES},
    {"bytes_out", NULL, OUT_BYTES},
    {"status", NULL, OUT_TEXT},
    {"error", NULL, OUT_BOOL},
    {"peer", NULL, OUT_TEXT},
    {"evidence.class", NULL, OUT_TEXT},
    {"evidence.probability", NULL, OUT_PROBABILITY},
    {"evidence.runner_up", NULL, OUT_CID},
    {"async", NULL, OUT_BOOL},
    {"lost", NULL, OUT_BOOL},
    {"open", NULL, OUT_BOOL},
    {"control", NULL, OUT_BOOL},
};

#define SPAN_COLUMNS (sizeof(span_columns) / sizeof(span_columns[0]))

static uint32_t tid_of(const struct model *m, const struct span *s)
{
	const struct store_process *process = &m->store.processes[s->process];
	uint32_t thread = s->start_thread != STORE_NONE ? s->start_thread : s->end_thread;

	return thread < process->thread_count ? process->threads[thread].tid : 0;
}

static void put_span(const struct model *m, struct out *out, uint32_t number)
{
	const struct span *s = &m->spans.spans[number];
	const struct node *node = &m->nodes[number];
	const struct edge *edge = &m->parents.edges[number];
	struct outside o;
	bool known = model_outside(m, number, &o), split = known && o.bound_ns != ALIGN_UNKNOWN;
	const struct out_value cells[SPAN_COLUMNS] = {
	    out_cid(s->cid),
	    out_text(model_host(m, number)),
	    out_text(model_service(m, number)),
	    out_count(m->store.processes[s->process].pid),
	    out_count(tid_of(m, s)),
	    out_text(model_operation(m, number)),
	    out_text(model_target(m, number)),
	    out_text(model_protocol(m, number)),
	    out_text(s->side == SPAN_SERVER ? "server" : "client"),
	    out_time(node->start_ns),
	    out_time(s->end_ns),
	    out_ns(model_total_ns(m, number)),
	    out_ns(model_handle_ns(m, number)),
	    out_ns(node->self_ns),
	    known ? out_ns(o.total_ns) : out_null(),
	    split ? out_ns(o.request_ns) : out_null(),
	    split ? out_ns(o.response_ns) : out_null(),
	    split ? out_ns(o.bound_ns) : out_null(),
	    out_bytes(s->bytes_in),
	    out_bytes(s->bytes_out),
	    out_text(model_status(m, number)),
	    out_bool(s->error),
	    out_text(model_peer(m, number)),
	    out_text(parent_evidence_name(edge->class)),
	    out_probability(edge->probability),
	    edge->runner_up == STORE_NONE ? out_null() : out_cid(m->spans.spans[edge->runner_up].cid),
	    out_bool(edge->async),
	    out_bool(s->lost),
	    out_bool(s->open),
	    out_bool(s->control),
	};

	out_node_begin(out, cells);
}

/* Down the tree without recursion: the way back up is in the nodes. `next` has, by depth, the child to visit
 * next. */
void tree_put_spans(const struct model *m, struct out *out, const char *key, uint32_t root)
{
	VEC(uint32_t) next = {0};
	uint32_t at = root;

	out_tree_begin(out, key, NULL, span_columns, SPAN_COLUMNS);
	put_span(m, out, root);
	while (!vec_push(&next, 0)) {
		while (next.count && *vec_last(&next) == m->nodes[at].child_count) {
			out_node_end(out);
			next.count--;
			at = m->nodes[at].parent;
		}
		if (!next.count)
			break;
		at = m->children[m->nodes[at].first_child + (*vec_last(&next))++];
		put_span(m, out, at);
	}
	vec_free(&next);
	out_tree_end(out);
}

/* ---- an RPC in text ---- */

static const struct out_column line_columns[] = {
    {NULL, "call", OUT_TEXT},	{NULL, "host", OUT_TEXT},      {NULL, "service", OUT_TEXT},
    {NULL, "total", OUT_NS},	{NULL, "handle", OUT_NS},      {NULL, "self", OUT_NS},
    {NULL, "asked", OUT_BYTES}, {NULL, "answered", OUT_BYTES}, {NULL, "status", OUT_TEXT},
    {NULL, "", OUT_TEXT},	{NULL, "network", OUT_TEXT},
};

#define LINE_COLUMNS (sizeof(line_columns) / sizeof(line_columns[0]))

/* What is not as it should be, or not certain. */
static void put_notes(const struct model *m, uint32_t client, uint32_t server, char *text, size_t size)
{
	const struct span *s = &m->spans.spans[client != STORE_NONE ? client : server];
	const struct edge *edge = &m->parents.edges[client != STORE_NONE ? client : server];
	bool lost = s->lost || (server != STORE_NONE && m->spans.spans[server].lost);
	size_t at = 0;

	text[0] = 0;
	if (edge->async)
		at += (size_t)snprintf(text + at, size - at, "async ");
	if (s->open)
		at += (size_t)snprintf(text + at, size - at, "no answer ");
	if (s->error)
		at += (size_t)snprintf(text + at, size - at, "error ");
	if (lost)
		at += (size_t)snprintf(text + at, size - at, "lost ");
	if (edge->parent != STORE_NONE && edge->probability < TREE_CERTAIN)
		at += (size_t)snprintf(text + at, size - at, "%s %.0f %% ", parent_evidence_name(edge->class),
				       (double)edge->probability * 100);
	else if (edge->class == EVIDENCE_AMBIGUOUS)
		at += (size_t)snprintf(text + at, size - at, "ambiguous ");
	if (at)
		text[at - 1] = 0;
}

/* Where a call was answered: by which process, STORE_NONE if that was not traced. */
static uint32_t answerer(const struct model *m, uint32_t client, uint32_t server)
{
	return server != STORE_NONE ? m->spans.spans[server].process : m->nodes[client].other;
}

static const char *host_of(const struct model *m, uint32_t process)
{
	return m->store.hosts[m->store.processes[process].host].name;
}

/* How the time outside of a server on another clock splits, with the bound of the clocks. */
static void put_split(const struct model *m, uint32_t client, uint32_t server, char *text, size_t size)
{
	char there[UNITS_TEXT_BYTES], back[UNITS_TEXT_BYTES], bound[UNITS_TEXT_BYTES];
	struct outside o;

	text[0] = 0;
	if (client == STORE_NONE || server == STORE_NONE || !model_crosses(m, client, server) ||
	    !model_outside(m, client, &o))
		return;
	units_print(there, out_ns(o.request_ns));
	units_print(back, out_ns(o.response_ns));
	units_print(bound, out_ns(o.bound_ns));
	if (o.bound_ns != ALIGN_UNKNOWN) {
		snprintf(text, size, "→ %s, ← %s ± %s", there, back, bound);
		return;
	}
	units_print(there, out_ns(o.total_ns));
	snprintf(text, size, "%s, split unknown", there);
}

static void put_line(const struct model *m, struct out *out, uint32_t client, uint32_t server)
{
	uint32_t any = server != STORE_NONE ? server : client, process = answerer(m, client, server);
	const struct span *s = &m->spans.spans[client != STORE_NONE ? client : server];
	bool asks = s->side == SPAN_CLIENT;
	char notes[96], split[3 * UNITS_TEXT_BYTES + 32];
	const struct out_value cells[LINE_COLUMNS] = {
	    out_text(model_operation(m, any)),
	    out_text(process != STORE_NONE ? host_of(m, process) : model_peer(m, client)),
	    out_text(process != STORE_NONE ? m->store.processes[process].service : "not traced"),
	    out_ns(model_total_ns(m, client != STORE_NONE ? client : server)),
	    server != STORE_NONE ? out_ns(model_handle_ns(m, server)) : out_null(),
	    server != STORE_NONE ? out_ns(m->nodes[server].self_ns) : out_null(),
	    out_bytes(asks ? s->bytes_out : s->bytes_in),
	    out_bytes(asks ? s->bytes_in : s->bytes_out),
	    out_text(model_status(m, any)),
	    out_text(notes),
	    out_text(split),
	};

	put_notes(m, client, server, notes, sizeof(notes));
	put_split(m, client, server, split, sizeof(split));
	out_node_begin(out, cells);
}

/* The server span right below a client span, if it is the answering side of the same RPC. */
static uint32_t answering(const struct model *m, uint32_t span)
{
	uint32_t peer = m->spans.spans[span].peer;

	if (m->spans.spans[span].side == SPAN_SERVER)
		return span;
	return peer != STORE_NONE && m->nodes[peer].parent == span ? peer : STORE_NONE;
}

static void put_rpc(const struct model *m, struct out *out, uint32_t span)
{
	put_line(m, out, m->spans.spans[span].side == SPAN_CLIENT ? span : STORE_NONE, answering(m, span));
}

/* What the calls of an RPC hang from. */
static uint32_t below(const struct model *m, uint32_t span)
{
	uint32_t server = answering(m, span);

	return server == STORE_NONE ? span : server;
}

static void draw_title(const struct model *m, uint32_t root, char *text, size_t size)
{
	const struct span *s = &m->spans.spans[root];
	const struct node *node = &m->nodes[root];
	int at = snprintf(text, size, "%016" PRIx64 ", asked by ", s->cid);
	char asker[256];

	if (s->side == SPAN_CLIENT)
		snprintf(asker, sizeof(asker), "%s on %s", model_service(m, root), model_host(m, root));
	else if (node->other == STORE_NONE)
		snprintf(asker, sizeof(asker), "%s, not traced", model_peer(m, root));
	else
		snprintf(asker, sizeof(asker), "%s on %s", m->store.processes[node->other].service,
			 host_of(m, node->other));
	at += snprintf(text + at, size - (size_t)at, "%.200s", asker);
	if (node->least < TREE_CERTAIN)
		at += snprintf(text + at, size - (size_t)at, ", %.0f %% sure", (double)node->least * 100);
	if (node->lost)
		snprintf(text + at, size - (size_t)at, ", records are missing");
}

void tree_draw(const struct model *m, struct out *out, uint32_t root)
{
	VEC(uint32_t) next = {0};
	VEC(uint32_t) path = {0};
	char title[320];
	uint32_t at = below(m, root);

	draw_title(m, root, title, sizeof(title));
	/* the last one is of hosts with clocks of their own */
	out_tree_begin(out, NULL, title, line_columns, LINE_COLUMNS - (m->store.clock_count < 2));
	put_rpc(m, out, root);
	while (!vec_push(&next, 0)) {
		while (next.count && *vec_last(&next) == m->nodes[at].child_count) {
			out_node_end(out);
			next.count--;
			at = path.count ? path.items[--path.count] : STORE_NONE;
		}
		if (!next.count || vec_push(&path, at))
			break;
		at = m->children[m->nodes[at].first_child + (*vec_last(&next))++];
		put_rpc(m, out, at);
		at = below(m, at);
	}
	vec_free(&next);
	vec_free(&path);
	out_tree_end(out);
}

/* ---- which traces ---- */

/* How long it took is not known: such a trace stands behind those that were answered. */
static bool has_no_answer(const struct model *m, uint32_t root)
{
	const struct span *s = &m->spans.spans[root];

	return s->open || s->one_way;
}

static int compare_slow(const void *left, const void *right, void *model)
{
	const struct model *m = model;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	int order = has_no_answer(m, a) - has_no_answer(m, b);

	order = order ? order : vec_compare(model_total_ns(m, b), model_total_ns(m, a));
	order = order ? order : vec_compare(m->nodes[a].start_ns, m->nodes[b].start_ns);
	order = order ? order : vec_compare(m->spans.spans[a].cid, m->spans.spans[b].cid);
	return order ? order : vec_compare(a, b);
}

static void sort_slowest(const struct model *m, uint32_t *roots, uint32_t count)
{
	if (count > 1)
		qsort_r(roots, count, sizeof(*roots), compare_slow, (void *)(uintptr_t)m);
}

int tree_slowest(const struct model *m, uint32_t **slowest, uint32_t *count)
{
	uint32_t *roots = calloc(m->root_count + 1ul, sizeof(*roots));

	if (!roots)
		return -ENOMEM;
	*count = 0;
	for (uint32_t i = 0; i < m->root_count; i++) {
		const struct span *s = &m->spans.spans[m->roots[i]];

		if (!has_no_answer(m, m->roots[i]) && !s->control && s->start_record != STORE_NONE)
			roots[(*count)++] = m->roots[i];
	}
	sort_slowest(m, roots, *count);
	*slowest = roots;
	return 0;
}

static int mark_cid(const struct model *m, uint64_t cid, bool *chosen)
{
	bool found = false;

	for (uint32_t i = 0; i < m->spans.span_count; i++) {
		const struct rpc *rpc = &m->messages.rpcs[m->spans.spans[i].rpc];
		bool answers = rpc->response != STORE_NONE && m->messages.messages[rpc->response].cid == cid;

		if (m->spans.spans[i].cid == cid || answers)
			found = chosen[m->nodes[i].root] = true;
	}
	if (found)
		return 0;
	err_fail(NULL, "--cid %016" PRIx64 ": no message of these dumps has it", cid);
	return -ENOENT;
}

/* The chosen roots, the slowest first. */
static int choose(const struct model *m, const struct tree_options *options, uint32_t **roots,
		  uint32_t *count)
{
	bool *chosen = calloc(m->spans.span_count + 1ul, sizeof(*chosen));
	int err;

	*roots = calloc(m->root_count + 1ul, sizeof(**roots));
	err = chosen && *roots ? 0 : -ENOMEM;
	if (!err && options->has_cid)
		err = mark_cid(m, options->cid, chosen);
	*count = 0;
	for (uint32_t i = 0; i < m->root_count && !err; i++) {
		uint32_t root = m->roots[i];

		if (options->has_cid && !chosen[root])
			continue;
		if (options->operation && !strstr(model_operation(m, root), options->operation))
			continue;
		(*roots)[(*count)++] = root;
	}
	free(chosen);
	if (!err && options->operation && !*count) {
		err_fail(NULL, "--op %s: no trace begins with such an operation", options->operation);
		err = -ENOENT;
	}
	if (err) {
		free(*roots);
		return err;
	}
	sort_slowest(m, *roots, *count);
	if (options->has_slowest && options->slowest < *count)
		*count = (uint32_t)options->slowest;
	return 0;
}

static void put_trace(const struct model *m, struct out *out, uint32_t root, bool drawn)
{
	out_object_begin(out, NULL, NULL);
	out_field(out, "cid", NULL, out_cid(m->spans.spans[root].cid));
	out_field(out, "probability", NULL, out_probability(m->nodes[root].least));
	out_field(out, "lost", NULL, out_bool(m->nodes[root].lost));
	tree_put_spans(m, out, "root", root);
	if (drawn)
		tree_draw(m, out, root);
	out_object_end(out);
}

int view_tree(const struct model *m, const struct tree_options *options, struct out *out)
{
	bool free_choice = !options->has_slowest && !options->has_cid && !options->operation;
	uint32_t *roots = NULL, count = 0;
	char said[128];
	int err = choose(m, options, &roots, &count);

	if (err)
		return err;
	out_object_begin(out, NULL, NULL);
	out_field(out, "schema", NULL, out_text("dprof.tree/1"));
	if (free_choice && count > DRAWN_DEFAULT) {
		snprintf(said, sizeof(said), "the %u slowest of %" PRIu32 " (--slowest N shows more)",
			 DRAWN_DEFAULT, count);
		out_field(out, NULL, "traces", out_text(said));
	} else {
		snprintf(said, sizeof(said), "%" PRIu32 " of %" PRIu32 ", the slowest first", count,
			 m->root_count);
		out_field(out, NULL, "traces", out_text(said));
	}
	out_list_begin(out, "traces", NULL);
	for (uint32_t i = 0; i < count; i++)
		put_trace(m, out, roots[i], !free_choice || i < DRAWN_DEFAULT);
	out_list_end(out);
	out_object_end(out);
	free(roots);
	return 0;
}
