// SPDX-License-Identifier: Apache-2.0
/*
 * walk.c - see walk.h. Analyzer, one thread; pure but for memory, linear in records and bursts.
 *
 * A walker stands in each direction at `at`, the first byte of the next message. Which walker moves is a
 * question of time, but for one thing: of requests that came in one burst each is answered before the next is
 * looked at, so that a grammar need not remember more than it must.
 *
 * Invariant: every step moves a walker forward; a grammar is only shown bytes that were captured.
 */
#include "analyzer/pass/walk.h"

#include "analyzer/vec.h"

#define LOST_MAX	2  /* bursts in a row that the grammar does not know: it is another protocol */
#define LOST_MAX_UNSURE 32 /* the same, where it was not sure that the first of them begins a message */

/* One direction. */
struct walker {
	struct stream *stream;
	uint64_t at;
	uint64_t lost_from; /* the first of the bursts that the grammar does not know */
	uint32_t lost;	    /* how many in a row */
	uint32_t last;	    /* its last message, STORE_NONE */
	bool gap;	    /* messages may be missing before `at` */
	bool sure;	    /* a message begins at `at`, if the grammar is the right one */
	bool lost_sure;	    /* one did, where the first of the lost ones was */
};

struct state {
	struct walk *w;
	struct walk_link *l;
	struct walker walkers[2]; /* by enum proto_dir */
	const struct proto *raw_proto;
	enum stream_end clock[2]; /* by direction: which of its ends tells the time */
	uint32_t outstanding;	  /* requests without a response */
	uint32_t of_burst;	  /* those of them that came in one burst with the newest */
	uint32_t newest;	  /* the last message, STORE_NONE */
	uint8_t gap;		  /* bit per direction: messages are missing before the next one of either */
	bool raw;
	bool forget; /* responses were lost: what the grammar remembers of requests may be off */
	_Alignas(16) uint8_t memory[PROTO_STATE_BYTES]; /* the grammar's */
};

static struct message *message_at(const struct state *s, uint32_t number)
{
	return &s->w->out->messages.items[number];
}

static struct mark *mark_at(const struct state *s, uint32_t number)
{
	return &s->w->out->marks.items[number];
}

/* ---- time ---- */

/* The server's end tells the time if it saw anything of both directions and its clock is fit to, or the other
 * end did not. */
static void choose_clock(struct state *s)
{
	const struct stream *to_server = s->walkers[PROTO_TO_SERVER].stream;
	const struct stream *to_client = s->walkers[PROTO_TO_CLIENT].stream;
	size_t server_in = to_server->pieces[STREAM_RECEIVED].count;
	size_t server_out = to_client->pieces[STREAM_SENT].count;
	size_t client_in = to_client->pieces[STREAM_RECEIVED].count;
	size_t client_out = to_server->pieces[STREAM_SENT].count;
	bool server = server_in && server_out && !(s->w->unsteady && client_in && client_out);

	if (!server)
		server = !(client_in && client_out) && server_in + server_out >= client_in + client_out;
	s->clock[PROTO_TO_SERVER] = server ? STREAM_RECEIVED : STREAM_SENT;
	s->clock[PROTO_TO_CLIENT] = server ? STREAM_SENT : STREAM_RECEIVED;
}

/*
 * What to add to the client's clock to get the server's, by the requests around `off` that both ends have a
 * record of: the quickest of them, so that the order of what came before and after any other one still holds.
 */
static bool find_shift(const struct state *s, uint64_t *shift)
{
	const struct walker *requests = &s->walkers[PROTO_TO_SERVER],
			    *responses = &s->walkers[PROTO_TO_CLIENT];

	if (s->w->one_time) {
		*shift = 0;
		return true;
	}
	return stream_shift(requests->stream, requests->at, false, shift) ||
	       stream_shift(responses->stream, responses->at, true, shift);
}

/* When the byte at `off` passed the end whose clock counts; if only the other one has a record of it, when it
 * should have by that. */
