// SPDX-License-Identifier: Apache-2.0
/* back PORT - answers each call after the time that it names, in the order in which these times are over. One
 * thread, epoll and a timer. Says "ready"; ends at SIGTERM. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

enum { FDS_MAX = 4096, WAITING_MAX = 65536 };

struct answer {
	uint64_t due_ns;
	struct wire *to;
	struct message message;
};

static struct wire *wires[FDS_MAX];
static struct answer waiting[WAITING_MAX];
static size_t waiting_count;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void serve(struct wire *w)
{
	struct message m;
	int r;

	while ((r = wire_take(w, &m, WIRE_TO_BACK, 0)) > 0)
		if (waiting_count < WAITING_MAX)
			waiting[waiting_count++] = (struct answer){now_ns() + m.work_us * 1000ull, w, m};
	if (r < 0) {
		for (size_t i = 0; i < waiting_count;)
			waiting[i].to == w ? (void)(waiting[i] = waiting[--waiting_count]) : (void)i++;
		close(w->fd);
		wires[w->fd] = NULL;
		free(w);
	}
}

/* Answers what is due; ms until the next, -1: none. */
static int answer(void)
{
	uint64_t now = now_ns(), next = UINT64_MAX;

	for (size_t i = 0; i < waiting_count;) {
		if (waiting[i].due_ns <= now) {
			wire_send(waiting[i].to, &waiting[i].message, WIRE_FROM_BACK, 0);
			waiting[i] = waiting[--waiting_count];
		} else {
			next = waiting[i].due_ns < next ? waiting[i].due_ns : next;
			i++;
		}
	}
	return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000);
}

static void welcome(int listener, int poll)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0 || fd >= FDS_MAX)
		exit(1);
	wires[fd] = malloc(sizeof *wires[fd]);
	wire_open(wires[fd], fd);
	epoll_ctl(poll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
}

int main(int argc, char **argv)
{
	int listener = wire_listen((uint16_t)atoi(argc == 2 ? argv[1] : ""), false),
	    poll = epoll_create1(EPOLL_CLOEXEC), ends;
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	ends = signalfd(-1, &term, SFD_CLOEXEC);
	epoll_ctl(poll, EPOLL_CTL_ADD, listener,
		  &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
	epoll_ctl(poll, EPOLL_CTL_ADD, ends, &(struct epoll_event){.events = EPOLLIN, .data.fd = ends});
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		struct epoll_event ready[64];
		int n = epoll_wait(poll, ready, 64, answer());

		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd;

			if (fd == ends)
				return 0;
			if (fd == listener)
				welcome(listener, poll);
			else if (wires[fd])
				serve(wires[fd]);
		}
	}
}
