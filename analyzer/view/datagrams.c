// SPDX-License-Identifier: Apache-2.0
/*
 * datagrams.c - see datagrams.h: which datagrams were joined, and what became of the others. Analyzer, one
 * thread; reads the model.
 */
#include "analyzer/view/datagrams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/vec.h"
#include "analyzer/view/joins.h"

/* What did not happen has no line for people. */
static void put_odd(struct out *out, const char *key, const char *title, uint64_t count)
{
	out_field(out, key, count ? title : NULL, out_count(count));
}

void datagrams_put_sums(const struct model *m, struct out *out)
{
	const struct dgrams *d = &m->dgrams;

	out_field(out, "datagrams_sent", "datagrams sent", out_count(d->all.sent));
	out_field(out, "datagrams_received", "datagrams taken", out_count(d->all.received));
	out_field(out, "datagrams_joined", "sends of which the receive is known", out_count(d->all.joined));
	put_odd(out, "datagrams_lost", "lost: sent to a traced socket that did not take them", d->all.lost);
	put_odd(out, "datagrams_copies", "taken again", d->all.copies);
	put_odd(out, "datagrams_reordered", "taken after what was sent later", d->all.reordered);
	put_odd(out, "datagrams_ambiguous", "sends that may be one of several receives", d->all.ambiguous);
	put_odd(out, "datagrams_unclear", "receives that may be one of several sends", d->all.unclear);
	put_odd(out, "datagrams_unsent", "taken from a traced socket, with no send that fits", d->all.unsent);
	put_odd(out, "datagrams_to_untraced", "sent to who is not traced", d->sent_untraced);
	put_odd(out, "datagrams_from_untraced", "taken from who is not traced", d->from_untraced);
}

/* ---- flows ---- */

static const char *host_of(const struct model *m, const struct dgram_end *e)
{
	return e->process == STORE_NONE ? NULL : m->store.hosts[m->store.processes[e->process].host].name;
}

static const char *service_of(const struct model *m, const struct dgram_end *e)
{
	return e->process == STORE_NONE ? NULL : m->store.processes[e->process].service;
}

static const char *address_text(const struct model *m, const struct address *a, bool port, char *text,
				size_t size)
{
	struct address shown = *a;
	char *end;

	if (a->family == ENDPOINT_UNIX)
		return "unix";
	if (!a->family)
		return "?";
	joins_address(m, NULL, &shown, text, size);
	end = strrchr(text, ':');
	if (!port && end)
		*end = '\0';
	return text;
}

/* The end whose port says what it is about: that of an opener the kernel picks, and high. */
static enum dgram_side served(const struct dgram_flow *f)
{
	if (!f->address[DGRAM_SENDER].port || !f->address[DGRAM_RECEIVER].port)
		return f->address[DGRAM_SENDER].port ? DGRAM_SENDER : DGRAM_RECEIVER;
	return f->address[DGRAM_SENDER].port < f->address[DGRAM_RECEIVER].port ? DGRAM_SENDER
									       : DGRAM_RECEIVER;
}

static int text_compare(const char *a, const char *b)
{
	if (!a || !b)
		return vec_compare(a != NULL, b != NULL);
	return strcmp(a, b);
}

struct row {
	const struct dgram_flow *flow;
	const char *host[2], *service[2]; /* by dgram_side */
	uint16_t port[2];		  /* of the end that is served; the other one's means nothing */
};

static int row_alike(const struct row *x, const struct row *y)
{
	int sign = 0;

	for (int side = 0; side < 2 && !sign; side++) {
		sign = text_compare(x->host[side], y->host[side]);
		if (!sign)
			sign = text_compare(x->service[side], y->service[side]);
	}
	for (int side = 0; side < 2 && !sign; side++) {
		const struct address *a = &x->flow->address[side], *b = &y->flow->address[side];

		sign = vec_compare(a->family, b->family);
		if (!sign)
			sign = a->family == ENDPOINT_UNIX ? 0 : memcmp(a->addr, b->addr, sizeof(a->addr));
		if (!sign)
			sign = vec_compare(x->port[side], y->port[side]);
	}
	return sign ? sign : vec_compare(x->flow->join, y->flow->join);
}

static int row_compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int sign = row_alike(x, y);

	return sign ? sign : vec_compare(x->flow, y->flow);
}

static struct row row_make(const struct model *m, const struct dgram_flow *f)
{
	enum dgram_side side = served(f);
	struct row r = {.flow = f};

	for (int i = 0; i < 2; i++) {
		r.host[i] = host_of(m, &f->ends[i]);
		r.service[i] = service_of(m, &f->ends[i]);
	}
	r.port[side] = f->address[side].port;
	return r;
}

static struct dgram_flow sum_up(const struct row *rows, size_t n)
{
	struct dgram_flow s = *rows[0].flow;

	for (size_t i = 1; i < n; i++) {
		const struct dgram_flow *f = rows[i].flow;

		s.sent += f->sent;
		s.received += f->received;
		s.joined += f->joined;
		s.lost += f->lost;
		s.ambiguous += f->ambiguous;
		s.unclear += f->unclear;
		s.copies += f->copies;
		s.reordered += f->reordered;
		s.unsent += f->unsent;
		s.bytes_sent += f->bytes_sent;
		s.bytes_received += f->bytes_received;
		s.bytes_joined += f->bytes_joined;
	}
	return s;
}

