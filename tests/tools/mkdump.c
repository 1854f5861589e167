/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkdump SCENARIO DIR - writes the dumps that a scenario describes, one per process, with the library's own
 * encoder. The language is described in tests/golden/README.md. Same scenario, same bytes.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/declare.h"
#include "tests/tools/write.h"

struct line {
	unsigned int number;
	char *text;
};

static VEC(struct line) lines;

/* ---- events ---- */

/* One event while it is carried out. */
struct event {
	const struct word *words;
	unsigned int count;
	const char *verb;
	struct process *process;
	struct thread *thread;
	struct conn *conn;
	struct sight *sight;
	unsigned int side; /* of the process */
	struct record record;
};

static void emit(struct event *e, const void *data, size_t len)
{
	static const uint8_t zeros[RECORD_ALIGN];
	struct thread *t = e->thread;

	e->record.size_bytes = (uint32_t)(sizeof(e->record) + len);
	must(!vec_append(&t->records, (const uint8_t *)&e->record, sizeof(e->record)) &&
	     !vec_append(&t->records, (const uint8_t *)data, len) &&
	     !vec_append(&t->records, zeros, -(sizeof(e->record) + len) % RECORD_ALIGN));
	t->count++;
	e->process->records++;
}

/* The bytes that an out, or an in from an untraced process, speaks of. */
static void bytes_of(const struct event *e, size_t first, void *to)
{
	VEC(uint8_t) *bytes = to;

	for (unsigned int i = first; i < e->count; i++) {
		const struct word *w = &e->words[i];
		uint64_t n = 0;

		if (!w->name)
			must(!vec_append(bytes, (const uint8_t *)w->value, w->len));
		if (w->name && w->value && (!strcmp(w->name, "zeros") || !strcmp(w->name, "random")))
			n = number_in(w->value);
		for (uint64_t k = 0; k < n; k++) {
			static uint64_t seed = 1;

			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			must(!vec_push(bytes, w->name[0] == 'z' ? 0 : (uint8_t)(seed >> 56)));
		}
	}
}

static uint16_t turn(struct event *e, uint8_t way)
{
	if (e->sight->way == way)
		return 0;
	e->sight->way = way;
	e->sight->burst_left = (uint32_t)e->process->head_bytes;
	return RECORD_FLAG_BURST;
}

/* out and in: `bytes` of the stream that `sender` sends move. */
static void move_bytes(struct event *e, unsigned int sender, uint64_t off, const uint8_t *bytes, uint64_t len)
{
	bool out = e->record.kind == RECORD_OUT, peek = find(e->words, e->count, "peek") != NULL;
	const char *flags = text_of(e->words, e->count, "flags", "");
	uint64_t head;

	e->record.flags = (uint16_t)(flags_in(flags) | (peek ? RECORD_FLAG_PEEK : turn(e, e->record.kind)));
	head = peek ? 0 : e->sight->burst_left < len ? e->sight->burst_left : len;
	e->sight->burst_left -= (uint32_t)head;
	if (!peek) {
		e->sight->seen[!out] += len;
		if (!out)
			e->conn->taken[sender] = off + len;
	}
	if (find(e->words, e->count, "untraced"))
		return;
	head = number_of(e->words, e->count, "head", head);
	e->record.off = number_of(e->words, e->count, "off", off);
	e->record.len = (uint32_t)number_of(e->words, e->count, "len", len);
	emit(e, bytes, head < len ? head : len);
}

static void do_out(struct event *e)
{
	unsigned int sender = e->side;
	uint64_t off = e->conn->base[sender] + e->conn->stream[sender].count;
	size_t before = e->conn->stream[sender].count;

	bytes_of(e, 3, &e->conn->stream[sender]);
	move_bytes(e, sender, off, e->conn->stream[sender].items + before,
		   e->conn->stream[sender].count - before);
}

/* in CONN: all that is there; in CONN N: so many bytes; in CONN "text": these, which must be there, or come
 * from a process that is not traced. */
