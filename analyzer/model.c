// SPDX-License-Identifier: Apache-2.0
/*
 * model.c - spans and edges to a forest, and its names. Analyzer, one thread.
 *
 * Invariant: every span stands in exactly one tree; children begin no earlier than their parent on the
 * parent's timeline, as long as they are synchronous.
 */
#include "analyzer/model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/err.h"
#include "analyzer/pass/layer.h"
#include "analyzer/pass/pipeline.h"
#include "analyzer/timing.h"
#include "analyzer/vec.h"

int model_build(struct model *m, const struct model_options *options, char *const *paths, size_t n)
{
	const char *failed = NULL;
	int err;

	*m = (struct model){.options = *options};
	if (options->timings)
		timing_begin();
	err = store_load(&m->store, paths, n);
	if (err)
		return err;
	if (options->timings)
		timing_tell("load");
	m->strings = strings_new();
	if (!m->strings)
		return -ENOMEM;
	err = pipeline_run(m, options->timings ? timing_tell : NULL, &failed);
	if (err)
		err_fail(NULL, "pass %s: %s", failed, strerror(-err));
	return err;
}

void model_free(struct model *m)
{
	pipeline_free(m);
	if (m->strings)
		strings_free(m->strings);
	store_free(&m->store);
	*m = (struct model){0};
}

/* ---- the forest ---- */

/* Parents as the edges say, but for edges that would close a circle. */
static int set_parents(struct model *m)
{
	uint32_t n = m->spans.span_count;
	uint32_t *walk = calloc(n + 1ul, sizeof(*walk)); /* number of the walk that came by, 0: none yet */

	if (!walk)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		m->nodes[i].parent = m->parents.edges[i].parent;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = i;

		while (at != STORE_NONE && !walk[at]) {
			uint32_t parent = m->nodes[at].parent;

			walk[at] = i + 1;
			if (parent != STORE_NONE && walk[parent] == i + 1) {
				m->nodes[at].parent = STORE_NONE;
				m->cycles++;
			}
			at = m->nodes[at].parent;
		}
	}
	free(walk);
	return 0;
}

static bool is_async(const struct model *m, uint32_t span)
{
	return m->parents.edges[span].async;
}

/* A server that made calls before its request was there in full had begun to serve it. */
static void set_starts(struct model *m)
{
	const struct spans *spans = &m->spans;

	for (uint32_t i = 0; i < spans->span_count; i++)
		m->nodes[i].start_ns = spans->spans[i].start_ns;
	for (uint32_t i = 0; i < spans->span_count; i++) {
		uint32_t parent = m->nodes[i].parent;

		if (spans->spans[i].side != SPAN_CLIENT || parent == STORE_NONE || is_async(m, i) ||
		    spans->spans[i].start_ns >= m->nodes[parent].start_ns)
			continue;
		if (m->nodes[parent].start_ns == spans->spans[parent].start_ns)
			m->early++;
		m->nodes[parent].start_ns = spans->spans[i].start_ns;
	}
}

static int compare_starts(const void *left, const void *right, void *model)
{
	const struct model *sorted = model;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	int order = vec_compare(sorted->nodes[a].start_ns, sorted->nodes[b].start_ns);

	order = order ? order : vec_compare(sorted->spans.spans[a].cid, sorted->spans.spans[b].cid);
	return order ? order : vec_compare(a, b);
}

static void sort_spans(struct model *m, uint32_t *spans, uint32_t count)
{
	if (count > 1)
		qsort_r(spans, count, sizeof(*spans), compare_starts, m);
}

static int set_children(struct model *m)
{
	uint32_t n = m->spans.span_count, at = 0;

	m->children = calloc(n + 1ul, sizeof(*m->children));
	m->roots = calloc(n + 1ul, sizeof(*m->roots));
	if (!m->children || !m->roots)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		if (m->nodes[i].parent != STORE_NONE)
			m->nodes[m->nodes[i].parent].child_count++;
	for (uint32_t i = 0; i < n; i++) {
		m->nodes[i].first_child = at;
		at += m->nodes[i].child_count;
		m->nodes[i].child_count = 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct node *parent;

		if (m->nodes[i].parent == STORE_NONE) {
			m->roots[m->root_count++] = i;
			continue;
		}
		parent = &m->nodes[m->nodes[i].parent];
		m->children[parent->first_child + parent->child_count++] = i;
	}
	for (uint32_t i = 0; i < n; i++)
		sort_spans(m, &m->children[m->nodes[i].first_child], m->nodes[i].child_count);
	sort_spans(m, m->roots, m->root_count);
	return 0;
}