#define COUNTS                                                                                               \
	{"class", "joined by", OUT_TEXT}, {"sent", "sent", OUT_COUNT}, {"received", "taken", OUT_COUNT},     \
	    {"joined", "joined", OUT_COUNT}, {"lost", "lost", OUT_COUNT}, {"copies", "copies", OUT_COUNT},   \
	    {"reordered", "reordered", OUT_COUNT}, {"ambiguous", "ambiguous", OUT_COUNT},                    \
	    {"unclear", "unclear", OUT_COUNT}, {"unsent", "unsent", OUT_COUNT},                              \
	    {"bytes_sent", "bytes sent", OUT_BYTES}, {"bytes_received", "bytes taken", OUT_BYTES},           \
	{                                                                                                    \
		"bytes_joined", "bytes joined", OUT_BYTES                                                    \
	}
#define COUNT_VALUES(f)                                                                                      \
	out_text(dgram_join_name((f)->join)), out_count((f)->sent), out_count((f)->received),                \
	    out_count((f)->joined), out_count((f)->lost), out_count((f)->copies), out_count((f)->reordered), \
	    out_count((f)->ambiguous), out_count((f)->unclear), out_count((f)->unsent),                      \
	    out_bytes((f)->bytes_sent), out_bytes((f)->bytes_received), out_bytes((f)->bytes_joined)

static void put_sum(const struct model *m, const struct row *rows, size_t n, struct out *out)
{
	struct dgram_flow s = sum_up(rows, n);
	char text[2][JOINS_ADDRESS_BYTES];
	const char *address[2];

	for (int side = 0; side < 2; side++)
		address[side] = address_text(m, &s.address[side], rows[0].port[side] != 0, text[side],
					     sizeof(text[side]));
	out_row(out, (const struct out_value[]){out_text(rows[0].host[0]), out_text(rows[0].service[0]),
						out_text(address[0]), out_text(rows[0].host[1]),
						out_text(rows[0].service[1]), out_text(address[1]),
						out_count(n), COUNT_VALUES(&s)});
}

static void put_flow(const struct model *m, const struct dgram_flow *f, struct out *out)
{
	struct out_value value[2][5];
	char text[2][JOINS_ADDRESS_BYTES];

	for (int side = 0; side < 2; side++) {
		const struct dgram_end *e = &f->ends[side];
		bool traced = e->process != STORE_NONE;

		value[side][0] = out_text(host_of(m, e));
		value[side][1] = out_text(service_of(m, e));
		value[side][2] = traced ? out_count(m->store.processes[e->process].pid) : out_null();
		value[side][3] = traced ? out_count(e->conn) : out_null();
		value[side][4] =
		    out_text(address_text(m, &f->address[side], true, text[side], sizeof(text[side])));
	}
	out_row(out,
		(const struct out_value[]){value[0][0], value[0][1], value[0][2], value[0][3], value[0][4],
					   value[1][0], value[1][1], value[1][2], value[1][3], value[1][4],
					   out_count(f->bits), COUNT_VALUES(f)});
}

static void put_flows(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"from.host", "from host", OUT_TEXT},  {"from.service", "service", OUT_TEXT},
	    {"from.pid", "pid", OUT_COUNT},	   {"from.conn", "conn", OUT_COUNT},
	    {"from.address", "address", OUT_TEXT}, {"to.host", "to host", OUT_TEXT},
	    {"to.service", "service", OUT_TEXT},   {"to.pid", "pid", OUT_COUNT},
	    {"to.conn", "conn", OUT_COUNT},	   {"to.address", "address", OUT_TEXT},
	    {"bits", "bits", OUT_COUNT},	   COUNTS,
	};

	out_table_begin(out, "flows", m->dgrams.flow_count ? "flows of datagrams" : NULL, columns,
			sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < m->dgrams.flow_count; i++)
		put_flow(m, &m->dgrams.flows[i], out);
	out_table_end(out);
}

int datagrams_put(const struct model *m, bool all, struct out *out)
{
	static const struct out_column columns[] = {
	    {"from.host", "from host", OUT_TEXT},  {"from.service", "service", OUT_TEXT},
	    {"from.address", "address", OUT_TEXT}, {"to.host", "to host", OUT_TEXT},
	    {"to.service", "service", OUT_TEXT},   {"to.address", "address", OUT_TEXT},
	    {"flows", "flows", OUT_COUNT},	   COUNTS,
	};
	uint32_t n = m->dgrams.flow_count;
	struct row *rows = malloc((n + 1ul) * sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		rows[i] = row_make(m, &m->dgrams.flows[i]);
	if (n > 1)
		qsort(rows, n, sizeof(*rows), row_compare);
	out_table_begin(out, "datagrams", n ? "datagrams" : NULL, columns,
			sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && !row_alike(&rows[i], &rows[end]); end++)
			;
		put_sum(m, &rows[i], end - i, out);
	}
	out_table_end(out);
	free(rows);
	if (all)
		put_flows(m, out);
	return 0;
}
