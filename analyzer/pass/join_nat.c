// SPDX-License-Identifier: Apache-2.0
/*
 * join_nat.c - ends whose addresses do not name each other, since they were translated on the way or a proxy
 * that is not traced stands between. Analyzer, one thread; pure but for memory.
 *
 * First by the opener's address, which a translated destination leaves as it is and the PROXY protocol tells;
 * then by what the ends have in common.
 *
 * Invariant: candidates are listed by indexes, a bounded number for each end.
 */
#include "analyzer/pass/join_nat.h"

#include "analyzer/hash.h"
#include "analyzer/pass/choose.h"
#include "analyzer/vec.h"

#define GROUP_MAX   64u /* ends of one name that are all compared with each other */
#define NEAR_MAX    8u	/* else so many that came next in time */
#define RUN_MAX	    64u /* pairs that a sample may name: a commoner one proves nothing */
#define CROWD_LOOK  16u /* of those who share a sample */
#define PAIRS_EACH  24u /* candidates per end, in the mean */
#define NAMED_BITS  16u /* what the opener's address and port are worth */
#define LIKELY_SAME 16u /* bytes that are equal */
#define NEED_BITS   40u
#define ALONE_BITS  24u
#define MARGIN_BITS 20u

/* An end, by a name that it shares with its other end. */
struct named {
	uint64_t name;
	uint64_t time_ns;
	uint32_t party, clock;
	bool acceptor;
};

struct search {
	struct joining *j;
	struct weigher weigher;
	VEC(struct named) named;
	VEC(uint64_t) pairs; /* opener << 32 | acceptor */
	struct candidates candidates;
	uint32_t *crowded; /* by end: how many of its samples are too common to say whose it is */
};

static int named_compare(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->name != y->name)
		return vec_compare(x->name, y->name);
	if (x->acceptor != y->acceptor)
		return vec_compare(x->acceptor, y->acceptor);
	if (x->clock != y->clock)
		return vec_compare(x->clock, y->clock);
	if (x->time_ns != y->time_ns)
		return vec_compare(x->time_ns, y->time_ns);
	return vec_compare(x->party, y->party);
}

/* The same in every network namespace: what one end calls it, the other one does. */
static uint64_t address_name(const struct address *a)
{
	uint64_t words[2];

	memcpy(words, a->addr, sizeof(words));
	return hash_mix(hash_mix(hash_mix((uint64_t)a->family << 16 | a->port) + words[0]) + words[1]);
}

static bool is_open(const struct party *p)
{
	return p->partner == STORE_NONE;
}

static int add_pair(struct search *s, uint32_t a, uint32_t b)
{
	if (s->pairs.count >= (size_t)PAIRS_EACH * s->j->count)
		return 0;
	return vec_push(&s->pairs, (uint64_t)a << 32 | b);
}

/* ---- near in time ---- */

