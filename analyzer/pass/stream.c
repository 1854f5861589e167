// SPDX-License-Identifier: Apache-2.0
/* stream.c - see stream.h. Analyzer, one thread; pure but for memory. */
#include "analyzer/pass/stream.h"

#include "analyzer/vec.h"

/* Offsets of calls that raced are only likely: what others captured of the same bytes comes first. */
#define UNSURE (RECORD_FLAG_RACE | RECORD_FLAG_LATE)

static int piece_compare(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->off != y->off)
		return vec_compare(x->off, y->off);
	if (x->record->t0_ns != y->record->t0_ns)
		return vec_compare(x->record->t0_ns, y->record->t0_ns);
	if (x->view != y->view)
		return vec_compare(x->view, y->view);
	return vec_compare(x->index, y->index);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A record as a piece of the stream: `front` bytes of what its end moved are not of it, and the offsets at
 * that end are larger by `shift`. Its len is 0 if nothing is left. */
static struct piece make_piece(const struct stream *s, const struct store_record *r, uint64_t front,
			       uint64_t shift)
{
	uint64_t from = r->off > front ? r->off : front;
	uint64_t to = ranges_end(r->off, r->len);

	if (to <= from)
		return (struct piece){0};
	return (struct piece){.off = from - shift,
			      .end = least(to - shift, s->cipher),
			      .record = r,
			      .skip = (uint32_t)(from - r->off)};
}

static int add_pieces(struct stream *s, const struct store *store, const struct conns *conns,
		      const struct end *e, enum stream_end which, uint64_t shift)
{
	struct pieces *to = &s->pieces[which];
	int err = 0;

	for (uint32_t i = 0; i < e->view_count && !err; i++) {
		const struct view *v = &conns->views[e->views[i]];
		const struct store_record *records = store->processes[v->process].records;
		const uint32_t *list = which == STREAM_SENT ? v->out : v->in;
		uint32_t n = which == STREAM_SENT ? v->out_count : v->in_count;

		for (uint32_t k = 0; k < n && !err; k++) {
			const struct store_record *r = &records[list[k]];
			struct piece piece = make_piece(s, r, s->base + shift, shift);

			if (r->len == 0 || (r->off >= shift && r->off - shift >= s->cipher))
				break;
			if (!piece.record)
				continue;
			piece.view = e->views[i];
			piece.index = list[k];
			err = vec_push(to, piece);
		}
	}
	if (e->view_count > 1)
		vec_sort(to, piece_compare);
	for (size_t i = 0; i < to->count && !err; i++)
		err = ranges_add(&s->covered, to->items[i].off, to->items[i].end);
	return err;
}

/* How far an end can look: from where it came in, to what it counted when it closed. */
static void take_limits(struct stream *s, const struct store *store, const struct conns *conns,
			const struct end *e, enum stream_end which, uint64_t shift)
{
	for (uint32_t i = 0; i < e->view_count; i++) {
		const struct view *v = &conns->views[e->views[i]];
		uint64_t first = which == STREAM_SENT ? v->first_off_out : v->first_off_in, said[2];
		const struct store_record *close;
		struct counts c;

		first = first > shift ? first - shift : 0;
		if (first < s->start)
			s->start = first;
		if (v->close_record == STORE_NONE)
			continue;
		close = &store->processes[v->process].records[v->close_record];
		if (close->data_len < sizeof(c))
			continue;
		memcpy(&c, close->data, sizeof(c));
		said[0] = which == STREAM_SENT ? c.out_seen : c.in_seen;
		said[1] = which == STREAM_SENT ? c.out_kernel : c.in_kernel;
		for (int k = 0; k < 2; k++) {
			if (said[k] == COUNT_UNKNOWN)
				continue;
			s->closed = true;
			said[k] = said[k] > shift ? said[k] - shift : 0;
			if (least(said[k], s->cipher) > s->end)
				s->end = least(said[k], s->cipher);
		}
	}
}