static uint64_t time_of(const struct state *s, int dir, uint64_t off)
{
	const struct stream *stream = s->walkers[dir].stream;
	enum stream_end end = s->clock[dir];
	uint64_t shift;

	if (off >= stream->end)
		return UINT64_MAX;
	if (!stream_has(stream, STREAM_SENT, off) && !stream_has(stream, STREAM_RECEIVED, off)) {
		size_t next = ranges_find(&stream->covered, off);

		if (next == stream->covered.count)
			return UINT64_MAX;
		off = stream->covered.items[next].from;
	}
	if (stream_has(stream, end, off) || !find_shift(s, &shift))
		return stream_time(stream, end, off);
	/* the server's clock counts where its end received a request */
	return s->clock[PROTO_TO_SERVER] == STREAM_RECEIVED ? stream_time(stream, !end, off) + shift
							    : stream_time(stream, !end, off) - shift;
}

/* Whether the next request came in the burst of the last one, whose response is there and came before the
 * requests of the next burst. */
static bool is_answered_first(const struct state *s, uint64_t response_ns)
{
	const struct walker *requests = &s->walkers[PROTO_TO_SERVER];
	size_t len;

	if (s->of_burst == 0 || s->raw || s->l->proto->pairing != PROTO_FIFO ||
	    stream_burst_at(requests->stream, requests->at) ||
	    !stream_bytes(requests->stream, requests->at, &len))
		return false;
	return response_ns < time_of(s, PROTO_TO_SERVER, stream_next_burst(requests->stream, requests->at));
}

/* The walker to move; -1: both are at their ends. */
static int choose_walker(const struct state *s)
{
	const struct walker *requests = &s->walkers[PROTO_TO_SERVER],
			    *responses = &s->walkers[PROTO_TO_CLIENT];
	uint64_t request_ns, response_ns;

	if (requests->at >= requests->stream->end)
		return responses->at < responses->stream->end ? PROTO_TO_CLIENT : -1;
	if (responses->at >= responses->stream->end)
		return PROTO_TO_SERVER;
	request_ns = time_of(s, PROTO_TO_SERVER, requests->at);
	response_ns = time_of(s, PROTO_TO_CLIENT, responses->at);
	return request_ns <= response_ns && !is_answered_first(s, response_ns) ? PROTO_TO_SERVER
									       : PROTO_TO_CLIENT;
}

static void note_gap(struct state *s, int dir)
{
	s->walkers[dir].gap = true;
	s->gap |= (uint8_t)(1 << dir);
}

/* ---- messages ---- */

/* Whether the direction turned at `off` for both ends, those that saw it. */
static bool is_turn(const struct stream *s, uint64_t off)
{
	const struct burst *b = stream_burst_at(s, off);

	for (int end = 0; end < 2; end++) {
		if (stream_has(s, end, off) && !(b && b->ends & 1 << end))
			return false;
	}
	return true;
}

/* Whether the ends saw the message as different bursts. */
static bool is_crossed(const struct stream *s, uint64_t off0, uint64_t off1)
{
	return !is_turn(s, off0) || !is_turn(s, off1) || stream_next_burst(s, off0) < off1;
}

/* Whether the receiver sent something while it had a part of the message. */
static bool is_split(const struct stream *s, uint64_t off0, uint64_t off1)
{
	while ((off0 = stream_next_burst(s, off0)) < off1) {
		if (stream_burst_at(s, off0)->ends & 1 << STREAM_RECEIVED)
			return true;
	}
	return false;
}

static int take_label(struct state *s, struct message *m, const struct label *label)
{
	size_t operation = strlen(label->operation), target = strlen(label->target),
	       status = strlen(label->status);

	m->operation = strings_add(s->w->strings, label->operation, operation);
	m->target = strings_add(s->w->strings, label->target, target);
	m->status = strings_add(s->w->strings, label->status, status);
	m->flags = (uint16_t)label->flags;
	m->key = label->key;
	if ((operation && !m->operation) || (target && !m->target) || (status && !m->status))
		return -ENOMEM;
	return 0;
}

