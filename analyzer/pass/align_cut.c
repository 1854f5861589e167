// SPDX-License-Identifier: Apache-2.0
/*
 * align_cut.c - when a clock of an edge was set, see align_edge.h. Analyzer, one thread; pure but for memory,
 * linear in points. Both flows are read in the order of time, and what they leave of the offset is
 * widened at the fastest rate there can be. A point that contradicts that is a step; but if those that come
 * after it contradict it too, it is wrong by itself and left out.
 */
#include "analyzer/pass/align_edge.h"
#include "analyzer/vec.h"

#define WITNESSES 3    /* points after one that tells of a step; none of them may contradict it */
#define LOOK_BACK 4096 /* points that are looked at to find out when it was, at the earliest */
#define LOOK_ON	  64   /* points that tell what holds after it */

struct reader {
	struct align_edge *e;
	size_t next[2];		      /* by flow */
	struct align_point anchor[2]; /* the tightest so far */
	bool anchored[2];
};

static int64_t bound_at(const struct reader *r, int flow, int64_t at)
{
	int64_t away = at - r->anchor[flow].at;

	if (!r->anchored[flow])
		return ALIGN_OPEN;
	return r->anchor[flow].slack + align_drift_ns(away < 0 ? -away : away, ALIGN_RATE_MOST);
}

static bool contradicts(const struct reader *r, int flow, const struct align_point *p)
{
	int64_t other = bound_at(r, !flow, p->at);

	return other < ALIGN_OPEN && p->slack + other < 0;
}

static void accept_point(struct reader *r, int flow, const struct align_point *p)
{
	if (p->slack >= ALIGN_OPEN || p->slack > bound_at(r, flow, p->at))
		return;
	r->anchor[flow] = *p;
	r->anchored[flow] = true;
}

/* Which flow has the next point in time; -1: none. */
static int next_flow(const struct reader *r)
{
	const struct align_flow *f = r->e->flows;
	bool has[2] = {r->next[0] < f[0].count, r->next[1] < f[1].count};

	if (!has[0] || !has[1])
		return has[0] ? 0 : has[1] ? 1 : -1;
	return f[1].items[r->next[1]].at < f[0].items[r->next[0]].at;
}

/* Whether those of the other flow that come after the point contradict it as well. */
static bool is_wrong(const struct reader *r, int flow, const struct align_point *p)
{
	const struct align_flow *other = &r->e->flows[!flow];

	for (size_t i = 0; i < WITNESSES && r->next[!flow] + i < other->count; i++) {
		const struct align_point *q = &other->items[r->next[!flow] + i];

		if (p->slack + q->slack + align_drift_ns(q->at - p->at, ALIGN_RATE_MOST) < 0)
			return true;
	}
	return false;
}

/* What holds after the step bounds the time before it, as long as nothing was set. */
static void learn_after(struct reader *back)
{
	for (int flow = 0; flow < 2; flow++) {
		const struct align_flow *f = &back->e->flows[flow];

		for (size_t i = 0; i < LOOK_ON && back->next[flow] + i < f->count; i++) {
			const struct align_point *p = &f->items[back->next[flow] + i];

			if (back->anchored[flow] &&
			    (contradicts(back, flow, p) ||
			     p->slack + align_drift_ns(p->at - back->anchor[flow].at, ALIGN_RATE_MOST) >=
				 back->anchor[flow].slack))
				continue;
			back->anchor[flow] = *p;
			back->anchored[flow] = true;
		}
	}
}

/* The last point before the step that contradicts what comes after it: its times on both clocks. Not before
 * the step before. */
static void earliest(const struct reader *r, int64_t from[2])
{
	struct reader back = {.e = r->e, .next = {r->next[0], r->next[1]}};
	const struct align_flow *f = r->e->flows;
	int64_t limit = from[0];

	learn_after(&back);
	for (int looked = 0; looked < LOOK_BACK && (back.next[0] || back.next[1]); looked++) {
		const struct align_point *p[2] = {back.next[0] ? &f[0].items[back.next[0] - 1] : NULL,
						  back.next[1] ? &f[1].items[back.next[1] - 1] : NULL};
		int flow = !p[0] || (p[1] && p[1]->at > p[0]->at);

		if (p[flow]->at <= limit)
			return;
		if (p[flow]->slack < ALIGN_OPEN) {
			align_point_times(p[flow], flow, from);
			if (contradicts(&back, flow, p[flow]))
				return;
		}
		back.next[flow]--;
	}
}

static int cut_at(struct reader *r, int flow, const struct align_point *p)
{
	struct align_edge *e = r->e;
	struct align_cut cut = {.from = {-ALIGN_OPEN, -ALIGN_OPEN}};

	if (e->cuts.count)
		memcpy(cut.from, vec_last(&e->cuts)->to, sizeof(cut.from));
	earliest(r, cut.from);
	align_point_times(p, flow, cut.to);
	r->anchored[0] = r->anchored[1] = false;
	return vec_push(&e->cuts, cut);
}

static void leave_out(struct align_flow *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].slack < ALIGN_OPEN)
			f->items[kept++] = f->items[i];
	f->count = kept;
}

int align_edge_cut(struct align_edge *e)
{
	struct reader r = {.e = e};
	int flow, err = 0;

	e->cuts.count = 0;
	while (!err && (flow = next_flow(&r)) >= 0) {
		struct align_point *p = &e->flows[flow].items[r.next[flow]];

		if (contradicts(&r, flow, p)) {
			bool wrong = is_wrong(&r, flow, p);

			e->outliers += wrong;
			if (wrong)
				p->slack = ALIGN_OPEN;
			else
				err = cut_at(&r, flow, p);
		}
		accept_point(&r, flow, p);
		r.next[flow]++;
		e->hopeless = e->cuts.count > ALIGN_CUTS_MAX;
		if (e->hopeless)
			return err;
	}
	leave_out(&e->flows[0]);
	leave_out(&e->flows[1]);
	return err;
}
