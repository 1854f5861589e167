// SPDX-License-Identifier: Apache-2.0
/*
 * dgram_match.c - see dgram_match.h. Analyzer, one thread; pure but for memory, O(n log n).
 *
 * Invariant: a join is made only where bytes that both ends have agree, and on one clock where the receive
 * did not return before the send began.
 */
#include "analyzer/pass/dgram_match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/hash.h"
#include "analyzer/vec.h"
#include "common/record.h"

#define SOFT_LOOKS  64u /* at most so many candidates for a datagram without a key */
#define LEAST_BYTES 4u	/* fewer prove nothing where records are missing, or the length is not known */

/* A datagram in the order of keys. */
struct ranked {
	uint64_t key;
	uint32_t index;
	uint32_t socket; /* of a receive */
	bool in;
};

/* ---- bytes ---- */

/* Whether bytes that both have are the same; with `masks` a masked byte is the same as any. */
static bool agree(const struct dgram_shot *out, const struct dgram_shot *in, bool masks)
{
	uint32_t n = out->head_len < in->head_len ? out->head_len : in->head_len;

	if (out->len != in->len && !(in->cut && in->len < out->len))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (out->head[i] != in->head[i] &&
		    !(masks && (out->head[i] == RECORD_MASK || in->head[i] == RECORD_MASK)))
			return false;
	return true;
}

/* How many bytes all processes capture that are in it. */
static uint32_t compared_bytes(const struct dgram_lane *l)
{
	uint32_t least = UINT32_MAX;

	for (uint32_t i = 0; i < l->out_count; i++)
		least = l->out[i].captured < least ? l->out[i].captured : least;
	for (uint32_t i = 0; i < l->in_count; i++)
		least = l->in[i].captured < least ? l->in[i].captured : least;
	return least;
}

/* Whether any has none. */
static bool set_keys(struct dgram_shot *shots, uint32_t n, uint32_t compared)
{
	bool soft = false;

	for (uint32_t i = 0; i < n; i++) {
		struct dgram_shot *s = &shots[i];
		uint32_t bytes = s->len < compared ? s->len : compared;

		s->partner = DGRAM_NOBODY;
		s->fate = DGRAM_OPEN;
		s->reordered = s->sure = false;
		s->soft = s->cut || s->head_len < bytes;
		s->key = s->soft ? 0 : hash_bytes(s->head, bytes, s->len);
		soft |= s->soft;
	}
	return soft;
}

/* ---- joins ---- */

static bool has_proof(const struct dgram_shot *out, const struct dgram_shot *in)
{
	return out->head_len >= LEAST_BYTES && in->head_len >= LEAST_BYTES;
}

static bool can_join(const struct dgram_lane *l, const struct dgram_shot *out, const struct dgram_shot *in)
{
	if (l->one_clock && in->t1_ns < out->t0_ns)
		return false;
	if ((l->signs & DGRAM_SIGN_GAPS) && !has_proof(out, in))
		return false;
	return agree(out, in, !(l->signs & DGRAM_SIGN_GAPS));
}

static void join(struct dgram_lane *l, uint32_t out, uint32_t in, bool copy)
{
	l->in[in].partner = out;
	l->in[in].fate = copy ? DGRAM_COPY : DGRAM_JOINED;
	l->in[in].sure = !copy && has_proof(&l->out[out], &l->in[in]) && !l->in[in].soft;
	if (copy)
		return;
	l->out[out].partner = in;
	l->out[out].fate = DGRAM_JOINED;
}

static int ranked_compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->key != y->key)
		return vec_compare(x->key, y->key);
	if (x->in != y->in)
		return x->in ? 1 : -1;
	if (x->socket != y->socket)
		return vec_compare(x->socket, y->socket);
	return vec_compare(x->index, y->index);
}

/* Everything that has a key, by key: sends before receives, which go by socket; each in order of time. */
static struct ranked *rank(const struct dgram_lane *l, size_t *n)
{
	struct ranked *r = malloc(((size_t)l->out_count + l->in_count + 1) * sizeof(*r));

	*n = 0;
	for (uint32_t i = 0; r && i < l->out_count; i++)
		if (!l->out[i].soft)
			r[(*n)++] = (struct ranked){.key = l->out[i].key, .index = i};
	for (uint32_t i = 0; r && i < l->in_count; i++)
		if (!l->in[i].soft)
			r[(*n)++] = (struct ranked){
			    .key = l->in[i].key, .index = i, .socket = l->in[i].socket, .in = true};
	if (r && *n > 1)
		qsort(r, *n, sizeof(*r), ranked_compare);
	return r;
}

