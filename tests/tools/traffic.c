// SPDX-License-Identifier: Apache-2.0
/*
 * traffic.c - `traffic [OPTIONS] DIR`: dumps of hosts that call each other, with the library's own encoder,
 * as if each host had a clock of its own (host_clock_read.h), and the truth beside them. One thread; same
 * options, same bytes, and what happens at which true time does not depend on the clocks.
 *
 * A lane is one thread that asks, request after request, and a thread on each host that a request of it
 * reaches: each edge of the lane's tree is a connection, each span has a thread. Lanes share hosts and
 * addresses only.
 */
#include <arpa/inet.h>
#include <getopt.h>

#include "tests/tools/traffic_host.h"

#define HOSTS_MAX  64u
#define HEAD_MAX   256u /* captured bytes of a burst */
#define CALL_NS	   3000
#define FIRST_PORT 8000u

static const char usage[] =
    "usage: traffic [OPTIONS] DIR\n"
    "  --hosts=N         2 to 64, default 2\n"
    "  --shape=S         chain, star (the first asks the others in turn), fan (all at once), mesh (each is "
    "the\n"
    "                    first of a star), random (trees)\n"
    "  --lanes=N         threads that ask, default 4\n"
    "  --messages=N      in all, at least, default 10000\n"
    "  --rate=N          messages a second and direction on each edge, default 100\n"
    "  --delay=T         the least on the way, default 20us\n"
    "  --queue=T         added on the way, exponential, mean; default 20us\n"
    "  --heavy           one message in eight waits eight times as long\n"
    "  --asymmetry=N     percent that the least delay is more in one direction and less in the other\n"
    "  --work=T          of a request at each host, exponential, mean; default 50us\n"
    "  --bytes=N         body of an answer, default 100\n"
    "  --per-conn=N      requests on a connection before another one, default: all\n"
    "  --clocks=FILE     a clock for each host; without: raw stamps and no error\n"
    "  --truth=FILE      write what is true there: clocks each --truth-step (10ms), trees by root\n"
    "  --prefix=TEXT     of host names, default n\n"
    "  --net=A.B         the first half of all addresses, default 10.0\n"
    "  --seed=N          of everything at random, default 1\n";

static struct {
	uint64_t hosts, lanes, messages, rate, asymmetry, bytes, per_conn, seed;
	uint32_t net;
	int64_t delay_ns, queue_ns, work_ns, truth_step_ns;
	bool heavy;
	const char *shape, *clocks, *truth, *prefix, *directory;
} set = {.hosts = 2,
	 .lanes = 4,
	 .bytes = 100,
	 .net = 10 << 8,
	 .messages = 10000,
	 .rate = 100,
	 .per_conn = UINT64_MAX,
	 .seed = 1,
	 .delay_ns = 20000,
	 .queue_ns = 20000,
	 .work_ns = 50000,
	 .truth_step_ns = 10000000,
	 .shape = "chain",
	 .prefix = "n"};

/* One place in a lane's tree: a thread of a host, and the connection to the place above. */
struct place {
	uint32_t host, thread, parent;
	uint32_t conn[2]; /* numbers at the parent's process and here */
	uint16_t port;	  /* at the parent */
	uint64_t sent[2]; /* bytes down, up */
	int64_t idle_ns;  /* the thread waits since then */
	int64_t answer_ns, asked_ns;
	VEC(uint32_t) children;
};

struct lane {
	struct place places[HOSTS_MAX]; /* 0: the root; a parent is before its children */
	uint64_t random, done, on_conn;
	int64_t next_ns; /* when its next request is due */
};

static struct host hosts[HOSTS_MAX];
static struct lane *lanes;
static uint16_t ports[HOSTS_MAX]; /* last client port */
static int64_t least_ns[HOSTS_MAX][HOSTS_MAX];

/* ---- chance ---- */

static uint64_t draw(struct lane *l)
{
	return hash_mix(l->random += 0x9e3779b97f4a7c15ull);
}