/* ---- captured bytes ---- */

static bool is_unsure(const struct piece *p)
{
	return p->record->flags & UNSURE;
}

/* What a piece captured ends here. */
static uint64_t head_end(const struct piece *p)
{
	uint32_t len = p->record->data_len > p->skip ? p->record->data_len - p->skip : 0;
	uint64_t end = ranges_end(p->off, len);

	return end < p->end ? end : p->end;
}

/* Copies what [from, to) of the piece's head adds at the end of the bytes. */
static int take_head(struct stream *s, const struct piece *p, uint64_t from, uint64_t to)
{
	struct captured *last = s->runs.count ? vec_last(&s->runs) : NULL;
	int err;

	if (from >= to)
		return 0;
	err = vec_append(&s->bytes, p->record->data + p->skip + (from - p->off), (size_t)(to - from));
	if (err)
		return err;
	if (last && last->off + last->len == from) {
		last->len += (size_t)(to - from);
		return 0;
	}
	return vec_push(&s->runs,
			(struct captured){from, (size_t)(to - from), s->bytes.count - (size_t)(to - from)});
}

/* Of the next heads of both ends, the one to go on with at `at`: the first to begin; of two that are there, a
 * sure one, then the sender's. */
static struct piece *choose(struct piece *x, struct piece *y, uint64_t at)
{
	uint64_t x_at, y_at;

	if (!x || !y)
		return x ? x : y;
	x_at = x->off > at ? x->off : at;
	y_at = y->off > at ? y->off : at;
	if (x_at != y_at)
		return x_at < y_at ? x : y;
	return is_unsure(x) && !is_unsure(y) ? y : x;
}

/* Moves past heads that end before `at`. */
static struct piece *next_head(const struct pieces *list, size_t *i, uint64_t at)
{
	while (*i < list->count &&
	       (list->items[*i].record->data_len <= list->items[*i].skip || head_end(&list->items[*i]) <= at))
		(*i)++;
	return *i < list->count ? &list->items[*i] : NULL;
}

static int gather_bytes(struct stream *s)
{
	size_t i = 0, j = 0;
	uint64_t at = 0;
	int err = 0;

	while (!err) {
		struct piece *x = next_head(&s->pieces[STREAM_SENT], &i, at);
		struct piece *y = next_head(&s->pieces[STREAM_RECEIVED], &j, at);
		struct piece *p = choose(x, y, at);
		uint64_t from, to;

		if (!p)
			break;
		from = p->off > at ? p->off : at;
		to = head_end(p);
		/* an unsure head gives way where a sure one begins */
		if (x && y && is_unsure(p)) {
			const struct piece *other = p == x ? y : x;

			if (!is_unsure(other) && other->off > from && other->off < to)
				to = other->off;
		}
		err = take_head(s, p, from, to);
		at = to;
	}
	return err;
}

/* ---- bursts ---- */

static int burst_compare(const void *a, const void *b)
{
	const struct burst *x = a, *y = b;

	return vec_compare(x->off, y->off);
}

/* The ends that have a record that begins there. */
static uint8_t ends_at(const struct stream *s, uint64_t off)
{
	uint8_t ends = 0;

	for (int end = 0; end < 2; end++) {
		if (s->pieces[end].count && s->pieces[end].items[0].off == off)
			ends |= (uint8_t)(1 << end);
	}
	return ends;
}