/* The message [at, end) of a direction, whose captured bytes are the given ones. */
static int add_message(struct state *s, int dir, uint64_t end, const uint8_t *bytes, size_t len, bool exact)
{
	struct walker *walker = &s->walkers[dir];
	struct message m = {.link = s->l->number,
			    .sender = dir == PROTO_TO_SERVER ? !s->l->server : s->l->server,
			    .dir = (uint8_t)dir,
			    .off0 = walker->at,
			    .off1 = end};
	struct mark mark = {.raw = s->raw,
			    .exact = exact,
			    .new_burst = stream_burst_at(walker->stream, walker->at) != NULL,
			    .gap = s->gap};
	static const uint8_t nothing[1];
	struct label label;
	int err;

	memset(&label, 0, sizeof(label));
	if (len > end - walker->at)
		len = (size_t)(end - walker->at);
	(s->raw ? s->raw_proto : s->l->proto)
	    ->label(s->memory, dir, len ? bytes : nothing, len, len == end - walker->at, &label);
	err = take_label(s, &m, &label);
	mark.turn = mark.new_burst && (stream_burst_at(walker->stream, m.off0)->ends & 1 << STREAM_SENT ||
				       !stream_has(walker->stream, STREAM_SENT, m.off0));
	mark.remember = label.remember;
	mark.recall = label.recall;
	s->l->prepares |= label.remember || label.recall;
	mark.split = is_split(walker->stream, m.off0, m.off1);
	if (s->raw)
		mark.crossed = is_crossed(walker->stream, m.off0, m.off1);
	if (!exact)
		s->l->by_burst++;
	m.cid = pair_cid(s->l->link->key, m.sender, m.off0);
	if (!err)
		err = vec_push(&s->w->out->marks, mark);
	if (!err)
		err = vec_push(&s->w->out->messages, m);
	s->newest = walker->last = (uint32_t)s->w->out->messages.count - 1;
	walker->at = end;
	walker->gap = false;
	s->gap = 0;
	return err;
}

static void count_outstanding(struct state *s)
{
	const struct message *m = message_at(s, s->newest);

	if (m->dir == PROTO_TO_SERVER && mark_at(s, s->newest)->new_burst)
		s->of_burst = 0;
	if (m->flags & (PROTO_PUSH | PROTO_INTERIM))
		return;
	if (m->dir == PROTO_TO_SERVER) {
		s->outstanding += !(m->flags & PROTO_NO_RESPONSE);
		s->of_burst += !(m->flags & PROTO_NO_RESPONSE);
	} else {
		s->outstanding -= s->outstanding > 0;
		s->of_burst -= s->of_burst > 0;
	}
}

/* ---- bursts ---- */

/* An unknown number of messages is in the bytes up to the next burst; or up to where records are missing, or
 * are there again: each such stretch is a gap at its own time. */
static void skip(struct state *s, int dir)
{
	struct walker *walker = &s->walkers[dir];
	uint64_t end = stream_burst_end(walker->stream, walker->at);

	note_gap(s, dir);
	walker->sure = false;
	if (dir == PROTO_TO_CLIENT)
		s->forget = true;
	s->l->by_burst += end > walker->at;
	walker->at = end > walker->at ? end : stream_hole_end(walker->stream, walker->at);
}

/* Whether a burst at `at` goes on with the message before it: nothing came the other way, and nothing is
 * missing there that may have. */
static bool is_same_burst(const struct state *s, int dir)
{
	const struct walker *walker = &s->walkers[dir], *other = &s->walkers[!dir];

	if (s->newest == STORE_NONE || s->newest != walker->last || !mark_at(s, s->newest)->raw ||
	    walker->gap || message_at(s, s->newest)->off1 != walker->at)
		return false;
	return other->at >= other->stream->end || stream_burst_end(other->stream, other->at) > other->at;
}

/* A burst is a message; what follows in the same direction before the other one answers belongs to it. */
static int step_raw(struct state *s, int dir)
{
	struct walker *walker = &s->walkers[dir];
	uint64_t end = stream_burst_end(walker->stream, walker->at);
	const uint8_t *bytes;
	size_t len;

	if (end == walker->at || (walker->gap && !stream_burst_at(walker->stream, walker->at))) {
		skip(s, dir);
		return 0;
	}
	if (is_same_burst(s, dir)) {
		struct message *m = message_at(s, s->newest);

		m->off1 = walker->at = end;
		mark_at(s, s->newest)->crossed = is_crossed(walker->stream, m->off0, m->off1);
		return 0;
	}
	bytes = stream_bytes(walker->stream, walker->at, &len);
	return add_message(s, dir, end, bytes, len, false);
}

/* From here on bursts, those included that the grammar did not know. */
static void turn_raw(struct state *s)
{
	for (int dir = 0; dir < 2; dir++) {
		struct walker *walker = &s->walkers[dir];

		if (walker->lost == 0)
			continue;
		walker->at = walker->lost_from;
		walker->gap = false;
	}
	s->raw = true;
	s->newest = STORE_NONE;
}

