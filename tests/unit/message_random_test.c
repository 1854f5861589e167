// SPDX-License-Identifier: Apache-2.0
/*
 * message_random_test.c - random conversations, cut into random writes and reads at both ends, with ends and
 * records missing: what survives must be told right.
 *
 * Two ends act in one order of time. The client sends rounds of requests, waiting for their answers or
 * running ahead; the server answers each as soon as it has it or all at once. Every byte of both streams is
 * known, so every message and pair that the passes find can be checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzer/pass/message.h"
#include "analyzer/strings.h"
#include "tests/unit/story.h"
#include "tests/unit/toy.h"

#define CLIENT 0
#define SERVER 1

#define MESSAGES_MAX 400
#define STREAM_BYTES (1u << 20)

struct truth {
	uint64_t off0, off1;
};

struct play {
	struct story *story;
	uint64_t random;
	uint64_t t;
	uint64_t skew; /* of the server's clock */
	unsigned int drop_per_mille;
	int traced[2];
	char letters[2];	   /* of request and response */
	uint8_t *bytes[2];	   /* by sender */
	uint64_t written[2];	   /* made */
	uint64_t sent[2], read[2]; /* given to the kernel, taken from it; by sender */
	struct truth truth[2][MESSAGES_MAX];
	uint32_t made[2]; /* messages, by sender */
	int way[2];
	uint32_t head_left[2];
	uint64_t dropped;
};

/* What one run found. */
struct found {
	uint64_t messages, pairs, wrong, wrong_sure, possible;
};

static uint64_t roll(struct play *p, uint64_t n)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return p->random % n;
}

static void record(struct play *p, int who, int out, uint64_t off, uint32_t len)
{
	int sender = out ? who : !who;
	uint16_t flags = p->way[who] == out ? 0 : RECORD_FLAG_BURST;
	uint64_t skew = who == SERVER ? p->skew : 0;
	uint32_t head;

	if (flags)
		p->head_left[who] = STORY_HEAD_BYTES;
	p->way[who] = out;
	head = len < p->head_left[who] ? len : p->head_left[who];
	p->head_left[who] -= head;
	p->t += 1000 + roll(p, 1000);
	if (!p->traced[who])
		return;
	if (roll(p, 1000) < p->drop_per_mille) {
		p->dropped++;
		return;
	}
	story_record(p->story, (uint32_t)who,
		     (struct store_record){.kind = out ? RECORD_OUT : RECORD_IN,
					   .flags = flags,
					   .conn = 1,
					   .off = off,
					   .len = len,
					   .t0_ns = p->t + skew,
					   .t1_ns = p->t + skew + 500},
		     p->bytes[sender] + off, head);
}

static void make(struct play *p, int sender, uint32_t id, uint32_t len)
{
	struct truth *t = &p->truth[sender][p->made[sender]++];

	t->off0 = p->written[sender];
	t->off1 = t->off0 + len;
	toy_write(p->bytes[sender] + t->off0, p->letters[sender], id, len);
	p->written[sender] = t->off1;
}

static uint32_t size(struct play *p, int small)
{
	if (small)
		return TOY_HEADER;
	switch (roll(p, 8)) {
	case 0:
		return 2000 + (uint32_t)roll(p, 6000);
	case 1:
		return 200 + (uint32_t)roll(p, 200);
	default:
		return TOY_HEADER + (uint32_t)roll(p, 40);
	}
}

/* Writes some of what was made. */
static void push(struct play *p, int who)
{
	uint64_t left = p->written[who] - p->sent[who];
	uint32_t len = (uint32_t)(roll(p, 3) ? left : 1 + roll(p, left));

	record(p, who, 1, p->sent[who], len);
	p->sent[who] += len;
}

static void pull(struct play *p, int who)
{
	uint64_t left = p->sent[!who] - p->read[!who];
	uint32_t len = (uint32_t)(roll(p, 3) ? left : 1 + roll(p, left));

	record(p, who, 0, p->read[!who], len);
	p->read[!who] += len;
}