/* Exponential, in integers: -log2 of a random number, its mantissa by a parabola. */
static int64_t draw_exponential(struct lane *l, int64_t mean)
{
	uint64_t v = draw(l) | 1;
	int64_t whole = __builtin_clzll(v), f, part;

	v <<= whole;
	f = (int64_t)(v << 1 >> 44); /* 20 bits */
	part = (1 << 20) - f - (f * ((1 << 20) - f) >> 20) * 352 / 1024;
	return (int64_t)((__int128)mean * ((whole << 20) + part) * 727 / 1049 >> 20);
}

static int64_t way_ns(struct lane *l, uint32_t from, uint32_t to)
{
	int64_t mean = set.heavy && draw(l) % 8 == 0 ? 8 * set.queue_ns : set.queue_ns;

	return least_ns[from][to] + draw_exponential(l, mean);
}

/* ---- connections ---- */

static struct endpoint endpoint_of(const struct place *p, uint32_t server)
{
	uint32_t parent = p->parent, local = server ? p->host : parent, remote = server ? parent : p->host;
	uint16_t port = (uint16_t)(FIRST_PORT + p->host);
	uint32_t addresses[2] = {htonl(set.net << 16 | (local + 1)), htonl(set.net << 16 | (remote + 1))};
	struct endpoint e = {.family = ENDPOINT_IPV4,
			     .local_port = server ? port : p->port,
			     .remote_port = server ? p->port : port,
			     .inode = ++hosts[local].inodes};

	e.cookie = e.inode;
	memcpy(e.local_addr, &addresses[0], 4);
	memcpy(e.remote_addr, &addresses[1], 4);
	return e;
}

static void emit_open(struct place *p, uint32_t host, uint32_t thread, uint32_t server, int64_t t0,
		      int64_t t1)
{
	struct endpoint e = endpoint_of(p, server);

	p->conn[server] = ++hosts[host].conns;
	emit(&hosts[host], thread,
	     (struct record){.kind = RECORD_OPEN,
			     .call = server ? CALL_ACCEPT : CALL_CONNECT,
			     .flags = server ? RECORD_FLAG_ACCEPT : RECORD_FLAG_CONNECT,
			     .conn = p->conn[server],
			     .off = p->conn[server] + 4,
			     .t0 = (uint64_t)t0,
			     .t1 = (uint64_t)t1},
	     &e, sizeof(e));
}

/* Connects a place to the one above; when that is done. */
static int64_t open_place(struct lane *l, struct place *p, uint32_t parent_thread, int64_t t)
{
	int64_t there = awake_at(&hosts[p->host].clock, t + way_ns(l, p->parent, p->host)), back;

	back = awake_at(&hosts[p->parent].clock, there + way_ns(l, p->host, p->parent));
	p->port = ports[p->parent] = (uint16_t)(ports[p->parent] < 20000 ? 20000 : ports[p->parent] + 1);
	p->sent[0] = p->sent[1] = 0;
	emit_open(p, p->parent, parent_thread, 0, t, back);
	emit_open(p, p->host, p->thread, 1, p->idle_ns, there);
	p->idle_ns = there + CALL_NS;
	return back + CALL_NS;
}

static void emit_close(struct host *h, uint32_t thread, uint32_t conn, uint64_t out, uint64_t in, int64_t t)
{
	struct counts counts = {out, in, out, in};

	emit(h, thread,
	     (struct record){.kind = RECORD_CLOSE,
			     .call = CALL_CLOSE,
			     .conn = conn,
			     .off = conn + 4,
			     .t0 = (uint64_t)t,
			     .t1 = (uint64_t)t + CALL_NS},
	     &counts, sizeof(counts));
}

