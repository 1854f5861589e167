// SPDX-License-Identifier: Apache-2.0
/*
 * join_order.c - ends that addresses or paths name, and of those with one name their order. Analyzer, one
 * thread; pure but for memory. A group is the parties that could be each other's other ends by what names
 * them (the two addresses; the path); within it their order decides, where times and bytes do not object.
 *
 * Invariant: order is believed on one clock, between clocks whose offset is known, and else only of lists
 * that miss nothing. Where one address is two ends', in different networks, order means nothing.
 */
#include "analyzer/pass/join.h"

#include "analyzer/hash.h"
#include "analyzer/pass/match.h"
#include "analyzer/vec.h"

#define BACKLOG_NS                                                                                           \
	1000000000u /* nobody uses a port again while the last connection waits so long for accept */
#define CLOSE_CALL_NS 100000u /* two accepts closer than this may have returned in the wrong order */
#define SWAP_REACH    8
#define PROOF_BYTES   8 /* that both ends captured, and that are the same */

/* One party with the name of its group. */
struct member {
	uint64_t group;
	uint64_t open_ns;
	uint32_t party;
	bool second; /* in the second of the two lists */
};

struct members {
	struct member *items;
	size_t count;
	size_t cap;
};

/* A group being matched: parties of the two lists in order. */
struct group {
	struct joining *joining;
	const struct member *a, *b;
	uint32_t a_count, b_count;
	int err;
};

static int member_compare(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->group != y->group)
		return vec_compare(x->group, y->group);
	if (x->second != y->second)
		return vec_compare(x->second, y->second);
	if (x->open_ns != y->open_ns)
		return vec_compare(x->open_ns, y->open_ns);
	return vec_compare(x->party, y->party);
}

/* The kernel lets nobody use a pair of ports again while the last connection on it lives: when `next`, of a's
 * own list, was opened long before b was seen, b is not a's. */
static bool is_outlived(const struct party *next, const struct party *b)
{
	return next && next->opened && next->role == VIEW_CLIENT && b->open_ns > next->open_ns + BACKLOG_NS;
}

/* What the one sent the other took, as far as both counted. */
static bool is_equal_total(const struct party *from, const struct party *to)
{
	uint64_t sent = from->moved[PARTY_OUT], received = to->moved[PARTY_IN];

	return sent == COUNT_UNKNOWN || received == COUNT_UNKNOWN || sent == received;
}

/* Two clocks: there must be an offset between them at which nothing came before it was sent. */
static bool fits_between(const struct group *g, const struct party *x, const struct party *y)
{
	const struct joining *j = g->joining;
	const struct party *a = x->role == VIEW_SERVER || y->role == VIEW_CLIENT ? y : x;
	const struct party *b = a == x ? y : x;
	struct bound known;

	if (j->store->clocks[a->clock].unsteady || j->store->clocks[b->clock].unsteady)
		return true;
	known = join_bound(j, (uint32_t)(a - j->parties), (uint32_t)(b - j->parties));

	if (bound_is_open(&known) &&
	    (a->doubtful || b->doubtful || !is_equal_total(a, b) || !is_equal_total(b, a)))
		return false;
	return meet(j->store, j->conns, a, b, 0, &known).fits;
}

static uint32_t score_internet(void *with, uint32_t a, uint32_t b)
{
	struct group *g = with;
	const struct joining *j = g->joining;
	const struct party *x = &j->parties[g->a[a].party], *y = &j->parties[g->b[b].party];
	const struct party *x_next = a + 1 < g->a_count ? &j->parties[g->a[a + 1].party] : NULL;
	const struct party *y_next = b + 1 < g->b_count ? &j->parties[g->b[b + 1].party] : NULL;
	uint32_t score;

	if (memcmp(&x->local, &y->remote, sizeof(x->local)) != 0 ||
	    memcmp(&x->remote, &y->local, sizeof(x->remote)) != 0)
		return 0;
	if (x->clock == y->clock
		? !join_fits_time(j, x, y) || is_outlived(x_next, y) || is_outlived(y_next, x)
		: !fits_between(g, x, y))
		return 0;
	if (join_score_bytes(j, x, y, &score))
		g->err = -ENOMEM;
	return score;
}