static int gather_bursts(struct stream *s)
{
	size_t kept = 0;
	int err = 0;

	for (int end = 0; end < 2; end++) {
		const struct pieces *list = &s->pieces[end];

		for (size_t i = 0; i < list->count && !err; i++) {
			if (list->items[i].record->flags & RECORD_FLAG_BURST)
				err = vec_push(&s->bursts,
					       (struct burst){list->items[i].off, (uint8_t)(1 << end)});
		}
	}
	if (!err && s->base && s->start == s->base && s->end > s->base)
		err = vec_push(&s->bursts, (struct burst){s->base, ends_at(s, s->base)});
	if (err || s->bursts.count == 0)
		return err;
	vec_sort(&s->bursts, burst_compare);
	for (size_t i = 1; i < s->bursts.count; i++) {
		if (s->bursts.items[i].off == s->bursts.items[kept].off)
			s->bursts.items[kept].ends |= s->bursts.items[i].ends;
		else
			s->bursts.items[++kept] = s->bursts.items[i];
	}
	s->bursts.count = kept + 1;
	return 0;
}

int stream_build(struct stream *s, const struct store *store, const struct conns *conns,
		 const struct link *link, enum link_side sender)
{
	int err = 0;

	vec_clear(&s->covered);
	vec_clear(&s->runs);
	vec_clear(&s->bytes);
	vec_clear(&s->bursts);
	s->base = link->header[sender];
	s->start = UINT64_MAX;
	s->end = 0;
	s->cipher = link->covered[sender];
	s->closed = false;
	for (int end = 0; end < 2 && !err; end++) {
		const struct end *e = &link->ends[end == STREAM_SENT ? sender : !sender];

		vec_clear(&s->pieces[end]);
		err = add_pieces(s, store, conns, e, end, end == STREAM_SENT ? 0 : link->shift[sender]);
		take_limits(s, store, conns, e, end, end == STREAM_SENT ? 0 : link->shift[sender]);
	}
	ranges_merge(&s->covered);
	if (s->covered.count && vec_last(&s->covered)->to > s->end)
		s->end = vec_last(&s->covered)->to;
	if (s->covered.count && s->covered.items[0].from < s->start)
		s->start = s->covered.items[0].from;
	if (s->start < s->base)
		s->start = s->base;
	if (s->start > s->end)
		s->start = s->end;
	if (!err)
		err = gather_bytes(s);
	return err ? err : gather_bursts(s);
}

void stream_free(struct stream *s)
{
	vec_free(&s->pieces[0]);
	vec_free(&s->pieces[1]);
	vec_free(&s->covered);
	vec_free(&s->runs);
	vec_free(&s->bytes);
	vec_free(&s->bursts);
}

/* ---- questions ---- */

const uint8_t *stream_bytes(const struct stream *s, uint64_t off, size_t *len)
{
	size_t low = 0, high = s->runs.count;
	const struct captured *r;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->runs.items[middle].off > off)
			high = middle;
		else
			low = middle + 1;
	}
	*len = 0;
	if (low == 0)
		return NULL;
	r = &s->runs.items[low - 1];
	if (off - r->off >= r->len)
		return NULL;
	*len = r->len - (size_t)(off - r->off);
	return s->bytes.items + r->at + (off - r->off);
}

/* Index of the first burst at or after `off`. */
static size_t burst_find(const struct stream *s, uint64_t off)
{
	size_t low = 0, high = s->bursts.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->bursts.items[middle].off >= off)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct burst *stream_burst_at(const struct stream *s, uint64_t off)
{
	size_t i = burst_find(s, off);

	return i < s->bursts.count && s->bursts.items[i].off == off ? &s->bursts.items[i] : NULL;
}

uint64_t stream_next_burst(const struct stream *s, uint64_t off)
{
	size_t i = off == UINT64_MAX ? s->bursts.count : burst_find(s, off + 1);

	return i < s->bursts.count ? s->bursts.items[i].off : s->end;
}

uint64_t stream_burst_end(const struct stream *s, uint64_t off)
{
	uint64_t next = stream_next_burst(s, off);
	size_t i = ranges_find(&s->covered, off);

	if (i == s->covered.count || s->covered.items[i].from > off)
		return off;
	return s->covered.items[i].to < next ? s->covered.items[i].to : next;
}