static int64_t close_place(struct lane *l, struct place *p, uint32_t parent_thread, int64_t t)
{
	int64_t there = awake_at(&hosts[p->host].clock, t + way_ns(l, p->parent, p->host));

	emit_close(&hosts[p->parent], parent_thread, p->conn[0], p->sent[0], p->sent[1], t);
	emit(&hosts[p->host], p->thread,
	     (struct record){.kind = RECORD_IN,
			     .call = CALL_READ,
			     .flags = RECORD_FLAG_EOF,
			     .conn = p->conn[1],
			     .off = p->sent[0],
			     .t0 = (uint64_t)p->idle_ns,
			     .t1 = (uint64_t)there},
	     NULL, 0);
	emit_close(&hosts[p->host], p->thread, p->conn[1], p->sent[1], p->sent[0], there + CALL_NS);
	p->idle_ns = there + 3 * CALL_NS;
	return t + 2 * CALL_NS;
}

/* ---- requests ---- */

static void emit_bytes(struct host *h, uint32_t thread, uint8_t kind, uint32_t conn, uint64_t off,
		       const char *bytes, uint32_t len, int64_t t0, int64_t t1)
{
	emit(h, thread,
	     (struct record){.kind = kind,
			     .call = kind == RECORD_OUT ? CALL_WRITE : CALL_READ,
			     .flags = RECORD_FLAG_BURST,
			     .conn = conn,
			     .off = off,
			     .len = len,
			     .t0 = (uint64_t)t0,
			     .t1 = (uint64_t)t1},
	     bytes, len < HEAD_MAX ? len : HEAD_MAX);
}

/* The thread of the place above asks this one at t: both ends of the request's bytes. When it can go on. */
static int64_t ask(struct lane *l, struct place *p, uint32_t parent_thread, int64_t t)
{
	char bytes[HEAD_MAX];
	int64_t there = awake_at(&hosts[p->host].clock, t + way_ns(l, p->parent, p->host));
	uint32_t len = (uint32_t)snprintf(
	    bytes, sizeof(bytes), "GET /l%u/h%u/%08llu HTTP/1.1\r\nHost: %s\r\n\r\n",
	    (unsigned int)(l - lanes), p->host, (unsigned long long)l->done, hosts[p->host].clock.name);

	emit_bytes(&hosts[p->parent], parent_thread, RECORD_OUT, p->conn[0], p->sent[0], bytes, len, t,
		   t + CALL_NS);
	emit_bytes(&hosts[p->host], p->thread, RECORD_IN, p->conn[1], p->sent[0], bytes, len, p->idle_ns,
		   there);
	p->sent[0] += len;
	p->asked_ns = there;
	return t + 2 * CALL_NS;
}

/* This place answers at t. */
static void answer(struct lane *l, struct place *p, int64_t t)
{
	static char bytes[HEAD_MAX];
	int head = snprintf(bytes, sizeof(bytes), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n",
			    (unsigned int)set.bytes);

	memset(bytes + head, 'x', sizeof(bytes) - (size_t)head);
	emit_bytes(&hosts[p->host], p->thread, RECORD_OUT, p->conn[1], p->sent[1], bytes,
		   (uint32_t)((uint64_t)head + set.bytes), t, t + CALL_NS);
	p->idle_ns = t + 2 * CALL_NS;
	p->answer_ns = awake_at(&hosts[p->parent].clock, t + way_ns(l, p->host, p->parent));
}

/* The thread above reads the answer; it waits since `since`. When it can go on. */
static int64_t take(struct place *p, uint32_t parent_thread, int64_t since)
{
	static char bytes[HEAD_MAX];
	int head = snprintf(bytes, sizeof(bytes), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n",
			    (unsigned int)set.bytes);
	uint32_t len = (uint32_t)((uint64_t)head + set.bytes);
	int64_t t = p->answer_ns > since ? p->answer_ns : since + CALL_NS;

	memset(bytes + head, 'x', sizeof(bytes) - (size_t)head);
	emit_bytes(&hosts[p->parent], parent_thread, RECORD_IN, p->conn[0], p->sent[1], bytes, len, since, t);
	p->sent[1] += len;
	return t + CALL_NS;
}