static uint32_t score_unix(void *with, uint32_t a, uint32_t b)
{
	struct group *g = with;
	const struct joining *j = g->joining;
	const struct party *x = &j->parties[g->a[a].party], *y = &j->parties[g->b[b].party];
	uint32_t score;

	if (y->peer_pid && y->peer_pid != x->pid)
		return 0;
	if ((x->peer_inode && y->inode && x->peer_inode != y->inode) ||
	    (y->peer_inode && x->inode && y->peer_inode != x->inode) || !join_fits_time(j, x, y))
		return 0;
	if (join_score_bytes(j, x, y, &score))
		g->err = -ENOMEM;
	return score;
}

/* ---- groups ---- */

/* The time of b's opening on a's clock. */
static uint64_t time_at_a(const struct group *g, uint32_t b)
{
	struct bound known = join_bound(g->joining, g->b[b].party, g->a->party);
	int64_t ahead = known.low > -MEET_FAR ? known.low : known.high < MEET_FAR ? known.high : 0;

	if (ahead < 0 && (uint64_t)-ahead > g->b[b].open_ns)
		return 0;
	return g->b[b].open_ns + (uint64_t)ahead;
}

/* For each b the place in a's list where its time, or its number if the lists are equally long, puts it. */
static void find_near(const struct group *g, uint32_t *near)
{
	uint32_t at = 0;

	for (uint32_t b = 0; b < g->b_count; b++) {
		uint64_t time_ns = time_at_a(g, b);

		while (at + 1 < g->a_count && g->a[at + 1].open_ns <= time_ns)
			at++;
		near[b] = g->a_count == g->b_count ? b : at;
	}
}

static bool is_close_call(const struct party *x, const struct party *y)
{
	return x->open_ns <= y->opened_ns + CLOSE_CALL_NS;
}

/* Stamps are taken around the calls, so calls at the same time may be in the wrong order: where exchanging
 * the ends of two joins fits as well, neither is made. */
static void drop_swappable(struct group *g, uint32_t *partner, bool *torn)
{
	const struct party *parties = g->joining->parties;

	for (uint32_t b = 0; b < g->b_count; b++) {
		bool drop = false;

		if (partner[b] == MATCH_NONE)
			continue;
		for (uint32_t c = b + 1; c < g->b_count && c <= b + SWAP_REACH; c++) {
			if (partner[c] == MATCH_NONE)
				continue;
			if (!is_close_call(&parties[g->a[partner[c]].party],
					   &parties[g->a[partner[b]].party]) &&
			    !is_close_call(&parties[g->b[c].party], &parties[g->b[b].party]))
				break;
			if (!score_unix(g, partner[b], c) || !score_unix(g, partner[c], b))
				continue;
			drop = true;
			torn[partner[c]] = torn[g->a_count + c] = true;
			partner[c] = MATCH_NONE;
		}
		if (drop) {
			torn[partner[b]] = torn[g->a_count + b] = true;
			partner[b] = MATCH_NONE;
		}
	}
}

/* The accept that made it; NULL: no record says so. */
static const struct store_record *accept_of(const struct joining *j, const struct party *p, uint32_t *process)
{
	for (uint32_t i = 0; i < p->view_count; i++) {
		const struct view *v = &j->conns->views[p->views[i]];
		const struct store_record *r = v->open_record == STORE_NONE
						   ? NULL
						   : &j->store->processes[v->process].records[v->open_record];

		*process = v->process;
		if (r && (r->flags & RECORD_FLAG_ACCEPT) && !(r->flags & RECORD_FLAG_SEEN))
			return r;
	}
	return NULL;
}

/* Two threads were in accept at once: what the kernel gave first may have been told last. */
static bool is_unordered(const struct joining *j, const struct party *x, const struct party *y)
{
	uint32_t process_x, process_y;
	const struct store_record *a = accept_of(j, x, &process_x), *b = accept_of(j, y, &process_y);

	return a && b && (process_x != process_y || a->thread != b->thread) && a->t0_ns <= b->t1_ns &&
	       b->t0_ns <= a->t1_ns;
}

/* Would a with c and what c has with b be as good? */
static bool is_exchangeable(struct group *g, const uint32_t *partner, uint32_t b, uint32_t c)
{
	uint64_t now = (uint64_t)score_internet(g, partner[b], b) + score_internet(g, partner[c], c);
	uint32_t one = score_internet(g, partner[b], c), other = score_internet(g, partner[c], b);

	return one && other && (uint64_t)one + other + MATCH_MARGIN > now;
}

