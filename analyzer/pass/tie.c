// SPDX-License-Identifier: Apache-2.0
/* tie.c - see tie.h. Analyzer, one thread; pure but for memory, O(n log n). */
#include "analyzer/pass/tie.h"

#include "analyzer/vec.h"

#define SLACK_NS 1000

int ties_add(struct ties *t, const struct tie *tie)
{
	return vec_push(t, *tie);
}

static int tie_compare(const void *a, const void *b)
{
	const struct tie *x = a, *y = b;

	if (x->a != y->a)
		return vec_compare(x->a, y->a);
	if (x->b != y->b)
		return vec_compare(x->b, y->b);
	if (x->at_ns != y->at_ns)
		return vec_compare(x->at_ns, y->at_ns);
	return vec_compare(x->party, y->party);
}

static int64_t drift(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t apart = to_ns > from_ns ? to_ns - from_ns : from_ns - to_ns;

	return (int64_t)(apart / 1000000 * MEET_DRIFT_PPM) + SLACK_NS;
}

/* `by` is added to the rims of a bound; what is open stays so. */
static struct bound widened(const struct bound *b, int64_t by)
{
	return (struct bound){b->low > -MEET_FAR + by ? b->low - by : -MEET_FAR,
			      b->high < MEET_FAR - by ? b->high + by : MEET_FAR};
}

/* ---- agreement ---- */

struct rim {
	int64_t at;
	bool ends;
};

static int rim_compare(const void *a, const void *b)
{
	const struct rim *x = a, *y = b;

	return x->at != y->at ? vec_compare(x->at, y->at) : vec_compare(x->ends, y->ends);
}

/* The offset that most of the ties allow, were they all as old as the one in the middle. */
static int find_agreed(const struct tie *ties, size_t n, int64_t *agreed)
{
	struct rim *rims = malloc(2 * n * sizeof(*rims));
	uint64_t middle_ns = ties[n / 2].at_ns;
	size_t open = 0, most = 0;

	if (!rims)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct bound b = widened(&ties[i].offset, drift(ties[i].at_ns, middle_ns));

		rims[2 * i] = (struct rim){b.low, false};
		rims[2 * i + 1] = (struct rim){b.high, true};
	}
	qsort(rims, 2 * n, sizeof(*rims), rim_compare);
	for (size_t i = 0; i < 2 * n; i++) {
		open = rims[i].ends ? open - 1 : open + 1;
		if (open > most) {
			most = open;
			*agreed = rims[i].at;
		}
	}
	free(rims);
	return 0;
}

/* Each tie's bound from there on holds what those before it said, then the same backwards. */
static void narrow(struct tie *ties, size_t n)
{
	const struct tie *last = NULL;

	for (size_t i = 0; i < n; i++) {
		struct tie *t = &ties[i];

		if (t->odd)
			continue;
		if (last) {
			struct bound b = widened(&last->offset, drift(last->at_ns, t->at_ns));

			t->offset.low = b.low > t->offset.low ? b.low : t->offset.low;
			t->offset.high = b.high < t->offset.high ? b.high : t->offset.high;
		}
		last = t;
	}
	last = NULL;
	for (size_t i = n; i-- > 0;) {
		struct tie *t = &ties[i];

		if (t->odd)
			continue;
		if (last) {
			struct bound b = widened(&last->offset, drift(last->at_ns, t->at_ns));

			t->offset.low = b.low > t->offset.low ? b.low : t->offset.low;
			t->offset.high = b.high < t->offset.high ? b.high : t->offset.high;
		}
		last = t;
	}
}

static bool is_agreed(const struct tie *x, const struct tie *y)
{
	struct bound b = widened(&x->offset, drift(x->at_ns, y->at_ns));

	return b.low <= y->offset.high && b.high >= y->offset.low;
}

