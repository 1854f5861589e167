/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acts_trouble.c - scenes that break into calls: handlers that send, siglongjmp and cancellation out of a
 * call that blocks, descriptors closed under a thread that waits on them.
 *
 * Whatever is left by a jump or a cancellation waits for bytes that never come, so that the program knows how
 * many it moved: none.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "acts.h"
#include "move.h"

/* ---- handlers that send ---- */

static __thread struct end signal_from, signal_to;
static __thread volatile sig_atomic_t signal_ready;
static __thread sigjmp_buf jump_to;
static __thread volatile sig_atomic_t jump_ready;

static void on_write(int unused)
{
	int error = errno;
	uint64_t at;

	(void)unused;
	if (!signal_ready)
		return;
	at = signal_from.wire->sent[0];
	if (at - signal_from.wire->taken[0] < 300)
		board_sent(
		    &signal_from,
		    write(signal_from.fd, board_pattern + board_at(signal_from.wire, 0, at), 1 + at % 9));
	__atomic_fetch_add(&board->signals, 1, __ATOMIC_RELAXED);
	errno = error;
}

static void on_jump(int unused)
{
	(void)unused;
	if (!jump_ready)
		return;
	jump_ready = 0;
	siglongjmp(jump_to, 1);
}

void act_signals_handle(void)
{
	struct sigaction writes = {.sa_handler = on_write, .sa_flags = SA_RESTART};
	struct sigaction jumps = {.sa_handler = on_jump};

	sigemptyset(&writes.sa_mask);
	sigemptyset(&jumps.sa_mask);
	sigaddset(&writes.sa_mask, ACT_SIGNAL_JUMP); /* what is sent must be accounted for */
	sigaddset(&jumps.sa_mask, ACT_SIGNAL_WRITE);
	board_must(sigaction(ACT_SIGNAL_WRITE, &writes, NULL) == 0 &&
		       sigaction(ACT_SIGNAL_JUMP, &jumps, NULL) == 0,
		   "sigaction");
}

void act_signals_begin(struct dice *d)
{
	move_connect(d, &signal_from, &signal_to);
	signal_ready = 1;
}

void act_signals_drain(struct dice *d)
{
	move_in(d, &signal_to, signal_from.wire->sent[0] - signal_to.wire->taken[0]);
}

void act_signals_end(struct dice *d)
{
	signal_ready = 0;
	act_signals_drain(d);
	move_close(d, signal_from.fd);
	move_close(d, signal_to.fd);
}

/* ---- out of a blocking call by siglongjmp ---- */

static void wait_in(struct dice *d, const struct end *e, int listener)
{
	struct pollfd poll_fd = {.fd = e->fd, .events = POLLIN};
	char byte;

	switch (dice_roll(d, 5)) {
	case 0:
		read(e->fd, &byte, 1);
		break;
	case 1:
		recv(e->fd, &byte, 1, 0);
		break;
	case 2:
		poll(&poll_fd, 1, -1);
		break;
	case 3:
		accept(listener, NULL, NULL);
		break;
	default:
		recvmsg(e->fd, &(struct msghdr){.msg_iov = &(struct iovec){&byte, 1}, .msg_iovlen = 1}, 0);
		break;
	}
}

static void pause_short(uint32_t ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

static int quiet_listener(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	board_must(fd >= 0 && listen(fd, 1) == 0, "listen");
	return fd;
}

static timer_t alarm_start(long after_ns)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = ACT_SIGNAL_JUMP};
	struct itimerspec when = {.it_value.tv_nsec = after_ns, .it_interval.tv_nsec = 1000000};
	timer_t timer;

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	board_must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
		       timer_settime(timer, 0, &when, NULL) == 0,
		   "timer");
	return timer;
}

void act_jump(struct dice *d)
{
	struct end a, b;
	int listener = quiet_listener();
	timer_t timer;

	move_connect(d, &a, &b);
	if (dice_roll(d, 2))
		move_both(d, &a, &b);
	timer = alarm_start(1000 + (long)dice_roll(d, 300000));
	if (sigsetjmp(jump_to, 1) == 0) {
		jump_ready = 1;
		wait_in(d, &a, listener);
		while (jump_ready)	   /* a handler that sends may have ended the wait */
			pause_short(1000); /* TSan delivers signals in calls only */
	}
	timer_delete(timer);
	move_both(d, &b, &a);
	move_close(d, a.fd);
	move_close(d, b.fd);
	close(listener);
}

/* ---- cancellation ---- */

struct victim {
	pthread_t thread;
	struct dice dice;
	struct end end;
	int listener;
	bool asynchronous;
};

static void *__attribute__((noreturn)) victim_waits(void *with)
{
	struct victim *v = with;

	if (v->asynchronous)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		wait_in(&v->dice, &v->end, v->listener);
}

void act_cancel(struct dice *d)
{
	struct victim v = {.dice = {d->state + 5}, .listener = quiet_listener()};
	struct end a;
	void *result;

	move_connect(d, &a, &v.end);
	if (dice_roll(d, 2))
		move_both(d, &a, &v.end);
	board_must(pthread_create(&v.thread, NULL, victim_waits, &v) == 0, "pthread_create");
	pause_short(dice_roll(d, 200000));
	board_must(pthread_cancel(v.thread) == 0, "pthread_cancel");
	board_must(pthread_join(v.thread, &result) == 0 && result == PTHREAD_CANCELED, "a cancelled thread");
	move_both(d, &a, &v.end);
	move_close(d, a.fd);
	move_close(d, v.end.fd);
	close(v.listener);
}

/* ---- closed under a thread that waits ---- */

struct waiter {
	pthread_t thread;
	struct end end;
	pid_t tid; /* once it is about to wait */
};

static void *waiter_waits(void *with)
{
	struct waiter *w = with;
	char to[64];
	ssize_t n;

	__atomic_store_n(&w->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	n = recv(w->end.fd, to, sizeof to, 0);
	board_must(n == 5, "the thread that waits");
	board_took(&w->end, n);
	return NULL;
}

/* Until the thread sleeps inside recv. */
static void until_waiting(const struct waiter *w)
{
	char path[64], text[32];
	pid_t tid;
	ssize_t n;

	for (;;) {
		long fd;

		tid = __atomic_load_n(&w->tid, __ATOMIC_ACQUIRE);
		snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
		fd = tid == 0 ? -1 : syscall(SYS_openat, -100, path, 0);
		n = fd < 0 ? 0 : syscall(SYS_read, fd, text, sizeof text - 1);
		if (fd >= 0)
			syscall(SYS_close, fd);
		text[n > 0 ? n : 0] = '\0';
		if (text[0] >= '0' && text[0] <= '9' && atol(text) == SYS_recvfrom)
			return;
	}
}

void act_foreign_close(struct dice *d)
{
	struct waiter w = {.tid = 0};
	struct end a, x, y;

	move_connect(d, &a, &w.end);
	if (dice_roll(d, 2))
		move_both(d, &a, &w.end);
	board_must(pthread_create(&w.thread, NULL, waiter_waits, &w) == 0, "pthread_create");
	until_waiting(&w);
	move_close(d, w.end.fd);
	move_connect(d, &x, &y); /* most likely under the same number */
	move_both(d, &x, &y);
	/* the wire's own bytes, one way only: nobody but the waiter takes them */
	board_sent(&a, send(a.fd, board_pattern + board_at(a.wire, 0, a.wire->sent[0]), 5, MSG_NOSIGNAL));
	pthread_join(w.thread, NULL);
	move_both(d, &y, &x);
	move_close(d, a.fd);
	move_close(d, x.fd);
	move_close(d, y.fd);
}