/* The same for connections of one pair of addresses: they are made one after the other, but accepted by
 * whoever is there. */
static void drop_unordered(struct group *g, uint32_t *partner, bool *torn)
{
	const struct joining *j = g->joining;
	bool *torn_b = torn + g->a_count;

	for (uint32_t b = 0; b < g->b_count; b++) {
		for (uint32_t c = b + 1; c < g->b_count && c <= b + SWAP_REACH; c++) {
			if (partner[b] == MATCH_NONE || partner[c] == MATCH_NONE ||
			    (!is_unordered(j, &j->parties[g->b[b].party], &j->parties[g->b[c].party]) &&
			     !is_unordered(j, &j->parties[g->a[partner[b]].party],
					   &j->parties[g->a[partner[c]].party])) ||
			    !is_exchangeable(g, partner, b, c))
				continue;
			torn[partner[b]] = torn[partner[c]] = torn_b[b] = torn_b[c] = true;
		}
	}
	for (uint32_t b = 0; b < g->b_count; b++) {
		if (torn_b[b])
			partner[b] = MATCH_NONE;
	}
}

/* ---- order between two clocks ---- */

static bool is_whole(const struct joining *j, const struct party *p)
{
	const struct store_process *process = &j->store->processes[j->conns->views[p->views[0]].process];

	return p->opened && !process->dropped && !process->missing && !process->damaged &&
	       !process->older.segments && !process->gated;
}

/* Every join of the two lists if one of them began `by` later. */
static bool fits_shifted(struct group *g, uint32_t a_by, uint32_t b_by)
{
	for (uint32_t i = 0; i + a_by < g->a_count && i + b_by < g->b_count; i++) {
		if (!score_internet(g, i + a_by, i + b_by))
			return false;
	}
	return true;
}

/* Of clocks that nothing ties, lists of one length may each miss what the other has, one at its start, the
 * other at its end. */
static bool is_order_unsure(struct group *g)
{
	const struct joining *j = g->joining;
	struct bound known = join_bound(j, g->a->party, g->b->party);
	bool whole = true;

	if (!bound_is_open(&known) || g->a_count != g->b_count || g->a_count == 1)
		return false;
	for (uint32_t i = 0; i < g->a_count && whole; i++)
		whole = is_whole(j, &j->parties[g->a[i].party]) && is_whole(j, &j->parties[g->b[i].party]);
	return !whole && (fits_shifted(g, 1, 0) || fits_shifted(g, 0, 1));
}

/* Where connects or accepts may be missing from the lists of a path, order alone puts strangers together:
 * bytes must speak for a join. */
static int drop_unproven(struct group *g, uint32_t *partner, bool *torn)
{
	const struct joining *j = g->joining;
	bool whole = true;
	int err = 0;

	for (uint32_t i = 0; i < g->a_count && whole; i++)
		whole = is_whole(j, &j->parties[g->a[i].party]);
	for (uint32_t i = 0; i < g->b_count && whole; i++)
		whole = is_whole(j, &j->parties[g->b[i].party]);
	for (uint32_t b = 0; b < g->b_count && !whole && !err; b++) {
		struct agreement found = {0};

		if (partner[b] == MATCH_NONE)
			continue;
		err = join_agreement(j, &j->parties[g->a[partner[b]].party], &j->parties[g->b[b].party],
				     &found);
		if (found.same >= PROOF_BYTES)
			continue;
		torn[partner[b]] = torn[g->a_count + b] = true;
		partner[b] = MATCH_NONE;
	}
	return err;
}

/* ---- one group ---- */

static int decide(struct group *g, enum join_class class, struct match *m)
{
	int err;

	err = match_run(m);
	if (!err)
		err = g->err;
	if (err)
		return err;
	if (class == JOIN_UNIX_ORDER) {
		drop_swappable(g, m->partner, m->torn);
		return drop_unproven(g, m->partner, m->torn);
	}
	drop_unordered(g, m->partner, m->torn);
	if (!is_order_unsure(g))
		return 0;
	for (uint32_t b = 0; b < g->b_count; b++)
		m->partner[b] = MATCH_NONE;
	memset(m->torn, true, (size_t)g->a_count + g->b_count);
	return 0;
}

