// SPDX-License-Identifier: Apache-2.0
/*
 * message.c - see message.h. Analyzer, one thread; pure but for memory. For each link: its two streams
 * (stream.h), their grammar (here), its messages (walk.h), when each end moved them (here), its RPCs
 * (answer.h), the names of prepared statements (recall.h).
 *
 * Invariant: the offsets, cid and kind of a message do not depend on which of the ends was traced, as long as
 * the records of one end have its first bytes.
 */
#include "analyzer/pass/message.h"

#include "analyzer/pass/answer.h"
#include "analyzer/pass/below.h"
#include "analyzer/pass/recall.h"
#include "analyzer/pass/stream.h"
#include "analyzer/pass/walk.h"
#include "analyzer/vec.h"

#define GUESSES_MAX 4 /* bursts of a connection whose beginning is missing */

/* The captured bytes that a burst of each direction begins with. */
struct sample {
	const uint8_t *bytes[2];
	size_t len[2];
};

/* The n-th burst's; the first one's is where the stream begins. */
static struct sample sample_take(const struct stream streams[2], unsigned int n)
{
	struct sample s = {{NULL, NULL}, {0, 0}};

	for (int dir = 0; dir < 2; dir++) {
		uint64_t at = streams[dir].start;

		for (unsigned int i = 0; i < n && at < streams[dir].end; i++)
			at = stream_next_burst(&streams[dir], at);
		s.bytes[dir] = stream_bytes(&streams[dir], at, &s.len[dir]);
	}
	return s;
}

static const struct proto *guess(const struct sample *s, enum link_side server, uint16_t port)
{
	int to_server = server == LINK_SERVER ? 0 : 1;

	return proto_guess(s->bytes[to_server], s->len[to_server], s->bytes[!to_server], s->len[!to_server],
			   port);
}

/* How much the bytes look like a grammar's with this end as the server. */
static int looks_like(const struct proto *p, const struct sample *s, enum link_side server)
{
	int to_server = server == LINK_SERVER ? 0 : 1;
	int a = s->len[to_server] ? p->sniff(PROTO_TO_SERVER, s->bytes[to_server], s->len[to_server]) : 0;
	int b = s->len[!to_server] ? p->sniff(PROTO_TO_CLIENT, s->bytes[!to_server], s->len[!to_server]) : 0;

	return a + b;
}

static bool is_side_known(const struct conns *conns, const struct link *link)
{
	for (int side = 0; side < 2; side++) {
		for (uint32_t i = 0; i < link->ends[side].view_count; i++) {
			if (conns->views[link->ends[side].views[i]].role != VIEW_UNKNOWN)
				return true;
		}
	}
	return false;
}

/*
 * The grammar of a link and which side is its server: who accepted, unless the bytes make sense only the
 * other way round, or nobody saw who did. streams are by the opener's direction, then the acceptor's.
 */
static void guess_link(const struct conns *conns, const struct link *link, const struct stream streams[2],
		       struct link_proto *out)
{
	const struct proto *raw = proto_find("raw");
	bool known = is_side_known(conns, link);
	struct sample start = sample_take(streams, 0);
	bool whole = streams[0].start == streams[0].base && streams[1].start == streams[1].base &&
		     start.len[0] && start.len[1];
	unsigned int guesses = whole ? 1 : GUESSES_MAX;

	*out = (struct link_proto){.proto = raw, .server = LINK_SERVER};
	for (unsigned int n = 0; n < guesses && out->proto == raw; n++) {
		struct sample s = sample_take(streams, n);
		const struct proto *straight = guess(&s, LINK_SERVER, link->address[LINK_SERVER].port);
		const struct proto *turned = guess(&s, LINK_CLIENT, link->address[LINK_CLIENT].port);

		out->proto = straight;
		if (turned == raw || (known && straight != raw))
			continue;
		if (looks_like(turned, &s, LINK_CLIENT) > looks_like(straight, &s, LINK_SERVER))
			*out = (struct link_proto){.proto = turned, .server = LINK_CLIENT};
	}
}

struct run {
	const struct store *store;
	const struct conns *conns;
	const struct links *links;
	struct walk walk;
	struct below below;
	struct walked walked;
	struct answers answers;
	struct link_proto *protos;
};

