// SPDX-License-Identifier: Apache-2.0
/*
 * weigh.c - see weigh.h. Analyzer, one thread; pure but for memory, O(n log n) in ends and samples.
 *
 * Invariant: samples are taken alike at both ends, from bytes that stand at the same offsets whatever calls
 * moved them; what may be a mask is worth nothing.
 */
#include "analyzer/pass/weigh.h"

#include "analyzer/hash.h"
#include "analyzer/pass/heads.h"
#include "analyzer/vec.h"

#define WINDOW_BYTES  16u /* of one sample */
#define START_WINDOWS 8u  /* at the start of each direction */
#define TURNS_MAX     8u  /* bursts per direction that samples are taken at */
#define TURN_WINDOWS  4u
#define ENDS_RICH     100000u /* of more ends half as many samples are kept */
#define POWER_FIRST   8u      /* 2^8 bytes on */
#define POWER_LAST    24u
#define RECORDS_MAX   64u /* per view and direction that are looked at */
#define COMPARE_MAX   32u
#define SAMPLES_MAX   112u /* per end */
#define ORDINARY_MAX  48u  /* quarters: a number of bytes, or where a turn is */
#define OPEN_MAX      64u  /* quarters: an accept shortly after a connect */
#define BITS_MAX      (1u << 20)

enum sample_kind { SAMPLE_BYTES, SAMPLE_TURN, SAMPLE_TOTAL };

/* Directions have one name at both ends. */
enum direction { TO_ACCEPTOR, TO_OPENER };

struct sampling {
	bool rich;
	struct heads heads;
	struct sample items[SAMPLES_MAX];
	uint32_t count;
};

enum weigh_side weigh_side(const struct party *p)
{
	if (p->random || p->local.family <= ENDPOINT_EVENT)
		return WEIGH_NEITHER;
	if (p->role != VIEW_UNKNOWN)
		return p->role == VIEW_CLIENT ? WEIGH_OPENER : WEIGH_ACCEPTOR;
	return p->local.port > p->remote.port ? WEIGH_OPENER : WEIGH_ACCEPTOR;
}

/* ---- samples of one end ---- */

static void add(struct sampling *s, enum sample_kind kind, enum direction to, uint64_t at, uint64_t what,
		uint32_t worth)
{
	uint64_t hash = hash_mix(hash_mix((uint64_t)kind << 1 | (uint64_t)to) + at);

	if (s->count < SAMPLES_MAX)
		s->items[s->count++] =
		    (struct sample){hash_mix(hash ^ what) | 1, worth, kind != SAMPLE_BYTES};
}

/* The windows from `at` on; `front` bytes are no part of the stream. */
static void add_windows(struct sampling *s, enum direction to, uint64_t at, uint64_t front, uint32_t n)
{
	uint8_t bytes[WINDOW_BYTES];

	for (uint32_t i = 0; i < n; i++, at += WINDOW_BYTES) {
		size_t have = heads_copy(&s->heads, at + front, bytes, WINDOW_BYTES);
		uint32_t worth = heads_worth(bytes, have);

		if (have < WINDOW_BYTES)
			return;
		if (worth)
			add(s, SAMPLE_BYTES, to, at, hash_bytes(bytes, have, 0), worth);
	}
}

/* The offsets where the direction turned, of the view that came first. */
static uint32_t find_turns(const struct joining *j, const struct party *p, enum party_way way, uint64_t front,
			   uint64_t turns[TURNS_MAX])
{
	const struct view *v = &j->conns->views[p->views[0]];
	const struct store_record *records = j->store->processes[v->process].records;
	const uint32_t *list = way == PARTY_IN ? v->in : v->out;
	uint32_t n = way == PARTY_IN ? v->in_count : v->out_count, found = 0;

	for (uint32_t i = 0; i < n && i < RECORDS_MAX && found < TURNS_MAX; i++) {
		const struct store_record *r = &records[list[i]];

		if (r->len && (r->flags & RECORD_FLAG_BURST) && !(r->flags & HEADS_UNSURE) && r->off > front)
			turns[found++] = r->off - front;
	}
	return found;
}

static int sample_way(const struct joining *j, const struct party *p, enum party_way way, enum direction to,
		      struct sampling *s)
{
	uint64_t turns[TURNS_MAX], front = to == TO_ACCEPTOR ? p->header[way] : 0;
	int err = heads_gather(j->store, j->conns, p, way, 0, RECORDS_MAX, &s->heads);
	uint32_t n;

	if (err)
		return err;
	n = find_turns(j, p, way, front, turns);
	add_windows(s, to, 0, front, s->rich ? START_WINDOWS : START_WINDOWS / 2);
	for (uint32_t i = 0; i < n; i++) {
		add(s, SAMPLE_TURN, to, turns[i], 0, ORDINARY_MAX);
		add_windows(s, to, turns[i], front, s->rich ? TURN_WINDOWS : TURN_WINDOWS / 2);
	}
	for (uint32_t power = POWER_FIRST; power <= POWER_LAST; power++)
		add_windows(s, to, 1ull << power, front, 1);
	return 0;
}