static int match_group(struct group *g, enum join_class class)
{
	uint32_t *near = malloc(((size_t)g->b_count + 1) * 2 * sizeof(*near));
	bool *torn = calloc((size_t)g->a_count + g->b_count, sizeof(*torn));
	struct match m = {.score = class == JOIN_ADDRESS ? score_internet : score_unix,
			  .with = g,
			  .a_count = g->a_count,
			  .b_count = g->b_count,
			  .near = near,
			  .partner = near + g->b_count,
			  .torn = torn};
	struct joining *j = g->joining;
	int err = near && torn ? 0 : -ENOMEM;

	if (!err) {
		find_near(g, near);
		err = decide(g, class, &m);
	}

	for (uint32_t b = 0; b < g->b_count && !err; b++) {
		if (m.partner[b] != MATCH_NONE)
			join_put(j, g->a[m.partner[b]].party, g->b[b].party, class, 0);
		if (torn[g->a_count + b])
			j->parties[g->b[b].party].apart = APART_SEVERAL;
	}
	for (uint32_t a = 0; a < g->a_count && !err; a++) {
		if (torn[a])
			j->parties[g->a[a].party].apart = APART_SEVERAL;
	}
	free(near);
	free(torn);
	return err;
}

static bool is_one_place(const struct joining *j, const struct member *members, uint32_t n)
{
	const struct party *first = &j->parties[members->party];

	for (uint32_t i = 1; i < n; i++) {
		const struct party *p = &j->parties[members[i].party];

		if (p->clock != first->clock || p->netns != first->netns)
			return false;
	}
	return true;
}

/* Whether order, with all that is known by now, may decide. */
static bool is_ready(const struct group *g, bool all)
{
	const struct joining *j = g->joining;

	if (!is_one_place(j, g->a, g->a_count) || !is_one_place(j, g->b, g->b_count))
		return false;
	return all || j->parties[g->a->party].clock == j->parties[g->b->party].clock ||
	       (g->a_count == 1 && g->b_count == 1);
}

static int match_groups(struct joining *j, struct members *members, enum join_class class, bool all)
{
	size_t end, middle;
	int err = 0;

	vec_sort(members, member_compare);
	for (size_t first = 0; first < members->count && !err; first = end) {
		const struct member *m = &members->items[first];
		struct group g = {.joining = j, .a = m};

		for (middle = first; middle < members->count && members->items[middle].group == m->group &&
				     !members->items[middle].second;
		     middle++)
			;
		for (end = middle; end < members->count && members->items[end].group == m->group; end++)
			;
		g.a_count = (uint32_t)(middle - first);
		g.b = &members->items[middle];
		g.b_count = (uint32_t)(end - middle);
		if (g.a_count && g.b_count && (class != JOIN_ADDRESS || is_ready(&g, all)))
			err = match_group(&g, class);
	}
	return err;
}

int join_by_address(struct joining *j, bool all)
{
	struct members members = {0};
	int err = 0;

	for (uint32_t i = 0; i < j->count && !err; i++) {
		const struct party *p = &j->parties[i];
		uint64_t low = p->hash[0] < p->hash[1] ? p->hash[0] : p->hash[1];
		uint64_t high = p->hash[0] < p->hash[1] ? p->hash[1] : p->hash[0];

		if (p->local.family <= ENDPOINT_UNIX || low == high || p->random || p->partner != STORE_NONE)
			continue;
		err = vec_push(&members,
			       (struct member){hash_mix(low) ^ high, p->open_ns, i, p->hash[0] == high});
	}
	if (!err)
		err = match_groups(j, &members, JOIN_ADDRESS, all);
	vec_free(&members);
	return err;
}

/* Unix sockets that have no partner yet, by path: who connected, and who accepted. */
int join_by_order(struct joining *j)
{
	struct members members = {0};
	int err = 0;

	for (uint32_t i = 0; i < j->count && !err; i++) {
		const struct party *p = &j->parties[i];

		if (p->local.family != ENDPOINT_UNIX || p->partner != STORE_NONE || !p->opened ||
		    !p->path_len || p->random)
			continue;
		err = vec_push(&members, (struct member){hash_bytes(p->path, p->path_len, p->clock),
							 p->open_ns, i, p->role == VIEW_SERVER});
	}
	if (!err)
		err = match_groups(j, &members, JOIN_UNIX_ORDER, true);
	vec_free(&members);
	return err;
}