static void do_in(struct event *e)
{
	unsigned int sender = !e->side;
	struct conn *c = e->conn;
	size_t at = (size_t)(c->taken[sender] - c->base[sender]), there = c->stream[sender].count - at,
	       len = there;
	VEC(uint8_t) given = {0};

	bytes_of(e, 3, &given);
	for (unsigned int i = 3; i < e->count; i++) {
		if (e->words[i].name && isdigit((unsigned char)*e->words[i].name))
			len = (size_t)number_in(e->words[i].name);
	}
	if (given.count) {
		size_t known = given.count < there ? given.count : there;

		len = given.count;
		if (known && memcmp(c->stream[sender].items + at, given.items, known))
			fail("%s: other bytes were sent", c->name);
		must(!vec_append(&c->stream[sender], given.items + known, given.count - known));
	}
	if (len > c->stream[sender].count - at)
		fail("%s: only %zu bytes were sent", c->name, there);
	move_bytes(e, sender, c->taken[sender], c->stream[sender].items + at, len);
	vec_free(&given);
}

/* dgram_out and dgram_in: `named` says to, or from, whom. */
static void do_datagram(struct event *e)
{
	const struct side *other = &e->conn->sides[!e->side];
	struct datagram to = {0};
	VEC(uint8_t) bytes = {0};
	VEC(uint8_t) data = {0};
	uint64_t head;

	bytes_of(e, 3, &bytes);
	if (find(e->words, e->count, "named")) {
		to.family = other->family;
		to.port = other->port;
		memcpy(to.addr, other->addr, sizeof(to.addr));
	}
	head = number_of(e->words, e->count, "head", bytes.count);
	must(!vec_append(&data, (const uint8_t *)&to, sizeof(to)) && !vec_append(&data, bytes.items, head));
	e->record.flags = flags_in(text_of(e->words, e->count, "flags", ""));
	e->record.len = (uint32_t)number_of(e->words, e->count, "len", bytes.count);
	emit(e, data.items, data.count);
	vec_free(&bytes);
	vec_free(&data);
}

static void do_eof(struct event *e)
{
	e->record.kind = RECORD_IN;
	e->record.flags = RECORD_FLAG_EOF;
	e->record.off = e->conn->taken[!e->side];
	emit(e, NULL, 0);
}

static uint64_t socket_inode(const struct conn *c, unsigned int side)
{
	return 70000 + 2 * (uint64_t)(c - conns.items) + side;
}

/* connect, accept, seen, pair */
static void do_open(struct event *e)
{
	struct conn *c = e->conn;
	struct side *local = &c->sides[e->side], *remote = &c->sides[!e->side];
	const struct process *peer = process_named(remote->process, strlen(remote->process));
	bool is_unix = local->family == ENDPOINT_UNIX;
	VEC(uint8_t) data = {0};
	struct endpoint end = {
	    .family = (uint8_t)number_of(e->words, e->count, "family", local->family),
	    .type = (uint8_t)number_of(e->words, e->count, "type", ENDPOINT_STREAM),
	    .local_port = local->port,
	    .remote_port = remote->port,
	    .netns = e->process->header.netns,
	    .inode = number_of(e->words, e->count, "inode", socket_inode(c, e->side)),
	    .cookie = number_of(e->words, e->count, "cookie", 10000 + socket_inode(c, e->side)),
	    .off_in = number_of(e->words, e->count, "off_in", c->taken[!e->side]),
	    .off_out = number_of(e->words, e->count, "off_out", c->base[e->side] + c->stream[e->side].count),
	    .peer_pid = is_unix && peer ? (uint32_t)peer->header.pid : 0,
	    .path_bytes = is_unix ? (uint32_t)c->path_len : 0,
	};

	memcpy(end.local_addr, local->addr, 16);
	memcpy(end.remote_addr, remote->addr, 16);
	e->record.flags = flags_in(e->verb) | flags_in(text_of(e->words, e->count, "flags", ""));
	e->record.off = number_of(e->words, e->count, "fd", e->record.conn + 2);
	must(!vec_append(&data, (const uint8_t *)&end, sizeof(end)) &&
	     !vec_append(&data, (const uint8_t *)c->path, end.path_bytes));
	emit(e, data.items, data.count);
	vec_free(&data);
}