/* How many whole messages of the sender the other end has. */
static uint32_t whole(const struct play *p, int sender)
{
	uint32_t n = 0;

	while (n < p->made[sender] && p->truth[sender][n].off1 <= p->read[sender])
		n++;
	return n;
}

struct style {
	uint32_t rounds;
	uint32_t depth; /* requests per round at most */
	int ahead;	/* the client asks on before it has all answers */
	int at_once;	/* the server answers when it has read all there is */
	int small;	/* heads show every message */
	int polite;	/* the client reads when it has written all it has to say */
};

static void converse(struct play *p, const struct style *s)
{
	uint32_t rounds = s->rounds;

	while (rounds > 0 || whole(p, SERVER) < p->made[CLIENT]) {
		int idle = whole(p, SERVER) == p->made[CLIENT];
		uint32_t asked;

		if (rounds > 0 && p->sent[CLIENT] == p->written[CLIENT] &&
		    (idle || (s->ahead && roll(p, 4) == 0))) {
			for (uint32_t i = 1 + (uint32_t)roll(p, s->depth); i > 0; i--)
				make(p, CLIENT, p->made[CLIENT], size(p, s->small));
			rounds--;
		}
		if (p->sent[CLIENT] < p->written[CLIENT] && roll(p, 2))
			push(p, CLIENT);
		if (p->read[CLIENT] < p->sent[CLIENT] && roll(p, 2))
			pull(p, SERVER);
		asked = whole(p, CLIENT);
		if (p->made[SERVER] < asked && (!s->at_once || p->read[CLIENT] == p->sent[CLIENT]))
			make(p, SERVER, p->made[SERVER], size(p, s->small));
		if (p->sent[SERVER] < p->written[SERVER] && roll(p, 2))
			push(p, SERVER);
		if (p->read[SERVER] < p->sent[SERVER] && roll(p, 2) &&
		    !(s->polite && p->sent[CLIENT] < p->written[CLIENT]))
			pull(p, CLIENT);
	}
}

static void open_both(struct play *p)
{
	for (int who = 0; who < 2; who++) {
		struct story_end e = {.conn = 1,
				      .flags = who == CLIENT ? RECORD_FLAG_CONNECT : RECORD_FLAG_ACCEPT,
				      .local_host = (uint8_t)(who + 1),
				      .local_port = who == CLIENT ? 40000 : 80,
				      .remote_host = (uint8_t)(2 - who),
				      .remote_port = who == CLIENT ? 80 : 40000,
				      .cookie = (uint64_t)who + 1};

		e.process = story_process(p->story, p->skew ? (uint32_t)who : 0, (uint64_t)who + 10, 1);
		if (p->traced[who])
			story_open(p->story, &e, p->t + (who ? p->skew : 0), p->t + 10 + (who ? p->skew : 0));
	}
}

static void close_both(struct play *p)
{
	for (int who = 0; who < 2; who++) {
		if (p->traced[who])
			story_close(p->story, (uint32_t)who, 1, p->sent[who], p->read[!who],
				    p->t + 5000 + (who ? p->skew : 0));
	}
}

/* The message of the truth that starts at `off`, UINT32_MAX. */
static uint32_t truth_at(const struct play *p, int sender, uint64_t off)
{
	for (uint32_t i = 0; i < p->made[sender]; i++) {
		if (p->truth[sender][i].off0 == off)
			return i;
	}
	return UINT32_MAX;
}

static void check_transfer(const struct play *p, const struct conns *conns, const struct transfer *t,
			   uint64_t off0, uint64_t off1)
{
	const struct store_record *first, *last;

	if (t->view == STORE_NONE)
		return;
	first = &p->story->processes[conns->views[t->view].process].records[t->first_record];
	last = &p->story->processes[conns->views[t->view].process].records[t->last_record];
	assert_true(first->t0_ns == t->first_t0_ns && last->t1_ns == t->last_t1_ns);
	assert_true(first->off < off1 && first->off + first->len > off0);
	assert_true(last->off < off1 && last->off + last->len > off0);
	if (t->holes)
		return;
	assert_true(first->off <= off0);
	assert_true(last->off + last->len >= off1);
}

