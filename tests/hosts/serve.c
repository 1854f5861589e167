// SPDX-License-Identifier: Apache-2.0
/*
 * serve.c - the server of talk.c: a thread per connection, or one event loop. It ends at SIGTERM, with status
 * 0.
 *
 * Invariant: a connection is logged once, when its client has closed it.
 */
#include "talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LISTENERS 8

static struct {
	int log, ended;
	bool proxied;
	size_t
	    chunk; /* bytes per read() at most, so that the stream is cut elsewhere than the client cut it */
	int listeners[LISTENERS];
	int count;
} server;

static void make_token(struct talk *t)
{
	uint64_t number;

	if (!t->token[0] && getrandom(&number, sizeof number, 0) == sizeof number)
		snprintf(t->token, sizeof t->token, "%016llx", (unsigned long long)number);
}

/* What the client asked for comes back in the head; all else is the same in every answer. */
static void answer(struct talk *t, const char *path, int path_len)
{
	char bytes[TALK_ANSWER + 512], body[TALK_ANSWER + 1];
	int n;

	make_token(t);
	memset(body, '.', sizeof body);
	memcpy(body + TALK_ANSWER - TALK_TOKEN, t->token, TALK_TOKEN);
	n = snprintf(bytes, sizeof bytes,
		     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
		     TALK_ANSWER);
	memcpy(body, "you asked for ", 14);
	memcpy(body + 14, path, (size_t)path_len);
	memcpy(bytes + n, body, TALK_ANSWER);
	talk_give(t, bytes, (size_t)n + TALK_ANSWER);
}

/* False when the connection is over. */
static bool attend(struct talk *t)
{
	const char *body, *path, *end;
	size_t whole;
	long n = talk_take(t, server.chunk);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	while ((whole = talk_whole(t, &body)) > 0) {
		path = strchr(t->buffer, ' ');
		end = path ? strchr(path + 1, ' ') : NULL;
		if (!end || end - path > 200)
			talk_die("a request");
		answer(t, path + 1, (int)(end - path - 1));
		talk_drop(t, whole);
	}
	return true;
}

/* NULL if nobody is there any more. */
static struct talk *take(int listener, int flags)
{
	struct sockaddr_storage remote;
	socklen_t size = sizeof remote;
	int fd = accept4(listener, (struct sockaddr *)&remote, &size, flags | SOCK_CLOEXEC);

	return fd >= 0 ? talk_new(fd, server.proxied, &remote) : NULL;
}

static void *attend_one(void *arg)
{
	struct talk *t = arg;

	while (attend(t))
		;
	talk_end(t, server.log, "server");
	return NULL;
}

static void serve_threads(void)
{
	struct pollfd polls[LISTENERS + 1] = {{.fd = server.ended, .events = POLLIN}};
	pthread_t thread;

	for (int i = 0; i < server.count; i++)
		polls[i + 1] = (struct pollfd){.fd = server.listeners[i], .events = POLLIN};
	for (;;) {
		poll(polls, (nfds_t)server.count + 1, -1);
		if (polls[0].revents)
			return;
		for (int i = 1; i <= server.count; i++) {
			struct talk *t = polls[i].revents ? take(polls[i].fd, 0) : NULL;

			if (t && pthread_create(&thread, NULL, attend_one, t) == 0)
				pthread_detach(thread);
		}
	}
}

static void watch(int epoll, int fd, void *what)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = what};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e))
		talk_die("epoll_ctl");
}

static void serve_loop(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[32];

	watch(epoll, server.ended, &server.ended);
	for (int i = 0; i < server.count; i++)
		watch(epoll, server.listeners[i], &server.listeners[i]);
	for (;;) {
		int n = epoll_wait(epoll, events, 32, -1);

		for (int i = 0; i < n; i++) {
			int *listener = events[i].data.ptr;
			struct talk *t = events[i].data.ptr;

			if (listener == &server.ended)
				return;
			if (listener >= server.listeners && listener < server.listeners + LISTENERS) {
				t = take(*listener, SOCK_NONBLOCK);
				if (t)
					watch(epoll, t->fd, t);
			} else if (!attend(t)) {
				talk_end(t, server.log, "server");
			}
		}
	}
}

static int listen_on(const char *address, const char *port)
{
	struct addrinfo how = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
	int fd, one = 1, zero = 0;

	if (getaddrinfo(address, port, &how, &found))
		talk_die(address);
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (found->ai_family == AF_INET6) /* "::" serves IPv4 as well, as mapped addresses */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	if (bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, 512))
		talk_die("listen");
	freeaddrinfo(found);
	return fd;
}

/* LOG threads|epoll plain|proxy READ ADDRESS PORT... */
int serve(int argc, char **argv)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	server.ended = signalfd(-1, &set, SFD_CLOEXEC);
	server.log = open(argv[0], O_WRONLY | O_APPEND | O_CLOEXEC | O_CREAT, 0644);
	server.proxied = strcmp(argv[2], "proxy") == 0;
	server.chunk = strtoul(argv[3], NULL, 10);
	if (server.log < 0 || !server.chunk)
		talk_die(argv[0]);
	for (int i = 5; i < argc && server.count < LISTENERS; i++)
		server.listeners[server.count++] = listen_on(argv[4], argv[i]);
	if (strcmp(argv[1], "epoll") == 0)
		serve_loop();
	else
		serve_threads();
	return 0;
}
