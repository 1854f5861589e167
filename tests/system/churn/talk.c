// SPDX-License-Identifier: Apache-2.0
/*
 * talk.c - a client that asks in rounds, and servers that answer with as many bytes, one connection held by
 * one process or by several, one after the other:
 *
 *	talk client WHERE FIRST COUNT ROUNDS THREADS
 *	talk server WHERE HOW COUNT ROUNDS          prints "ready" when it listens
 *
 * HOW says what becomes of a connection that was accepted: see `hows`. Where somebody goes on, he does so in
 *the middle of a request. How long a round is follows from the wire (wire.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire.h"

#define CHILD_FD	 3
#define WORKERS		 4
#define CONNECTIONS_MOST 1024u

static uint32_t rounds;
static char *self;

static uint64_t round_bytes(uint32_t id, uint32_t round)
{
	uint64_t dice = wire_dice(id, round);

	return round == 0 ? WIRE_WORD + 1 + dice % 40
			  : 1 + (dice % 8 == 0 ? dice / 8 % 40000 : dice / 8 % 700);
}

static uint64_t end_of(uint32_t id, uint64_t off)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < rounds && end <= off; i++)
		end += round_bytes(id, i);
	return end;
}

static uint64_t all_of(uint32_t id)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < rounds; i++)
		all += round_bytes(id, i);
	return all;
}

/* ---- server: one holder ---- */

static void begin(struct wire *w)
{
	if (w->id == WIRE_UNKNOWN)
		wire_must(wire_take_some(w, WIRE_WORD) > 0, "no first word");
}

/* Until `target` bytes have come; what asks for an answer by then has one. */
static void serve_until(struct wire *w, uint64_t target)
{
	begin(w);
	while (w->off[WIRE_IN] < target) {
		uint64_t end = end_of(w->id, w->off[WIRE_IN]), to = end < target ? end : target;

		wire_take(w, to - w->off[WIRE_IN]);
		if (w->off[WIRE_IN] == end)
			wire_send(w, end - w->off[WIRE_OUT]);
	}
}

static void serve_rest(struct wire *w)
{
	char byte;

	begin(w);
	serve_until(w, all_of(w->id));
	wire_must(read(w->fd, &byte, 1) == 0, "more came than was asked");
	wire_end(w);
}

/* ---- server: from one to the next ---- */

/* The state of a wire, with its descriptor if `fd` is one. */
static void pass(int through, const struct wire *w)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec part = {(void *)w, sizeof *w};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

	if (w->fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof control;
		memcpy(CMSG_DATA(&control.head), &w->fd, sizeof w->fd);
	}
	wire_must(sendmsg(through, &msg, 0) == (ssize_t)sizeof *w, "pass");
}

static struct wire taken(int through)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct wire w;
	struct iovec part = {&w, sizeof w};
	struct msghdr msg = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

	wire_must(recvmsg(through, &msg, MSG_WAITALL) == (ssize_t)sizeof w, "taken");
	if (w.fd >= 0)
		memcpy(&w.fd, CMSG_DATA(&control.head), sizeof w.fd);
	return w;
}

/* This program anew, as `role`, with `fd` as CHILD_FD; `env` is one more setting, NULL: none; or the one of
 * which no library can be part. */
static pid_t start(const char *role, int fd, const char *env)
{
	const char *program = env != NULL && strcmp(env, "static") == 0 ? getenv("WIRE_STATIC") : self;
	char text[16];
	pid_t pid;

	snprintf(text, sizeof text, "%u", rounds);
	pid = fork();
	wire_must(pid >= 0, "fork");
	if (pid > 0)
		return pid;
	if (env != NULL && strchr(env, '=') != NULL)
		putenv((char *)(uintptr_t)env);
	if (fd != CHILD_FD) {
		dup2(fd, CHILD_FD);
		close(fd);
	}
	execl(program, program, role, text, NULL);
	_exit(98);
}

static void await(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		wire_must(errno == EINTR, "waitpid");
	wire_must(status == 0, "a child failed");
}

/* Another process of this program goes on, one that is made now; `back`: it gives the connection back. */
static void to_worker(struct wire *w, bool back, const char *env)
{
	int ends[2];
	pid_t worker;

	begin(w);
	serve_until(w, all_of(w->id) / 3);
	wire_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
	worker = start(back ? "borrower" : "worker", ends[1], env);
	close(ends[1]);
	pass(ends[0], w);
	close(w->fd);
	if (back) {
		*w = taken(ends[0]);
		serve_rest(w);
	}
	close(ends[0]);
	await(worker);
}

