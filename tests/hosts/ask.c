// SPDX-License-Identifier: Apache-2.0
/*
 * ask.c - the client of talk.c: CONNECTIONS in all, AT_ONCE of them open at any time, REQUESTS on each; by a
 * thread for each that is open, or by one loop that writes to all of them before it reads from any. What is
 * asked follows from SEED. SHAPE: `mixed` (short requests and some with a body), `same` (every request of
 * every client has the same bytes). FIRST_PORT: 0, or the local port of the first, and one such port serves
 * all targets at once: 10000 to target 1, 2, 3, then 10001 to target 1, 2, 3, ... With a - before it there
 * are AT_ONCE ports, each used again as soon as its last connection has ended with a reset.
 */
#include "talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TARGETS 8

static struct {
	int log;
	uint32_t connections, requests, at_once, first_port, count;
	uint64_t seed;
	bool same, again;
	struct addrinfo *targets[TARGETS];
} client;

static uint64_t mix(uint64_t v)
{
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
	return v ^ (v >> 31);
}

static uint32_t share(uint32_t thread)
{
	return client.connections / client.at_once + (thread < client.connections % client.at_once);
}

static int bind_port(int fd, const struct addrinfo *target, uint32_t port)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (target->ai_family == AF_INET6)
		return bind(fd, (struct sockaddr *)&any6, sizeof any6);
	return bind(fd, (struct sockaddr *)&any, sizeof any);
}

static uint32_t port_of(uint32_t number)
{
	return client.first_port + (client.again ? number % client.at_once : number / client.count);
}

static struct talk *begin(uint32_t number)
{
	const struct addrinfo *target = client.targets[number % client.count];
	int fd = socket(target->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (client.first_port && bind_port(fd, target, port_of(number)))
		talk_die("bind");
	if (connect(fd, target->ai_addr, target->ai_addrlen))
		talk_die("connect");
	if (client.again)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
	return talk_new(fd, false, NULL);
}

static void ask_for(struct talk *t, uint32_t number, uint32_t request)
{
	uint64_t dice = mix(client.seed << 40 ^ (uint64_t)number << 16 ^ request);
	char bytes[8192];
	int n;

	if (client.same) {
		n = snprintf(bytes, sizeof bytes,
			     "GET /health HTTP/1.1\r\nHost: shop\r\nUser-Agent: probe/1\r\n\r\n");
	} else if (dice % 4 == 0) {
		uint32_t length = 1000 + (uint32_t)(dice >> 8) % 5000;

		n = snprintf(bytes, sizeof bytes,
			     "POST /order HTTP/1.1\r\nHost: shop\r\nContent-Length: %u\r\n\r\nitem=%llu&",
			     length, (unsigned long long)(dice >> 16));
		length -= (uint32_t)(strlen(bytes) - (size_t)(strstr(bytes, "\r\n\r\n") + 4 - bytes));
		memset(bytes + n, 'x', length);
		n += (int)length;
	} else {
		n = snprintf(bytes, sizeof bytes,
			     "GET /item/%llu HTTP/1.1\r\nHost: shop\r\nAccept: */*\r\n\r\n",
			     (unsigned long long)(dice >> 20) % 1000000000u);
	}
	talk_give(t, bytes, (size_t)n);
}

static void hear(struct talk *t)
{
	const char *body;
	size_t whole;

	while ((whole = talk_whole(t, &body)) == 0) {
		if (talk_take(t, TALK_BUFFER) <= 0)
			talk_die("an answer");
	}
	memcpy(t->token, t->buffer + whole - TALK_TOKEN, TALK_TOKEN);
	talk_drop(t, whole);
}

/* A thread has one connection open at a time. */
static void *ask_one(void *arg)
{
	uint32_t thread = (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 0; i < share(thread); i++) {
		uint32_t number = thread + i * client.at_once;
		struct talk *t = begin(number);

		for (uint32_t r = 0; r < client.requests; r++) {
			ask_for(t, number, r);
			hear(t);
		}
		talk_end(t, client.log, "client");
	}
	return NULL;
}

static void ask_threads(void)
{
	pthread_t threads[512];

	for (uint32_t i = 0; i < client.at_once; i++) {
		if (pthread_create(&threads[i], NULL, ask_one, (void *)(uintptr_t)i))
			talk_die("pthread_create");
	}
	for (uint32_t i = 0; i < client.at_once; i++)
		pthread_join(threads[i], NULL);
}

/* One thread, rounds of AT_ONCE connections, all of them asked before the first answer is read. */
static void ask_loop(void)
{
	struct talk *open[512];

	for (uint32_t first = 0; first < client.connections; first += client.at_once) {
		uint32_t n =
		    client.connections - first < client.at_once ? client.connections - first : client.at_once;

		for (uint32_t i = 0; i < n; i++)
			open[i] = begin(first + i);
		for (uint32_t r = 0; r < client.requests; r++) {
			for (uint32_t i = 0; i < n; i++)
				ask_for(open[i], first + i, r);
			for (uint32_t i = 0; i < n; i++)
				hear(open[i]);
		}
		for (uint32_t i = 0; i < n; i++)
			talk_end(open[i], client.log, "client");
	}
}

static struct addrinfo *target_of(char *text)
{
	struct addrinfo how = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
	char *comma = strchr(text, ',');

	if (!comma)
		talk_die(text);
	*comma = '\0';
	if (getaddrinfo(text, comma + 1, &how, &found))
		talk_die(text);
	return found;
}

/* LOG threads|loop CONNECTIONS REQUESTS AT_ONCE SEED SHAPE FIRST_PORT ADDRESS,PORT... */
int ask(int argc, char **argv)
{
	client.log = open(argv[0], O_WRONLY | O_APPEND | O_CLOEXEC | O_CREAT, 0644);
	client.connections = (uint32_t)strtoul(argv[2], NULL, 10);
	client.requests = (uint32_t)strtoul(argv[3], NULL, 10);
	client.at_once = (uint32_t)strtoul(argv[4], NULL, 10);
	client.seed = strtoul(argv[5], NULL, 10);
	client.same = strcmp(argv[6], "same") == 0;
	client.again = argv[7][0] == '-';
	client.first_port = (uint32_t)strtoul(argv[7] + client.again, NULL, 10);
	for (int i = 8; i < argc && client.count < TARGETS; i++)
		client.targets[client.count++] = target_of(argv[i]);
	if (client.log < 0 || !client.count || !client.at_once || client.at_once > 512)
		talk_die("the arguments");
	if (strcmp(argv[1], "loop") == 0)
		ask_loop();
	else
		ask_threads();
	return 0;
}
