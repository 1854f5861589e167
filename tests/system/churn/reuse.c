// SPDX-License-Identifier: Apache-2.0
/*
 * reuse.c - connections that use few local ports again and again, each over in another way:
 *
 *	reuse client TO ADDRESS PORT PORTS COUNT CONTENT     COUNT connections from each of PORTS ports from
 *PORT on reuse server WHERE PORT PROCESSES CONTENT            prints "ready"; ends when stdin does
 *
 * The number of a connection is known at both ends without a byte of it: it follows from the client's port
 *and from the largest segment that the client says it takes. CONTENT `same`: all have the same bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define SEGMENT	      500u /* of the first connection of a port */
#define PER_PORT      800u
#define STAMP_BYTES   12u
#define PROCESSES     16
#define POOL	      6 /* threads of a server */
#define AGAIN_S	      10
#define AGAIN_WAIT_MS 5

enum kind {
	SILENT_RESET,	/* no byte, the client resets */
	SILENT_CLOSE,	/* no byte, the server closes */
	ASKED_RESET,	/* the client asks and resets at once */
	ANSWERED_RESET, /* it has its answer, and resets */
	ANSWERED,	/* the server closes first */
	REFUSED,	/* the server resets when it has the question */
	HALF,		/* the client closes its way, and then has its answer */
	TOGETHER	/* both close at once */
};

static uint16_t first_port;
static bool same;

/* Half a connection's end leaves the client's port waiting for a second: those are few. */
static enum kind kind_of(uint32_t id)
{
	uint32_t n = id % PER_PORT;

	if (n % 50 == 49)
		return n % 100 == 49 ? HALF : TOGETHER;
	return wire_dice(id, 5) % 6;
}

static uint64_t question(uint32_t id)
{
	return same ? 64 : 8 + wire_dice(id, 6) % 3000;
}

static uint64_t answer(uint32_t id)
{
	return same ? 128 : 1 + wire_dice(id, 7) % 9000;
}

static struct wire make(int fd, uint32_t id, char side)
{
	struct wire w = wire_make(fd, id, side);

	if (same)
		w.content = 7;
	return w;
}

static void reset(struct wire *w)
{
	struct linger now = {1, 0};

	setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	wire_end(w);
}

static void take_all(struct wire *w)
{
	while (wire_take_some(w, 5000) > 0)
		;
}

static void end_orderly(struct wire *w)
{
	take_all(w);
	wire_end(w);
}

/* ---- client ---- */

static const char *to, *from;
static uint32_t ports, per_port;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* -1: the port is not free yet. */
static int try_connect(uint16_t port, uint32_t id)
{
	union wire_address here, there;
	char text[128];
	int fd = wire_socket(to), on = 1, segment = (int)(SEGMENT + id % PER_PORT);
	socklen_t len;

	snprintf(text, sizeof text, "%s/%u", from, port);
	len = wire_address(text, &here);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	wire_must(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment) == 0, "TCP_MAXSEG");
	if (bind(fd, &here.any, len) == 0 && connect(fd, &there.any, wire_address(to, &there)) == 0)
		return fd;
	wire_must(errno == EADDRINUSE || errno == EADDRNOTAVAIL, "connect");
	close(fd);
	return -1;
}

static int must_connect(uint16_t port, uint32_t id)
{
	uint64_t until = now_ms() + AGAIN_S * 1000;
	int fd;

	while ((fd = try_connect(port, id)) < 0) {
		wire_must(now_ms() < until, "the port does not come free");
		poll(NULL, 0, AGAIN_WAIT_MS);
	}
	return fd;
}

static void ask(struct wire *w)
{
	enum kind kind = kind_of(w->id);

	if (kind == SILENT_RESET) {
		reset(w);
		return;
	}
	if (kind != SILENT_CLOSE)
		wire_send(w, question(w->id));
	if (kind == ASKED_RESET) {
		reset(w);
		return;
	}
	if (kind == ANSWERED_RESET || kind == TOGETHER)
		wire_take(w, answer(w->id));
	if (kind == ANSWERED_RESET) {
		reset(w);
		return;
	}
	if (kind == HALF || kind == TOGETHER)
		shutdown(w->fd, SHUT_WR);
	end_orderly(w);
}

static void *use_port(void *with)
{
	uint32_t number = (uint32_t)(uintptr_t)with;

	for (uint32_t i = 0; i < per_port; i++) {
		uint32_t id = number * PER_PORT + i;
		struct wire w = make(must_connect((uint16_t)(first_port + number), id), id, 'c');

		ask(&w);
	}
	return NULL;
}

