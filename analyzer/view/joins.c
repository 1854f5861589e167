// SPDX-License-Identifier: Apache-2.0
/*
 * joins.c - `dprof-analyze info --joins`: how the ends of the connections were found, between which hosts,
 * how sure that is, and what has no other end. Analyzer, one thread; reads the model.
 */
#include "analyzer/view/joins.h"

#include <errno.h>
#include <string.h>

#include "analyzer/vec.h"
#include "analyzer/view/datagrams.h"

/* A connection, by what it is summed up with. */
struct entry {
	uint32_t from, to; /* hosts, STORE_NONE: not traced */
	uint32_t class;	   /* or why an end is apart */
	uint32_t bits;
	uint32_t link;
	const char *service; /* that met the peer */
	const char *address; /* of the peer */
};

struct entries {
	struct entry *items;
	size_t count;
	size_t cap;
};

struct sum {
	uint64_t links, joined, one_sided, unseen, mismatched, holes;
};

static void add(struct sum *s, const struct model *m, const struct link *l)
{
	s->links++;
	s->joined += l->bytes_joined[0] + l->bytes_joined[1];
	s->one_sided += l->bytes_one_sided[0] + l->bytes_one_sided[1];
	s->unseen += joins_unseen(m, l);
	s->mismatched += l->mismatched;
	s->holes += l->holes;
}

static struct sum sum_up(const struct model *m, const struct entry *entries, size_t n)
{
	struct sum s = {0};

	for (size_t i = 0; i < n; i++)
		add(&s, m, &m->links.links[entries[i].link]);
	return s;
}

static uint32_t host_of(const struct model *m, const struct link *l, enum link_side side)
{
	const struct view *v = joins_speaker(m, l, side);

	return v ? m->store.processes[v->process].host : STORE_NONE;
}

static const char *host_name(const struct model *m, uint32_t host)
{
	return host == STORE_NONE ? NULL : m->store.hosts[host].name;
}

/* ---- classes and hosts ---- */

static int group_compare(const struct entry *x, const struct entry *y)
{
	if (x->from != y->from)
		return vec_compare(x->from, y->from);
	if (x->to != y->to)
		return vec_compare(x->to, y->to);
	return vec_compare(x->class, y->class);
}

static int entry_compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int sign = group_compare(x, y);

	if (sign)
		return sign;
	if (x->bits != y->bits)
		return vec_compare(x->bits, y->bits);
	return vec_compare(x->link, y->link);
}

/* Plaintext of a session whose other end has none is no connection of its own. */
static bool is_shown(const struct link *l)
{
	return !l->plain || l->join;
}

/* The least and the median of the bits; a group of one end has none. */
static struct out_value bits_at(const struct entry *entries, size_t at)
{
	return entries->class == JOIN_NONE ? out_absent() : out_count(entries[at].bits);
}

static void put_class(const struct model *m, const struct entry *entries, size_t n, struct out *out)
{
	struct sum s = sum_up(m, entries, n);

	out_row(out, (const struct out_value[]){
			 out_text(pair_join_name(entries->class)), out_count(s.links), out_bytes(s.joined),
			 out_bytes(s.one_sided), out_bytes(s.unseen), out_bytes(s.mismatched),
			 out_count(s.holes), bits_at(entries, 0), bits_at(entries, n / 2)});
}

static int put_classes(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"class", "joined by", OUT_TEXT},
	    {"connections", "connections", OUT_COUNT},
	    {"bytes_joined", "at both ends", OUT_BYTES},
	    {"bytes_one_sided", "at one end", OUT_BYTES},
	    {"bytes_unseen", "not seen", OUT_BYTES},
	    {"bytes_mismatched", "differ", OUT_BYTES},
	    {"holes", "holes", OUT_COUNT},
	    {"bits.least", "least bits", OUT_COUNT},
	    {"bits.median", "median bits", OUT_COUNT},
	};
	struct entries all = {0};
	size_t end;
	int err = 0;

	for (uint32_t i = 0; i < m->links.link_count && !err; i++) {
		const struct link *l = &m->links.links[i];

		if (is_shown(l))
			err = vec_push(&all, (struct entry){.class = l->join, .bits = l->bits, .link = i});
	}
	vec_sort(&all, entry_compare);
	out_table_begin(out, "classes", "connections", columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < all.count && !err; i = end) {
		for (end = i; end < all.count && !group_compare(&all.items[i], &all.items[end]); end++)
			;
		put_class(m, &all.items[i], end - i, out);
	}
	out_table_end(out);
	vec_free(&all);
	return err;
}

static void put_pair(const struct model *m, const struct entry *entries, size_t n, struct out *out)
{
	struct sum s = sum_up(m, entries, n);

	out_row(out, (const struct out_value[]){
			 out_text(host_name(m, entries->from)), out_text(host_name(m, entries->to)),
			 out_text(pair_join_name(entries->class)), out_count(s.links), out_bytes(s.joined),
			 out_bytes(s.one_sided), out_bytes(s.unseen), bits_at(entries, 0)});
}

