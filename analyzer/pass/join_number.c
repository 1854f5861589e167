// SPDX-License-Identifier: Apache-2.0
/*
 * join_number.c - ends that a number names: the inode of a unix socket's other end, the client random of a
 * TLS session. Analyzer, one thread; pure but for memory.
 */
#include "analyzer/pass/join.h"

#include "analyzer/hash.h"
#include "analyzer/vec.h"

/* An end of a session, with the random in short. */
struct member {
	uint64_t group;
	uint32_t party;
	bool second; /* its server */
};

static int member_compare(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->group != y->group)
		return vec_compare(x->group, y->group);
	if (x->second != y->second)
		return vec_compare(x->second, y->second);
	return vec_compare(x->party, y->party);
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
		    !join_fits_time(j, p, q))
			continue;
		if (join_score_bytes(j, p, q, &score))
			return -ENOMEM;
		if (!score)
			continue;
		found = order[i];
		fits++;
	}
	if (fits == 1)
		join_put(j, number, found, JOIN_INODE, 0);
	else if (fits > 1)
		j->parties[number].apart = APART_SEVERAL;
	return 0;
}

int join_by_inode(struct joining *j)
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
		for (size_t i = 0; i < n; i++)
			j->parties[members[i].party].apart = APART_SEVERAL;
		return 0;
	}
	if (join_score_bytes(j, &j->parties[members[0].party], &j->parties[members[1].party], &score))
		return -ENOMEM;
	if (score)
		join_put(j, members[0].party, members[1].party, JOIN_TLS, 0);
	return 0;
}

int join_sessions(struct joining *j)
{
	VEC(struct member) members = {0};
	size_t end;
	int err = 0;

	for (uint32_t i = 0; i < j->count && !err; i++) {
		const struct party *p = &j->parties[i];

		if (p->random && p->role != VIEW_UNKNOWN)
			err = vec_push(&members, (struct member){hash_bytes(p->random, TLS_RANDOM_BYTES, 0),
								 i, p->role == VIEW_SERVER});
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