static bool is_one_time(const struct run *r, const struct link *link)
{
	const struct end *a = &link->ends[0], *b = &link->ends[1];
	const struct store_process *processes = r->store->processes;

	return a->view_count && b->view_count &&
	       store_same_time(r->store, processes[r->conns->views[a->views[0]].process].clock,
			       processes[r->conns->views[b->views[0]].process].clock);
}

static bool is_unsteady(const struct run *r, const struct end *e)
{
	return e->view_count &&
	       r->store->clocks[r->store->processes[r->conns->views[e->views[0]].process].clock].unsteady;
}

/* Streams are wanted by direction: to the server, to the client. */
static void turn_streams(struct stream streams[2], enum link_side server)
{
	struct stream other;

	if (server == LINK_SERVER)
		return;
	other = streams[0];
	streams[0] = streams[1];
	streams[1] = other;
}

/* Plaintext of which neither the carrier nor the grammar is known says no more than the ciphertext, which is
 * there as well. */
static bool is_only_double(const struct run *r, uint32_t number)
{
	const struct link *l = &r->links->links[number];

	for (int side = 0; side < 2; side++)
		for (uint32_t i = 0; i < l->ends[side].view_count; i++)
			if (r->conns->views[l->ends[side].views[i]].carrier != STORE_NONE)
				return false;
	return l->plain && r->protos[number].proto == proto_find("raw");
}

static int run_link(struct run *r, uint32_t number)
{
	const struct link *link = &r->links->links[number];
	struct walk_link l = {.link = link, .number = number};
	uint32_t first = (uint32_t)r->walked.messages.count;
	size_t rpc = r->answers.rpcs.count;
	struct walk *w = &r->walk;
	int err;

	err = stream_build(&w->streams[0], r->store, r->conns, link, LINK_CLIENT);
	if (!err)
		err = stream_build(&w->streams[1], r->store, r->conns, link, LINK_SERVER);
	if (err)
		return err;
	guess_link(r->conns, link, w->streams, &r->protos[number]);
	if (is_only_double(r, number))
		return 0;
	l.proto = r->protos[number].proto;
	l.server = r->protos[number].server;
	turn_streams(w->streams, l.server);
	w->one_time = is_one_time(r, link);
	w->unsteady = is_unsteady(r, &link->ends[l.server]);
	err = walk_run(w, &l);
	r->protos[number].bursts_only = l.by_burst;
	for (size_t i = first; i < r->walked.messages.count && !err; i++) {
		struct message *m = &r->walked.messages.items[i];

		m->sent = stream_transfer(&w->streams[m->dir], STREAM_SENT, m->off0, m->off1);
		m->received = stream_transfer(&w->streams[m->dir], STREAM_RECEIVED, m->off0, m->off1);
	}
	if (!err)
		err = below_run(&r->below, r->store, r->conns, r->links, number,
				r->walked.messages.items + first, r->walked.messages.count - first);
	if (!err)
		err = answer_run(&r->walked, first, &l, &r->answers);
	return err || !l.prepares ? err : recall_run(&r->walked, first, &r->answers, rpc, w->strings);
}

int message_run(const struct store *store, const struct conns *conns, const struct links *links,
		struct strings *strings, struct messages *out)
{
	struct run r = {.store = store, .conns = conns, .links = links};
	int err = 0;

	*out = (struct messages){0};
	r.walk = (struct walk){.store = store, .conns = conns, .strings = strings, .out = &r.walked};
	r.protos = calloc((size_t)links->link_count + 1, sizeof(*r.protos));
	if (!r.protos)
		return -ENOMEM;
	for (uint32_t i = 0; i < links->link_count && !err; i++)
		err = run_link(&r, i);
	stream_free(&r.walk.streams[0]);
	stream_free(&r.walk.streams[1]);
	below_free(&r.below);
	vec_free(&r.walked.marks);
	out->messages = r.walked.messages.items;
	out->message_count = (uint32_t)r.walked.messages.count;
	out->rpcs = r.answers.rpcs.items;
	out->rpc_count = (uint32_t)r.answers.rpcs.count;
	out->protos = r.protos;
	out->unpaired_responses = r.answers.unpaired_responses;
	if (err)
		message_free(out);
	return err;
}

void message_free(struct messages *m)
{
	free(m->messages);
	free(m->rpcs);
	free(m->protos);
	*m = (struct messages){0};
}
