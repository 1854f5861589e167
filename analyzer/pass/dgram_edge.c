// SPDX-License-Identifier: Apache-2.0
/* dgram_edge.c - see dgram_edge.h. Analyzer, one thread; pure but for memory. */
#include "analyzer/pass/dgram_edge.h"

#include "analyzer/pass/dgram_ends.h"

struct edges {
	VEC(struct dgram_edge) list;
};

static int edge_compare(const void *a, const void *b)
{
	const struct dgram_edge *x = a, *y = b;

	for (int side = 0; side < 2; side++)
		if (x->process[side] != y->process[side])
			return vec_compare(x->process[side], y->process[side]);
	return dgram_address_compare(&x->address, &y->address);
}

static int add_pairs(const struct store *store, const struct dgrams *d, struct edges *edges)
{
	int err = 0;

	for (uint32_t i = 0; i < d->pair_count && !err; i++) {
		const struct dgram_pair *p = &d->pairs[i];
		struct dgram_edge e = {.process = {p->process[0], p->process[1]}, .received = 1};

		if (!p->copy) {
			e.sent = e.joined = 1;
			e.bytes = store->processes[p->process[0]].records[p->record[0]].len;
		}
		err = vec_push(&edges->list, e);
	}
	return err;
}

/* The side that was not traced, by its address; the port of one that asks means nothing. */
static struct address untraced(const struct dgram_flow *f)
{
	enum dgram_side side = f->ends[DGRAM_SENDER].process == STORE_NONE ? DGRAM_SENDER : DGRAM_RECEIVER;
	struct address a = f->address[side];

	if (f->ends[side].process != STORE_NONE)
		return (struct address){0};
	a.scope = 0;
	if (side == DGRAM_SENDER && a.port > f->address[DGRAM_RECEIVER].port)
		a.port = 0;
	return a;
}

/* What is not joined: between those that the flow is between. */
static int add_rest(const struct dgram_flow *f, uint64_t paired, struct edges *edges)
{
	struct dgram_edge e = {.process = {f->ends[0].process, f->ends[1].process},
			       .address = untraced(f),
			       .sent = f->sent - f->joined,
			       .received = f->received - paired,
			       .lost = f->lost,
			       .bytes = f->bytes_sent - f->bytes_joined};

	if (f->ends[DGRAM_SENDER].process == STORE_NONE)
		e.bytes = f->bytes_received;
	return e.sent || e.received ? vec_push(&edges->list, e) : 0;
}

static uint32_t merge(struct dgram_edge *e, size_t n)
{
	uint32_t kept = 0;

	if (n > 1)
		qsort(e, n, sizeof(*e), edge_compare);
	for (size_t i = 0; i < n; i++) {
		if (!kept || edge_compare(&e[kept - 1], &e[i]) != 0) {
			e[kept++] = e[i];
			continue;
		}
		e[kept - 1].sent += e[i].sent;
		e[kept - 1].received += e[i].received;
		e[kept - 1].joined += e[i].joined;
		e[kept - 1].lost += e[i].lost;
		e[kept - 1].bytes += e[i].bytes;
	}
	return kept;
}

int dgram_edges_make(const struct store *store, struct dgrams *d)
{
	struct edges edges = {0};
	int err = add_pairs(store, d, &edges);
	uint32_t pair = 0;

	for (uint32_t i = 0; i < d->flow_count && !err; i++) {
		uint64_t paired = 0;

		for (; pair < d->pair_count && d->pairs[pair].flow == i; pair++)
			paired++;
		err = add_rest(&d->flows[i], paired, &edges);
	}
	if (err) {
		vec_free(&edges.list);
		return err;
	}
	d->edge_count = merge(edges.list.items, edges.list.count);
	d->edges = edges.list.items;
	return 0;
}