uint64_t stream_hole_end(const struct stream *s, uint64_t off)
{
	size_t i = ranges_find(&s->covered, off);

	return i < s->covered.count ? s->covered.items[i].from : s->end;
}

/* The last piece that begins at or before `off`, or list->count. */
static size_t piece_find(const struct pieces *list, uint64_t off)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->items[middle].off > off)
			high = middle;
		else
			low = middle + 1;
	}
	return low > 0 ? low - 1 : list->count;
}

/* The piece that holds `off`, NULL if none does. Records overlap only where calls raced. */
static const struct piece *piece_at(const struct pieces *list, uint64_t off)
{
	size_t i = piece_find(list, off);

	if (i == list->count)
		return NULL;
	for (size_t back = 0; back < 4 && back <= i; back++) {
		if (list->items[i - back].end > off)
			return &list->items[i - back];
	}
	return NULL;
}

bool stream_has(const struct stream *s, enum stream_end end, uint64_t off)
{
	return piece_at(&s->pieces[end], off) != NULL;
}

uint64_t stream_time(const struct stream *s, enum stream_end end, uint64_t off)
{
	const struct pieces *list = &s->pieces[end];
	const struct piece *p = piece_at(list, off);
	size_t i;

	if (!p) {
		i = piece_find(list, off);
		i = i == list->count ? 0 : i + 1;
		p = i < list->count ? &list->items[i] : NULL;
	}
	if (!p)
		return UINT64_MAX;
	return end == STREAM_SENT ? p->record->t0_ns : p->record->t1_ns;
}

#define SHIFT_REACH 8 /* records on each side */

bool stream_shift(const struct stream *s, uint64_t off, bool backwards, uint64_t *shift)
{
	const struct pieces *list = &s->pieces[STREAM_RECEIVED];
	size_t near = piece_find(list, off), from, to;
	bool found = false;

	if (near == list->count)
		near = 0;
	from = near > SHIFT_REACH ? near - SHIFT_REACH : 0;
	to = list->count - near > SHIFT_REACH ? near + SHIFT_REACH : list->count;
	for (size_t i = from; i < to; i++) {
		const struct piece *received = &list->items[i];
		const struct piece *sent = piece_at(&s->pieces[STREAM_SENT], received->off);
		uint64_t ahead;

		if (!sent)
			continue;
		ahead = received->record->t1_ns - sent->record->t0_ns;
		if (!found || (int64_t)(ahead - *shift) < 0)
			*shift = ahead;
		found = true;
	}
	if (found && backwards)
		*shift = -*shift;
	return found;
}

struct transfer stream_transfer(const struct stream *s, enum stream_end end, uint64_t off0, uint64_t off1)
{
	const struct pieces *list = &s->pieces[end];
	struct transfer t = {.view = STORE_NONE, .first_record = STORE_NONE, .last_record = STORE_NONE};
	const struct piece *first = piece_at(list, off0), *last = NULL;
	uint64_t reached = off0;
	size_t i = piece_find(list, off0);

	i = first ? (size_t)(first - list->items) : i == list->count ? 0 : i + 1;
	for (; i < list->count && list->items[i].off < off1; i++) {
		const struct piece *p = &list->items[i];

		if (!first)
			first = p;
		if (p->off > reached)
			t.holes = true;
		if (p->end > reached) {
			reached = p->end;
			if (p->view == first->view)
				last = p;
			else
				t.holes =
				    true; /* another process moved the rest: its part is not told here */
		}
	}
	if (!first || !last) {
		t.holes = list->count > 0;
		return t;
	}
	if (reached < off1)
		t.holes = true;
	t.view = first->view;
	t.first_record = first->index;
	t.last_record = last->index;
	t.first_t0_ns = first->record->t0_ns;
	t.first_t1_ns = first->record->t1_ns;
	t.last_t0_ns = last->record->t0_ns;
	t.last_t1_ns = last->record->t1_ns;
	return t;
}