/* What the place's thread does for a request from t on: asks all below it. When it is done. */
static int64_t serve(struct lane *l, uint32_t number, int64_t t)
{
	struct place *p = &l->places[number];
	bool fan = !strcmp(set.shape, "fan");

	t = awake_at(&hosts[p->host].clock, t + draw_exponential(l, set.work_ns));
	for (uint32_t i = 0; fan && i < p->children.count; i++)
		t = ask(l, &l->places[p->children.items[i]], p->thread, t);
	for (uint32_t i = 0; i < p->children.count; i++) {
		struct place *child = &l->places[p->children.items[i]];

		if (!fan)
			t = ask(l, child, p->thread, t);
		answer(l, child, serve(l, p->children.items[i], child->asked_ns));
		t = awake_at(&hosts[p->host].clock, take(child, p->thread, t));
	}
	return t + CALL_NS;
}

/* ---- lanes ---- */

static void grow_child(struct lane *l, uint32_t parent, uint32_t number, uint32_t host)
{
	l->places[number] = (struct place){.host = host, .parent = l->places[parent].host};
	must(!vec_push(&l->places[parent].children, number));
}

static void grow_tree(struct lane *l, uint32_t number)
{
	bool chain = !strcmp(set.shape, "chain"), mesh = !strcmp(set.shape, "mesh"),
	     random = !strcmp(set.shape, "random");
	uint32_t root = mesh || random ? (uint32_t)(number % set.hosts) : 0;

	l->random = hash_mix(set.seed) + hash_mix(number + 1);
	l->places[0] = (struct place){.host = root};
	for (uint32_t i = 1; i < set.hosts; i++) {
		uint32_t parent = chain ? i - 1 : random ? (uint32_t)(draw(l) % i) : 0;

		grow_child(l, parent, i, (uint32_t)((root + i) % set.hosts));
	}
}

/* The thread of the place above. */
static uint32_t thread_above(const struct lane *l, const struct place *p)
{
	uint32_t i = 0;

	while (l->places[i].host != p->parent)
		i++;
	return l->places[i].thread;
}

/* Each host has one place in a tree, and a parent is before its children: its thread is free by then. */
static int64_t open_lane(struct lane *l, int64_t t)
{
	for (uint32_t i = 1; i < set.hosts; i++)
		t = open_place(l, &l->places[i], thread_above(l, &l->places[i]), t);
	l->on_conn = 0;
	return t;
}

static int64_t close_lane(struct lane *l, int64_t t)
{
	for (uint32_t i = 1; i < set.hosts; i++)
		t = close_place(l, &l->places[i], thread_above(l, &l->places[i]), t);
	for (uint32_t i = 1; i < set.hosts; i++) {
		if (l->places[i].idle_ns > t)
			t = l->places[i].idle_ns;
	}
	return t;
}

static void start_lane(struct lane *l, uint32_t number)
{
	char name[16];

	grow_tree(l, number);
	snprintf(name, sizeof(name), "lane%u", number);
	for (uint32_t i = 0; i < set.hosts; i++) {
		struct place *p = &l->places[i];

		p->idle_ns = 1000000 + 100000ll * number;
		p->thread = start_thread(&hosts[p->host], name, p->idle_ns);
	}
	l->next_ns = open_lane(l, 2000000 + 100000ll * number);
	l->places[0].idle_ns = l->next_ns;
}

static void run_request(struct lane *l, int64_t gap_ns)
{
	int64_t t = l->places[0].idle_ns;

	if (l->on_conn == set.per_conn)
		t = open_lane(l, close_lane(l, t));
	l->next_ns += draw_exponential(l, gap_ns);
	l->places[0].idle_ns = serve(l, 0, t > l->next_ns ? t : l->next_ns);
	l->done++;
	l->on_conn++;
}

