/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acts_talk.c - scenes within one process: exchanges, partners in other threads, copies of descriptors, ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "acts.h"
#include "move.h"

#define BULK_MOST 200000u

static void close_both(struct dice *d, const struct end *a, const struct end *b)
{
	move_close(d, a->fd);
	move_close(d, b->fd);
}

void act_talk(struct dice *d)
{
	struct end a, b;

	move_connect(d, &a, &b);
	move_both(d, &a, &b);
	close_both(d, &a, &b);
}

/* ---- another thread at the other end ---- */

struct partner {
	pthread_t thread;
	struct dice dice;
	struct end end;
	size_t bytes;
};

static void *partner_takes(void *with)
{
	struct partner *p = with;

	move_in(&p->dice, &p->end, p->bytes);
	move_out(&p->dice, &p->end, 1 + dice_roll(&p->dice, 1000));
	move_close(&p->dice, p->end.fd);
	return NULL;
}

void act_partner(struct dice *d)
{
	struct partner p = {.dice = {d->state + 1}};
	struct end a;

	move_connect(d, &a, &p.end);
	p.bytes = 1 + dice_roll(d, BULK_MOST);
	board_must(pthread_create(&p.thread, NULL, partner_takes, &p) == 0, "pthread_create");
	move_out(d, &a, p.bytes);
	move_in_all(d, &a);
	board_must(pthread_join(p.thread, NULL) == 0, "pthread_join");
	move_close(d, a.fd);
}

/* ---- the ends of streams ---- */

void act_half_close(struct dice *d)
{
	struct end a, b;

	move_connect(d, &a, &b);
	move_out(d, &a, 1 + dice_roll(d, 3000));
	board_must(shutdown(a.fd, SHUT_WR) == 0, "shutdown");
	move_out(d, &b, 1 + dice_roll(d, 3000));
	move_in_all(d, &b);
	if (dice_roll(d, 2))
		board_must(shutdown(b.fd, SHUT_RDWR) == 0, "shutdown both");
	else
		board_must(shutdown(b.fd, SHUT_WR) == 0, "shutdown");
	if (dice_roll(d, 2)) /* else what is there is thrown away: a reset */
		move_in_all(d, &a);
	close_both(d, &a, &b);
}

/* ---- copies ---- */

static int copy_made(struct dice *d, int fd)
{
	switch (dice_roll(d, 4)) {
	case 0:
		return dup(fd);
	case 1:
		return fcntl(fd, F_DUPFD_CLOEXEC, 100 + dice_roll(d, 400));
	case 2:
		return fcntl(fd, F_DUPFD, 0);
	default: {
		int place = open("/dev/null", O_RDONLY | O_CLOEXEC);

		return dup3(fd, place, O_CLOEXEC);
	}
	}
}

void act_copies(struct dice *d)
{
	struct end a, b, c;

	move_connect(d, &a, &b);
	move_both(
	    d, &a,
	    &b); /* else a unix socket that is first seen as a copy is new again when the copy is gone */
	for (int i = 0; i < 3; i++) {
		c = a;
		c.fd = copy_made(d, a.fd);
		board_must(c.fd >= 0, "copy");
		move_both(d, &c, &b);
		if (dice_roll(d, 2)) {
			move_close(d, a.fd);
			a = c;
		} else {
			move_close(d, c.fd);
		}
		move_both(d, &b, &a);
	}
	close_both(d, &a, &b);
}

/* ---- two threads write to one socket ---- */

struct writer {
	pthread_t thread;
	const struct end *end;
	size_t bytes;
};

static void *writer_writes(void *with)
{
	struct writer *w = with;

	while (w->bytes > 0) {
		ssize_t n = write(w->end->fd, board_pattern, w->bytes < 700 ? w->bytes : 700);

		board_must(n > 0 || errno == EINTR, "two writers");
		board_sent(w->end, n);
		w->bytes -= n > 0 ? (size_t)n : 0;
	}
	return NULL;
}

void act_two_writers(struct dice *d)
{
	struct writer writers[2];
	struct end a, b;
	size_t all = 0;

	move_connect(d, &a, &b);
	a.wire->flags |= WIRE_UNORDERED;
	for (int i = 0; i < 2; i++) {
		writers[i] = (struct writer){.end = &a, .bytes = 1 + dice_roll(d, 20000)};
		all += writers[i].bytes;
		board_must(pthread_create(&writers[i].thread, NULL, writer_writes, &writers[i]) == 0,
			   "pthread_create");
	}
	move_in(d, &b, all);
	for (int i = 0; i < 2; i++)
		pthread_join(writers[i].thread, NULL);
	close_both(d, &a, &b);
}

/* ---- waiting for many ---- */

#define EPOLL_PAIRS 4

void act_epoll(struct dice *d)
{
	struct end a[EPOLL_PAIRS], b[EPOLL_PAIRS];
	struct epoll_event event;
	int ep = epoll_create1(EPOLL_CLOEXEC), left = EPOLL_PAIRS;

	for (uint32_t i = 0; i < EPOLL_PAIRS; i++) {
		move_connect(d, &a[i], &b[i]);
		fcntl(b[i].fd, F_SETFL, O_NONBLOCK);
		event = (struct epoll_event){.events = EPOLLIN, .data.u32 = i};
		board_must(epoll_ctl(ep, EPOLL_CTL_ADD, b[i].fd, &event) == 0, "epoll_ctl");
		move_out(d, &a[i], 1 + dice_roll(d, 2000));
		shutdown(a[i].fd, SHUT_WR);
	}
	while (left > 0) {
		int n = epoll_wait(ep, &event, 1, -1);

		board_must(n == 1 || errno == EINTR, "epoll_wait");
		if (n != 1)
			continue;
		move_in_all(d, &b[event.data.u32]);
		epoll_ctl(ep, EPOLL_CTL_DEL, b[event.data.u32].fd, NULL);
		left--;
	}
	for (uint32_t i = 0; i < EPOLL_PAIRS; i++)
		close_both(d, &a[i], &b[i]);
	close(ep);
}
