// SPDX-License-Identifier: Apache-2.0
/*
 * dgram_random_test.c - worlds made by chance: hosts with clocks apart, sockets of all kinds, networks that
 * lose, double and turn around, equal payloads, masked and short heads, no bytes at all. What is joined is
 * what was sent, always; where nothing went wrong on the way, and bytes tell, everything is joined.
 * DGRAM_WORLDS=100000 plays longer.
 */
#include <stdlib.h>

#include "dgram_world.h"

#define HOSTS	  4u
#define FLOWS_MAX 6u
#define SENDS_MAX 120u
#define TAKES_MAX (FLOWS_MAX * SENDS_MAX * 2)

static uint64_t chance;

static uint32_t any_of(uint32_t n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (uint32_t)((chance >> 33) % n);
}

enum style { STYLE_UNIQUE, STYLE_MIXED, STYLE_FEW, STYLES };

/* What a world is like. */
struct nature {
	uint32_t loss, copies, reorder; /* percent */
	enum style style;
	bool masks, cuts, gossip, translated, unasked;
	uint32_t capture[HOSTS];
	uint64_t clock[HOSTS];
};

/* A datagram on its way. */
struct take {
	uint64_t at_ns; /* true time */
	uint32_t order, flow, out;
	uint32_t len;
	uint8_t bytes[64];
};

/* What the test knows and the analyzer does not. */
struct truth {
	uint32_t process, record, out_process, out_record;
};

static struct take takes[TAKES_MAX];
static struct truth truths[TAKES_MAX];
static uint32_t take_count, truth_count, sends;

static int take_compare(const void *a, const void *b)
{
	const struct take *x = a, *y = b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static struct nature nature_make(void)
{
	struct nature n = {.style = any_of(STYLES)};

	if (n.style != STYLE_FEW) {
		n.copies = any_of(3) ? 0 : 25;
		n.reorder = any_of(3) ? 0 : 25;
	}
	n.loss = any_of(2) ? 0 : 20;
	n.masks = any_of(4) == 0;
	n.cuts = any_of(4) == 0;
	n.gossip = any_of(4) == 0;
	n.translated = any_of(5) == 0;
	n.unasked = any_of(5) == 0;
	for (uint32_t i = 0; i < HOSTS; i++) {
		static const uint32_t captures[] = {64, 64, 64, 32, 16, 0};

		n.capture[i] = captures[any_of(6)];
		n.clock[i] = 1000 * S + (any_of(2) ? any_of(100) * S : 0);
	}
	return n;
}

static uint32_t payload(const struct nature *n, uint32_t number, uint8_t bytes[64])
{
	static const char *const few[] = {"hits:1|c", "misses:1|c", "time:12|ms"};
	const char *text = few[any_of(3)];
	uint32_t len = 24 + any_of(40);

	if (n->style == STYLE_FEW || (n->style == STYLE_MIXED && any_of(2))) {
		memcpy(bytes, text, strlen(text));
		return (uint32_t)strlen(text);
	}
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)any_of(256);
	memcpy(bytes, &number, sizeof(number));
	return len;
}

/* One flow: its two sockets, and what it sends. */
struct flow {
	struct sock from, to;
	uint32_t from_host, to_host;
	uint16_t seen_port;
	uint8_t seen_host;
	bool connected;
};

static struct flow flow_make(struct story *s, const struct nature *n, uint32_t number)
{
	struct flow f = {.from_host = any_of(HOSTS), .connected = any_of(2)};
	uint16_t to_port = n->gossip ? 7946 : (uint16_t)(5000 + number);

	f.to_host = (f.from_host + 1 + any_of(HOSTS - 1)) % HOSTS;
	f.from = (struct sock){.process = f.from_host,
			       .conn = 1 + 2 * number,
			       .port = n->gossip ? 7946 : (uint16_t)(40000 + number),
			       .host = f.connected ? (uint8_t)(1 + f.from_host) : 0,
			       .remote_host = f.connected ? (uint8_t)(1 + f.to_host) : 0,
			       .remote_port = f.connected ? to_port : 0,
			       .cookie = 10 + 2 * number,
			       .inode = 10 + 2 * number};
	f.to = (struct sock){.process = f.to_host,
			     .conn = 2 + 2 * number,
			     .port = to_port,
			     .host = any_of(2) ? (uint8_t)(1 + f.to_host) : 0,
			     .cookie = 11 + 2 * number,
			     .inode = 11 + 2 * number};
	f.seen_host = n->unasked ? 0 : n->translated ? 200 : (uint8_t)(1 + f.from_host);
	f.seen_port = n->translated ? (uint16_t)(60000 + number) : f.from.port;
	sock_open(s, &f.from);
	sock_open(s, &f.to);
	return f;
}

