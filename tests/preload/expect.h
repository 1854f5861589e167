/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expect.h - for the small programs in this directory. A program prints to stdout what it did and what came
 * back, the same bare and traced, and tells in the file $EXPECT which records it should have left:
 *
 *	expect("main", "out conn=c call=write off=0 len=5 flags=burst head=hello");
 *
 * A line is kind, then the fields that matter. `conn` values are names of the program's own; the runner
 * finds which number each of them has. Lines of one thread (first argument) are in order. Kinds that no line
 *of a program mentions are not compared, but for out, in, open, close, resync, shutdown and lost.
 */
#ifndef TESTS_PRELOAD_EXPECT_H
#define TESTS_PRELOAD_EXPECT_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* A system call that no library sees. */
static inline long unseen(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = 0;
	register long r9 __asm__("r9") = 0;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* Appends one line; in system calls that no library sees, so that the telling leaves no trace of its own. */
static inline void __attribute__((format(printf, 2, 3))) expect(const char *thread, const char *format, ...)
{
	const char *path = getenv("EXPECT");
	char line[1024];
	va_list args;
	long fd;
	int n, m;

	if (path == NULL)
		return;
	n = snprintf(line, sizeof line, "%s ", thread);
	va_start(args, format);
	m = vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
	va_end(args);
	n += m;
	line[n++] = '\n';
	fd = unseen(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || unseen(SYS_write, fd, (long)line, n, 0) != n || unseen(SYS_close, fd, 0, 0, 0) != 0)
		abort();
}

/* Prints a result as a test wants to compare it. */
static inline long said(const char *what, long result)
{
	int error = errno;

	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(error));
	else
		printf("%s: %ld\n", what, result);
	fflush(stdout);
	return result;
}

static inline void must(const char *what, bool right)
{
	if (right)
		return;
	printf("FAILED: %s: %s\n", what, strerror(errno));
	exit(99);
}

static inline struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static inline int tcp_listen(struct sockaddr_in *at)
{
	socklen_t len = sizeof *at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*at = loopback(0);
	must("listen", bind(fd, (struct sockaddr *)at, len) == 0 && listen(fd, 8) == 0 &&
			   getsockname(fd, (struct sockaddr *)at, &len) == 0);
	return fd;
}

/* A connection to ourselves: fd[0] called connect, fd[1] was accepted. */
static inline void tcp_pair_as(int fd[2], const char *client, const char *server)
{
	struct sockaddr_in at;
	int listener = tcp_listen(&at), on = 1;

	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	must("connect", connect(fd[0], (struct sockaddr *)&at, sizeof at) == 0);
	fd[1] = accept(listener, NULL, NULL);
	must("accept", fd[1] >= 0);
	setsockopt(fd[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	close(listener);
	expect("main", "open conn=%s call=connect fd=%d flags=connect family=4 off_in=0 off_out=0", client,
	       fd[0]);
	expect("main", "open conn=%s call=accept fd=%d flags=accept family=4 off_in=0 off_out=0", server,
	       fd[1]);
}

/* A datagram socket with an address on this host. */
static inline int udp_bound(struct sockaddr_in *at)
{
	socklen_t len = sizeof *at;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	*at = loopback(0);
	must("bind",
	     bind(fd, (struct sockaddr *)at, len) == 0 && getsockname(fd, (struct sockaddr *)at, &len) == 0);
	return fd;
}

static inline void tcp_pair(int fd[2])
{
	tcp_pair_as(fd, "c", "s");
}

/* Until a byte (or the end) is there; not a record if nothing else of the program waits. */
static inline void until_readable(int fd)
{
	while (syscall(SYS_poll, &(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1) != 1)
		;
}

/* Until thread `tid` of this process sleeps inside system call `number`. */
static inline void until_blocked(pid_t tid, long number)
{
	char path[64], text[64];
	long at;

	snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
	do {
		int fd = open(path, O_RDONLY);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

		close(fd);
		text[n < 0 ? 0 : n] = '\0';
		at = strncmp(text, "running", 7) == 0 ? -1 : atol(text);
	} while (at != number);
}

#endif
