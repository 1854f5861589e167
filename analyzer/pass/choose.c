// SPDX-License-Identifier: Apache-2.0
/*
 * choose.c - see choose.h. Analyzer, one thread; pure but for memory.
 *
 * Invariant: no end gets a partner while another fits nearly as well. What was joined is no candidate any
 * more, so rounds are made until one joins nothing.
 */
#include "analyzer/pass/choose.h"

#include "analyzer/vec.h"

#define ROUNDS_MAX 8

/* Of one end: its best candidate and how good the next one is. */
struct rank {
	const struct candidate *best;
	uint32_t next_bits;
	uint32_t likely; /* candidates that are */
	bool next;	 /* there is a next one */
};

static int candidate_compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->a != y->a)
		return vec_compare(x->a, y->a);
	if (x->b != y->b)
		return vec_compare(x->b, y->b);
	return vec_compare(x->class, y->class);
}

static bool is_free(const struct joining *j, const struct candidate *c)
{
	return j->parties[c->a].partner == STORE_NONE && j->parties[c->b].partner == STORE_NONE;
}

static void enter(struct rank *r, const struct candidate *c)
{
	r->likely += c->likely;
	if (!r->best) {
		r->best = c;
		return;
	}
	r->next = true;
	if (c->bits > r->best->bits) {
		r->next_bits = r->best->bits;
		r->best = c;
	} else if (c->bits > r->next_bits) {
		r->next_bits = c->bits;
	}
}

static void rank_all(const struct joining *j, const struct candidates *c, struct rank *ranks)
{
	memset(ranks, 0, j->count * sizeof(*ranks));
	for (size_t i = 0; i < c->count; i++) {
		if (!is_free(j, &c->items[i]))
			continue;
		enter(&ranks[c->items[i].a], &c->items[i]);
		enter(&ranks[c->items[i].b], &c->items[i]);
	}
}

static bool is_clear(const struct rank *r, const struct candidate *c, const struct choice *how)
{
	return r->best == c && (!r->next || c->bits - r->next_bits >= how->margin);
}

static uint32_t needed(const struct candidate *c, const struct choice *how, const struct rank *ranks)
{
	bool alone = how->alone && c->timed && !ranks[c->a].next && !ranks[c->b].next;

	return alone ? how->alone : how->need;
}

static size_t join_best(struct joining *j, const struct candidates *c, const struct choice *how,
			const struct rank *ranks)
{
	size_t joined = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct candidate *x = &c->items[i];

		if (!is_free(j, x) || x->bits < needed(x, how, ranks) || !is_clear(&ranks[x->a], x, how) ||
		    !is_clear(&ranks[x->b], x, how))
			continue;
		join_put(j, x->a, x->b, x->class, x->bits);
		joined++;
	}
	return joined;
}

static void say_why(struct joining *j, uint32_t number, const struct rank *r)
{
	struct party *p = &j->parties[number];

	if (p->partner != STORE_NONE || !r->likely)
		return;
	if (r->likely > 1)
		p->apart = APART_SEVERAL;
	else if (p->apart == APART_ALONE)
		p->apart = APART_WEAK;
}

int choose_run(struct joining *j, struct candidates *c, const struct choice *how)
{
	struct rank *ranks = malloc((j->count + 1ul) * sizeof(*ranks));
	size_t kept = 0;

	if (!ranks)
		return -ENOMEM;
	vec_sort(c, candidate_compare);
	for (size_t i = 0; i < c->count; i++) {
		if (kept && c->items[kept - 1].a == c->items[i].a && c->items[kept - 1].b == c->items[i].b)
			continue;
		c->items[kept++] = c->items[i];
	}
	c->count = kept;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		rank_all(j, c, ranks);
		if (!join_best(j, c, how, ranks))
			break;
	}
	for (uint32_t i = 0; i < j->count; i++)
		say_why(j, i, &ranks[i]);
	free(ranks);
	return 0;
}