static uint32_t head_of(const struct nature *n, uint32_t host, uint32_t len)
{
	return n->capture[host] < len ? n->capture[host] : len;
}

static void mask(const struct nature *n, uint8_t *bytes, uint32_t len)
{
	if (n->masks && len > 20 && any_of(3) == 0)
		memset(bytes + 12, '*', 8);
}

static void travel(const struct nature *n, const struct take *t)
{
	uint32_t times = any_of(100) < n->loss ? 0 : any_of(100) < n->copies ? 2 : 1;

	for (uint32_t i = 0; i < times; i++) {
		takes[take_count] = *t;
		takes[take_count].order = take_count;
		takes[take_count].at_ns += 100 * US + i * 3 * US;
		if (any_of(100) < n->reorder)
			takes[take_count].at_ns += any_of(5000) * US;
		take_count++;
	}
}

static void flow_send(struct story *s, const struct nature *n, const struct flow *f, uint32_t number)
{
	uint64_t at = S + any_of(1000) * US;
	uint32_t count = 60 + any_of(SENDS_MAX - 60);

	for (uint32_t i = 0; i < count; i++) {
		struct take t = {.flow = number, .at_ns = at};
		uint8_t bytes[64];

		t.len = payload(n, number << 16 | i, t.bytes);
		memcpy(bytes, t.bytes, sizeof(bytes));
		mask(n, bytes, t.len);
		t.out = moved(s, &f->from, RECORD_DGRAM_OUT,
			      &(struct shot){bytes, t.len, head_of(n, f->from_host, t.len),
					     f->connected ? 0 : (uint8_t)(1 + f->to_host), f->to.port, 0,
					     n->clock[f->from_host] + at});
		travel(n, &t);
		sends++;
		at += (1 + any_of(2000)) * US;
	}
}

static void flow_take(struct story *s, const struct nature *n, const struct flow *f, const struct take *t)
{
	bool cut = n->cuts && t->len > 30 && any_of(10) == 0;
	uint32_t len = cut ? 10 : t->len;
	uint8_t bytes[64];

	memcpy(bytes, t->bytes, sizeof(bytes));
	mask(n, bytes, len);
	truths[truth_count] =
	    (struct truth){.process = f->to_host, .out_process = f->from_host, .out_record = t->out};
	truths[truth_count++].record =
	    moved(s, &f->to, RECORD_DGRAM_IN,
		  &(struct shot){bytes, len, head_of(n, f->to_host, len), f->seen_host, f->seen_port,
				 cut ? RECORD_FLAG_PARTIAL : 0, n->clock[f->to_host] + t->at_ns});
}

static void check_joins(const struct dgrams *d, uint64_t seed)
{
	for (uint32_t i = 0; i < d->pair_count; i++) {
		const struct dgram_pair *p = &d->pairs[i];
		const struct truth *t = NULL;

		for (uint32_t k = 0; k < truth_count && !t; k++)
			if (truths[k].process == p->process[1] && truths[k].record == p->record[1])
				t = &truths[k];
		if (!t || t->out_process != p->process[0] || t->out_record != p->record[0])
			fail_msg("world %lu: record %u of %u was not sent by record %u of %u",
				 (unsigned long)seed, p->record[1], p->process[1], p->record[0],
				 p->process[0]);
	}
}

static void check_sums(const struct dgrams *d)
{
	const struct dgram_flow *a = &d->all;
	uint64_t joined = 0;

	assert_int_equal(a->sent, sends);
	assert_int_equal(a->received, truth_count);
	assert_int_equal(a->joined + a->lost + a->ambiguous + d->sent_untraced, a->sent);
	for (uint32_t i = 0; i < d->pair_count; i++)
		joined += !d->pairs[i].copy;
	assert_int_equal(joined + a->copies + a->unclear + a->unsent + d->from_untraced, a->received);
	assert_int_equal(joined, a->joined);
}