static int worker(bool back)
{
	struct wire w = taken(CHILD_FD);

	if (!back) {
		serve_rest(&w);
		return 0;
	}
	serve_until(&w, all_of(w.id) * 2 / 3);
	pass(CHILD_FD, &w);
	close(w.fd);
	return 0;
}

static void serve_plain(struct wire *w)
{
	serve_rest(w);
}

static void serve_rights(struct wire *w)
{
	to_worker(w, false, NULL);
}

static void serve_back(struct wire *w)
{
	to_worker(w, true, NULL);
}

static void serve_foreign(struct wire *w)
{
	to_worker(w, true, "DPROF_DISABLE=1");
}

static void serve_static(struct wire *w)
{
	to_worker(w, true, "static");
}

/* The first half is moved by a process that is not traced, the second by one that is. */
static void serve_late(struct wire *w)
{
	static char preload[4096];

	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", getenv("WIRE_LATE"));
	to_worker(w, false, preload);
}

static void serve_fork(struct wire *w)
{
	pid_t pid = fork();

	wire_must(pid >= 0, "fork");
	if (pid == 0) {
		serve_rest(w);
		exit(0);
	}
	close(w->fd);
	await(pid);
}

/* The connection is stdin and stdout of another program; here that is this one. */
static void serve_inetd(struct wire *w)
{
	char text[16];
	pid_t pid;

	snprintf(text, sizeof text, "%u", rounds);
	pid = fork();
	wire_must(pid >= 0, "fork");
	if (pid == 0) {
		dup2(w->fd, STDIN_FILENO);
		dup2(w->fd, STDOUT_FILENO);
		close(w->fd);
		execl(self, self, "inetd", text, NULL);
		_exit(98);
	}
	close(w->fd);
	await(pid);
}

static int inetd(void)
{
	struct wire w = wire_make(STDIN_FILENO, WIRE_UNKNOWN, 's');

	close(STDOUT_FILENO);
	serve_rest(&w);
	return 0;
}

/* The process replaces itself in the middle. */
static void serve_exec(struct wire *w)
{
	int ends[2];
	pid_t pid;

	wire_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
	pid = fork();
	wire_must(pid >= 0, "fork");
	if (pid == 0) {
		char text[16];

		begin(w);
		serve_until(w, all_of(w->id) / 2);
		snprintf(text, sizeof text, "%u", rounds);
		dup2(ends[1], 20);
		pass(ends[0], w);
		dup2(20, CHILD_FD);
		closefrom(4);
		execl(self, self, "worker", text, NULL);
		_exit(98);
	}
	close(ends[0]);
	close(ends[1]);
	close(w->fd);
	await(pid);
}

/* Parent and child use one socket in turns, each a stretch that ends anywhere. */
static void serve_turns(struct wire *w)
{
	int ends[2];
	uint64_t all, at = 0;
	pid_t pid;

	begin(w);
	all = all_of(w->id);
	wire_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
	pid = fork();
	wire_must(pid >= 0, "fork");
	for (int turn = 0; turn < 6; turn++) {
		bool mine = (turn % 2 == 0) == (pid == 0);
		struct wire state;

		at = turn == 5 ? all : at + all / 6;
		if (mine) {
			serve_until(w, at);
			state = *w;
			state.fd = -1;
			pass(ends[pid == 0], &state);
		} else {
			state = taken(ends[pid == 0]);
			state.fd = w->fd;
			*w = state;
		}
	}
	close(ends[0]);
	close(ends[1]);
	if (pid == 0)
		exit(0);
	await(pid);
	serve_rest(w);
}

/* The number changes all the time. */
static void serve_dup(struct wire *w)
{
	begin(w);
	for (int i = 1; i <= 5; i++) {
		int old = w->fd;

		w->fd = i % 2 ? dup(old) : dup2(old, 200 + i);
		close(old);
		serve_until(w, all_of(w->id) * (uint64_t)i / 5);
	}
	serve_rest(w);
}

/* ---- server ---- */