static int sample_compare(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return x->hash != y->hash ? vec_compare(x->hash, y->hash) : vec_compare(x->worth, y->worth);
}

static int sample_end(const struct joining *j, const struct party *p, enum weigh_side side,
		      struct sampling *s)
{
	enum party_way to_acceptor = side == WEIGH_OPENER ? PARTY_OUT : PARTY_IN;
	uint64_t there = p->moved[to_acceptor], here = p->moved[!to_acceptor];
	uint32_t kept = 0;
	int err;

	s->count = 0;
	err = sample_way(j, p, to_acceptor, TO_ACCEPTOR, s);
	if (!err)
		err = sample_way(j, p, !to_acceptor, TO_OPENER, s);
	if (err)
		return err;
	if (there != COUNT_UNKNOWN && here != COUNT_UNKNOWN && there >= p->header[to_acceptor] &&
	    there + here > 0)
		add(s, SAMPLE_TOTAL, TO_ACCEPTOR, there - p->header[to_acceptor], here, ORDINARY_MAX);
	qsort(s->items, s->count, sizeof(s->items[0]), sample_compare);
	for (uint32_t i = 0; i < s->count; i++) {
		if (!kept || s->items[kept - 1].hash != s->items[i].hash)
			s->items[kept++] = s->items[i];
	}
	s->count = kept;
	return 0;
}

/* ---- what ends share ---- */

static int shared_compare(const void *a, const void *b)
{
	return vec_compare(((const struct shared *)a)->hash, ((const struct shared *)b)->hash);
}

static struct shared *find_shared(const struct weigher *w, uint64_t hash)
{
	size_t low = 0, high = w->shared.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->shared.items[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->shared.count && w->shared.items[low].hash == hash ? &w->shared.items[low] : NULL;
}

static int list_shared(struct weigher *w)
{
	size_t kept = 0;
	int err = vec_reserve(&w->shared, w->samples.count);

	for (size_t i = 0; i < w->samples.count && !err; i++)
		w->shared.items[i] = (struct shared){.hash = w->samples.items[i].hash};
	if (err || !w->samples.count)
		return err;
	w->shared.count = w->samples.count;
	vec_sort(&w->shared, shared_compare);
	for (size_t i = 1; i < w->shared.count; i++) {
		if (w->shared.items[i].hash != w->shared.items[kept].hash)
			w->shared.items[++kept] = w->shared.items[i];
	}
	w->shared.count = kept + 1;
	return 0;
}

static void count_shared(struct weigher *w, const struct sample *samples, size_t n, enum weigh_side side)
{
	w->ends[side]++;
	for (size_t i = 0; i < n; i++) {
		struct shared *s = find_shared(w, samples[i].hash);

		if (s)
			s->count[side]++;
	}
}

static void find_spacing(struct weigher *w)
{
	uint64_t first = UINT64_MAX, last = 0, n = 0;

	for (uint32_t i = 0; i < w->joining->count; i++) {
		const struct party *p = &w->joining->parties[i];

		if (weigh_side(p) != WEIGH_ACCEPTOR || !p->opened)
			continue;
		n++;
		first = p->opened_ns < first ? p->opened_ns : first;
		last = p->opened_ns > last ? p->opened_ns : last;
	}
	w->spacing_ns = n > 1 ? (last - first) / n : 0;
}

static uint32_t count_open(const struct joining *j)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < j->count; i++)
		n += j->parties[i].partner == STORE_NONE;
	return n;
}

/* Ends that have partners are not kept: they only say how common a sample is. */
int weigh_begin(struct weigher *w, const struct joining *j)
{
	struct sampling s = {.rich = count_open(j) <= ENDS_RICH};
	int err = 0;

	*w = (struct weigher){.joining = j, .first = calloc(j->count + 1ul, sizeof(*w->first))};
	if (!w->first)
		return -ENOMEM;
	for (uint32_t i = 0; i < j->count && !err; i++) {
		const struct party *p = &j->parties[i];
		enum weigh_side side = weigh_side(p);

		w->first[i] = w->samples.count;
		if (side == WEIGH_NEITHER || p->partner != STORE_NONE)
			continue;
		err = sample_end(j, p, side, &s);
		if (!err)
			err = vec_append(&w->samples, s.items, s.count);
	}
	w->first[j->count] = w->samples.count;
	if (!err)
		err = list_shared(w);
	for (uint32_t i = 0; i < j->count && !err; i++) {
		const struct party *p = &j->parties[i];
		enum weigh_side side = weigh_side(p);

		if (side == WEIGH_NEITHER)
			continue;
		if (p->partner == STORE_NONE) {
			count_shared(w, &w->samples.items[w->first[i]], w->first[i + 1] - w->first[i], side);
			continue;
		}
		err = sample_end(j, p, side, &s);
		if (!err)
			count_shared(w, s.items, s.count, side);
	}
	find_spacing(w);
	vec_free(&s.heads);
	return err;
}

