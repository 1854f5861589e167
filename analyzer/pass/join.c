// SPDX-License-Identifier: Apache-2.0
/*
 * join.c - see join.h. Analyzer, one thread; pure but for memory. A group is the parties that could be each
 * other's other ends by what names them (the two addresses; the path); within it their order decides, where
 * times and bytes do not object.
 *
 * Invariant: a party is never joined when another join fits nearly as well; it is counted instead.
 */
#include "analyzer/pass/join.h"

#include "analyzer/hash.h"
#include "analyzer/pass/match.h"
#include "analyzer/vec.h"

#define COMPARE_RECORDS 32 /* captured heads per direction that a decision looks at */
#define BACKLOG_NS                                                                                           \
	1000000000u /* nobody uses a port again while the last connection waits so long for accept */
#define CLOSE_CALL_NS 100000u /* two accepts closer than this may have returned in the wrong order */
#define SWAP_REACH    8

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

static void put_together(struct joining *j, uint32_t a, uint32_t b, enum join_class class)
{
	j->parties[a].partner = b;
	j->parties[b].partner = a;
	j->parties[a].join = j->parties[b].join = class;
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

static bool fits_time(const struct joining *j, const struct party *a, const struct party *b)
{
	return fits_roles(a, b) && party_in_time(j->store, j->conns, a, b) &&
	       party_in_time(j->store, j->conns, b, a);
}

/* The kernel lets nobody use a pair of ports again while the last connection on it lives: when `next`, of a's
 * own list, was opened long before b was seen, b is not a's. */
static bool is_outlived(const struct party *next, const struct party *b)
{
	return next && next->opened && next->role == VIEW_CLIENT && b->open_ns > next->open_ns + BACKLOG_NS;
}

/* 0 or -ENOMEM; *score 0 if the bytes say no. */
static int score_bytes(const struct joining *j, const struct party *a, const struct party *b, uint32_t *score)
{
	struct agreement found = {0};
	int err = party_compare(j->store, j->conns, a, b, COMPARE_RECORDS, &found);

	if (!err)
		err = party_compare(j->store, j->conns, b, a, COMPARE_RECORDS, &found);
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
	if (x->clock == y->clock && (!fits_time(j, x, y) || is_outlived(x_next, y) || is_outlived(y_next, x)))
		return 0;
	if (score_bytes(j, x, y, &score))
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
	    (y->peer_inode && x->inode && y->peer_inode != x->inode) || !fits_time(j, x, y))
		return 0;
	if (score_bytes(j, x, y, &score))
		g->err = -ENOMEM;
	return score;
}

/* ---- groups ---- */

/* For each b the place in a's list where its time, or its number if the lists are equally long, puts it. */
static void find_near(const struct group *g, uint32_t *near)
{
	uint32_t at = 0;

	for (uint32_t b = 0; b < g->b_count; b++) {
		while (at + 1 < g->a_count && g->a[at + 1].open_ns <= g->b[b].open_ns)
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
static void drop_swappable(struct group *g, uint32_t *partner, uint32_t *ambiguous)
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
			partner[c] = MATCH_NONE;
			*ambiguous += 2;
		}
		if (drop) {
			partner[b] = MATCH_NONE;
			*ambiguous += 2;
		}
	}
}

static int match_group(struct group *g, enum join_class class)
{
	uint32_t *near = malloc(((size_t)g->b_count + 1) * 2 * sizeof(*near));
	struct match m = {.score = class == JOIN_ADDRESS ? score_internet : score_unix,
			  .with = g,
			  .a_count = g->a_count,
			  .b_count = g->b_count,
			  .near = near,
			  .partner = near + g->b_count};
	int err = near ? 0 : -ENOMEM;

	if (!err) {
		find_near(g, near);
		err = match_run(&m);
	}
	if (!err)
		err = g->err;
	if (!err && class == JOIN_UNIX_ORDER)
		drop_swappable(g, m.partner, &m.ambiguous);
	for (uint32_t b = 0; b < g->b_count && !err; b++) {
		if (m.partner[b] != MATCH_NONE)
			put_together(g->joining, g->a[m.partner[b]].party, g->b[b].party, class);
	}
	g->joining->ambiguous += m.ambiguous;
	free(near);
	return err;
}

static int match_groups(struct joining *j, struct members *members, enum join_class class)
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
		if (g.a_count && g.b_count)
			err = match_group(&g, class);
	}
	return err;
}