/* The first of the acceptors (of one clock) that came at or after the time. */
static size_t first_after(const struct named *acceptors, size_t n, uint64_t time_ns)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (acceptors[middle].time_ns < time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_one_process(const struct party *a, const struct party *b)
{
	return a->clock == b->clock && a->pid == b->pid;
}

/* Of acceptors on one clock those that came soon after x, if it is known how its clock stands to x's. */
static int pair_near(struct search *s, const struct named *x, const struct named *acceptors, size_t n)
{
	struct bound known = join_bound(s->j, x->party, acceptors->party);
	uint64_t from;
	int err = 0;

	if (known.low <= -MEET_FAR)
		return 0;
	from = known.low < 0 && (uint64_t)-known.low > x->time_ns ? 0 : x->time_ns + (uint64_t)known.low;
	for (size_t i = first_after(acceptors, n, from), k = 0; i < n && k < NEAR_MAX && !err; i++, k++) {
		/* a program that takes requests and makes some seldom calls itself */
		if (!is_one_process(&s->j->parties[x->party], &s->j->parties[acceptors[i].party]))
			err = add_pair(s, x->party, acceptors[i].party);
	}
	return err;
}

/* All of one name: the openers come first. */
static int pair_named(struct search *s, const struct named *named, size_t n)
{
	size_t openers = 0, end;
	int err = 0;

	while (openers < n && !named[openers].acceptor)
		openers++;
	if (openers * (n - openers) <= GROUP_MAX * GROUP_MAX) {
		for (size_t a = 0; a < openers; a++)
			for (size_t b = openers; b < n && !err; b++)
				err = add_pair(s, named[a].party, named[b].party);
		return err;
	}
	for (size_t b = openers; b < n && !err; b = end) {
		for (end = b; end < n && named[end].clock == named[b].clock; end++)
			;
		for (size_t a = 0; a < openers && !err; a++)
			err = pair_near(s, &named[a], &named[b], end - b);
	}
	return err;
}

static int pair_all_named(struct search *s)
{
	size_t end;
	int err = 0;

	vec_sort(&s->named, named_compare);
	for (size_t i = 0; i < s->named.count && !err; i = end) {
		for (end = i; end < s->named.count && s->named.items[end].name == s->named.items[i].name;
		     end++)
			;
		err = pair_named(s, &s->named.items[i], end - i);
	}
	return err;
}

static int add_named(struct search *s, uint32_t number, bool acceptor, uint64_t name)
{
	const struct party *p = &s->j->parties[number];

	return vec_push(&s->named, (struct named){name, acceptor ? p->opened_ns : p->open_ns, number,
						  p->clock, acceptor});
}

/* ---- candidates ---- */

static int pair_compare(const void *a, const void *b)
{
	return vec_compare(*(const uint64_t *)a, *(const uint64_t *)b);
}

static bool is_mirrored(const struct party *a, const struct party *b)
{
	return socket_same_address(&a->local, &b->remote) && socket_same_address(&a->remote, &b->local);
}

static enum join_class class_of(const struct party *a, const struct party *b)
{
	if (is_mirrored(a, b))
		return JOIN_ADDRESS;
	if (party_shift(a, b))
		return JOIN_PROXY;
	return socket_same_address(&a->local, &b->remote) ? JOIN_DNAT : JOIN_FINGERPRINT;
}

/* Clocks that nothing ties leave a port's uses to be told by their bytes, or at least by how many they were.
 */
static bool is_in_doubt(const struct party *a, const struct party *b, const struct bound *known,
			const struct weight *w)
{
	return bound_is_open(known) && (a->doubtful || b->doubtful || !w->equal) && w->bits < NEED_BITS;
}

/* Weighs the pairs that were listed. `named`: the opener's address is one, which is evidence, but private
 * addresses may be anybody's, so there must be more. */
static int weigh_all(struct search *s, bool named)
{
	uint64_t last = UINT64_MAX;
	int err = 0;

	vec_sort(&s->pairs, pair_compare);
	for (size_t i = 0; i < s->pairs.count && !err; i++) {
		uint32_t a = (uint32_t)(s->pairs.items[i] >> 32), b = (uint32_t)s->pairs.items[i];
		struct candidate c = {.a = a, .b = b};
		struct bound known;
		struct weight w;

		if (s->pairs.items[i] == last || !is_open(&s->j->parties[a]) || !is_open(&s->j->parties[b]))
			continue;
		last = s->pairs.items[i];
		known = join_bound(s->j, a, b);
		err = weigh_pair(&s->weigher, a, b, &known, &w);
		if (err || !w.fits || is_in_doubt(&s->j->parties[a], &s->j->parties[b], &known, &w))
			continue;
		c.class = class_of(&s->j->parties[a], &s->j->parties[b]);
		c.bits = w.bits + (named && (w.timed || w.bits || w.same) ? NAMED_BITS : 0);
		c.likely = named || w.same >= LIKELY_SAME || w.timed || w.bits >= NEED_BITS / 2;
		c.timed = w.timed;
		err = vec_push(&s->candidates, c);
	}
	vec_clear(&s->pairs);
	return err;
}

/* ---- the opener's address ---- */

/* `sure`: only what bytes prove; what is left may be told by the clocks that this ties. */
static int join_named(struct search *s, bool sure)
{
	struct choice how = {.need = sure ? NEED_BITS : NAMED_BITS, .margin = MARGIN_BITS};
	struct joining *j = s->j;
	int err = 0;

	for (uint32_t i = 0; i < j->count && !err; i++) {
		const struct party *p = &j->parties[i];
		enum weigh_side side = weigh_side(p);

		if (!is_open(p) || p->random)
			continue;
		if (p->named.family)
			err = add_named(s, i, true, address_name(&p->named));
		if (side != WEIGH_NEITHER && !err)
			err = add_named(s, i, side == WEIGH_ACCEPTOR,
					address_name(side == WEIGH_OPENER ? &p->local : &p->remote));
	}
	if (!err)
		err = pair_all_named(s);
	vec_clear(&s->named);
	if (!err)
		err = weigh_all(s, true);
	if (!err)
		err = choose_run(j, &s->candidates, &how);
	vec_clear(&s->candidates);
	return err;
}

/* ---- the bytes ---- */

struct holder {
	uint64_t hash;
	uint32_t party;
	bool acceptor;
};

static int holder_compare(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->hash != y->hash)
		return vec_compare(x->hash, y->hash);
	if (x->acceptor != y->acceptor)
		return vec_compare(x->acceptor, y->acceptor);
	return vec_compare(x->party, y->party);
}

/* Whether others of a sample could be its other end and time does not tell: their clocks are not known. */
static bool is_crowded(const struct search *s, const struct holder *x, const struct holder *holders, size_t n,
		       size_t openers)
{
	size_t from = x->acceptor ? 0 : openers, to = x->acceptor ? openers : n;

	for (size_t i = from; i < to && i < from + CROWD_LOOK; i++) {
		struct bound known = join_bound(s->j, x->party, holders[i].party);

		if (bound_is_open(&known))
			return true;
	}
	return false;
}