/* A call and the server that answered it, by clocks that do not agree: where the one lies in the other cannot
 * be said, but how long each took can. */
static bool is_elsewhere(const struct model *m, uint32_t span, uint32_t child)
{
	const struct span *a = &m->spans.spans[span], *b = &m->spans.spans[child];

	return !store_same_time(&m->store, m->store.processes[a->process].clock,
				m->store.processes[b->process].clock);
}

/* Children are in order of their start, so their union is one sweep. */
static uint64_t self_ns(const struct model *m, uint32_t span)
{
	const struct node *node = &m->nodes[span];
	uint64_t reached = node->start_ns, end_ns = m->spans.spans[span].end_ns, covered = 0;

	for (uint32_t i = 0; i < node->child_count; i++) {
		uint32_t child = m->children[node->first_child + i];
		uint64_t from = m->nodes[child].start_ns, to = m->spans.spans[child].end_ns;

		if (is_async(m, child))
			continue;
		if (is_elsewhere(m, span, child)) { /* the only one: a client span's server span */
			from = node->start_ns;
			to = from + model_total_ns(m, child);
		}
		from = from > reached ? from : reached;
		to = to < end_ns ? to : end_ns;
		if (to <= from)
			continue;
		covered += to - from;
		reached = to;
	}
	return end_ns - node->start_ns - covered;
}

/* Each tree from its root down, without recursion: a span comes after its parent in `order`. */
static int set_paths(struct model *m)
{
	uint32_t n = m->spans.span_count, filled = m->root_count;
	uint32_t *order = calloc(n + 1ul, sizeof(*order));

	if (!order)
		return -ENOMEM;
	memcpy(order, m->roots, m->root_count * sizeof(*order));
	for (uint32_t i = 0; i < filled; i++) {
		struct node *node = &m->nodes[order[i]];
		const struct node *parent = node->parent == STORE_NONE ? NULL : &m->nodes[node->parent];
		float p = m->parents.edges[order[i]].probability;

		node->root = parent ? parent->root : order[i];
		node->part = parent ? parent->part : window_part_at(&m->windows, node->start_ns);
		node->probability = parent ? (p < parent->probability ? p : parent->probability) : 1;
		node->lost = m->spans.spans[order[i]].lost;
		node->least = 1;
		if (parent && node->probability < m->nodes[node->root].least)
			m->nodes[node->root].least = node->probability;
		node->self_ns = self_ns(m, order[i]);
		for (uint32_t k = 0; k < node->child_count; k++)
			order[filled++] = m->children[node->first_child + k];
	}
	for (uint32_t i = filled; i-- > 0;)
		if (m->nodes[order[i]].lost && m->nodes[order[i]].parent != STORE_NONE)
			m->nodes[m->nodes[order[i]].parent].lost = true;
	free(order);
	return 0;
}

/* ---- names ---- */

static uint32_t add_text(struct model *m, const char *text)
{
	return strings_add(m->strings, text, strlen(text));
}

static const struct link *link_of(const struct model *m, uint32_t span)
{
	return &m->links.links[m->messages.rpcs[m->spans.spans[span].rpc].link];
}

static const char *unix_path(const struct model *m, const struct link *link, char *text, size_t size)
{
	for (int side = LINK_SERVER; side >= LINK_CLIENT; side--)
		for (uint32_t i = 0; i < link->ends[side].view_count; i++) {
			const struct view *v =
			    layer_bottom(&m->conns, &m->conns.views[link->ends[side].views[i]]);

			if (v->path && v->path_len) {
				bool abstract = !v->path[0];

				snprintf(text, size, "unix %s%.*s", abstract ? "@" : "",
					 (int)v->path_len - abstract, (const char *)v->path + abstract);
				return text;
			}
		}
	snprintf(text, size, "unix");
	return text;
}

const char *model_address(const struct model *m, uint32_t number, enum link_side side, char *text,
			  size_t size)
{
	const struct link *link = &m->links.links[number];
	const struct address *a = &link->address[side];
	char host[INET6_ADDRSTRLEN] = "?";

	if (a->family == ENDPOINT_UNIX)
		return unix_path(m, link, text, size);
	inet_ntop(a->family == ENDPOINT_IPV6 ? AF_INET6 : AF_INET, a->addr, host, sizeof(host));
	if (!a->family) /* the record that tells of the connection is lost */
		snprintf(text, size, "unknown address");
	else if (m->messages.protos[number].server != side)
		snprintf(text, size, "%s", host);
	else if (a->family == ENDPOINT_IPV6)
		snprintf(text, size, "[%s]:%u", host, a->port);
	else
		snprintf(text, size, "%s:%u", host, a->port);
	return text;
}

