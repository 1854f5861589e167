// SPDX-License-Identifier: Apache-2.0
/*
 * join_world_test.c - worlds made by chance: connections through translated addresses and proxies that are
 * not traced, with like traffic, lost records, masked bytes, ports used again, clocks minutes apart. No end
 * may get another's end, and most that can be joined must be. JOIN_SEEDS=N plays more of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/joined.h"

#define MS	  1000000ull
#define EPOCH	  1767225600000000000ull
#define CLIENTS	  4
#define SERVERS	  4
#define CONNS_MAX 400

enum road { ROAD_PLAIN, ROAD_DNAT, ROAD_SNAT, ROAD_PROXY, ROAD_HEADER };

struct world {
	struct story *s;
	uint64_t random;
	uint32_t clients[CLIENTS], servers[SERVERS];
	int64_t ahead[CLIENTS + SERVERS]; /* of the process's clock */
	bool one_clock, capture, ids, lossy, masked, reuse, apart;
	enum road road;
	uint32_t conns;
	uint32_t missing;		  /* of 10 ends that were not traced; 0: one */
	uint32_t conn[CLIENTS + SERVERS]; /* last number of each process */
	struct {
		uint32_t client, client_conn, server, server_conn;
		bool traced[2];
	} truth[CONNS_MAX];
};

static uint32_t draw(struct world *w, uint32_t below)
{
	w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w->random >> 33) % below;
}

/* One end of a connection being played. */
struct player {
	uint32_t process, conn;
	int64_t ahead;
	bool traced;
	uint64_t off[2]; /* [0] sent, [1] received */
	int last;	 /* kind of its last record */
	uint64_t front;	 /* bytes of a header that only it sees */
};

static void play(struct world *w, struct player *p, uint8_t kind, uint64_t off, const char *bytes,
		 uint32_t len, uint64_t t0, uint64_t t1)
{
	uint16_t flags = p->last != kind ? RECORD_FLAG_BURST : 0;
	char masked[4096];

	p->last = kind;
	if (!p->traced || (w->lossy && draw(w, 40) == 0))
		return;
	memcpy(masked, bytes, len);
	if (w->masked && len > 8)
		memset(masked + len - 8, draw(w, 2) ? '*' : '0', draw(w, 4));
	story_move(w->s, kind, p->process, p->conn, off, w->capture ? masked : NULL, len, flags,
		   EPOCH + t0 + (uint64_t)p->ahead, EPOCH + t1 + (uint64_t)p->ahead);
}

/* One message: in one piece at the sender, in several at the receiver. */
static uint64_t pass(struct world *w, struct player *from, struct player *to, const char *text, uint32_t len,
		     uint64_t t)
{
	uint32_t at = 0;

	play(w, from, RECORD_OUT, from->off[0], text, len, t, t + 2000);
	t += 5000 + draw(w, 100000);
	while (at < len) {
		uint32_t n = 1 + draw(w, len - at);

		play(w, to, RECORD_IN, to->off[1] + to->front, text + at, n, t, t + 1000);
		to->off[1] += n;
		at += n;
		t += 1500;
	}
	from->off[0] += len;
	return t;
}

static void open_end(struct world *w, const struct player *p, bool client, const uint8_t hosts[2],
		     const uint16_t ports[2], uint64_t t0, uint64_t t1)
{
	struct story_end e = {.process = p->process,
			      .conn = p->conn,
			      .flags = client ? RECORD_FLAG_CONNECT : RECORD_FLAG_ACCEPT,
			      .local_host = hosts[0],
			      .local_port = ports[0],
			      .remote_host = hosts[1],
			      .remote_port = ports[1],
			      .cookie = p->process * 100000ull + p->conn};

	if (p->traced && !(w->lossy && draw(w, 40) == 0))
		story_open(w->s, &e, EPOCH + t0 + (uint64_t)p->ahead, EPOCH + t1 + (uint64_t)p->ahead);
}

static uint32_t compose(struct world *w, char *text, bool request, uint32_t kind)
{
	static const char *const names[] = {"orders", "users", "stock", "prices"};

	if (request)
		return (uint32_t)sprintf(
		    text,
		    w->ids ? "GET /%s/%u HTTP/1.1\r\nHost: shop\r\nX-Request-Id: %08x\r\n\r\n"
			   : "GET /%s/%u HTTP/1.1\r\nHost: shop\r\n\r\n",
		    names[kind], w->ids ? draw(w, 1000) : kind, draw(w, 1u << 30));
	return (uint32_t)sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n%.*s", 10 + kind,
				 (int)(10 + kind), "{\"ok\": true, \"more\": []}");
}