static const struct how {
	const char *name;
	void (*serve)(struct wire *w);
	int processes; /* that accept from one listener */
} hows[] = {
    {"plain", serve_plain, 0},	       {"fork", serve_fork, 0},	      {"rights", serve_rights, 0},
    {"back", serve_back, 0},	       {"foreign", serve_foreign, 0}, {"inetd", serve_inetd, 0},
    {"exec", serve_exec, 0},	       {"turns", serve_turns, 0},     {"dup", serve_dup, 0},
    {"prefork", serve_plain, WORKERS}, {"static", serve_static, 0},   {"late", serve_late, 0},
};

static void *serve_one(void *with)
{
	struct wire w = wire_make((int)(intptr_t)with, WIRE_UNKNOWN, 's');

	serve_rest(&w);
	return NULL;
}

/* Each connection in a thread, until the client is done: then stdin ends. */
static int accept_all(int listener)
{
	pthread_t threads_of[CONNECTIONS_MOST];
	size_t n = 0;

	for (;;) {
		struct pollfd ready[2] = {{.fd = listener, .events = POLLIN},
					  {.fd = STDIN_FILENO, .events = POLLIN}};
		int fd;

		wire_must(poll(ready, 2, -1) > 0, "poll");
		fd = accept4(listener, NULL, NULL, 0);
		if (fd >= 0) {
			wire_must(n < CONNECTIONS_MOST, "too many connections");
			wire_must(pthread_create(&threads_of[n++], NULL, serve_one, (void *)(intptr_t)fd) ==
				      0,
				  "thread");
		} else if (ready[1].revents != 0) {
			break;
		}
	}
	while (n > 0)
		pthread_join(threads_of[--n], NULL);
	return 0;
}

static int server(const char *where, const struct how *how, uint32_t count)
{
	int listener = wire_listen(where, false);
	pid_t pids[WORKERS];

	if (how->processes > 0)
		wire_must(fcntl(listener, F_SETFL, O_NONBLOCK) == 0, "fcntl");
	for (int i = 0; i < how->processes; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			exit(accept_all(listener));
	}
	dprintf(STDOUT_FILENO, "ready\n");
	for (uint32_t i = 0; i < count && how->processes == 0; i++) {
		struct wire w = wire_make(accept(listener, NULL, NULL), WIRE_UNKNOWN, 's');

		how->serve(&w);
	}
	for (int i = 0; i < how->processes; i++)
		await(pids[i]);
	return 0;
}

/* ---- client ---- */

static const char *to;
static uint32_t first, wires, threads;
static pthread_barrier_t together;

static void *ask(void *with)
{
	uint32_t number = (uint32_t)(uintptr_t)with;

	for (uint32_t i = number; i < wires; i += threads) {
		struct wire w = wire_make(wire_connect(to), first + i, 'c');

		/* all of the first lot are connected before any of them speaks */
		if (i == number && number < wires)
			pthread_barrier_wait(&together);
		for (uint32_t r = 0; r < rounds; r++) {
			wire_send(&w, round_bytes(w.id, r));
			wire_take(&w, round_bytes(w.id, r));
		}
		wire_end(&w);
	}
	return NULL;
}

static int client(void)
{
	pthread_t *all = calloc(threads, sizeof *all);

	if (threads > wires)
		threads = wires;
	pthread_barrier_init(&together, NULL, threads);
	for (uint32_t i = 0; i < threads; i++)
		wire_must(pthread_create(&all[i], NULL, ask, (void *)(uintptr_t)i) == 0, "thread");
	for (uint32_t i = 0; i < threads; i++)
		pthread_join(all[i], NULL);
	free(all);
	return 0;
}

int main(int argc, char **argv)
{
	self = "/proc/self/exe";
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3) {
		rounds = (uint32_t)atoi(argv[2]);
		return strcmp(argv[1], "inetd") == 0 ? inetd() : worker(strcmp(argv[1], "borrower") == 0);
	}
	if (argc == 7) {
		to = argv[2];
		first = (uint32_t)atoi(argv[3]);
		wires = (uint32_t)atoi(argv[4]);
		rounds = (uint32_t)atoi(argv[5]);
		threads = (uint32_t)atoi(argv[6]);
		return client();
	}
	wire_must(argc == 6, "arguments");
	rounds = (uint32_t)atoi(argv[5]);
	for (size_t i = 0; i < sizeof hows / sizeof hows[0]; i++)
		if (strcmp(hows[i].name, argv[3]) == 0)
			return server(argv[2], &hows[i], (uint32_t)atoi(argv[4]));
	wire_must(false, "no such way");
	return 2;
}