/* Where the protocol does not say what was asked: where it was asked. The same at both ends. */
static const char *default_operation(const struct model *m, uint32_t span, char *text, size_t size)
{
	const struct link *link = link_of(m, span);
	uint32_t number = m->messages.rpcs[m->spans.spans[span].rpc].link;
	const struct link_proto *proto = &m->messages.protos[number];
	const struct address *server = &link->address[proto->server];

	if (m->spans.spans[span].control)
		return "connect";
	if (strcmp(proto->proto->name, "raw") != 0) {
		snprintf(text, size, "%s message", proto->proto->name);
		return text;
	}
	if (server->family == ENDPOINT_UNIX)
		return unix_path(m, link, text, size);
	if (!server->family)
		return "unknown port";
	snprintf(text, size, "port %u", server->port);
	return text;
}

enum link_side model_side(const struct model *m, uint32_t span)
{
	const struct span *s = &m->spans.spans[span];
	const struct rpc *rpc = &m->messages.rpcs[s->rpc];
	const struct message *request = &m->messages.messages[rpc->request];
	bool greeting = rpc->one_way && (request->flags & PROTO_PUSH) && (request->flags & PROTO_CONTROL);
	bool sends = (s->side == SPAN_CLIENT) != greeting; /* a greeting is the answer to the connect */

	return sends == (request->sender == LINK_SERVER) ? LINK_SERVER : LINK_CLIENT;
}

/* Of the views of an end the one that moved most. */
static uint32_t busiest(const struct model *m, const struct end *e)
{
	uint32_t process = STORE_NONE;
	uint64_t most = 0;

	for (uint32_t i = 0; i < e->view_count; i++) {
		const struct view *v = &m->conns.views[e->views[i]];

		if (process != STORE_NONE && v->seen_in + v->seen_out <= most)
			continue;
		process = v->process;
		most = v->seen_in + v->seen_out;
	}
	return process;
}

uint32_t model_process(const struct model *m, uint32_t number, enum link_side side)
{
	const struct link *l = &m->links.links[number];
	uint32_t process = busiest(m, &l->ends[side]);

	if (process == STORE_NONE && l->plain)
		process = busiest(m, &m->links.links[pair_carrier(&m->conns, &m->links, number)].ends[side]);
	return process;
}

static int set_names(struct model *m)
{
	uint32_t *services = calloc(m->store.process_count + 1ul, sizeof(*services));
	char text[256];

	if (!services)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->store.process_count; i++)
		services[i] = add_text(m, m->store.processes[i].service);
	for (uint32_t i = 0; i < m->spans.span_count; i++) {
		const struct span *s = &m->spans.spans[i];
		struct node *node = &m->nodes[i];
		uint32_t link;

		node->service = services[s->process];
		node->operation = m->messages.messages[m->messages.rpcs[s->rpc].request].operation;
		if (!node->operation || strcmp(model_protocol(m, i), "raw") == 0)
			node->operation = add_text(m, default_operation(m, i, text, sizeof(text)));
		link = m->messages.rpcs[s->rpc].link;
		node->other = s->peer == STORE_NONE ? model_process(m, link, !model_side(m, i))
						    : m->spans.spans[s->peer].process;
		if (node->other == STORE_NONE)
			node->peer = add_text(m, model_address(m, pair_carrier(&m->conns, &m->links, link),
							       !model_side(m, i), text, sizeof(text)));
	}
	free(services);
	return 0;
}

static void set_recorded(struct model *m)
{
	for (uint32_t i = 0; i < m->store.process_count; i++) {
		const struct store_process *p = &m->store.processes[i];
		struct recorded *r = &m->recorded[i];

		*r = (struct recorded){UINT64_MAX, 0};
		for (uint32_t k = 0; k < p->record_count; k++) {
			/* a thread is told of again in each file, with its birth */
			uint64_t t0_ns =
			    p->records[k].t0_ns > p->older.until_ns ? p->records[k].t0_ns : p->older.until_ns;

			if (t0_ns < r->from_ns)
				r->from_ns = t0_ns;
			if (p->records[k].t1_ns > r->to_ns)
				r->to_ns = p->records[k].t1_ns;
		}
		/* a window in which nothing came was recorded, too */
		for (uint32_t k = 0; k < p->window_count; k++) {
			const struct store_window *w = &p->windows[k];

			if (w->opened_ns < r->from_ns)
				r->from_ns = w->opened_ns;
			if (w->closed_ns != UINT64_MAX && w->closed_ns > r->to_ns)
				r->to_ns = w->closed_ns;
		}
	}
}