/* ---- a grammar ---- */

/* What nothing is known of goes on with the message before it, if that one's end was only the end of its
 * burst. */
static bool is_continued(const struct state *s, int dir)
{
	const struct walker *walker = &s->walkers[dir];

	if (walker->last == STORE_NONE || walker->gap || mark_at(s, walker->last)->exact ||
	    message_at(s, walker->last)->off1 != walker->at ||
	    (dir == PROTO_TO_SERVER && s->outstanding == 0))
		return false;
	return stream_burst_end(walker->stream, walker->at) == stream_next_burst(walker->stream, walker->at);
}

static void continue_message(struct state *s, int dir)
{
	struct walker *walker = &s->walkers[dir];

	walker->at = stream_next_burst(walker->stream, walker->at);
	message_at(s, walker->last)->off1 = walker->at;
}

/* Nothing of what begins here was captured. */
static void step_blind(struct state *s, int dir)
{
	if (is_continued(s, dir)) {
		continue_message(s, dir);
		return;
	}
	skip(s, dir);
}

/* The grammar does not know what begins here. Again and again: this is not its protocol any more, or never
 * was. */
static void step_lost(struct state *s, int dir)
{
	struct walker *walker = &s->walkers[dir];
	bool continued = is_continued(s, dir);

	if (walker->lost++ == 0)
		walker->lost_sure = walker->sure;
	if (walker->lost == 1 || continued)
		walker->lost_from = walker->at;
	if (walker->lost >= (walker->lost_sure ? LOST_MAX : LOST_MAX_UNSURE))
		turn_raw(s);
	else if (continued)
		continue_message(s, dir);
	else
		skip(s, dir);
}

/* Where the message ends, at the latest where the stream does. */
static uint64_t message_end(const struct stream *stream, uint64_t at, int64_t edge)
{
	uint64_t end = edge > 0 ? ranges_end(at, (uint64_t)edge) : stream_burst_end(stream, at);

	return end > stream->end ? stream->end : end;
}

static int step_grammar(struct state *s, int dir)
{
	struct walker *walker = &s->walkers[dir];
	const uint8_t *bytes;
	int64_t edge;
	uint64_t end;
	size_t len;
	int err;

	bytes = stream_bytes(walker->stream, walker->at, &len);
	if (!bytes || (walker->gap && !stream_burst_at(walker->stream, walker->at))) {
		step_blind(s, dir);
		return 0;
	}
	if (s->forget && dir == PROTO_TO_SERVER && stream_burst_at(walker->stream, walker->at)) {
		memset(s->memory, 0, sizeof(s->memory));
		s->forget = false;
		s->outstanding = 0;
	}
	edge = s->l->proto->edge(s->memory, dir, bytes, len);
	if (edge == PROTO_LOST || edge == 0 || edge < PROTO_LOST) {
		step_lost(s, dir);
		return 0;
	}
	walker->lost = 0;
	walker->sure = edge > 0;
	end = message_end(walker->stream, walker->at, edge);
	err = add_message(s, dir, end, bytes, len, edge > 0);
	if (err)
		return err;
	count_outstanding(s);
	if (message_at(s, s->newest)->flags & PROTO_UPGRADE)
		turn_raw(s);
	return 0;
}

int walk_run(struct walk *w, struct walk_link *l)
{
	struct state s = {.w = w, .l = l, .raw_proto = proto_find("raw"), .newest = STORE_NONE};
	int dir, err = 0;

	for (dir = 0; dir < 2; dir++) {
		struct walker *walker = &s.walkers[dir];

		walker->stream = &w->streams[dir];
		walker->at = walker->stream->start;
		walker->last = STORE_NONE;
		walker->sure = walker->stream->start == walker->stream->base;
		if (!walker->sure)
			note_gap(&s, dir);
		l->lossy |= ranges_missing(&walker->stream->covered, walker->at, walker->stream->end) > 0;
	}
	choose_clock(&s);
	s.raw = l->proto == s.raw_proto;
	while (!err && (dir = choose_walker(&s)) >= 0)
		err = s.raw ? step_raw(&s, dir) : step_grammar(&s, dir);
	l->last_gap = s.walkers[PROTO_TO_SERVER].gap || !s.walkers[PROTO_TO_SERVER].stream->closed;
	return err;
}