/* All requests; when the last thing happened. */
static int64_t run_lanes(void)
{
	uint64_t per_request = 2ull * (set.hosts - 1),
		 requests = (set.messages + per_request - 1) / per_request;
	bool all_ask = !strcmp(set.shape, "mesh") || !strcmp(set.shape, "random");
	/* Where all hosts ask, an edge has the lanes of two of them. */
	uint64_t on_edge = all_ask ? (2 * set.lanes + set.hosts - 1) / set.hosts : set.lanes;
	int64_t last = 0;

	for (uint32_t i = 0; i < set.lanes; i++)
		start_lane(&lanes[i], i);
	for (uint64_t i = 0; i < requests; i++)
		run_request(&lanes[i % set.lanes], (int64_t)(on_edge * BILLION / set.rate));
	for (uint32_t i = 0; i < set.lanes; i++)
		close_lane(&lanes[i], lanes[i].places[0].idle_ns);
	for (uint32_t i = 0; i < set.hosts; i++)
		last = hosts[i].last_ns > last ? hosts[i].last_ns : last;
	return last + 1000000;
}

/* ---- truth ---- */

/* asker>server(what the server asks), children in order. */
static void write_shape(FILE *to, const struct lane *l, const struct place *p)
{
	fprintf(to, "%s>%s", hosts[p->parent].clock.host, hosts[p->host].clock.name);
	if (p->children.count)
		fputc('(', to);
	for (uint32_t i = 0; i < p->children.count; i++) {
		if (i)
			fputc(' ', to);
		write_shape(to, l, &l->places[p->children.items[i]]);
	}
	if (p->children.count)
		fputc(')', to);
}

static void tell_truth(int64_t until_ns)
{
	FILE *to = fopen(set.truth, "w");

	if (!to)
		give_up("%s: %s", set.truth, strerror(errno));
	for (uint32_t i = 0; i < set.hosts; i++)
		write_truth(to, &hosts[i].clock, EPOCH_NS, 0, until_ns, set.truth_step_ns);
	for (uint32_t n = 0; n < set.lanes; n++) {
		for (uint32_t i = 0; i < lanes[n].places[0].children.count; i++) {
			const struct place *p = &lanes[n].places[lanes[n].places[0].children.items[i]];

			fprintf(to, "trees /l%u/h%u %llu ", n, p->host, (unsigned long long)lanes[n].done);
			write_shape(to, &lanes[n], p);
			fputc('\n', to);
		}
	}
	must(!fclose(to));
}

/* ---- options ---- */

/* The line of the file for a name, or that for *, behind the name; NULL: none. */
static char *line_for(const char *path, const char *name)
{
	FILE *from = fopen(path, "r");
	char *line = NULL, *found = NULL;
	size_t cap = 0;
	bool exact = false;

	if (!from)
		give_up("%s: %s", path, strerror(errno));
	while (!exact && getline(&line, &cap, from) >= 0) {
		size_t len = strcspn(line, " \t\n");

		exact = len == strlen(name) && !memcmp(line, name, len);
		if (!exact && (len != 1 || *line != '*'))
			continue;
		free(found);
		found = strdup(line + len);
	}
	free(line);
	fclose(from);
	return found;
}

static void make_hosts(void)
{
	clock_seed = set.seed;
	for (uint32_t i = 0; i < set.hosts; i++) {
		char *name, *line;

		must(asprintf(&name, "%s%02u", set.prefix, i) > 0);
		line = set.clocks ? line_for(set.clocks, name) : NULL;
		hosts[i].clock = plain_clock(name);
		if (line)
			read_clock_line(&hosts[i].clock, line, NULL, NULL);
		start_host(&hosts[i], i, set.directory);
		for (uint32_t j = 0; j < set.hosts; j++) {
			bool more = hash_mix(set.seed + (i < j ? i * HOSTS_MAX + j : j * HOSTS_MAX + i)) & 1;
			int64_t percent =
			    (i < j) == more ? 100 + (int64_t)set.asymmetry : 100 - (int64_t)set.asymmetry;

			least_ns[i][j] = set.delay_ns * percent / 100;
		}
		free(name);
		free(line);
	}
}