static int join_internet(struct joining *j)
{
	struct members members = {0};
	int err = 0;

	for (uint32_t i = 0; i < j->count && !err; i++) {
		const struct party *p = &j->parties[i];
		uint64_t low = p->hash[0] < p->hash[1] ? p->hash[0] : p->hash[1];
		uint64_t high = p->hash[0] < p->hash[1] ? p->hash[1] : p->hash[0];

		if (p->local.family <= ENDPOINT_UNIX || low == high || p->random)
			continue;
		err = vec_push(&members,
			       (struct member){hash_mix(low) ^ high, p->open_ns, i, p->hash[0] == high});
	}
	if (!err)
		err = match_groups(j, &members, JOIN_ADDRESS);
	vec_free(&members);
	return err;
}

/* Unix sockets that have no partner yet, by path: who connected, and who accepted. */
static int join_by_order(struct joining *j)
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
		err = match_groups(j, &members, JOIN_UNIX_ORDER);
	vec_free(&members);
	return err;
}

/* ---- inodes ---- */

static int inode_compare(const void *a, const void *b, void *with)
{
	const struct joining *j = with;
	const struct party *x = &j->parties[*(const uint32_t *)a], *y = &j->parties[*(const uint32_t *)b];

	if (x->clock != y->clock)
		return vec_compare(x->clock, y->clock);
	if (x->inode != y->inode)
		return vec_compare(x->inode, y->inode);
	return vec_compare(*(const uint32_t *)a, *(const uint32_t *)b);
}

/* The first place in the order, by (clock, inode), that is not before the two. */
static uint32_t inode_find(const struct joining *j, const uint32_t *order, uint32_t n, uint32_t clock,
			   uint64_t inode)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct party *p = &j->parties[order[middle]];

		if (p->clock < clock || (p->clock == clock && p->inode < inode))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Joins p with the one socket that has the inode of its other end; a number that was used again must fit by
 * time. */
static int join_inode(struct joining *j, const uint32_t *order, uint32_t n, uint32_t number)
{
	const struct party *p = &j->parties[number];
	uint32_t found = STORE_NONE, fits = 0;

	for (uint32_t i = inode_find(j, order, n, p->clock, p->peer_inode); i < n; i++) {
		const struct party *q = &j->parties[order[i]];
		uint32_t score;

		if (q->clock != p->clock || q->inode != p->peer_inode)
			break;
		if (q == p || q->partner != STORE_NONE || (q->peer_inode && q->peer_inode != p->inode) ||
		    !fits_time(j, p, q))
			continue;
		if (score_bytes(j, p, q, &score))
			return -ENOMEM;
		if (!score)
			continue;
		found = order[i];
		fits++;
	}
	if (fits == 1)
		put_together(j, number, found, JOIN_INODE);
	else if (fits > 1)
		j->ambiguous++;
	return 0;
}

static int join_by_inode(struct joining *j)
{
	uint32_t *order = malloc(((size_t)j->count + 1) * sizeof(*order)), n = 0;
	int err = order ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < j->count && !err; i++) {
		if (j->parties[i].local.family == ENDPOINT_UNIX && j->parties[i].inode)
			order[n++] = i;
	}
	if (!err)
		qsort_r(order, n, sizeof(*order), inode_compare, j);
	for (uint32_t i = 0; i < j->count && !err; i++) {
		const struct party *p = &j->parties[i];

		if (p->local.family == ENDPOINT_UNIX && p->peer_inode && p->partner == STORE_NONE)
			err = join_inode(j, order, n, i);
	}
	free(order);
	return err;
}

/* ---- sessions ---- */

/* Of one random: the one end that is the client and the one that is the server, unless their bytes differ. */
static int join_session(struct joining *j, const struct member *members, size_t n)
{
	uint32_t score;

	if (n == 1)
		return 0;
	if (n > 2 || members[0].second || !members[1].second) {
		j->ambiguous += n;
		return 0;
	}
	if (score_bytes(j, &j->parties[members[0].party], &j->parties[members[1].party], &score))
		return -ENOMEM;
	if (score)
		put_together(j, members[0].party, members[1].party, JOIN_TLS);
	return 0;
}

static int join_sessions(struct joining *j)
{
	struct members members = {0};
	size_t end;
	int err = 0;

	for (uint32_t i = 0; i < j->count && !err; i++) {
		const struct party *p = &j->parties[i];

		if (p->random && p->role != VIEW_UNKNOWN)
			err = vec_push(&members, (struct member){hash_bytes(p->random, TLS_RANDOM_BYTES, 0),
								 p->open_ns, i, p->role == VIEW_SERVER});
	}
	vec_sort(&members, member_compare);
	for (size_t first = 0; first < members.count && !err; first = end) {
		for (end = first + 1;
		     end < members.count && members.items[end].group == members.items[first].group; end++)
			;
		err = join_session(j, &members.items[first], end - first);
	}
	vec_free(&members);
	return err;
}

int join_run(struct joining *j)
{
	int err = join_internet(j);

	if (!err)
		err = join_by_inode(j);
	if (!err)
		err = join_by_order(j);
	return err ? err : join_sessions(j);
}
