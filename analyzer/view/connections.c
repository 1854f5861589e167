// SPDX-License-Identifier: Apache-2.0
/*
 * connections.c - `dprof-analyze info --joins --all`: every connection, with both of its ends. Analyzer, one
 * thread; reads the model.
 */
#include <arpa/inet.h>
#include <string.h>

#include "analyzer/view/joins.h"

uint64_t joins_unseen(const struct model *m, const struct link *l)
{
	uint64_t sum = 0;

	for (int side = 0; side < 2; side++) {
		for (uint32_t i = 0; i < l->ends[side].view_count; i++) {
			const struct view *v = &m->conns.views[l->ends[side].views[i]];

			sum += v->unseen_in + v->unseen_out;
		}
	}
	return sum;
}

const struct view *joins_speaker(const struct model *m, const struct link *l, enum link_side side)
{
	const struct end *e = &l->ends[side];

	for (uint32_t i = 0; i < e->view_count; i++) {
		const struct view *v = &m->conns.views[e->views[i]];

		if (v->role != VIEW_UNKNOWN)
			return v;
	}
	return e->view_count ? &m->conns.views[e->views[0]] : NULL;
}

static const char *path_of(const struct model *m, const struct link *l, char *text, size_t size)
{
	for (int side = LINK_SERVER; side >= LINK_CLIENT; side--) {
		for (uint32_t i = 0; i < l->ends[side].view_count; i++) {
			const struct view *v = &m->conns.views[l->ends[side].views[i]];
			bool abstract;

			if (!v->path || !v->path_len)
				continue;
			abstract = !v->path[0];
			snprintf(text, size, "unix %s%.*s", abstract ? "@" : "", (int)v->path_len - abstract,
				 (const char *)v->path + abstract);
			return text;
		}
	}
	return "unix";
}

const char *joins_address(const struct model *m, const struct link *l, const struct address *a, char *text,
			  size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (a->family == ENDPOINT_UNIX)
		return path_of(m, l, text, size);
	if (a->family != ENDPOINT_IPV4 && a->family != ENDPOINT_IPV6)
		return NULL;
	inet_ntop(a->family == ENDPOINT_IPV6 ? AF_INET6 : AF_INET, a->addr, host, sizeof(host));
	snprintf(text, size, a->family == ENDPOINT_IPV6 ? "[%s]:%u" : "%s:%u", host, a->port);
	return text;
}

/* ---- JSON ---- */

static void put_end(const struct model *m, const struct link *l, enum link_side side, struct out *out)
{
	const char *key = side == LINK_CLIENT ? "client" : "server";
	const struct view *v = joins_speaker(m, l, side);
	const struct store_process *p;
	char local[JOINS_ADDRESS_BYTES], remote[JOINS_ADDRESS_BYTES];

	if (!v) {
		out_field(out, key, NULL, out_null());
		return;
	}
	p = &m->store.processes[v->process];
	out_object_begin(out, key, NULL);
	out_field(out, "host", NULL, out_text(m->store.hosts[p->host].name));
	out_field(out, "boot_id", NULL, out_text(m->store.clocks[p->clock].boot_id));
	out_field(out, "service", NULL, out_text(p->service));
	out_field(out, "pid", NULL, out_count(p->pid));
	out_field(out, "conn", NULL, out_count(v->conn));
	out_field(out, "local", NULL, out_text(joins_address(m, l, &v->local, local, sizeof(local))));
	out_field(out, "remote", NULL, out_text(joins_address(m, l, &v->remote, remote, sizeof(remote))));
	out_field(out, "holders", NULL, out_count(l->ends[side].view_count));
	out_object_end(out);
}

static void put_link(const struct model *m, const struct link *l, struct out *out)
{
	out_object_begin(out, NULL, NULL);
	out_field(out, "key", NULL, out_cid(l->key));
	out_field(out, "class", NULL, out_text(pair_join_name(l->join)));
	out_field(out, "apart", NULL, l->join ? out_null() : out_text(pair_apart_name(l->apart)));
	out_field(out, "bits", NULL, l->join ? out_count(l->bits) : out_null());
	out_field(out, "plain", NULL, out_bool(l->plain));
	out_field(out, "open_ns", NULL, out_time(l->open_ns));
	put_end(m, l, LINK_CLIENT, out);
	put_end(m, l, LINK_SERVER, out);
	out_field(out, "bytes_joined", NULL, out_bytes(l->bytes_joined[0] + l->bytes_joined[1]));
	out_field(out, "bytes_one_sided", NULL, out_bytes(l->bytes_one_sided[0] + l->bytes_one_sided[1]));
	out_field(out, "bytes_unseen", NULL, out_bytes(joins_unseen(m, l)));
	out_field(out, "bytes_mismatched", NULL, out_bytes(l->mismatched));
	out_field(out, "holes", NULL, out_count(l->holes));
	out_object_begin(out, "shift", NULL);
	out_field(out, "to_server", NULL, out_count(l->shift[LINK_CLIENT]));
	out_field(out, "to_client", NULL, out_count(l->shift[LINK_SERVER]));
	out_object_end(out);
	out_object_end(out);
}

/* ---- text ---- */

/* "service on host" of an end that was traced, else its address as the other one knows it. */
static const char *end_name(const struct model *m, const struct link *l, enum link_side side, char *text,
			    size_t size)
{
	const struct view *v = joins_speaker(m, l, side);
	char address[JOINS_ADDRESS_BYTES];
	const char *known;

	if (v) {
		const struct store_process *p = &m->store.processes[v->process];

		snprintf(text, size, "%s/%s[%llu]", m->store.hosts[p->host].name, p->service,
			 (unsigned long long)p->pid);
		return text;
	}
	known = joins_address(m, l, &l->address[side], address, sizeof(address));
	snprintf(text, size, "%s", known ? known : "?");
	return text;
}

static void put_row(const struct model *m, const struct link *l, struct out *out)
{
	char client[JOINS_ADDRESS_BYTES + 64], server[JOINS_ADDRESS_BYTES + 64];

	out_row(out, (const struct out_value[]){out_time(l->open_ns), out_cid(l->key),
						out_text(pair_join_name(l->join)),
						l->join ? out_count(l->bits) : out_absent(),
						out_text(end_name(m, l, LINK_CLIENT, client, sizeof(client))),
						out_text(end_name(m, l, LINK_SERVER, server, sizeof(server))),
						out_bytes(l->bytes_joined[0] + l->bytes_joined[1]),
						out_bytes(l->bytes_one_sided[0] + l->bytes_one_sided[1]),
						out_bytes(joins_unseen(m, l))});
}

void connections_put(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {NULL, "opened", OUT_TIME},	       {NULL, "key", OUT_CID},	    {NULL, "joined by", OUT_TEXT},
	    {NULL, "bits", OUT_COUNT},	       {NULL, "client", OUT_TEXT},  {NULL, "server", OUT_TEXT},
	    {NULL, "at both ends", OUT_BYTES}, {NULL, "at one", OUT_BYTES}, {NULL, "not seen", OUT_BYTES},
	};

	out_list_begin(out, "connections", NULL);
	for (uint32_t i = 0; i < m->links.link_count; i++)
		put_link(m, &m->links.links[i], out);
	out_list_end(out);
	out_table_begin(out, NULL, "connections", columns, sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < m->links.link_count; i++)
		put_row(m, &m->links.links[i], out);
	out_table_end(out);
}
