/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move.c - see move.h.
 *
 * Invariant: one thread at a time moves bytes one way over one end (unless the wire is UNORDERED), so the
 * position is known before the call; it is claimed after it.
 */
#include "move.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* TSan follows descriptors, but not through the other ways to close them. */
#ifdef __SANITIZE_THREAD__
#define MOVE_CLOSES 1
#else
#define MOVE_CLOSES 5
#endif
#define SMALL_MOST 4000u /* fits a socket's buffer: nobody has to take it meanwhile */

/* ---- out ---- */

static ssize_t out_writev(int fd, const char *from, size_t n)
{
	struct iovec parts[3] = {{(void *)from, n / 3}, {NULL, 0}, {(void *)(from + n / 3), n - n / 3}};

	return writev(fd, parts, 3);
}

static ssize_t out_sendmsg(int fd, const char *from, size_t n)
{
	struct iovec parts[2] = {{(void *)from, n / 2}, {(void *)(from + n / 2), n - n / 2}};
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static ssize_t out_sendmmsg(int fd, const char *from, size_t n)
{
	struct iovec parts[2] = {{(void *)from, n / 2}, {(void *)(from + n / 2), n - n / 2}};
	struct mmsghdr msgs[2] = {{.msg_hdr = {.msg_iov = &parts[0], .msg_iovlen = 1}},
				  {.msg_hdr = {.msg_iov = &parts[1], .msg_iovlen = 1}}};
	int r = sendmmsg(fd, msgs, 2, MSG_NOSIGNAL);

	return r < 0 ? -1 : r == 0 ? 0 : (ssize_t)(msgs[0].msg_len + (r > 1 ? msgs[1].msg_len : 0));
}

static ssize_t out_splice(int fd, const char *from, size_t n)
{
	off64_t at = from - board_pattern;
	int pipe_fds[2];
	ssize_t in, out = 0, r;

	board_must(pipe2(pipe_fds, O_CLOEXEC) == 0, "pipe");
	in = splice(pattern_fd, &at, pipe_fds[1], NULL, n > 4096 ? 4096 : n, 0);
	board_must(in > 0, "splice into a pipe");
	while (out < in) { /* what is in the pipe must go out */
		r = splice(pipe_fds[0], NULL, fd, NULL, (size_t)(in - out), 0);
		if (r < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		board_must(r > 0, "splice out of a pipe");
		out += r;
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return out;
}

static ssize_t out_sendfile(int fd, const char *from, size_t n)
{
	off_t at = from - board_pattern;

	return sendfile(fd, pattern_fd, &at, n);
}

ssize_t move_out_once(struct dice *d, const struct end *e, size_t n)
{
	const char *from = board_pattern + board_at(e->wire, e->side, e->wire->sent[e->side]);
	ssize_t r;

	switch (dice_roll(d, 10)) {
	case 0:
		r = write(e->fd, from, n);
		break;
	case 1:
		r = send(e->fd, from, n, MSG_NOSIGNAL);
		break;
	case 2:
		r = sendto(e->fd, from, n, MSG_NOSIGNAL, NULL, 0);
		break;
	case 3:
		r = out_writev(e->fd, from, n);
		break;
	case 4:
		r = out_sendmsg(e->fd, from, n);
		break;
	case 5:
		r = out_sendmmsg(e->fd, from, n);
		break;
	case 6:
		r = out_splice(e->fd, from, n);
		break;
	case 7:
		r = out_sendfile(e->fd, from, n);
		break;
	case 8:
		r = pwritev2(e->fd, &(struct iovec){(void *)from, n}, 1, -1, 0);
		break;
	default:
		r = send(e->fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	}
	board_sent(e, r);
	return r;
}

static void until(int fd, short what)
{
	while (poll(&(struct pollfd){.fd = fd, .events = what}, 1, -1) < 0)
		board_must(errno == EINTR, "poll");
}

void move_out(struct dice *d, const struct end *e, size_t n)
{
	while (n > 0) {
		size_t part = 1 + dice_roll(d, (uint32_t)(n < BOARD_MOST ? n : BOARD_MOST));
		ssize_t r = move_out_once(d, e, part);

		if (r < 0 && errno == EAGAIN)
			until(e->fd, POLLOUT);
		else if (r < 0)
			board_must(errno == EINTR, "sending");
		else
			n -= (size_t)r;
	}
}

/* ---- in ---- */

static ssize_t in_readv(int fd, char *to, size_t n)
{
	struct iovec parts[3] = {{to, n / 3}, {NULL, 0}, {to + n / 3, n - n / 3}};

	return readv(fd, parts, 3);
}

static ssize_t in_recvmsg(int fd, char *to, size_t n)
{
	struct iovec parts[2] = {{to, n / 2}, {to + n / 2, n - n / 2}};
	char control[64];
	struct msghdr msg = {
	    .msg_iov = parts, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof control};

	return recvmsg(fd, &msg, 0);
}

static ssize_t in_recvmmsg(int fd, char *to, size_t n)
{
	struct iovec parts[2] = {{to, n / 2 + 1}, {to + n / 2 + 1, n - n / 2 - 1}};
	struct mmsghdr msgs[2] = {{.msg_hdr = {.msg_iov = &parts[0], .msg_iovlen = 1}},
				  {.msg_hdr = {.msg_iov = &parts[1], .msg_iovlen = 1}}};
	int r = recvmmsg(fd, msgs, n > 2 ? 2 : 1, MSG_WAITFORONE, NULL);
	size_t first = r > 0 ? msgs[0].msg_len : 0;

	if (r > 1 && first < n / 2 + 1) /* the parts do not touch */
		memmove(to + first, to + n / 2 + 1, msgs[1].msg_len);
	return r < 0 ? -1 : (ssize_t)(first + (r > 1 ? msgs[1].msg_len : 0));
}

static ssize_t in_splice(int fd, char *to, size_t n)
{
	int pipe_fds[2];
	ssize_t r;

	board_must(pipe2(pipe_fds, O_CLOEXEC) == 0, "pipe");
	r = splice(fd, NULL, pipe_fds[1], NULL, n > 4096 ? 4096 : n, 0);
	if (r > 0)
		board_must(read(pipe_fds[0], to, (size_t)r) == r, "reading a pipe");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return r;
}

static ssize_t in_after_peek(int fd, char *to, size_t n)
{
	ssize_t r = recv(fd, to, n, MSG_PEEK);

	return r <= 0 ? r : recv(fd, to, (size_t)r, 0);
}

ssize_t move_in_once(struct dice *d, const struct end *e, size_t n)
{
	const char *must = board_pattern + board_at(e->wire, !e->side, e->wire->taken[!e->side]);
	char to[BOARD_MOST];
	ssize_t r;

	switch (dice_roll(d, 10)) {
	case 0:
		r = read(e->fd, to, n);
		break;
	case 1:
		r = recv(e->fd, to, n, 0);
		break;
	case 2:
		r = recvfrom(e->fd, to, n, 0, NULL, NULL);
		break;
	case 3:
		r = in_readv(e->fd, to, n);
		break;
	case 4:
		r = in_recvmsg(e->fd, to, n);
		break;
	case 5:
		r = in_recvmmsg(e->fd, to, n);
		break;
	case 6:
		r = in_splice(e->fd, to, n);
		break;
	case 7:
		r = in_after_peek(e->fd, to, n);
		break;
	case 8:
		r = recv(e->fd, to, n, MSG_WAITALL | MSG_DONTWAIT);
		break;
	default:
		r = recv(e->fd, to, n, MSG_DONTWAIT);
		break;
	}
	if (r > 0 && !(e->wire->flags & WIRE_UNORDERED))
		board_must(memcmp(to, must, (size_t)r) == 0, "other bytes arrived than were sent");
	board_took(e, r);
	return r;
}

void move_in(struct dice *d, const struct end *e, size_t n)
{
	while (n > 0) {
		ssize_t r = move_in_once(d, e, 1 + dice_roll(d, (uint32_t)(n < BOARD_MOST ? n : BOARD_MOST)));

		if (r < 0 && errno == EAGAIN)
			until(e->fd, POLLIN);
		else if (r < 0)
			board_must(errno == EINTR, "receiving");
		else
			board_must(r > 0, "the stream ended too early");
		n -= r > 0 ? (size_t)r : 0;
	}
}

void move_in_all(struct dice *d, const struct end *e)
{
	ssize_t r;

	while ((r = move_in_once(d, e, 1 + dice_roll(d, BOARD_MOST))) != 0) {
		if (r < 0 && errno == EAGAIN)
			until(e->fd, POLLIN);
		else if (r < 0)
			board_must(errno == EINTR || errno == ECONNRESET, "receiving to the end");
		if (r < 0 && errno == ECONNRESET)
			break;
	}
}

void move_both(struct dice *d, const struct end *a, const struct end *b)
{
	for (uint32_t i = 1 + dice_roll(d, 6); i > 0; i--) {
		size_t there = 1 + dice_roll(d, SMALL_MOST), back = 1 + dice_roll(d, SMALL_MOST);

		move_out(d, a, there);
		if (dice_roll(d, 2))
			move_out(d, b, back);
		else
			back = 0;
		move_in(d, b, there);
		move_in(d, a, back);
	}
}

/* ---- begin and end ---- */

static int listener_make(struct sockaddr_storage *at, socklen_t *len, int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(at, 0, sizeof *at);
	at->ss_family = (sa_family_t)family;
	*len = family == AF_INET    ? sizeof(struct sockaddr_in)
	       : family == AF_INET6 ? sizeof(struct sockaddr_in6)
				    : sizeof at->ss_family;
	if (family == AF_INET)
		((struct sockaddr_in *)at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (family == AF_INET6)
		((struct sockaddr_in6 *)at)->sin6_addr = in6addr_loopback;
	board_must(fd >= 0 && bind(fd, (struct sockaddr *)at, *len) == 0 && listen(fd, 4) == 0,
		   "listen"); /* unix: autobind */
	*len = sizeof *at;
	board_must(getsockname(fd, (struct sockaddr *)at, len) == 0, "getsockname");
	return fd;
}

/* Blocking, or begun and then waited for. */
static int client_make(struct dice *d, const struct sockaddr_storage *at, socklen_t len)
{
	int later = d != NULL && dice_roll(d, 2) ? SOCK_NONBLOCK : 0, error = 0;
	int fd = socket(at->ss_family, SOCK_STREAM | later, 0);
	socklen_t error_len = sizeof error;

	board_must(fd >= 0, "socket");
	if (connect(fd, (const struct sockaddr *)at, len) == 0) {
		/* at once */
	} else {
		board_must(errno == EINPROGRESS || errno == EINTR, "connect");
		until(fd, POLLOUT);
		board_must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) == 0 && error == 0,
			   "connecting");
	}
	if (later)
		fcntl(fd, F_SETFL, 0);
	return fd;
}

static void connect_by(struct dice *d, struct end *a, struct end *b, int family)
{
	struct sockaddr_storage at;
	socklen_t len;
	int listener = listener_make(&at, &len, family), client, server, on = 1;

	client = client_make(d, &at, len);
	while ((server = accept4(listener, NULL, NULL, 0)) < 0)
		board_must(errno == EINTR, "accept");
	close(listener);
	if (family != AF_UNIX) {
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	}
	board_wire(a, b, client, server, family == AF_UNIX ? 0 : WIRE_TCP);
}

void move_connect_tcp(struct end *a, struct end *b)
{
	connect_by(NULL, a, b, AF_INET);
}

void move_connect(struct dice *d, struct end *a, struct end *b)
{
	int fds[2];

	switch (dice_roll(d, 5)) {
	case 0:
		connect_by(d, a, b, AF_UNIX);
		return;
	case 1:
		connect_by(d, a, b, AF_INET6);
		return;
	case 2:
		board_must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "socketpair");
		board_wire(a, b, fds[0], fds[1], 0);
		return;
	default:
		connect_by(d, a, b, AF_INET);
		return;
	}
}

void move_close(struct dice *d, int fd)
{
	int other;

	switch (dice_roll(d, MOVE_CLOSES)) {
	case 4:
		board_must(syscall(SYS_close, fd) == 0, "close by number");
		return;
	case 1:
		other = open("/dev/null", O_RDONLY | O_CLOEXEC);
		board_must(dup2(other, fd) == fd, "dup2 over a socket");
		close(other);
		close(fd);
		return;
	case 2:
		board_must(close_range((unsigned int)fd, (unsigned int)fd, 0) == 0, "close_range");
		return;
	default:
		board_must(close(fd) == 0, "close");
		return;
	}
}