void weigh_end(struct weigher *w)
{
	vec_free(&w->samples);
	vec_free(&w->shared);
	free(w->first);
}

/* ---- two ends ---- */

/* What it is worth that a sample of one end is the other's, too. Others that have it say how common it is;
 * what follows from one template is not counted twice. */
static void take_sample(const struct weigher *w, const struct sample *s, uint32_t *unique, uint32_t *common)
{
	const struct shared *shared = find_shared(w, s->hash);
	uint32_t most = 0, of = 0;

	for (int side = 0; shared && side < 2; side++) {
		uint32_t others = shared->count[side] ? shared->count[side] - 1 : 0;

		if (others > most || of == 0) {
			most = others;
			of = w->ends[side];
		}
	}
	if (most == 0) {
		uint32_t worth = s->worth;

		if (s->number && meet_quarters(of + 1ull, 1) < worth)
			worth = meet_quarters(of + 1ull, 1);
		*unique += worth;
	} else if (meet_quarters(of + 1ull, most + 1ull) > *common) {
		*common = meet_quarters(of + 1ull, most + 1ull);
	}
}

static uint32_t weigh_samples(const struct weigher *w, uint32_t a, uint32_t b)
{
	const struct sample *x = &w->samples.items[w->first[a]], *x_end = &w->samples.items[w->first[a + 1]];
	const struct sample *y = &w->samples.items[w->first[b]], *y_end = &w->samples.items[w->first[b + 1]];
	uint32_t unique = 0, common = 0;

	while (x < x_end && y < y_end) {
		if (x->hash == y->hash) {
			take_sample(w, x, &unique, &common);
			x++;
			y++;
		} else if (x->hash < y->hash) {
			x++;
		} else {
			y++;
		}
	}
	return unique + common;
}

/* More cannot have arrived than was sent. */
static bool fits_totals(const struct party *from, const struct party *to, uint64_t shift)
{
	uint64_t sent = from->moved[PARTY_OUT], received = to->moved[PARTY_IN];

	return sent == COUNT_UNKNOWN || received == COUNT_UNKNOWN || received <= sent ||
	       received - sent <= shift;
}

static bool is_equal_total(const struct party *from, const struct party *to, uint64_t shift)
{
	uint64_t sent = from->moved[PARTY_OUT], received = to->moved[PARTY_IN];

	return sent == COUNT_UNKNOWN || received == COUNT_UNKNOWN ||
	       (received >= shift && received - shift == sent);
}

static uint32_t weigh_open(const struct weigher *w, const struct party *a, const struct party *b,
			   const struct bound *known)
{
	int64_t delay;
	uint32_t worth;

	if (!a->opened || !b->opened || known->low <= -MEET_FAR || known->high >= MEET_FAR)
		return 0;
	delay = meet_difference(b->opened_ns, a->open_ns) - known->low;
	worth = meet_quarters(w->spacing_ns, delay > 0 ? (uint64_t)delay : 1);
	return worth < OPEN_MAX ? worth : OPEN_MAX;
}

int weigh_pair(const struct weigher *w, uint32_t a, uint32_t b, const struct bound *known, struct weight *out)
{
	const struct joining *j = w->joining;
	const struct party *x = &j->parties[a], *y = &j->parties[b];
	uint64_t shift = party_shift(x, y);
	struct agreement found = {0};
	struct meeting m = meet(j->store, j->conns, x, y, shift, known);
	uint64_t worth;
	int err;

	*out = (struct weight){.offset = m.offset};
	if (!m.fits || !fits_totals(x, y, shift) || !fits_totals(y, x, 0))
		return 0;
	err = party_compare(j->store, j->conns, x, y, shift, COMPARE_MAX, &found);
	if (!err)
		err = party_compare(j->store, j->conns, y, x, 0, COMPARE_MAX, &found);
	if (err || found.different)
		return err;
	worth = (uint64_t)weigh_samples(w, a, b) + m.worth + weigh_open(w, x, y, known);
	out->fits = true;
	out->equal = is_equal_total(x, y, shift) && is_equal_total(y, x, 0);
	out->timed = m.checked && known->low > -MEET_FAR && known->high < MEET_FAR;
	out->bits = worth / 4 < BITS_MAX ? (uint32_t)(worth / 4) : BITS_MAX;
	out->same = found.same < BITS_MAX ? (uint32_t)found.same : BITS_MAX;
	return 0;
}