/* session CONN random=TEXT: the conn is the plaintext of TLS */
static void do_session(struct event *e)
{
	const char *random = text_of(e->words, e->count, "random", e->conn->name);
	struct tls_session s = {
	    .off_in = number_of(e->words, e->count, "off_in", e->conn->taken[!e->side]),
	    .off_out = number_of(e->words, e->count, "off_out",
				 e->conn->base[e->side] + e->conn->stream[e->side].count),
	};

	memcpy(s.random, random, strnlen(random, sizeof(s.random)));
	e->record.flags = flags_in(text_of(e->words, e->count, "flags", e->side ? "accept" : "connect"));
	emit(e, &s, sizeof(s));
}

/* close, resync */
static void do_counts(struct event *e)
{
	struct conn *c = e->conn;
	uint64_t out = c->base[e->side] + c->stream[e->side].count, in = c->taken[!e->side];
	struct counts counts = {
	    .out_seen = number_of(e->words, e->count, "out_seen", out),
	    .in_seen = number_of(e->words, e->count, "in_seen", in),
	    .out_kernel = number_of(e->words, e->count, "out_kernel", out),
	    .in_kernel = number_of(e->words, e->count, "in_kernel", in),
	};

	e->record.flags = flags_in(text_of(e->words, e->count, "flags", ""));
	e->record.off = e->record.kind == RECORD_CLOSE ? e->record.conn + 2 : 0;
	emit(e, &counts, sizeof(counts));
}

static void do_peer(struct event *e)
{
	e->record.off = number_of(e->words, e->count, "inode", socket_inode(e->conn, !e->side));
	emit(e, NULL, 0);
}

/* shutdown, wait, end, fork, lost: off and len as record.def names them */
static void do_plain(struct event *e)
{
	const struct record_info *info = record_info(e->record.kind);

	if (e->record.kind == RECORD_END)
		e->record.len = e->thread->tid;
	if (*info->off)
		e->record.off = number_of(e->words, e->count, info->off, 0);
	if (*info->len)
		e->record.len = (uint32_t)number_of(e->words, e->count, info->len, e->record.len);
	if (e->record.kind == RECORD_LOST)
		e->process->end.dropped += e->record.off;
	emit(e, NULL, 0);
}

static void do_skip(struct event *e)
{
	uint64_t missing = number_of(e->words, e->count, "records", 1);

	e->thread->skipped += missing;
	e->process->records += missing;
	must(!vec_push(&e->thread->skips, e->thread->count) && !vec_push(&e->thread->skips, missing));
}

static const struct verb {
	const char *name;
	uint8_t kind;
	bool conn;
	const char *call;
	void (*run)(struct event *e);
} verbs[] = {
    {"connect", RECORD_OPEN, true, "connect", do_open},
    {"accept", RECORD_OPEN, true, "accept4", do_open},
    {"seen", RECORD_OPEN, true, "", do_open},
    {"pair", RECORD_OPEN, true, "socketpair", do_open},
    {"session", RECORD_TLS, true, "SSL_read", do_session},
    {"out", RECORD_OUT, true, "write", do_out},
    {"in", RECORD_IN, true, "read", do_in},
    {"dgram_out", RECORD_DGRAM_OUT, true, "sendto", do_datagram},
    {"dgram_in", RECORD_DGRAM_IN, true, "recvfrom", do_datagram},
    {"eof", RECORD_IN, true, "read", do_eof},
    {"close", RECORD_CLOSE, true, "close", do_counts},
    {"resync", RECORD_RESYNC, true, "", do_counts},
    {"peer", RECORD_PEER, true, "", do_peer},
    {"shutdown", RECORD_SHUTDOWN, true, "shutdown", do_plain},
    {"wait", RECORD_WAIT, false, "epoll_wait", do_plain},
    {"fork", RECORD_FORK, false, "fork", do_plain},
    {"end", RECORD_END, false, "", do_plain},
    {"lost", RECORD_LOST, false, "", do_plain},
    {"gated", RECORD_GATED, false, "", do_plain},
    {"skip", RECORD_NONE, false, "", do_skip},
};

static const struct verb *verb_named(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	fail("no such event: %s", name);
}

/* A thread's first record, when it makes its first event. */
static void begin_thread(struct event *e, uint64_t t)
{
	struct event start = *e;

	if (e->thread->begun)
		return;
	e->thread->begun = true;
	start.record = (struct record){
	    .kind = RECORD_START, .t0 = t, .t1 = t, .off = e->thread->parent, .len = e->thread->tid};
	emit(&start, e->thread->title, e->thread->title_len);
}