int model_grow(struct model *m)
{
	int err;

	m->nodes = calloc(m->spans.span_count + 1ul, sizeof(*m->nodes));
	m->recorded = calloc(m->store.process_count + 1ul, sizeof(*m->recorded));
	err = m->nodes && m->recorded ? set_parents(m) : -ENOMEM;
	if (err)
		return err;
	set_recorded(m);
	set_starts(m);
	err = set_children(m);
	err = err ? err : set_paths(m);
	return err ? err : set_names(m);
}

void model_fell(struct model *m)
{
	free(m->nodes);
	free(m->recorded);
	free(m->children);
	free(m->roots);
	m->nodes = NULL;
	m->recorded = NULL;
	m->children = m->roots = NULL;
	m->root_count = 0;
}

/* ---- questions ---- */

uint64_t model_total_ns(const struct model *m, uint32_t span)
{
	return m->spans.spans[span].end_ns - m->nodes[span].start_ns;
}

uint64_t model_handle_ns(const struct model *m, uint32_t span)
{
	const struct span *s = &m->spans.spans[span];

	if (s->side == SPAN_SERVER)
		return model_total_ns(m, span);
	return s->peer == STORE_NONE ? 0 : model_total_ns(m, s->peer);
}

bool model_crosses(const struct model *m, uint32_t span, uint32_t server)
{
	const struct span *a = &m->spans.spans[span], *b = &m->spans.spans[server];

	return m->store.processes[a->process].clock != m->store.processes[b->process].clock;
}

bool model_outside(const struct model *m, uint32_t span, struct outside *o)
{
	const struct span *client = &m->spans.spans[span], *server;
	uint64_t total_ns, handle_ns, there_ns, bound_ns, most_ns;
	uint32_t a, b;

	if (client->side != SPAN_CLIENT || client->peer == STORE_NONE || client->open || client->one_way)
		return false;
	server = &m->spans.spans[client->peer];
	if (server->open)
		return false;
	a = m->store.processes[client->process].clock;
	b = m->store.processes[server->process].clock;
	total_ns = model_total_ns(m, span);
	handle_ns = model_total_ns(m, client->peer);
	*o = (struct outside){.total_ns = total_ns > handle_ns ? total_ns - handle_ns : 0};
	o->bound_ns = align_bound_ns(&m->alignment, a, b, m->nodes[span].start_ns);
	bound_ns = align_bound_ns(&m->alignment, a, b, client->end_ns);
	o->bound_ns = bound_ns > o->bound_ns ? bound_ns : o->bound_ns;
	if (o->bound_ns == ALIGN_UNKNOWN)
		return true;
	there_ns = m->nodes[client->peer].start_ns;
	there_ns = there_ns > m->nodes[span].start_ns ? there_ns - m->nodes[span].start_ns : 0;
	o->request_ns = there_ns < o->total_ns ? there_ns : o->total_ns;
	o->response_ns = o->total_ns - o->request_ns;
	/* neither way takes less than nothing, and their sum is known */
	most_ns = o->request_ns > o->response_ns ? o->request_ns : o->response_ns;
	o->bound_ns = o->bound_ns < most_ns ? o->bound_ns : most_ns;
	return true;
}

const char *model_host(const struct model *m, uint32_t span)
{
	return m->store.hosts[m->store.processes[m->spans.spans[span].process].host].name;
}

const char *model_service(const struct model *m, uint32_t span)
{
	return strings_get(m->strings, m->nodes[span].service);
}

const char *model_operation(const struct model *m, uint32_t span)
{
	return strings_get(m->strings, m->nodes[span].operation);
}

const char *model_target(const struct model *m, uint32_t span)
{
	const struct rpc *rpc = &m->messages.rpcs[m->spans.spans[span].rpc];

	return strings_get(m->strings, m->messages.messages[rpc->request].target);
}

const char *model_status(const struct model *m, uint32_t span)
{
	const struct rpc *rpc = &m->messages.rpcs[m->spans.spans[span].rpc];

	return rpc->response == STORE_NONE
		   ? ""
		   : strings_get(m->strings, m->messages.messages[rpc->response].status);
}

const char *model_protocol(const struct model *m, uint32_t span)
{
	return m->messages.protos[m->messages.rpcs[m->spans.spans[span].rpc].link].proto->name;
}

const char *model_peer(const struct model *m, uint32_t span)
{
	return m->nodes[span].peer ? strings_get(m->strings, m->nodes[span].peer) : NULL;
}