static void play_conn(struct world *w, uint32_t number)
{
	uint32_t c = draw(w, CLIENTS), d = draw(w, SERVERS), turns = 1 + draw(w, 6), kind = draw(w, 4);
	struct player client = {.process = w->clients[c], .conn = ++w->conn[c], .ahead = w->ahead[c]};
	struct player server = {
	    .process = w->servers[d], .conn = ++w->conn[CLIENTS + d], .ahead = w->ahead[CLIENTS + d]};
	uint16_t port = (uint16_t)(40000 + (w->reuse ? number % 16 : number));
	uint64_t t = 1000 * MS + number * (w->apart ? 200 : 1) * MS + draw(w, 1000000), begun = t;
	const uint8_t at_client[2] = {(uint8_t)(1 + c), w->road == ROAD_PLAIN ? (uint8_t)(101 + d) : 200};
	uint8_t at_server[2] = {(uint8_t)(101 + d), (uint8_t)(1 + c)};
	uint16_t client_ports[2] = {port, 80}, server_ports[2] = {w->road == ROAD_PLAIN ? 80 : 8080, port};
	char text[4096];

	client.traced = draw(w, 10) >= (w->missing ? w->missing : 1);
	server.traced = draw(w, 10) >= (w->missing ? w->missing : 1);
	if (w->road >= ROAD_SNAT) {
		at_server[1] = 201;
		server_ports[1] = (uint16_t)(20000 + number);
	}
	w->truth[number].client = client.process;
	w->truth[number].client_conn = client.conn;
	w->truth[number].server = server.process;
	w->truth[number].server_conn = server.conn;
	w->truth[number].traced[0] = client.traced;
	w->truth[number].traced[1] = server.traced;
	open_end(w, &client, true, at_client, client_ports, t, t + 60000);
	t += 20000 + draw(w, 100000);
	open_end(w, &server, false, at_server, server_ports, begun > 5000 ? begun - 5000 : 0, t);
	if (w->road == ROAD_HEADER) {
		server.front =
		    (uint64_t)sprintf(text, "PROXY TCP4 10.0.0.%u 10.0.0.200 %u 80\r\n", 1 + c, port);
		play(w, &server, RECORD_IN, 0, text, (uint32_t)server.front, t, t + 500);
	}
	for (uint32_t i = 0; i < turns; i++) {
		uint32_t len = compose(w, text, true, kind);

		t = pass(w, &client, &server, text, len, t) + 1000 + draw(w, 3000000);
		len = compose(w, text, false, kind);
		t = pass(w, &server, &client, text, len, t) + 1000 + draw(w, 5000000);
	}
	if (client.traced)
		story_close(w->s, client.process, client.conn, client.off[0], client.off[1],
			    EPOCH + t + (uint64_t)client.ahead);
	if (server.traced)
		story_close(w->s, server.process, server.conn, server.off[0], server.off[1] + server.front,
			    EPOCH + t + 50000 + (uint64_t)server.ahead);
}

struct score {
	uint32_t joinable, joined, wrong;
};

static void judge(const struct world *w, struct result *r, struct score *score)
{
	for (uint32_t i = 0; i < w->conns; i++)
		score->joinable += w->truth[i].traced[0] && w->truth[i].traced[1];
	for (uint32_t i = 0; i < r->links.link_count; i++) {
		const struct link *l = &r->links.links[i];
		const struct view *v[2];
		bool right = false;

		if (!l->join)
			continue;
		for (int side = 0; side < 2; side++)
			v[side] = &r->conns.views[l->ends[side].views[0]];
		for (uint32_t k = 0; k < w->conns; k++)
			right |= w->truth[k].client == v[0]->process &&
				 w->truth[k].client_conn == v[0]->conn &&
				 w->truth[k].server == v[1]->process && w->truth[k].server_conn == v[1]->conn;
		score->joined += right;
		score->wrong += !right;
	}
}

static struct score play_world(struct world *w, uint64_t seed)
{
	struct score score = {0};
	struct result r;