/* False: not an option with a number. */
static bool set_number(int option, const char *v)
{
	const struct {
		char option;
		uint64_t *to;
	} numbers[] = {{'n', &set.hosts},     {'l', &set.lanes}, {'m', &set.messages}, {'r', &set.rate},
		       {'a', &set.asymmetry}, {'b', &set.bytes}, {'p', &set.per_conn}, {'S', &set.seed}};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].option == option) {
			*numbers[i].to = strtoull(v, NULL, 10);
			return true;
		}
	}
	return false;
}

static bool set_time(int option, const char *v)
{
	const struct {
		char option;
		int64_t *to;
	} times[] = {
	    {'d', &set.delay_ns}, {'q', &set.queue_ns}, {'w', &set.work_ns}, {'T', &set.truth_step_ns}};
	const char *end;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (times[i].option == option) {
			*times[i].to = time_in(v, &end);
			return true;
		}
	}
	return false;
}

static bool set_text(int option, const char *v)
{
	const struct {
		char option;
		const char **to;
	} texts[] = {{'s', &set.shape}, {'c', &set.clocks}, {'t', &set.truth}, {'x', &set.prefix}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].option == option) {
			*texts[i].to = v;
			return true;
		}
	}
	return false;
}

static void set_option(int option, const char *v)
{
	unsigned int a, b;

	if (option == 'h') {
		set.heavy = true;
	} else if (option == 'N') {
		if (sscanf(v, "%u.%u", &a, &b) != 2 || a > 255 || b > 255)
			give_up("--net: %s", v);
		set.net = a << 8 | b;
	} else if (!set_number(option, v) && !set_time(option, v) && !set_text(option, v)) {
		give_up("%s", usage);
	}
}

static bool is_shape(const char *text)
{
	static const char *const shapes[] = {"chain", "star", "fan", "mesh", "random"};
	bool found = false;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		found |= !strcmp(text, shapes[i]);
	return found;
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
	    {"hosts", 1, NULL, 'n'},	{"shape", 1, NULL, 's'}, {"lanes", 1, NULL, 'l'},
	    {"messages", 1, NULL, 'm'}, {"rate", 1, NULL, 'r'},	 {"delay", 1, NULL, 'd'},
	    {"queue", 1, NULL, 'q'},	{"heavy", 0, NULL, 'h'}, {"asymmetry", 1, NULL, 'a'},
	    {"work", 1, NULL, 'w'},	{"bytes", 1, NULL, 'b'}, {"per-conn", 1, NULL, 'p'},
	    {"clocks", 1, NULL, 'c'},	{"truth", 1, NULL, 't'}, {"truth-step", 1, NULL, 'T'},
	    {"prefix", 1, NULL, 'x'},	{"net", 1, NULL, 'N'},	 {"seed", 1, NULL, 'S'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(option, optarg);
	if (optind + 1 != argc || set.hosts < 2 || set.hosts > HOSTS_MAX || !set.lanes || !set.rate ||
	    !is_shape(set.shape) || set.asymmetry > 90 || set.bytes > 1u << 24 || set.truth_step_ns <= 0 ||
	    !set.per_conn)
		give_up("%s", usage);
	set.directory = argv[optind];
}

int main(int argc, char **argv)
{
	int64_t until_ns;

	read_options(argc, argv);
	lanes = calloc(set.lanes, sizeof(*lanes));
	must(lanes);
	make_hosts();
	until_ns = run_lanes();
	for (uint32_t i = 0; i < set.hosts; i++)
		end_host(&hosts[i], until_ns);
	if (set.truth)
		tell_truth(until_ns);
	return 0;
}