/* Where a clock was set, ties still agree with their neighbours; one that does not is a wrong join. */
static void find_lone(struct tie *ties, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ties[i].odd = true;
		ties[i].lone = !(i > 0 && is_agreed(&ties[i - 1], &ties[i])) &&
			       !(i + 1 < n && is_agreed(&ties[i + 1], &ties[i]));
	}
}

/* Of two clocks. If more than a quarter disagrees (a clock was set, say), nothing is known. */
static int settle_pair(struct tie *ties, size_t n)
{
	uint64_t middle_ns = ties[n / 2].at_ns;
	int64_t agreed = 0;
	size_t odd = 0;
	int err = find_agreed(ties, n, &agreed);

	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		struct bound b = widened(&ties[i].offset, drift(ties[i].at_ns, middle_ns));

		ties[i].odd = ties[i].lone = agreed < b.low || agreed > b.high;
		odd += ties[i].odd;
	}
	ties->only = n == 1;
	if (odd > n / 4) {
		find_lone(ties, n);
		return 0;
	}
	narrow(ties, n);
	return 0;
}

int ties_settle(struct ties *t)
{
	size_t end;
	int err = 0;

	vec_sort(t, tie_compare);
	for (size_t i = 0; i < t->count && !err; i = end) {
		for (end = i;
		     end < t->count && t->items[end].a == t->items[i].a && t->items[end].b == t->items[i].b;
		     end++)
			;
		err = settle_pair(&t->items[i], end - i);
	}
	return err;
}

/* ---- questions ---- */

/* The first tie of (a, b) that is not before at_ns, or the first one of a later pair. */
static size_t find(const struct ties *t, uint32_t a, uint32_t b, uint64_t at_ns)
{
	const struct tie wanted = {.a = a, .b = b, .at_ns = at_ns};
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tie_compare(&t->items[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#define ODD_REACH 64 /* odd ones in a row that are passed by */

static void meet_tie(const struct ties *t, size_t from, int step, const struct tie *wanted, struct bound *b)
{
	for (size_t i = from, n = 0; i < t->count && n < ODD_REACH; i += (size_t)step, n++) {
		const struct tie *x = &t->items[i];
		struct bound said;

		if (x->a != wanted->a || x->b != wanted->b)
			return;
		if (x->odd)
			continue;
		said = widened(&x->offset, drift(x->at_ns, wanted->at_ns));
		b->low = said.low > b->low ? said.low : b->low;
		b->high = said.high < b->high ? said.high : b->high;
		return;
	}
}

/* About what a's clock read when b's read at_ns. */
static uint64_t turned_time(const struct ties *t, const struct tie *wanted)
{
	for (size_t i = find(t, wanted->a, wanted->b, 0); i < t->count; i++) {
		const struct tie *x = &t->items[i];
		int64_t ahead;

		if (x->a != wanted->a || x->b != wanted->b)
			break;
		if (x->odd)
			continue;
		ahead = x->offset.low > -MEET_FAR ? x->offset.low : x->offset.high;
		return ahead > 0 && (uint64_t)ahead > wanted->at_ns ? 0 : wanted->at_ns - (uint64_t)ahead;
	}
	return wanted->at_ns;
}

struct bound ties_bound(const struct ties *t, uint32_t one, uint32_t other, uint64_t at_ns)
{
	bool turned = one > other;
	struct tie wanted = {.a = turned ? other : one, .b = turned ? one : other, .at_ns = at_ns};
	struct bound b = bound_open;
	size_t at;

	if (one == other)
		return (struct bound){0, 0};
	if (turned)
		wanted.at_ns = turned_time(t, &wanted);
	at = find(t, wanted.a, wanted.b, wanted.at_ns);
	meet_tie(t, at, 1, &wanted, &b);
	meet_tie(t, at - 1, -1, &wanted, &b);
	if (b.low > b.high)
		return bound_open;
	return turned ? (struct bound){-b.high, -b.low} : b;
}

void ties_free(struct ties *t)
{
	vec_free(t);
}