static int put_pairs(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"from", "opened by", OUT_TEXT},
	    {"to", "accepted by", OUT_TEXT},
	    {"class", "joined by", OUT_TEXT},
	    {"connections", "connections", OUT_COUNT},
	    {"bytes_joined", "at both ends", OUT_BYTES},
	    {"bytes_one_sided", "at one end", OUT_BYTES},
	    {"bytes_unseen", "not seen", OUT_BYTES},
	    {"bits.least", "least bits", OUT_COUNT},
	};
	struct entries all = {0};
	size_t end;
	int err = 0;

	for (uint32_t i = 0; i < m->links.link_count && !err; i++) {
		const struct link *l = &m->links.links[i];

		if (l->join)
			err = vec_push(&all, (struct entry){.from = host_of(m, l, LINK_CLIENT),
							    .to = host_of(m, l, LINK_SERVER),
							    .class = l->join,
							    .bits = l->bits,
							    .link = i});
	}
	vec_sort(&all, entry_compare);
	out_table_begin(out, "hosts", "between hosts", columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < all.count && !err; i = end) {
		for (end = i; end < all.count && !group_compare(&all.items[i], &all.items[end]); end++)
			;
		put_pair(m, &all.items[i], end - i, out);
	}
	out_table_end(out);
	vec_free(&all);
	return err;
}

/* ---- one end only ---- */

static enum link_side known_side(const struct link *l)
{
	return l->ends[LINK_CLIENT].view_count ? LINK_CLIENT : LINK_SERVER;
}

static const char *const sides[] = {[LINK_CLIENT] = "client", [LINK_SERVER] = "server"};

static int peer_group_compare(const struct entry *x, const struct entry *y)
{
	int sign = strcmp(x->service, y->service);

	if (!sign)
		sign = vec_compare(x->from, y->from);
	if (!sign)
		sign = vec_compare(x->to, y->to);
	if (!sign)
		sign = strcmp(x->address, y->address);
	return sign ? sign : vec_compare(x->class, y->class);
}

static int peer_compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int sign = peer_group_compare(x, y);

	return sign ? sign : vec_compare(x->link, y->link);
}

/* `from` is the host that met the peer, `to` which side the peer is. */
static int add_peer(const struct model *m, uint32_t number, struct strings *names, struct entries *all)
{
	const struct link *l = &m->links.links[number];
	enum link_side met = known_side(l);
	const struct view *v = joins_speaker(m, l, met);
	char text[JOINS_ADDRESS_BYTES] = "?";
	uint32_t name;

	if (!v)
		return 0;
	if (l->address[!met].family > ENDPOINT_EVENT || l->address[!met].family == ENDPOINT_UNIX)
		model_address(m, number, (enum link_side) !met, text, sizeof(text));
	name = strings_add(names, text, strlen(text));
	return vec_push(all, (struct entry){.from = host_of(m, l, met),
					    .to = !met,
					    .class = l->apart,
					    .link = number,
					    .service = m->store.processes[v->process].service,
					    .address = strings_get(names, name)});
}

static void put_peer(const struct model *m, const struct entry *entries, size_t n, struct out *out)
{
	struct sum s = sum_up(m, entries, n);

	out_row(out,
		(const struct out_value[]){out_text(entries->address), out_text(sides[entries->to]),
					   out_text(host_name(m, entries->from)), out_text(entries->service),
					   out_text(pair_apart_name(entries->class)), out_count(s.links),
					   out_bytes(s.one_sided), out_bytes(s.unseen)});
}

/* What was met and is no end of ours: nobody traced it, or which one it is cannot be told. */
static int put_peers(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"address", "other end", OUT_TEXT}, {"side", "is the", OUT_TEXT},
	    {"host", "met on", OUT_TEXT},	{"service", "by", OUT_TEXT},
	    {"why", "why", OUT_TEXT},		{"connections", "connections", OUT_COUNT},
	    {"bytes", "bytes", OUT_BYTES},	{"bytes_unseen", "not seen", OUT_BYTES},
	};
	struct strings *names = strings_new();
	struct entries all = {0};
	size_t end;
	int err = names ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < m->links.link_count && !err; i++) {
		const struct link *l = &m->links.links[i];

		if (!l->join && is_shown(l))
			err = add_peer(m, i, names, &all);
	}
	vec_sort(&all, peer_compare);
	out_table_begin(out, "peers", all.count ? "without another end" : NULL, columns,
			sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < all.count && !err; i = end) {
		for (end = i; end < all.count && !peer_group_compare(&all.items[i], &all.items[end]); end++)
			;
		put_peer(m, &all.items[i], end - i, out);
	}
	out_table_end(out);
	vec_free(&all);
	if (names)
		strings_free(names);
	return err;
}

int view_joins(const struct model *m, bool all, struct out *out)
{
	int err;

	out_object_begin(out, NULL, NULL);
	out_field(out, "schema", NULL, out_text("dprof.joins/1"));
	err = put_classes(m, out);
	if (!err)
		err = put_pairs(m, out);
	out_field(out, "ambiguous", "ends that fit several others and were left apart",
		  out_count(m->links.ambiguous));
	if (!err)
		err = put_peers(m, out);
	if (!err)
		err = datagrams_put(m, all, out);
	if (all)
		connections_put(m, out);
	out_object_end(out);
	return err;
}
