// SPDX-License-Identifier: Apache-2.0
/* wire.c - see wire.h. Any thread; ends the program with status 99 when something is not as it must be. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST	  65536u /* bytes of one call */
#define LINE_MOST 256u

uint64_t wire_dice(uint64_t a, uint64_t b)
{
	uint64_t v = a * 0x9e3779b97f4a7c15 + b + 1;

	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
	v = (v ^ v >> 27) * 0x94d049bb133111eb;
	return v ^ v >> 31;
}

void wire_must(bool right, const char *what)
{
	int error = errno;

	if (right)
		return;
	dprintf(STDERR_FILENO, "pid %d: %s: %s\n", getpid(), what, strerror(error));
	_exit(99);
}

static bool in_pieces(void)
{
	static int pieces = -1;

	if (pieces < 0)
		pieces = getenv("WIRE_PIECES") != NULL;
	return pieces;
}

/* In pieces the log is written when there is a lot of it, so that it does not slow the program down. */
static _Thread_local char untold[1 << 18];
static _Thread_local size_t untold_bytes;

static void tell_all(void)
{
	int fd = open(getenv("WIRE_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	wire_must(fd >= 0 && write(fd, untold, untold_bytes) == (ssize_t)untold_bytes, "log");
	close(fd);
	untold_bytes = 0;
}

void wire_tell(const char *format, ...)
{
	va_list args;

	if (untold_bytes + LINE_MOST > sizeof untold)
		tell_all();
	va_start(args, format);
	untold_bytes += (size_t)vsnprintf(untold + untold_bytes, LINE_MOST, format, args);
	va_end(args);
	if (!in_pieces())
		tell_all();
}

static int is_traced(void)
{
#ifdef WIRE_STATIC
	return 0;
#endif
	const char *preload = getenv("LD_PRELOAD"), *off = getenv("DPROF_DISABLE");

	return preload != NULL && strstr(preload, "libdprof") != NULL &&
	       (off == NULL || strcmp(off, "1") != 0);
}

/* ---- content ---- */

void wire_word(uint32_t id, char side, uint64_t off, char word[WIRE_WORD])
{
	uint32_t number = (uint32_t)(off / WIRE_WORD);

	for (int i = 0; i < 4; i++, id /= 26)
		word[i] = (char)('a' + id % 26);
	word[4] = side;
	for (int i = 5; i < 8; i++, number /= 26)
		word[i] = (char)('a' + number % 26);
}

static uint32_t word_id(const char word[WIRE_WORD])
{
	uint32_t id = 0;

	for (int i = 3; i >= 0; i--)
		id = id * 26 + (uint32_t)(word[i] - 'a');
	return id;
}

static void fill(const struct wire *w, char side, uint64_t off, char *to, size_t n)
{
	char word[WIRE_WORD];

	for (size_t i = 0; i < n; i++) {
		if (i == 0 || (off + i) % WIRE_WORD == 0)
			wire_word(w->content, side, (off + i) & ~(uint64_t)(WIRE_WORD - 1), word);
		to[i] = word[(off + i) % WIRE_WORD];
	}
}

/* ---- bytes ---- */

struct wire wire_make(int fd, uint32_t id, char side)
{
	struct wire w = {.id = id, .content = id, .side = side, .fd = fd};
	socklen_t len = sizeof w.cookie;

	wire_must(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &w.cookie, &len) == 0, "cookie");
	return w;
}

static void moved(struct wire *w, enum wire_way way, size_t n)
{
	wire_tell("io %u %c %s %lu %zu %d %lu %d\n", w->id, w->side, way == WIRE_OUT ? "out" : "in",
		  (unsigned long)w->off[way], n, getpid(), (unsigned long)w->cookie, is_traced());
	w->off[way] += n;
}

/* With $WIRE_PIECES calls move a few bytes each, as many calls as a small ring has never room for. */
static size_t piece_of(uint64_t dice, size_t n)
{
	size_t most = 1 + (size_t)(dice >> 40) % 48;

	return in_pieces() && most < n ? most : n;
}

/* What passes by the program's memory: a file, or a pipe. */
static ssize_t send_from_file(int fd, const char *bytes, size_t n)
{
	int file = memfd_create("wire", MFD_CLOEXEC);
	off_t at = 0;
	ssize_t done;

	wire_must(file >= 0 && write(file, bytes, n) == (ssize_t)n, "memfd");
	done = sendfile(fd, file, &at, n);
	close(file);
	return done;
}

static ssize_t take_through_pipe(int fd, char *bytes, size_t n)
{
	ssize_t done, have = 0;
	int ends[2];

	wire_must(pipe2(ends, O_CLOEXEC) == 0, "pipe");
	done = splice(fd, NULL, ends[1], NULL, n, 0);
	while (have < done) {
		ssize_t part = read(ends[0], bytes + have, (size_t)(done - have));

		wire_must(part > 0, "pipe");
		have += part;
	}
	close(ends[0]);
	close(ends[1]);
	return done;
}

static ssize_t send_by(int how, int fd, char *bytes, size_t n)
{
	struct iovec parts[2] = {{bytes, n / 2}, {bytes + n / 2, n - n / 2}};
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

	switch (how) {
	case 4:
		return send_from_file(fd, bytes, n);
	case 0:
		return write(fd, bytes, n);
	case 1:
		return send(fd, bytes, n, MSG_NOSIGNAL);
	case 2:
		return writev(fd, parts, 2);
	default:
		return sendmsg(fd, &msg, MSG_NOSIGNAL);
	}
}

static ssize_t take_by(int how, int fd, char *bytes, size_t n)
{
	struct iovec parts[2] = {{bytes, n / 2}, {bytes + n / 2, n - n / 2}};
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

	switch (how) {
	case 4:
		return take_through_pipe(fd, bytes, n);
	case 0:
		return read(fd, bytes, n);
	case 1:
		return recv(fd, bytes, n, 0);
	case 2:
		return readv(fd, parts, 2);
	default:
		return recvmsg(fd, &msg, 0);
	}
}

static void await(int fd, short events)
{
	while (poll(&(struct pollfd){.fd = fd, .events = events}, 1, -1) < 0)
		wire_must(errno == EINTR, "poll");
}

void wire_send(struct wire *w, uint64_t n)
{
	static _Thread_local char bytes[MOST];

	while (n > 0) {
		uint64_t dice = wire_dice(w->id + (w->side == 's'), w->off[WIRE_OUT]);
		size_t part = n < MOST ? (size_t)n : MOST;
		ssize_t done;

		if (dice % 3 == 0 && part > 1)
			part = 1 + (size_t)(dice / 7 % part);
		part = piece_of(dice, part);
		fill(w, w->side, w->off[WIRE_OUT], bytes, part);
		/* the first bytes pass through the program: what else would tell a connection from others? */
		done = send_by((int)(dice / 3 % (w->off[WIRE_OUT] ? 5 : 4)), w->fd, bytes, part);
		if (done < 0 && errno == EAGAIN) {
			await(w->fd, POLLOUT);
			continue;
		}
		wire_must(done > 0, "send");
		moved(w, WIRE_OUT, (size_t)done);
		n -= (uint64_t)done;
	}
}

static void check(const struct wire *w, const char *bytes, size_t n)
{
	static _Thread_local char wanted[MOST];

	fill(w, w->side == 'c' ? 's' : 'c', w->off[WIRE_IN], wanted, n);
	wire_must(memcmp(bytes, wanted, n) == 0, "other bytes came than were sent");
}

/* The first word, in as many calls as it takes. False: there is none. */
static bool learn(struct wire *w)
{
	size_t parts[WIRE_WORD], count = 0, have = 0;
	char word[WIRE_WORD];

	while (have < WIRE_WORD) {
		ssize_t done = read(w->fd, word + have, WIRE_WORD - have);

		if (done < 0 && errno == EAGAIN) {
			await(w->fd, POLLIN);
			continue;
		}
		if (done <= 0)
			return false;
		parts[count++] = (size_t)done;
		have += (size_t)done;
	}
	w->id = w->content = word_id(word);
	check(w, word, WIRE_WORD);
	for (size_t i = 0; i < count; i++)
		moved(w, WIRE_IN, parts[i]);
	return true;
}

long wire_take_some(struct wire *w, uint64_t most)
{
	static _Thread_local char bytes[MOST];
	uint64_t dice = wire_dice(w->id + (w->side == 's'), w->off[WIRE_IN] + 1);
	ssize_t done;

	if (w->id == WIRE_UNKNOWN)
		return learn(w) ? WIRE_WORD : 0;
	most = piece_of(dice, most < MOST ? (size_t)most : MOST);
	do {
		done = take_by((int)(dice / 3 % 5), w->fd, bytes, (size_t)most);
		if (done < 0 && errno == EAGAIN)
			await(w->fd, POLLIN);
	} while (done < 0 && (errno == EAGAIN || errno == EINTR));
	wire_must(done >= 0 || errno == ECONNRESET, "take");
	if (done <= 0)
		return done;
	check(w, bytes, (size_t)done);
	moved(w, WIRE_IN, (size_t)done);
	return done;
}

void wire_take(struct wire *w, uint64_t n)
{
	while (n > 0) {
		long done = wire_take_some(w, n);

		wire_must(done > 0, "the stream ended early");
		n -= (uint64_t)done;
	}
}

void wire_end(struct wire *w)
{
	wire_tell("end %u %c %d %lu %d\n", w->id, w->side, getpid(), (unsigned long)w->cookie, is_traced());
	tell_all();
	close(w->fd);
	w->fd = -1;
}

/* ---- addresses ---- */

static socklen_t unix_address(const char *path, bool abstract, struct sockaddr_un *a)
{
	size_t len = strlen(path);

	a->sun_family = AF_UNIX;
	wire_must(len + 1 < sizeof a->sun_path, "path");
	memcpy(a->sun_path + abstract, path, len);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
}

socklen_t wire_address(const char *where, union wire_address *a)
{
	char text[128], *port, *device;
	struct sockaddr_in *in = (struct sockaddr_in *)a;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)a;

	memset(a, 0, sizeof *a);
	if (strncmp(where, "unix/", 5) == 0)
		return unix_address(where + 5, false, (struct sockaddr_un *)a);
	if (strncmp(where, "abstract/", 9) == 0)
		return unix_address(where + 9, true, (struct sockaddr_un *)a);
	snprintf(text, sizeof text, "%s", where + 2);
	port = strrchr(text, '/');
	wire_must(port != NULL, "address");
	*port++ = '\0';
	if (where[0] == '4') {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)atoi(port));
		wire_must(inet_pton(AF_INET, text, &in->sin_addr) == 1, "IPv4 address");
		return sizeof *in;
	}
	device = strchr(text, '%');
	if (device != NULL) {
		*device++ = '\0';
		in6->sin6_scope_id = if_nametoindex(device);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)atoi(port));
	wire_must(inet_pton(AF_INET6, text, &in6->sin6_addr) == 1, "IPv6 address");
	return sizeof *in6;
}

int wire_socket(const char *where)
{
	union wire_address a;
	int fd;

	wire_address(where, &a);
	fd = socket(a.any.sa_family, SOCK_STREAM, 0);
	wire_must(fd >= 0, "socket");
	return fd;
}

int wire_listen(const char *where, bool shared_port)
{
	union wire_address a;
	socklen_t len = wire_address(where, &a);
	int fd = wire_socket(where), on = 1, off = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (shared_port)
		wire_must(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0, "SO_REUSEPORT");
	wire_must(bind(fd, &a.any, len) == 0, "bind");
	wire_must(listen(fd, 512) == 0, "listen");
	return fd;
}

int wire_connect(const char *where)
{
	union wire_address a;
	socklen_t len = wire_address(where, &a);
	int fd = wire_socket(where);

	wire_must(connect(fd, &a.any, len) == 0, "connect");
	return fd;
}