/* Those who have one sample: openers come first. */
static int pair_holders(struct search *s, const struct holder *holders, size_t n)
{
	size_t openers = 0;
	int err = 0;

	while (openers < n && !holders[openers].acceptor)
		openers++;
	if (openers * (n - openers) > RUN_MAX) {
		for (size_t i = 0; i < n; i++)
			s->crowded[holders[i].party] += is_crowded(s, &holders[i], holders, n, openers);
		return 0;
	}
	for (size_t a = 0; a < openers; a++)
		for (size_t b = openers; b < n && !err; b++)
			err = add_pair(s, holders[a].party, holders[b].party);
	return err;
}

static int pair_by_samples(struct search *s)
{
	VEC(struct holder) holders = {0};
	const struct weigher *w = &s->weigher;
	size_t end;
	int err = vec_reserve(&holders, w->samples.count);

	for (uint32_t i = 0; i < s->j->count && !err; i++) {
		if (!is_open(&s->j->parties[i]))
			continue;
		for (size_t k = w->first[i]; k < w->first[i + 1] && !err; k++)
			err = vec_push(&holders,
				       (struct holder){w->samples.items[k].hash, i,
						       weigh_side(&s->j->parties[i]) == WEIGH_ACCEPTOR});
	}
	vec_sort(&holders, holder_compare);
	for (size_t i = 0; i < holders.count && !err; i = end) {
		for (end = i; end < holders.count && holders.items[end].hash == holders.items[i].hash; end++)
			;
		err = pair_holders(s, &holders.items[i], end - i);
	}
	vec_free(&holders);
	return err;
}

/* Who has nothing rare may still be told by time: all are of one name. */
static int pair_by_time(struct search *s)
{
	int err = 0;

	for (uint32_t i = 0; i < s->j->count && !err; i++) {
		const struct party *p = &s->j->parties[i];
		enum weigh_side side = weigh_side(p);

		if (is_open(p) && side != WEIGH_NEITHER)
			err = add_named(s, i, side == WEIGH_ACCEPTOR, 0);
	}
	if (!err)
		err = pair_all_named(s);
	vec_clear(&s->named);
	return err;
}

/* Ends that have nothing but what many of both sides have. */
static void mark_crowded(const struct search *s)
{
	const size_t *first = s->weigher.first;

	for (uint32_t i = 0; i < s->j->count; i++) {
		struct party *p = &s->j->parties[i];

		if (is_open(p) && p->apart == APART_ALONE && s->crowded[i] &&
		    s->crowded[i] == first[i + 1] - first[i])
			p->apart = APART_SEVERAL;
	}
}

static int join_alike(struct search *s)
{
	static const struct choice how = {.need = NEED_BITS, .margin = MARGIN_BITS, .alone = ALONE_BITS};
	int err = pair_by_samples(s);

	if (!err)
		err = pair_by_time(s);
	if (!err)
		err = weigh_all(s, false);
	if (!err)
		err = choose_run(s->j, &s->candidates, &how);
	mark_crowded(s);
	vec_clear(&s->candidates);
	return err;
}

/* ---- all ---- */

/* Whether there is anything to look for: an opener and an acceptor. */
static bool is_any(const struct joining *j)
{
	bool seen[3] = {false, false, false};

	for (uint32_t i = 0; i < j->count; i++) {
		if (is_open(&j->parties[i]))
			seen[j->parties[i].named.family ? WEIGH_ACCEPTOR : weigh_side(&j->parties[i])] = true;
	}
	return seen[WEIGH_OPENER] && seen[WEIGH_ACCEPTOR];
}

static uint64_t count_open(const struct joining *j)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < j->count; i++)
		n += is_open(&j->parties[i]);
	return n;
}

#define ROUNDS_MAX 3 /* what is joined between two clocks tells how they stand, and that tells more */

int join_nat(struct joining *j)
{
	struct search s = {.j = j, .crowded = malloc((j->count + 1ul) * sizeof(*s.crowded))};
	int err = s.crowded ? 0 : -ENOMEM;

	for (int round = 0; round < ROUNDS_MAX && is_any(j) && !err; round++) {
		uint64_t before = count_open(j);

		memset(s.crowded, 0, j->count * sizeof(*s.crowded));
		err = weigh_begin(&s.weigher, j);
		if (!err)
			err = join_named(&s, round == 0);
		if (!err)
			err = join_tie(j);
		if (!err)
			err = join_alike(&s);
		weigh_end(&s.weigher);
		if (!err)
			err = join_tie(j);
		if (round && count_open(j) == before)
			break;
	}
	vec_free(&s.named);
	vec_free(&s.pairs);
	vec_free(&s.candidates);
	free(s.crowded);
	return err;
}