/* The side of the connection that the process is, or that it says it is. */
static unsigned int side_of(const struct event *e)
{
	bool client = find(e->words, e->count, "client"), server = find(e->words, e->count, "server");

	if (!client && !server) {
		client = !strcmp(e->conn->sides[0].process, e->process->name);
		server = !strcmp(e->conn->sides[1].process, e->process->name);
	}
	if (client == server)
		fail("%s: say whether %s is its client or its server", e->conn->name, e->process->name);
	return server;
}

static void run_event(struct word *w, unsigned int n, struct process *p, const char *thread)
{
	struct event e = {.words = w, .process = p, .thread = thread_named(p, thread)};
	const struct verb *verb;
	uint64_t t0, t1;

	times_of(w, n, &t0, &t1);
	for (unsigned int i = n; i-- > 0;) {
		if (w[i].name && !strcmp(w[i].name, "t"))
			memmove(&w[i], &w[i + 1], (--n - i) * sizeof(*w));
	}
	e.count = n;
	e.verb = n > 1 && w[1].name ? w[1].name : "";
	verb = verb_named(e.verb);
	if (verb->conn) {
		uint32_t number;

		e.conn = conn_named(n > 2 && w[2].name ? w[2].name : "");
		e.side = side_of(&e);
		number = conn_number(p, (uint32_t)(e.conn - conns.items));
		e.sight = &p->sights.items[number - 1];
		e.record.conn = (uint32_t)number_of(w, n, "conn", number);
	}
	e.record.t0 = stamp_at(p, t0);
	e.record.t1 = stamp_at(p, t1);
	e.record.call = call_number(text_of(w, n, "call", verb->call));
	begin_thread(&e, e.record.t0);
	e.record.kind = verb->kind;
	verb->run(&e);
}

static void run_line(const char *text)
{
	struct word words[WORDS_MAX];
	char *copy = strdup(text);
	unsigned int n = split(copy, words);
	const char *dot;
	struct process *p;

	if (n && !words[0].name)
		fail("a line does not begin with a text");
	if (!n)
		return;
	dot = strchr(words[0].name, '.');
	if (!strcmp(words[0].name, "process"))
		declare_process(words, n);
	else if (!strcmp(words[0].name, "thread"))
		declare_thread(words, n);
	else if (!strcmp(words[0].name, "conn"))
		declare_conn(words, n);
	else if (!strcmp(words[0].name, "window"))
		declare_window(words, n);
	else if (!dot || !(p = process_named(words[0].name, (size_t)(dot - words[0].name))))
		fail("no such process: %s", words[0].name);
	else
		run_event(words, n, p, dot + 1);
}

/* Runs lines [first, end); those between `repeat N step=T` and `done` N times, each T later. */
static void run_lines(size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		unsigned long times;
		char step[32] = "0";
		const char *rest;
		size_t stop = i + 1;

		line_number = lines.items[i].number;
		if (sscanf(lines.items[i].text, " repeat %lu step=%31s", &times, step) < 1) {
			run_line(lines.items[i].text);
			continue;
		}
		while (stop < end && strcmp(lines.items[stop].text, "done"))
			stop++;
		if (stop == end)
			fail("repeat without done");
		for (unsigned long k = 0; k < times; k++) {
			run_lines(i + 1, stop);
			shift_ns += time_in(step, &rest);
		}
		shift_ns -= times * time_in(step, &rest);
		i = stop;
	}
}

static void read_lines(const char *path)
{
	FILE *from = fopen(path, "r");
	char *text = NULL;
	size_t cap = 0;
	ssize_t len;

	file = path;
	if (!from)
		fail("%s", strerror(errno));
	while ((len = getline(&text, &cap, from)) >= 0) {
		while (len && isspace((unsigned char)text[len - 1]))
			text[--len] = 0;
		must(!vec_push(&lines, (struct line){++line_number, strdup(text + strspn(text, " \t"))}));
	}
	free(text);
	fclose(from);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: mkdump SCENARIO DIR\n");
		return 2;
	}
	call_number("");
	read_lines(argv[1]);
	run_lines(0, lines.count);
	must(!vec_push(&calls, NULL));
	for (size_t i = 0; i < processes.count; i++)
		write_process(&processes.items[i], argv[2]);
	return 0;
}