static int client(void)
{
	pthread_t all[64];

	wire_must(ports <= 64 && per_port <= PER_PORT, "arguments");
	for (uint32_t i = 0; i < ports; i++)
		wire_must(pthread_create(&all[i], NULL, use_port, (void *)(uintptr_t)i) == 0, "thread");
	for (uint32_t i = 0; i < ports; i++)
		pthread_join(all[i], NULL);
	return 0;
}

/* ---- server ---- */

/* Which connection this is, by what the kernel keeps of it also when it is over. */
static uint32_t number_of(int fd, const struct sockaddr_storage *peer)
{
	struct tcp_info info;
	socklen_t len = sizeof info;
	uint32_t segment;
	uint16_t port = peer->ss_family == AF_INET ? ((const struct sockaddr_in *)peer)->sin_port
						   : ((const struct sockaddr_in6 *)peer)->sin6_port;

	wire_must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0, "TCP_INFO");
	segment = info.tcpi_snd_mss + (info.tcpi_options & TCPI_OPT_TIMESTAMPS ? STAMP_BYTES : 0);
	wire_must(segment >= SEGMENT && segment < SEGMENT + PER_PORT, "segment");
	return (uint32_t)(ntohs(port) - first_port) * PER_PORT + segment - SEGMENT;
}

static void serve(struct wire *w)
{
	enum kind kind = kind_of(w->id);

	switch (kind) {
	case SILENT_RESET:
	case ASKED_RESET:
		end_orderly(w);
		return;
	case SILENT_CLOSE:
		wire_end(w);
		return;
	case HALF:
		take_all(w);
		break;
	default:
		wire_take(w, question(w->id));
	}
	if (kind == REFUSED) {
		reset(w);
		return;
	}
	wire_send(w, answer(w->id));
	if (kind == TOGETHER)
		shutdown(w->fd, SHUT_WR);
	if (kind == ANSWERED || kind == HALF)
		wire_end(w);
	else
		end_orderly(w);
}

static void *accept_all(void *with)
{
	int listener = (int)(intptr_t)with;

	for (;;) {
		struct pollfd ready[2] = {{.fd = listener, .events = POLLIN},
					  {.fd = STDIN_FILENO, .events = POLLIN}};
		struct sockaddr_storage peer;
		socklen_t len = sizeof peer;
		struct wire w;
		int fd;

		wire_must(poll(ready, 2, -1) > 0, "poll");
		fd = accept(listener, (struct sockaddr *)&peer, &len);
		if (fd < 0 && ready[1].revents != 0)
			return NULL;
		if (fd < 0)
			continue;
		w = make(fd, number_of(fd, &peer), 's');
		serve(&w);
	}
}

static int serve_all(int listener)
{
	pthread_t pool[POOL];

	wire_must(fcntl(listener, F_SETFL, O_NONBLOCK) == 0, "fcntl");
	dprintf(STDOUT_FILENO, "ready\n");
	for (int i = 0; i < POOL; i++)
		wire_must(pthread_create(&pool[i], NULL, accept_all, (void *)(intptr_t)listener) == 0,
			  "thread");
	for (int i = 0; i < POOL; i++)
		pthread_join(pool[i], NULL);
	return 0;
}

static int server(const char *where, int processes)
{
	pid_t pids[PROCESSES];
	int status, count = abs(processes), listener = processes < 0 ? wire_listen(where, false) : -1;

	if (processes == 1)
		return serve_all(wire_listen(where, true));
	wire_must(count <= PROCESSES, "arguments");
	for (int i = 0; i < count; i++) {
		pids[i] = fork();
		wire_must(pids[i] >= 0, "fork");
		if (pids[i] == 0)
			exit(serve_all(listener < 0 ? wire_listen(where, true) : listener));
	}
	for (int i = 0; i < count; i++)
		wire_must(waitpid(pids[i], &status, 0) == pids[i] && status == 0, "a server failed");
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	wire_must(argc == 6 || argc == 8, "arguments");
	same = strcmp(argv[argc - 1], "same") == 0;
	if (argc == 6) {
		first_port = (uint16_t)atoi(argv[3]);
		return server(argv[2], atoi(argv[4]));
	}
	to = argv[2];
	from = argv[3];
	first_port = (uint16_t)atoi(argv[4]);
	ports = (uint32_t)atoi(argv[5]);
	per_port = (uint32_t)atoi(argv[6]);
	return client();
}