	w->s = story_new();
	w->random = seed * 7919 + 17;
	for (uint32_t i = 0; i < CLIENTS + SERVERS; i++) {
		uint32_t process = story_process(w->s, w->one_clock ? 0 : i, 100 + i, 1);

		w->conn[i] = 0;
		*(i < CLIENTS ? &w->clients[i] : &w->servers[i - CLIENTS]) = process;
		w->ahead[i] = w->one_clock ? 0 : ((int64_t)draw(w, 600000) - 300000) * (int64_t)MS;
		w->s->processes[process].netns = 10 + i;
	}
	for (uint32_t i = 0; i < w->conns; i++)
		play_conn(w, i);
	r = run(w->s);
	judge(w, &r, &score);
	end(w->s, &r);
	return score;
}

struct row {
	const char *name;
	struct world world;
	uint32_t least; /* of 100 that can be joined */
};

static const struct row rows[] = {
    {"plain, one clock", {.road = ROAD_PLAIN, .one_clock = true, .capture = true, .conns = 300}, 100},
    {"plain, ports again",
     {.road = ROAD_PLAIN, .capture = true, .ids = true, .reuse = true, .conns = 300},
     99},
    {"plain, ports again, no bytes", {.road = ROAD_PLAIN, .reuse = true, .conns = 300}, 80},
    {"dnat, one clock, no bytes", {.road = ROAD_DNAT, .one_clock = true, .conns = 300}, 99},
    {"dnat", {.road = ROAD_DNAT, .capture = true, .ids = true, .conns = 300}, 99},
    {"dnat, ports again, no ids", {.road = ROAD_DNAT, .capture = true, .reuse = true, .conns = 300}, 90},
    {"dnat, losses",
     {.road = ROAD_DNAT, .capture = true, .ids = true, .lossy = true, .masked = true, .conns = 300},
     90},
    {"snat, ids", {.road = ROAD_SNAT, .capture = true, .ids = true, .conns = 300}, 85},
    {"snat, ids, masks", {.road = ROAD_SNAT, .capture = true, .ids = true, .masked = true, .conns = 300}, 70},
    {"snat, ids, losses",
     {.road = ROAD_SNAT, .capture = true, .ids = true, .lossy = true, .masked = true, .conns = 300},
     65},
    {"snat, no ids, one clock",
     {.road = ROAD_SNAT, .capture = true, .one_clock = true, .apart = true, .conns = 300},
     20},
    {"snat, no ids", {.road = ROAD_SNAT, .capture = true, .conns = 300}, 0},
    {"snat, no bytes, one clock", {.road = ROAD_SNAT, .one_clock = true, .apart = true, .conns = 300}, 20},
    {"snat, no bytes", {.road = ROAD_SNAT, .conns = 300}, 0},
    {"header, ids", {.road = ROAD_HEADER, .capture = true, .ids = true, .conns = 300}, 99},
    {"header, no ids", {.road = ROAD_HEADER, .capture = true, .conns = 300}, 99},
    {"header, ports again, losses",
     {.road = ROAD_HEADER, .capture = true, .ids = true, .reuse = true, .lossy = true, .conns = 300},
     80},
    {"few traced, ports again, no bytes",
     {.road = ROAD_PLAIN, .reuse = true, .missing = 6, .conns = 300},
     50},
    {"few traced, dnat, ports again",
     {.road = ROAD_DNAT, .capture = true, .reuse = true, .missing = 6, .conns = 300},
     50},
    {"few traced, snat, one clock",
     {.road = ROAD_SNAT, .capture = true, .one_clock = true, .missing = 6, .conns = 300},
     10},
    {"few traced, snat, ids",
     {.road = ROAD_SNAT, .capture = true, .ids = true, .missing = 6, .conns = 300},
     80},
    {"few, ids", {.road = ROAD_SNAT, .capture = true, .ids = true, .conns = 3}, 0},
};

static void test_worlds(void **state)
{
	const char *more = getenv("JOIN_SEEDS");
	uint64_t seeds = more ? strtoull(more, NULL, 10) : 4;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct score sum = {0};

		for (uint64_t seed = 1; seed <= seeds; seed++) {
			struct world w = rows[i].world;
			struct score score = play_world(&w, seed);

			sum.joinable += score.joinable;
			sum.joined += score.joined;
			sum.wrong += score.wrong;
		}
		print_message("%-30s %u of %u, %u wrong\n", rows[i].name, sum.joined, sum.joinable,
			      sum.wrong);
		assert_int_equal(sum.wrong, 0);
		assert_true(sum.joined * 100ull >= sum.joinable * (uint64_t)rows[i].least);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_worlds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
