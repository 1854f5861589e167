// SPDX-License-Identifier: Apache-2.0
/*
 * rawclock.c - `rawclock TRUTH DUMP|DIR...`: what the analyzer takes a clock to read at each line of a truth
 * file of traffic or skew, before clocks are aligned: `HOST TRUE_NS RAW_NS`. Between two stamps of the host's
 * records it goes by a straight line; where they lie far apart, or the clock is no line, it says nothing. One
 * thread.
 */
#include <stdio.h>

#include "analyzer/store.h"
#include "analyzer/vec.h"
#include "tests/tools/frame.h"

#define FAR_NS 1000000000ull

/* A stamp and what became of it. */
struct reading {
	uint64_t stamp, ns;
};

struct readings {
	const char *host;
	VEC(struct reading) items; /* by stamp */
};

static int compare(const void *a, const void *b)
{
	const struct reading *p = a, *q = b;

	return p->stamp != q->stamp ? vec_compare(p->stamp, q->stamp) : vec_compare(p->ns, q->ns);
}

static void gather(const struct store *s, uint32_t host, struct readings *to)
{
	to->host = s->hosts[host].name;
	for (uint32_t i = 0; i < s->process_count; i++) {
		const struct store_process *p = &s->processes[i];

		for (uint32_t k = 0; p->host == host && k < p->record_count; k++)
			must(!vec_push(&to->items, (struct reading){p->stamps[k].t0, p->records[k].t0_ns}) &&
			     !vec_push(&to->items, (struct reading){p->stamps[k].t1, p->records[k].t1_ns}));
	}
	vec_sort(&to->items, compare);
}

/* The first reading that is not before the stamp; the count if there is none. */
static size_t at_or_after(const struct readings *r, uint64_t stamp)
{
	size_t low = 0, high = r->items.count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (r->items.items[middle].stamp < stamp)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool read_at(const struct readings *r, uint64_t stamp, uint64_t *ns)
{
	size_t i = at_or_after(r, stamp);
	const struct reading *b = &r->items.items[i], *a = b - 1;

	if (i == r->items.count || (b->stamp != stamp && !i))
		return false;
	*ns = b->ns;
	if (b->stamp == stamp)
		return true;
	if (b->ns < a->ns || b->ns - a->ns > FAR_NS)
		return false;
	*ns = a->ns +
	      (uint64_t)((unsigned __int128)(b->ns - a->ns) * (stamp - a->stamp) / (b->stamp - a->stamp));
	return true;
}

static const struct readings *find(const struct readings *all, uint32_t n, const char *host)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!strcmp(all[i].host, host))
			return &all[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	FILE *truth = argc > 2 ? fopen(argv[1], "r") : NULL;
	unsigned long long stamp;
	long long true_ns;
	struct readings *all;
	struct store store;
	char line[512], host[256];

	if (!truth)
		give_up("usage: rawclock TRUTH DUMP|DIR...");
	if (store_load_stamps(&store, argv + 2, (size_t)argc - 2))
		give_up("no usable dump");
	all = calloc(store.host_count, sizeof(*all));
	must(all);
	for (uint32_t i = 0; i < store.host_count; i++)
		gather(&store, i, &all[i]);
	while (fgets(line, sizeof(line), truth)) {
		const struct readings *r;
		uint64_t ns;

		if (sscanf(line, "clock %255s %lld %llu", host, &true_ns, &stamp) != 3)
			continue;
		r = find(all, store.host_count, host);
		if (r && read_at(r, stamp, &ns))
			printf("%s %lld %llu\n", host, true_ns, (unsigned long long)ns);
	}
	for (uint32_t i = 0; i < store.host_count; i++)
		vec_free(&all[i].items);
	free(all);
	store_free(&store);
	fclose(truth);
	return 0;
}