static struct found check(const struct play *p, const struct conns *conns, const struct links *links,
			  const struct strings *strings, const struct messages *m)
{
	struct found f = {.messages = m->message_count};

	assert_int_equal(links->link_count, 1);
	assert_int_equal(links->links[0].mismatched, 0);
	for (uint32_t i = 0; i < m->message_count; i++) {
		const struct message *msg = &m->messages[i];
		int sender = msg->sender == LINK_CLIENT ? CLIENT : SERVER;
		uint32_t n = truth_at(p, sender, msg->off0);

		assert_true(n != UINT32_MAX);
		/* where the capture ends within its header, nobody knows how long a message is */
		if (strlen(strings_get(strings, msg->target)) >= TOY_HEADER)
			assert_true(msg->off1 == p->truth[sender][n].off1);
		assert_true(msg->cid == pair_cid(links->links[0].key, msg->sender, msg->off0));
		check_transfer(p, conns, &msg->sent, msg->off0, msg->off1);
		check_transfer(p, conns, &msg->received, msg->off0, msg->off1);
	}
	for (uint32_t i = 0; i < m->rpc_count; i++) {
		const struct rpc *r = &m->rpcs[i];
		uint32_t q, a;

		if (r->response == RPC_NO_RESPONSE ||
		    strlen(strings_get(strings, m->messages[r->request].target)) < TOY_HEADER ||
		    strlen(strings_get(strings, m->messages[r->response].target)) < TOY_HEADER)
			continue; /* its id is not known */
		q = truth_at(p, CLIENT, m->messages[r->request].off0);
		a = truth_at(p, SERVER, m->messages[r->response].off0);
		f.pairs++;
		f.wrong += q != a;
		f.wrong_sure += q != a && r->confidence > 0.61f;
	}
	for (uint32_t i = 0; i < p->made[CLIENT]; i++) {
		int both = 0;

		for (uint32_t k = 0; k < m->message_count; k++)
			both += m->messages[k].off0 ==
				p->truth[m->messages[k].sender == LINK_CLIENT ? 0 : 1][i].off0;
		f.possible += both == 2;
	}
	return f;
}

static struct found play(struct play *p, const struct style *s)
{
	struct conns conns;
	struct links links;
	struct messages m;
	struct strings *strings = strings_new();
	struct found f;

	p->story = story_new();
	p->t = 1000;
	p->way[0] = p->way[1] = -1;
	p->bytes[0] = malloc(STREAM_BYTES * 4);
	p->bytes[1] = malloc(STREAM_BYTES * 4);
	open_both(p);
	converse(p, s);
	close_both(p);
	assert_int_equal(conn_run(&p->story->store, &conns), 0);
	assert_int_equal(pair_run(&p->story->store, &conns, &links), 0);
	assert_int_equal(message_run(&p->story->store, &conns, &links, strings, &m), 0);
	f = check(p, &conns, &links, strings, &m);
	message_free(&m);
	pair_free(&links);
	conn_free(&conns);
	strings_free(strings);
	story_free(p->story);
	free(p->bytes[0]);
	free(p->bytes[1]);
	return f;
}

#define RUNS 150

/* Many conversations of one style; sums. */
static struct found play_many(const struct style *style, const int traced[2], unsigned int drop, char request,
			      char response)
{
	struct found sum = {0};

	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		static struct play p;
		struct found f;

		memset(&p, 0, sizeof(p));
		p.random = seed * 0x9e3779b97f4a7c15ull + drop;
		p.drop_per_mille = drop;
		p.skew = seed % 3 == 0 ? 1000000000ull * seed : 0;
		memcpy(p.traced, traced, sizeof(p.traced));
		p.letters[0] = request;
		p.letters[1] = response;
		roll(&p, 2);
		f = play(&p, style);
		sum.messages += f.messages;
		sum.pairs += f.pairs;
		sum.wrong += f.wrong;
		sum.wrong_sure += f.wrong_sure;
		sum.possible += f.possible;
	}
	return sum;
}

