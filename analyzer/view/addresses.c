// SPDX-License-Identifier: Apache-2.0
/*
 * addresses.c - which addresses several hosts call their own. Connections between those cannot be told apart
 * by addresses alone. Loopback is everybody's and does not count. Analyzer, one thread.
 */
#include "analyzer/view/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "analyzer/vec.h"

/* A host has been seen to use an address. */
struct use {
	uint8_t family, addr[16];
	uint32_t host;
};

typedef VEC(struct use) uses_t;

static int compare_addresses(const struct use *a, const struct use *b)
{
	int order = vec_compare(a->family, b->family);

	return order ? order : memcmp(a->addr, b->addr, sizeof(a->addr));
}

static int compare_uses(const void *left, const void *right)
{
	const struct use *a = left, *b = right;
	int order = compare_addresses(a, b);

	return order ? order : vec_compare(a->host, b->host);
}

static bool counts(const struct address *a)
{
	static const uint8_t none[sizeof(a->addr)];

	return (a->family == ENDPOINT_IPV4 || a->family == ENDPOINT_IPV6) && !a->scope &&
	       memcmp(a->addr, none, sizeof(none)) != 0;
}

/* Each use once, by address and host. */
static int collect(const struct model *m, uses_t *uses)
{
	size_t kept = 0;
	int err = 0;

	for (uint32_t i = 0; i < m->conns.view_count && !err; i++) {
		const struct view *v = &m->conns.views[i];
		struct use use = {.family = v->local.family, .host = m->store.processes[v->process].host};

		if (!counts(&v->local))
			continue;
		memcpy(use.addr, v->local.addr, sizeof(use.addr));
		if (!uses->count || compare_uses(vec_last(uses), &use) != 0)
			err = vec_push(uses, use);
	}
	vec_sort(uses, compare_uses);
	for (size_t i = 0; i < uses->count; i++)
		if (!i || compare_uses(&uses->items[kept - 1], &uses->items[i]) != 0)
			uses->items[kept++] = uses->items[i];
	uses->count = kept;
	return err;
}

/* The end of the uses of one address. */
static size_t end_of(const uses_t *uses, size_t first)
{
	size_t end = first + 1;

	while (end < uses->count && !compare_addresses(&uses->items[first], &uses->items[end]))
		end++;
	return end;
}

int addresses_count_shared(const struct model *m, uint32_t *count)
{
	uses_t uses = {0};
	int err = collect(m, &uses);

	*count = 0;
	for (size_t first = 0, end; first < uses.count && !err; first = end) {
		end = end_of(&uses, first);
		*count += end - first > 1;
	}
	vec_free(&uses);
	return err;
}

static int put_address(const struct model *m, const struct use *uses, size_t n, struct out *out)
{
	char address[INET6_ADDRSTRLEN] = "?";
	VEC(char) hosts = {0};
	int err = 0;

	inet_ntop(uses->family == ENDPOINT_IPV6 ? AF_INET6 : AF_INET, uses->addr, address, sizeof(address));
	for (size_t i = 0; i < n && !err; i++) {
		const char *name = m->store.hosts[uses[i].host].name;

		err = i ? vec_push(&hosts, ' ') : 0;
		err = err ? err : vec_append(&hosts, name, strlen(name));
	}
	err = err ? err : vec_push(&hosts, 0);
	if (!err)
		out_row(out, (const struct out_value[]){out_text(address), out_words(hosts.items)});
	vec_free(&hosts);
	return err;
}

int addresses_put_shared(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {{"address", "address", OUT_TEXT},
						    {"hosts", "hosts", OUT_WORDS}};
	uses_t uses = {0};
	uint32_t count;
	int err = addresses_count_shared(m, &count);

	err = err ? err : collect(m, &uses);
	if (err || !count) {
		vec_free(&uses);
		return err;
	}
	out_table_begin(out, "shared_addresses", "addresses that several hosts have", columns, 2);
	for (size_t first = 0, end; first < uses.count && !err; first = end) {
		end = end_of(&uses, first);
		if (end - first > 1)
			err = put_address(m, &uses.items[first], end - first, out);
	}
	out_table_end(out);
	vec_free(&uses);
	return err;
}
