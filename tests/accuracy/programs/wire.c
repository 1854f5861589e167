// SPDX-License-Identifier: Apache-2.0
/* wire.c - see wire.h. Any thread; the log is kept in memory until the end, one part per thread. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char *log_text;
static size_t log_bytes, log_room;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

uint32_t wire_random(void)
{
	static __thread uint64_t state;

	if (state == 0)
		state = (uintptr_t)&state ^ (uint64_t)getpid() << 32;
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33);
}

/* ---- the log ---- */

static void note(char what, uint64_t uid, const struct wire *w, uint64_t off)
{
	char line[160], local[INET_ADDRSTRLEN], remote[INET_ADDRSTRLEN];
	size_t n;

	inet_ntop(AF_INET, &w->local.sin_addr, local, sizeof local);
	inet_ntop(AF_INET, &w->remote.sin_addr, remote, sizeof remote);
	n = (size_t)snprintf(line, sizeof line, "%c %llu %s:%u %s:%u %llu\n", what, (unsigned long long)uid,
			     local, ntohs(w->local.sin_port), remote, ntohs(w->remote.sin_port),
			     (unsigned long long)off);
	pthread_mutex_lock(&log_lock);
	if (log_bytes + n > log_room) {
		log_room = log_room * 2 + 65536;
		log_text = realloc(log_text, log_room);
		if (!log_text)
			die("log");
	}
	memcpy(log_text + log_bytes, line, n);
	log_bytes += n;
	pthread_mutex_unlock(&log_lock);
}

void wire_log_end(void)
{
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/%d.log", getenv("ORACLE"), (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, log_text, log_bytes) != (ssize_t)log_bytes || close(fd) < 0)
		die(path);
	log_bytes = 0;
}

/* ---- connections ---- */

int wire_listen(uint16_t port, bool shared)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 256) < 0)
		die("listen");
	return fd;
}

void wire_open(struct wire *w, int fd)
{
	socklen_t local = sizeof w->local, remote = sizeof w->remote;
	int on = 1;

	*w = (struct wire){.fd = fd};
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (getsockname(fd, (struct sockaddr *)&w->local, &local) < 0 ||
	    getpeername(fd, (struct sockaddr *)&w->remote, &remote) < 0)
		die("address");
}

void wire_connect(struct wire *w, uint16_t port)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		die("connect");
	wire_open(w, fd);
}

/* ---- messages ---- */

/* Its own inverse. */
static uint64_t veil(uint64_t uid, enum wire_hop hop)
{
	static const uint64_t keys[] = {0x5bd1e995a3c4f871, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9,
					0x94d049bb133111eb};

	return uid ^ keys[hop];
}

static void put(uint8_t *to, uint64_t value, int bytes)
{
	while (bytes-- > 0) {
		to[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

static uint64_t get(const uint8_t *from, int bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < bytes; i++)
		value = value << 8 | from[i];
	return value;
}

void wire_send(struct wire *w, const struct message *m, enum wire_hop hop, char what)
{
	uint8_t bytes[WIRE_MAX];
	size_t len = WIRE_HEAD + wire_random() % 200;

	put(bytes, len - 4, 4);
	put(bytes + 4, veil(m->uid, hop), 8);
	put(bytes + 12, m->fan, 4);
	put(bytes + 16, m->work_us, 4);
	for (size_t i = WIRE_HEAD; i < len; i++)
		bytes[i] = (uint8_t)wire_random();
	if (what)
		note(what, m->uid, w, w->sent);
	for (size_t at = 0; at < len;) {
		ssize_t n = send(w->fd, bytes + at, len - at, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			die("send");
		at += n > 0 ? (size_t)n : 0;
	}
	w->sent += len;
}

/* The first message of the buffer, if it is whole. */
static bool whole(struct wire *w, struct message *m, enum wire_hop hop, char what)
{
	size_t len = w->have < 4 ? WIRE_HEAD : 4 + get(w->buffer, 4);

	if (w->have < len)
		return false;
	*m = (struct message){veil(get(w->buffer + 4, 8), hop), (uint32_t)get(w->buffer + 12, 4),
			      (uint32_t)get(w->buffer + 16, 4)};
	if (what)
		note(what, m->uid, w, w->taken);
	w->taken += len;
	w->have -= len;
	memmove(w->buffer, w->buffer + len, w->have);
	return true;
}

int wire_take(struct wire *w, struct message *m, enum wire_hop hop, char what)
{
	ssize_t n;

	if (whole(w, m, hop, what))
		return 1;
	n = recv(w->fd, w->buffer + w->have, sizeof w->buffer - w->have, 0);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	w->have += (size_t)n;
	return whole(w, m, hop, what);
}

bool wire_wait(struct wire *w, struct message *m, enum wire_hop hop, char what)
{
	int r;

	while ((r = wire_take(w, m, hop, what)) == 0)
		;
	return r > 0;
}