static const int traced_by[3][2] = {{1, 1}, {1, 0}, {0, 1}};

static void say(const char *what, int traced, unsigned int drop, const struct found *f)
{
	print_message(
	    "%s, traced %d, drop %u: %lu messages, %lu pairs of %lu possible, %lu wrong, %lu of them sure\n",
	    what, traced, drop, f->messages, f->pairs, f->possible, f->wrong, f->wrong_sure);
}

static void test_waiting_client(void **state)
{
	static const struct style style = {.rounds = 40, .depth = 1};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct found f = play_many(&style, traced_by[i], 0, 'Q', 'R');

		say("one by one", i, 0, &f);
		assert_int_equal(f.wrong, 0);
		assert_int_equal(f.messages, RUNS * 80);
		assert_int_equal(f.pairs, RUNS * 40);
	}
}

/* More than one request in a burst: what is behind its head of 256 bytes cannot be seen. A client that reads
 * between its writes may be one that does not wait, and is believed less. */
static void test_pipelining_client(void **state)
{
	(void)state;
	for (int i = 0; i < 12; i++) {
		struct style style = {.rounds = 20, .depth = 5, .at_once = i % 2, .polite = i / 6};
		struct found f = play_many(&style, traced_by[i / 2 % 3], 0, 'Q', 'R');

		say(style.polite ? "pipelined, polite" : "pipelined", i / 2 % 3, 0, &f);
		assert_int_equal(f.wrong_sure, 0);
		assert_true(f.wrong * 1000 <=
			    f.pairs); /* where only the server was traced, whose reads are not rounds */
		assert_true(f.pairs * 10 > f.possible * (style.polite ? 8 : 4));
	}
}

static void test_running_ahead(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct style style = {.rounds = 30, .depth = 3, .ahead = 1};
		struct found f = play_many(&style, traced_by[i], 0, 'Q', 'R');

		say("ahead", i, 0, &f);
		assert_int_equal(f.wrong_sure, 0);
		/* where messages are hidden and the client does not wait nobody can count: none of these is
		 * sure */
		assert_true(f.wrong * 20 <= f.pairs);
		style.small = 1;
		f = play_many(&style, traced_by[i], 0, 'Q', 'R');
		say("ahead, small", i, 0, &f);
		assert_int_equal(f.wrong, 0);
		assert_true(f.pairs * 100 > f.possible * 99);
	}
}

static void test_drops(void **state)
{
	static const unsigned int drops[] = {10, 50, 200};

	(void)state;
	for (int k = 0; k < 3; k++) {
		for (int i = 0; i < 3; i++) {
			struct style style = {.rounds = 40, .depth = 1};
			struct found f = play_many(&style, traced_by[i], drops[k], 'Q', 'R');

			say("one by one", i, drops[k], &f);
			assert_int_equal(f.wrong, 0);
			assert_true(f.pairs * 10 > f.possible * 8);
		}
	}
}

static void test_drops_pipelined(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct style style = {.rounds = 20, .depth = 4};
		struct found f = play_many(&style, traced_by[i], 30, 'Q', 'R');

		say("pipelined", i, 30, &f);
		assert_int_equal(f.wrong_sure, 0);
		assert_true(f.wrong * 200 <= f.pairs);
	}
}

static void test_keys(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		struct style style = {.rounds = 30, .depth = 3, .ahead = 1};
		struct found f = play_many(&style, traced_by[i % 3], i < 3 ? 0 : 50, 'q', 'r');

		say("by key", i % 3, i < 3 ? 0 : 50, &f);
		assert_int_equal(f.wrong, 0);
		assert_true(f.pairs * 100 > f.possible * 97); /* an id may be beyond what was captured */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_waiting_client),  cmocka_unit_test(test_pipelining_client),
	    cmocka_unit_test(test_running_ahead),   cmocka_unit_test(test_drops),
	    cmocka_unit_test(test_drops_pipelined), cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
