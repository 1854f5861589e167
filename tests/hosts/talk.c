// SPDX-License-Identifier: Apache-2.0
/*
 * talk.c - see talk.h; servers and clients of several kinds that talk something like HTTP.
 *
 *	talk serve LOG threads|epoll plain|proxy READ ADDRESS PORT...
 *	talk ask LOG threads|loop CONNECTIONS REQUESTS AT_ONCE SEED SHAPE FIRST_PORT ADDRESS,PORT...
 *
 * Threads of the program; the log is one file for all programs of one scenario, a line per write().
 */
#include "talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define PROXY2 "\r\n\r\n\0\r\nQUIT\n"

void talk_die(const char *what)
{
	fprintf(stderr, "talk: %s: %s\n", what, strerror(errno));
	_exit(1);
}

struct talk *talk_new(int fd, bool proxied, const struct sockaddr_storage *remote)
{
	struct talk *t = calloc(1, sizeof *t);
	socklen_t local = sizeof t->local, peer = sizeof t->remote;
	struct timespec now;

	if (!t)
		talk_die("calloc");
	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	t->fd = fd;
	t->wants_header = proxied;
	t->opened_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	getsockname(fd, (struct sockaddr *)&t->local, &local);
	if (remote)
		t->remote = *remote;
	else if (getpeername(fd, (struct sockaddr *)&t->remote, &peer))
		talk_die("getpeername");
	return t;
}

static void print_address(char *out, size_t size, const struct sockaddr_storage *a)
{
	char text[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;
	bool six = a->ss_family == AF_INET6;

	inet_ntop(a->ss_family, six ? (const void *)&in6->sin6_addr : &in->sin_addr, text, sizeof text);
	snprintf(out, size, "[\"%s\", %u]", text, ntohs(six ? in6->sin6_port : in->sin_port));
}

void talk_end(struct talk *t, int log, const char *role)
{
	char local[80], remote[80], line[512];
	int n;

	print_address(local, sizeof local, &t->local);
	print_address(remote, sizeof remote, &t->remote);
	n = snprintf(line, sizeof line,
		     "{\"role\": \"%s\", \"pid\": %d, \"local\": %s, \"remote\": %s, \"opened_ns\": %llu, "
		     "\"in\": %llu, "
		     "\"out\": %llu, \"header\": %llu, \"token\": \"%s\"}\n",
		     role, getpid(), local, remote, (unsigned long long)t->opened_ns,
		     (unsigned long long)t->in, (unsigned long long)t->out, (unsigned long long)t->header,
		     t->token);
	close(t->fd);
	if (write(log, line, (size_t)n) != n)
		talk_die("the log");
	free(t);
}

/* The header is text (v1), or a fixed part with the length of the rest (v2). 0 if more is needed. */
static size_t header_length(const struct talk *t)
{
	const unsigned char *b = (const void *)t->buffer;
	const char *end;

	if (t->have >= 16 && memcmp(b, PROXY2, 12) == 0)
		return 16 + (size_t)(b[14] << 8 | b[15]);
	if (t->have < 16 || memcmp(b, "PROXY ", 6) != 0)
		return 0;
	end = memmem(b, t->have, "\r\n", 2);
	return end ? (size_t)(end + 2 - t->buffer) : 0;
}

long talk_take(struct talk *t, size_t limit)
{
	size_t room = TALK_BUFFER - t->have, header;
	long n = read(t->fd, t->buffer + t->have, limit < room ? limit : room);

	if (n <= 0)
		return n;
	t->in += (uint64_t)n;
	t->have += (size_t)n;
	t->buffer[t->have] = '\0';
	if (!t->wants_header)
		return n;
	header = header_length(t);
	if (header && header <= t->have) {
		t->wants_header = false;
		t->header = header;
		talk_drop(t, header);
	}
	return n;
}

void talk_give(struct talk *t, const char *bytes, size_t len)
{
	while (len) {
		long n = send(t->fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			talk_die("send");
		bytes += n;
		len -= (size_t)n;
		t->out += (uint64_t)n;
	}
}

size_t talk_whole(struct talk *t, const char **body)
{
	const char *end = t->wants_header ? NULL : strstr(t->buffer, "\r\n\r\n");
	const char *length = end ? strstr(t->buffer, "Content-Length: ") : NULL;
	size_t head = end ? (size_t)(end + 4 - t->buffer) : 0;
	size_t whole = head + (length && length < end ? strtoul(length + 16, NULL, 10) : 0);

	*body = t->buffer + head;
	return whole > t->have ? 0 : whole;
}

void talk_drop(struct talk *t, size_t len)
{
	t->have -= len;
	memmove(t->buffer, t->buffer + len, t->have + 1);
}

int main(int argc, char **argv)
{
	if (argc > 6 && strcmp(argv[1], "serve") == 0)
		return serve(argc - 2, argv + 2);
	if (argc > 10 && strcmp(argv[1], "ask") == 0)
		return ask(argc - 2, argv + 2);
	fprintf(stderr, "talk: see the head of talk.c\n");
	return 2;
}