/* Those of one key: one send goes with the first receive, or the first of each socket if it was sent to many,
 * and all others are copies. */
static void join_key(struct dgram_lane *l, const struct ranked *r, size_t outs, size_t ins)
{
	const struct ranked *in = &r[outs];
	bool many = outs && l->out[r[0].index].many, one = !ins || in[0].socket == in[ins - 1].socket;
	bool met = false;

	if (outs && ins > outs && !many)
		l->signs |= DGRAM_SIGN_COPIES;
	if (outs != 1 || (!one && !many && (l->signs & DGRAM_SIGN_MIXED)) || (ins > 1 && l->soft_sends))
		return;
	for (size_t i = 0; i < ins; i++) {
		if (many && i && in[i].socket != in[i - 1].socket)
			met = false;
		if (!can_join(l, &l->out[r[0].index], &l->in[in[i].index]))
			continue;
		join(l, r[0].index, in[i].index, met);
		l->signs |= met ? DGRAM_SIGN_COPIES : 0;
		met = true;
	}
}

static void join_keys(struct dgram_lane *l, const struct ranked *r, size_t n)
{
	for (size_t first = 0, next; first < n; first = next) {
		size_t outs = 0;

		for (next = first; next < n && r[next].key == r[first].key; next++)
			outs += !r[next].in;
		join_key(l, &r[first], outs, next - first - outs);
	}
}

/* ---- what has no key: masked otherwise, cut, or with a shorter head ---- */

struct loose {
	uint32_t *out; /* sends that are not joined, in order; all of them, where there are copies */
	uint32_t count;
	uint8_t *wanted; /* by send: receives that fit it, 2: several */
	uint32_t *fit;	 /* by receive: the only send that fits */
};

static void loose_free(struct loose *loose)
{
	free(loose->out);
	free(loose->wanted);
	free(loose->fit);
}

/* Receives of which a send has the key. */
static void mark_met(const struct ranked *r, size_t n, bool *met)
{
	for (size_t first = 0, next; first < n; first = next) {
		for (next = first; next < n && r[next].key == r[first].key; next++)
			if (r[next].in)
				met[r[next].index] = !r[first].in;
	}
}

static int loose_make(const struct dgram_lane *l, struct loose *loose)
{
	loose->out = malloc((l->out_count + 1ul) * sizeof(*loose->out));
	loose->wanted = calloc(l->out_count + 1ul, 1);
	loose->fit = malloc((l->in_count + 1ul) * sizeof(*loose->fit));
	if (!loose->out || !loose->wanted || !loose->fit)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->out_count; i++)
		if (l->out[i].fate == DGRAM_OPEN || (l->signs & DGRAM_SIGN_COPIES))
			loose->out[loose->count++] = i;
	return 0;
}

