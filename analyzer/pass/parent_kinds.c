// SPDX-License-Identifier: Apache-2.0
/*
 * parent_kinds.c - see parent_kinds.h. Analyzer, one thread, O(n log n).
 *
 * Unsteady: a pool's thread may get whole requests as its tasks, or parts of them. If whole, what it does
 * before an answer is that request's. If parts, the same calls pile up before some answers and are missing
 * before others. So a kind of call that, among requests of one operation, some have several times and some
 * never, though each was answered by a pool's thread, shows that the tasks are parts.
 */
#include "analyzer/pass/parent_kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/vec.h"

#define ALONE_SHARE    20u /* one call in so many made for no request makes all of its kind doubtful */
#define UNSTEADY_SHARE 50u /* one request in so many that has none, and one that has several */
#define UNSTEADY_LEAST 2u

static const struct span *span_at(const struct story *s, uint32_t number)
{
	return &s->spans->spans[number];
}

static uint32_t operation_of(const struct story *s, uint32_t span)
{
	return s->messages->messages[s->messages->rpcs[span_at(s, span)->rpc].request].operation;
}

static int compare_kinds(const void *left, const void *right, void *story)
{
	const struct story *s = story;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	uint32_t x = s->messages->rpcs[span_at(s, a)->rpc].link,
		 y = s->messages->rpcs[span_at(s, b)->rpc].link;
	int order = vec_compare(span_at(s, a)->process, span_at(s, b)->process);

	order = order ? order : vec_compare(operation_of(s, a), operation_of(s, b));
	return order ? order
		     : memcmp(&s->links->links[x].address[s->messages->protos[x].server],
			      &s->links->links[y].address[s->messages->protos[y].server],
			      sizeof(struct address));
}

/* What is done at times when nothing came in before is done by a timer; then what came in before means
 * little. */
static bool is_alone(const struct claim *claim)
{
	return claim->way == WAY_NONE && claim->choice == STORE_NONE && !claim->fresh;
}

static void mark_kind(struct kinds *k, const struct scan *scan, const uint32_t *calls, uint32_t count,
		      uint32_t kind)
{
	uint64_t alone = 0, idle = 0;

	for (uint32_t i = 0; i < count; i++) {
		alone += is_alone(&scan->claims[calls[i]]);
		idle += scan->claims[calls[i]].idle;
	}
	for (uint32_t i = 0; i < count; i++) {
		k->of[calls[i]] = kind;
		k->doubtful[calls[i]] = alone * ALONE_SHARE >= count;
		k->spontaneous[calls[i]] = idle * ALONE_SHARE >= count;
	}
}

int parent_kinds_begin(struct kinds *k, const struct story *story, const struct scan *scan)
{
	uint32_t n = scan->call_count, kind = 0, spans = story->spans->span_count;
	uint32_t *order = calloc(n + 1ul, sizeof(*order));
	void *context = (void *)(uintptr_t)story;

	*k = (struct kinds){calloc(spans + 1ul, sizeof(*k->of)), calloc(spans + 1ul, sizeof(bool)),
			    calloc(spans + 1ul, sizeof(bool)), calloc(spans + 1ul, sizeof(bool))};
	if (!order || !k->of || !k->doubtful || !k->spontaneous || !k->unsteady) {
		free(order);
		return -ENOMEM;
	}
	if (n)
		memcpy(order, scan->calls, n * sizeof(*order));
	if (n > 1)
		qsort_r(order, n, sizeof(*order), compare_kinds, context);
	for (uint32_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && !compare_kinds(&order[from], &order[to], context);)
			to++;
		mark_kind(k, scan, order + from, to - from, kind++);
	}
	free(order);
	return 0;
}

void parent_kinds_end(struct kinds *k)
{
	free(k->of);
	free(k->doubtful);
	free(k->spontaneous);
	free(k->unsteady);
	*k = (struct kinds){0};
}

/* ---- steadiness ---- */

/* A call that a pool's thread made before an answer. */
struct task {
	uint32_t process;
	uint32_t route; /* operation of the request */
	uint32_t kind;
	uint32_t request;
	uint32_t call;
};

struct tasks {
	struct task *items;
	size_t count, cap;
};

static int compare_tasks(const void *left, const void *right)
{
	const struct task *a = left, *b = right;
	int order = vec_compare(a->process, b->process);

	order = order ? order : vec_compare(a->route, b->route);
	order = order ? order : vec_compare(a->kind, b->kind);
	order = order ? order : vec_compare(a->request, b->request);
	return order ? order : vec_compare(a->call, b->call);
}

static bool is_alike(const struct task *a, const struct task *b)
{
	return a->process == b->process && a->route == b->route && a->kind == b->kind;
}

/* Requests that a pool's thread has answered, as tasks without a call. */
static int find_requests(const struct story *story, const struct scan *scan, struct tasks *out)
{
	int err = 0;

	for (uint32_t i = 0; i < story->spans->span_count && !err; i++)
		if (scan->services[i].given)
			err = vec_push(out, (struct task){.route = operation_of(story, i),
							  .process = span_at(story, i)->process,
							  .request = i});
	vec_sort(out, compare_tasks);
	return err;
}

static uint32_t count_requests(const struct tasks *requests, const struct task *like)
{
	size_t low = 0, high = requests->count, end;
	struct task wanted = {.process = like->process, .route = like->route};

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_tasks(&requests->items[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < requests->count && is_alike(&requests->items[end], &wanted);)
		end++;
	return (uint32_t)(end - low);
}

/* One run of tasks that are alike: whether their number per request says that they are parts. */
static bool is_unsteady(const struct task *t, size_t count, uint32_t requests)
{
	uint32_t some = 0, several = 0, none;

	for (size_t i = 0; i < count; i++) {
		bool first = !i || t[i].request != t[i - 1].request;
		bool second = i && !first && (i == 1 || t[i].request != t[i - 2].request);

		some += first;
		several += second;
	}
	none = requests > some ? requests - some : 0;
	return none >= UNSTEADY_LEAST && several >= UNSTEADY_LEAST &&
	       (uint64_t)none * UNSTEADY_SHARE >= requests && (uint64_t)several * UNSTEADY_SHARE >= requests;
}

static int find_tasks(const struct kinds *k, const struct story *story, const struct scan *scan,
		      const struct edge *edges, const bool *followed, struct tasks *out)
{
	int err = 0;

	for (uint32_t i = 0; i < scan->call_count && !err; i++) {
		uint32_t call = scan->calls[i], request = edges[call].parent;

		if (request != STORE_NONE && !followed[call] && scan->services[request].given)
			err = vec_push(out, (struct task){.route = operation_of(story, request),
							  .process = span_at(story, call)->process,
							  .kind = k->of[call],
							  .request = request,
							  .call = call});
	}
	vec_sort(out, compare_tasks);
	return err;
}

int parent_kinds_test(struct kinds *k, const struct story *story, const struct scan *scan,
		      const struct edge *edges, const bool *followed, bool *any)
{
	struct tasks requests = {0}, found = {0};
	int err = find_requests(story, scan, &requests);

	*any = false;
	err = err ? err : find_tasks(k, story, scan, edges, followed, &found);
	for (size_t from = 0, to; from < found.count && !err; from = to) {
		for (to = from + 1; to < found.count && is_alike(&found.items[from], &found.items[to]);)
			to++;
		if (!is_unsteady(&found.items[from], to - from,
				 count_requests(&requests, &found.items[from])))
			continue;
		*any = true;
		for (size_t i = from; i < to; i++)
			k->unsteady[found.items[i].call] = true;
	}
	vec_free(&requests);
	vec_free(&found);
	return err;
}
