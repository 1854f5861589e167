// SPDX-License-Identifier: Apache-2.0
/*
 * join.c - see join.h. Analyzer, one thread; pure but for memory. The kinds of evidence in their order, and
 * what they have in common.
 *
 * Invariant: a party is never joined when another join fits nearly as well; it is marked instead.
 */
#include "analyzer/pass/join.h"

#include "analyzer/pass/join_nat.h"
#include "analyzer/pass/match.h"
#include "analyzer/vec.h"

#define COMPARE_RECORDS 32     /* captured heads per direction that a decision looks at */
#define TIES_MAX	65536u /* joins between clocks that are looked at */
#define DNAT_BITS	32u    /* of a join by one address that no other join of the clocks bears out */
#define SURE_BITS	40u    /* that outweigh a time that does not fit */
#define SURE_WORTH	640u   /* quarters of a bit of equal bytes, which much may share: the same */

void join_put(struct joining *j, uint32_t a, uint32_t b, enum join_class class, uint32_t bits)
{
	j->parties[a].partner = b;
	j->parties[b].partner = a;
	j->parties[a].join = j->parties[b].join = class;
	j->parties[a].bits = j->parties[b].bits = bits;
}

/* ---- does it fit? ---- */

/* One kernel's clock says whether b can have been accepted from a's connect. */
static bool fits_roles(const struct party *a, const struct party *b)
{
	const struct party *opener = a->role == VIEW_CLIENT ? a : b, *other = opener == a ? b : a;

	if (opener->role != VIEW_CLIENT || !opener->opened)
		return true;
	if (other->close_ns < opener->open_ns)
		return false;
	return !other->opened || other->role != VIEW_SERVER || other->open_ns >= opener->open_ns;
}

bool join_fits_time(const struct joining *j, const struct party *a, const struct party *b)
{
	return fits_roles(a, b) && party_in_time(j->store, j->conns, a, b) &&
	       party_in_time(j->store, j->conns, b, a);
}

int join_agreement(const struct joining *j, const struct party *a, const struct party *b,
		   struct agreement *found)
{
	int err = party_compare(j->store, j->conns, a, b, 0, COMPARE_RECORDS, found);

	return err ? err : party_compare(j->store, j->conns, b, a, 0, COMPARE_RECORDS, found);
}

int join_score_bytes(const struct joining *j, const struct party *a, const struct party *b, uint32_t *score)
{
	struct agreement found = {0};
	int err = join_agreement(j, a, b, &found);

	*score = found.different ? 0 : MATCH_SURE;
	if (err || !*score)
		return err;
	for (int i = 0; i < 2; i++) {
		uint64_t sent = (i ? b : a)->moved[PARTY_OUT], received = (i ? a : b)->moved[PARTY_IN];

		if (sent == COUNT_UNKNOWN || received == COUNT_UNKNOWN)
			continue;
		/* one that does not know of dprof may have gone on with the socket, so this is no proof */
		if (received > sent)
			*score -= MATCH_SURE / 4;
		else if (received == sent)
			*score += MATCH_MARGIN;
	}
	return 0;
}

/* ---- clocks ---- */

struct bound join_bound(const struct joining *j, uint32_t a, uint32_t b)
{
	const struct party *x = &j->parties[a], *y = &j->parties[b];

	return ties_bound(&j->ties, x->clock, y->clock, x->open_ns);
}

/* A party that is joined with one on a later clock. */
static bool is_tying(const struct joining *j, uint32_t i)
{
	const struct party *p = &j->parties[i];

	return p->partner != STORE_NONE && p->clock < j->parties[p->partner].clock;
}

static int tie_all(struct joining *j)
{
	uint64_t n = 0, step, seen = 0;
	int err = 0;

	for (uint32_t i = 0; i < j->count; i++)
		n += is_tying(j, i);
	step = n / TIES_MAX + 1;
	for (uint32_t i = 0; i < j->count && !err; i++) {
		const struct party *a = &j->parties[i], *b;
		bool opener;
		struct meeting m;

		if (!is_tying(j, i) || seen++ % step)
			continue;
		b = &j->parties[a->partner];
		opener = a->role == VIEW_CLIENT || b->role == VIEW_SERVER;
		m = opener ? meet(j->store, j->conns, a, b, party_shift(a, b), &bound_open)
			   : meet(j->store, j->conns, b, a, party_shift(b, a), &bound_open);
		if (!opener)
			m.offset = (struct bound){-m.offset.high, -m.offset.low};
		if (m.fits && !bound_is_open(&m.offset))
			err = ties_add(&j->ties, &(struct tie){.a = a->clock,
							       .b = b->clock,
							       .party = i,
							       .at_ns = a->open_ns,
							       .offset = m.offset});
	}
	return err;
}

/* A join whose times say that it is of another use of the port, and whose bytes do not say much. */
static int untie_odd(struct joining *j)
{
	int err = 0;

	for (size_t i = 0; i < j->ties.count && !err; i++) {
		const struct tie *t = &j->ties.items[i];
		struct party *a = &j->parties[t->party], *b = &j->parties[a->partner];
		struct agreement found = {0};

		if (a->bits >= SURE_BITS ||
		    (!t->lone && !(t->only && a->join == JOIN_DNAT && a->bits < DNAT_BITS)))
			continue;
		err = party_compare(j->store, j->conns, a, b, party_shift(a, b), COMPARE_RECORDS, &found);
		if (!err)
			err = party_compare(j->store, j->conns, b, a, party_shift(b, a), COMPARE_RECORDS,
					    &found);
		if (found.worth >= SURE_WORTH)
			continue;
		a->partner = b->partner = STORE_NONE;
		a->join = b->join = JOIN_NONE;
		a->doubtful = b->doubtful = true;
		a->apart = b->apart = APART_SEVERAL;
	}
	return err;
}

int join_tie(struct joining *j)
{
	bool any = false;
	int err;

	for (uint32_t i = 0; i < j->count && !any; i++)
		any = j->parties[i].partner == STORE_NONE && !j->parties[i].random;
	vec_clear(&j->ties);
	if (!any)
		return 0;
	err = tie_all(j);
	if (!err)
		err = ties_settle(&j->ties);
	return err ? err : untie_odd(j);
}

/* ---- all ---- */

int join_run(struct joining *j)
{
	int err = join_by_address(j, false);

	if (!err)
		err = join_by_inode(j);
	if (!err)
		err = join_by_order(j);
	if (!err)
		err = join_sessions(j);
	if (!err)
		err = join_tie(j);
	if (!err)
		err = join_by_address(j, true);
	if (!err)
		err = join_tie(j);
	if (!err)
		err = join_nat(j);
	for (uint32_t i = 0; i < j->count; i++) {
		if (j->parties[i].partner == STORE_NONE && j->parties[i].apart == APART_SEVERAL)
			j->ambiguous++;
	}
	ties_free(&j->ties);
	return err;
}