/* The first loose send from `out` on. */
static uint32_t loose_from(const struct loose *loose, uint32_t out)
{
	uint32_t low = 0, high = loose->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (loose->out[middle] < out)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The loose send between two others that alone fits the receive. All that fit are marked as wanted. */
static uint32_t only_fit(const struct dgram_lane *l, struct loose *loose, uint32_t in, uint32_t from,
			 uint32_t to)
{
	uint32_t first = loose_from(loose, from), end = loose_from(loose, to), found = DGRAM_NOBODY;
	bool several = end - first > SOFT_LOOKS;

	for (uint32_t i = first; i < end && i - first < SOFT_LOOKS; i++) {
		uint32_t out = loose->out[i];

		if (!can_join(l, &l->out[out], &l->in[in]))
			continue;
		if (loose->wanted[out] < 2)
			loose->wanted[out]++;
		several |= found != DGRAM_NOBODY || (l->in[in].cut && !has_proof(&l->out[out], &l->in[in]));
		found = out;
	}
	l->in[in].fate = several ? DGRAM_AMBIGUOUS : DGRAM_OPEN;
	return several ? DGRAM_NOBODY : found;
}

/* A receive lies between the sends of its neighbours, unless order means nothing; a copy comes at any time.
 */
static void find_fits(struct dgram_lane *l, const bool *met_in, struct loose *loose)
{
	bool ordered =
	    !(l->signs & (DGRAM_SIGN_REORDER | DGRAM_SIGN_TANGLED | DGRAM_SIGN_COPIES | DGRAM_SIGN_MIXED));
	uint32_t from = 0, to;

	for (uint32_t in = 0; in < l->in_count; in++) {
		const struct dgram_shot *s = &l->in[in];

		if (s->partner != DGRAM_NOBODY && ordered && s->fate == DGRAM_JOINED)
			from = s->partner + 1;
		loose->fit[in] = DGRAM_NOBODY;
		if (met_in[in] || s->partner != DGRAM_NOBODY)
			continue;
		to = l->out_count;
		for (uint32_t i = in + 1; ordered && i < l->in_count && i - in <= SOFT_LOOKS; i++) {
			if (l->in[i].fate != DGRAM_JOINED)
				continue;
			to = l->in[i].partner;
			break;
		}
		loose->fit[in] = only_fit(l, loose, in, from, to < from ? from : to);
	}
}

static int join_loose(struct dgram_lane *l, const struct ranked *r, size_t n)
{
	bool *met = calloc(l->in_count + 1ul, sizeof(*met));
	struct loose loose = {0};
	int err = met ? 0 : -ENOMEM;

	if (!err) {
		mark_met(r, n, met);
		err = loose_make(l, &loose);
	}
	if (!err)
		find_fits(l, met, &loose);
	for (uint32_t in = 0; !err && in < l->in_count; in++) {
		uint32_t out = loose.fit[in];

		if (out != DGRAM_NOBODY && loose.wanted[out] == 1)
			join(l, out, in, l->out[out].fate == DGRAM_JOINED);
		else if (out != DGRAM_NOBODY)
			l->in[in].fate = DGRAM_AMBIGUOUS;
		else if (!met[in] && l->in[in].fate == DGRAM_OPEN)
			l->in[in].fate = DGRAM_LOST;
		if (l->in[in].fate == DGRAM_LOST || l->in[in].fate == DGRAM_AMBIGUOUS)
			l->signs |= DGRAM_SIGN_FOREIGN;
	}
	for (uint32_t out = 0; !err && out < l->out_count; out++)
		if (loose.wanted[out] && l->out[out].fate == DGRAM_OPEN)
			l->out[out].fate = DGRAM_AMBIGUOUS;
	loose_free(&loose);
	free(met);
	return err;
}

/* ---- order ---- */

/* Whether a was over when b began: else nobody knows which was first. */
static bool is_before(const struct dgram_shot *a, const struct dgram_shot *b)
{
	return a->thread == b->thread || a->t1_ns < b->t0_ns;
}

static void see_order(struct dgram_lane *l)
{
	uint32_t last = DGRAM_NOBODY; /* the receive of the send that is furthest on */

	for (uint32_t in = 0; in < l->in_count; in++) {
		struct dgram_shot *s = &l->in[in];

		if (s->fate != DGRAM_JOINED)
			continue;
		if (last != DGRAM_NOBODY && s->partner < l->in[last].partner) {
			s->reordered = !(l->signs & DGRAM_SIGN_MIXED) &&
				       is_before(&l->out[s->partner], &l->out[l->in[last].partner]) &&
				       is_before(&l->in[last], s);
			l->signs |= s->reordered ? DGRAM_SIGN_REORDER : DGRAM_SIGN_TANGLED;
		} else {
			last = in;
		}
	}
}

int dgram_match_alike(struct dgram_lane *l)
{
	uint32_t compared = compared_bytes(l);
	struct ranked *r;
	size_t n;
	int err;

	l->soft_sends = set_keys(l->out, l->out_count, compared);
	set_keys(l->in, l->in_count, compared);
	r = rank(l, &n);
	if (!r)
		return -ENOMEM;
	join_keys(l, r, n);
	see_order(l);
	err = join_loose(l, r, n);
	free(r);
	return err;
}

/* Marks what is alike, of several threads, and not one after the other. */
static void mark_tied(const struct dgram_lane *l, const struct ranked *r, size_t n, bool *out, bool *in)
{
	for (size_t i = 1; i < n; i++) {
		const struct dgram_shot *shots = r[i].in ? l->in : l->out;
		bool *tied = r[i].in ? in : out;

		if (r[i].key != r[i - 1].key || r[i].in != r[i - 1].in || r[i].socket != r[i - 1].socket ||
		    is_before(&shots[r[i - 1].index], &shots[r[i].index]))
			continue;
		tied[r[i].index] = true;
		tied[r[i - 1].index] = true;
	}
}

/* The receives laid onto the sends as far to the left as can be; false if they are no subsequence. */
static bool lay_left(const struct dgram_lane *l, uint32_t *at)
{
	uint32_t out = 0;

	for (uint32_t in = 0; in < l->in_count; in++) {
		while (out < l->out_count && (l->out[out].soft || l->out[out].key != l->in[in].key))
			out++;
		if (out == l->out_count)
			return false;
		at[in] = out++;
	}
	return true;
}

/* The same to the right; on one clock not beyond what had been sent by then. */
static bool lay_right(const struct dgram_lane *l, uint32_t *at)
{
	uint32_t out = l->out_count;

	for (uint32_t in = l->in_count; in-- > 0;) {
		const struct dgram_shot *s = &l->in[in];

		while (out > 0 && (l->out[out - 1].soft || l->out[out - 1].key != s->key ||
				   (l->one_clock && s->t1_ns < l->out[out - 1].t0_ns)))
			out--;
		if (out == 0)
			return false;
		at[in] = --out;
	}
	return true;
}

static void join_by_order(struct dgram_lane *l, uint32_t out, uint32_t in)
{
	join(l, out, in, false);
	l->in[in].sure = false;
}

static void join_laid(struct dgram_lane *l, const uint32_t *left, const uint32_t *right, const bool *tied_out,
		      const bool *tied_in)
{
	for (uint32_t in = 0; in < l->in_count; in++) {
		uint32_t out = left[in];

		if (l->in[in].fate == DGRAM_OPEN && out == right[in] && l->out[out].fate == DGRAM_OPEN &&
		    !tied_out[out] && !tied_in[in] && can_join(l, &l->out[out], &l->in[in]))
			join_by_order(l, out, in);
	}
}

static int join_order(struct dgram_lane *l, const struct ranked *r, size_t n)
{
	uint32_t *at = malloc((2ul * l->in_count + 1) * sizeof(*at));
	bool *tied = calloc((size_t)l->out_count + l->in_count + 1, sizeof(*tied));
	int err = at && tied ? 0 : -ENOMEM;

	if (!err) {
		mark_tied(l, r, n, tied, tied + l->out_count);
		if (lay_left(l, at) && lay_right(l, at + l->in_count))
			join_laid(l, at, at + l->in_count, tied, tied + l->out_count);
	}
	free(at);
	free(tied);
	return err;
}

/* ---- fates ---- */

/* Those of one key that nothing decided: as many sends as there are receives may be theirs. One send alone
 * was looked at: what it does not fit has another. */
static void decide_key(struct dgram_lane *l, const struct ranked *r, size_t n)
{
	size_t ins = 0, outs = 0;
	bool unclear;

	for (size_t i = 0; i < n; i++) {
		ins += r[i].in && l->in[r[i].index].fate == DGRAM_OPEN;
		outs += !r[i].in;
	}
	unclear = outs > 1 || (outs == 1 && (l->signs & (DGRAM_SIGN_GAPS | DGRAM_SIGN_MIXED)));
	for (size_t i = 0; i < n; i++) {
		struct dgram_shot *s = r[i].in ? &l->in[r[i].index] : &l->out[r[i].index];

		if (s->fate != DGRAM_OPEN)
			continue;
		s->fate = unclear && (r[i].in || ins) ? DGRAM_AMBIGUOUS : DGRAM_LOST;
		ins -= !r[i].in && ins;
	}
}

static void decide(struct dgram_lane *l, const struct ranked *r, size_t n)
{
	for (size_t first = 0, next; first < n; first = next) {
		for (next = first; next < n && r[next].key == r[first].key; next++)
			;
		decide_key(l, &r[first], next - first);
	}
	for (uint32_t i = 0; i < l->out_count; i++)
		if (l->out[i].fate == DGRAM_OPEN ||
		    (l->out[i].fate == DGRAM_LOST && (l->signs & DGRAM_SIGN_GAPS)))
			l->out[i].fate =
			    l->out[i].soft || (l->signs & DGRAM_SIGN_GAPS) ? DGRAM_AMBIGUOUS : DGRAM_LOST;
	for (uint32_t i = 0; i < l->in_count; i++)
		if (l->in[i].fate == DGRAM_OPEN)
			l->in[i].fate = DGRAM_LOST;
}

int dgram_match_order(struct dgram_lane *l)
{
	struct ranked *r;
	int err = 0;
	size_t n;

	r = rank(l, &n);
	if (!r)
		return -ENOMEM;
	if (!l->signs)
		err = join_order(l, r, n);
	if (!err)
		decide(l, r, n);
	free(r);
	return err;
}
