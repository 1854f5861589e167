// SPDX-License-Identifier: Apache-2.0
/* meet.c - see meet.h. Analyzer, one thread; pure. */
#include "analyzer/pass/meet.h"

#include "analyzer/pass/heads.h"
#include "analyzer/pass/ranges.h"

#define RECORDS_MAX 16u	 /* that a direction is judged by */
#define SLACK_NS    1000 /* stamps of two processors */
#define WORTH_EACH  16u	 /* at most, in quarters of a bit: what comes in turns comes by habit */
#define WORTH_MAX   192u

int64_t meet_difference(uint64_t later, uint64_t earlier)
{
	__int128 d = (__int128)later - (__int128)earlier;

	return d > MEET_FAR ? MEET_FAR : d < -MEET_FAR ? -MEET_FAR : (int64_t)d;
}

uint32_t meet_quarters(uint64_t a, uint64_t b)
{
	uint32_t quarters = 0;
	unsigned __int128 x, y;

	if (b == 0)
		b = 1;
	if (a <= b)
		return 0;
	while (a / 2 >= b) {
		quarters += 4;
		b = b > UINT64_MAX / 2 ? UINT64_MAX : b * 2;
		if (b == UINT64_MAX)
			return quarters;
	}
	while (a >> 30 || b >> 30) {
		a >>= 1;
		b >>= 1;
	}
	x = (unsigned __int128)a * a * a * a;
	y = (unsigned __int128)(b ? b : 1) * b * b * b;
	for (int i = 0; i < 3 && x >= 2 * y; i++) {
		quarters++;
		y *= 2;
	}
	return quarters;
}

/* ---- one direction ---- */

struct way {
	const struct party *from, *to;
	uint64_t shift;
	int64_t least;		   /* of receiver's clock less sender's: the fastest byte */
	const struct bound *known; /* of the receiver's clock to the sender's; NULL: nothing is */
	uint64_t span_ns;	   /* of the times looked at */
	uint64_t first_ns;
	uint64_t last_sent_ns;
	struct meeting *m;
};

/* A byte that left at or after sent_ns and was there at received_ns. */
static void take(struct way *w, uint64_t sent_ns, uint64_t received_ns)
{
	int64_t ahead = meet_difference(received_ns, sent_ns), delay;

	if (ahead < w->least)
		w->least = ahead;
	w->m->checked++;
	if (!w->first_ns)
		w->first_ns = sent_ns;
	if (sent_ns > w->first_ns && sent_ns - w->first_ns > w->span_ns)
		w->span_ns = sent_ns - w->first_ns;
	if (w->known && w->last_sent_ns && sent_ns > w->last_sent_ns) {
		uint32_t worth;

		delay = ahead - w->known->low;
		worth = meet_quarters(sent_ns - w->last_sent_ns, delay > 0 ? (uint64_t)delay : 1);
		w->m->worth += worth < WORTH_EACH ? worth : WORTH_EACH;
	}
	if (sent_ns > w->last_sent_ns)
		w->last_sent_ns = sent_ns;
}

static void take_bytes(struct way *w, const struct store *store, const struct conns *conns)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < w->to->view_count && taken < RECORDS_MAX; i++) {
		const struct view *v = &conns->views[w->to->views[i]];
		const struct store_record *records = store->processes[v->process].records;

		for (uint32_t k = 0; k < v->in_count && taken < RECORDS_MAX; k++) {
			const struct store_record *r = &records[v->in[k]];
			uint64_t last, sent_ns;

			if (r->len == 0)
				break;
			last = ranges_end(r->off, r->len) - 1;
			if ((r->flags & HEADS_UNSURE) || last < w->shift)
				continue;
			taken++;
			sent_ns = party_sent_at(store, conns, w->from, last - w->shift);
			if (sent_ns)
				take(w, sent_ns, r->t1_ns);
		}
	}
}

/* ---- both ---- */

static bool is_within(const struct bound *b, const struct bound *known, int64_t slack)
{
	return b->low <= b->high + slack && b->low <= known->high + slack && b->high + slack >= known->low;
}

struct meeting meet(const struct store *store, const struct conns *conns, const struct party *a,
		    const struct party *b, uint64_t shift, const struct bound *known)
{
	bool is_known = known->low > -MEET_FAR && known->high < MEET_FAR;
	struct bound back = {-known->high, -known->low};
	struct meeting m = {.offset = bound_open};
	struct way there = {a, b, shift, MEET_FAR, is_known ? known : NULL, .m = &m};
	struct way here = {b, a, 0, MEET_FAR, is_known ? &back : NULL, .m = &m};
	int64_t slack = SLACK_NS;

	if (a->opened && a->role == VIEW_CLIENT && b->opened && b->role == VIEW_SERVER) {
		there.least = meet_difference(b->opened_ns, a->open_ns);
		there.first_ns = a->open_ns;
		here.first_ns = b->opened_ns;
	}
	take_bytes(&there, store, conns);
	take_bytes(&here, store, conns);
	m.offset = (struct bound){-here.least, there.least};
	if (a->clock != b->clock) {
		uint64_t span = there.span_ns > here.span_ns ? there.span_ns : here.span_ns;

		slack += (int64_t)(span / 1000000 * MEET_DRIFT_PPM);
	}
	m.fits = is_within(&m.offset, known, slack);
	/* The bounds may be of the connection's two ends in time, and are said of its beginning. */
	if (m.offset.low > -MEET_FAR)
		m.offset.low -= slack;
	if (m.offset.high < MEET_FAR)
		m.offset.high += slack;
	if (m.worth > WORTH_MAX)
		m.worth = WORTH_MAX;
	return m;
}