static bool is_plain(const struct nature *n)
{
	for (uint32_t i = 0; i < HOSTS; i++)
		if (n->capture[i] < 32)
			return false;
	return n->style == STYLE_UNIQUE && !n->masks && !n->cuts;
}

static void print_nature(const struct nature *n, const struct dgrams *d)
{
	printf("loss %u copies %u reorder %u style %u masks %u cuts %u gossip %u translated %u unasked %u "
	       "capture %u %u %u %u\n",
	       n->loss, n->copies, n->reorder, n->style, n->masks, n->cuts, n->gossip, n->translated,
	       n->unasked, n->capture[0], n->capture[1], n->capture[2], n->capture[3]);
	for (uint32_t i = 0; i < d->flow_count; i++) {
		const struct dgram_flow *f = &d->flows[i];

		printf(
		    "%d.%u:%u > %d.%u:%u %s sent %lu received %lu joined %lu lost %lu ambiguous %lu unclear "
		    "%lu copies %lu reordered %lu unsent %lu\n",
		    (int)f->ends[0].process, f->ends[0].conn, f->address[0].port, (int)f->ends[1].process,
		    f->ends[1].conn, f->address[1].port, dgram_join_name(f->join), (unsigned long)f->sent,
		    (unsigned long)f->received, (unsigned long)f->joined, (unsigned long)f->lost,
		    (unsigned long)f->ambiguous, (unsigned long)f->unclear, (unsigned long)f->copies,
		    (unsigned long)f->reordered, (unsigned long)f->unsent);
	}
}

static void play(uint64_t seed, uint64_t *joined, uint64_t *sent)
{
	struct story *s = world(HOSTS, 1 + seed % HOSTS);
	uint32_t flows;
	struct flow f[FLOWS_MAX];
	struct nature n;
	struct dgrams d;

	chance = seed * 0x9e3779b97f4a7c15ull + 1;
	for (int i = 0; i < 9; i++)
		any_of(2);
	n = nature_make();
	for (uint32_t i = 0; i < HOSTS; i++)
		n.clock[i] = n.clock[i % (1 + seed % HOSTS)];
	take_count = truth_count = sends = 0;
	flows = 1 + any_of(FLOWS_MAX);
	for (uint32_t i = 0; i < flows; i++) {
		f[i] = flow_make(s, &n, i);
		flow_send(s, &n, &f[i], i);
	}
	qsort(takes, take_count, sizeof(*takes), take_compare);
	for (uint32_t i = 0; i < take_count; i++)
		flow_take(s, &n, &f[takes[i].flow], &takes[i]);
	d = run(s);
	if (getenv("DGRAM_WORLD"))
		print_nature(&n, &d);
	check_joins(&d, seed);
	check_sums(&d);
	if (is_plain(&n) && d.all.joined + d.all.lost + d.sent_untraced != d.all.sent)
		fail_msg("world %lu: %lu of %u joined", (unsigned long)seed, (unsigned long)d.all.joined,
			 sends);
	if (is_plain(&n) && !n.loss && d.all.joined != d.all.sent)
		fail_msg("world %lu: %lu of %u joined", (unsigned long)seed, (unsigned long)d.all.joined,
			 sends);
	*joined += d.all.joined;
	*sent += d.all.sent;
	dgram_free(&d);
	story_free(s);
}

static void test_worlds(void **state)
{
	const char *many = getenv("DGRAM_WORLDS"), *one = getenv("DGRAM_WORLD");
	uint64_t worlds = many ? strtoull(many, NULL, 10) : 300, joined = 0, sent = 0;

	(void)state;
	if (one)
		play(strtoull(one, NULL, 10), &joined, &sent);
	for (uint64_t i = 0; !one && i < worlds; i++)
		play(i, &joined, &sent);
	printf("%lu of %lu sends joined\n", (unsigned long)joined, (unsigned long)sent);
	assert_true(one || joined * 10 > sent * 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_worlds)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
