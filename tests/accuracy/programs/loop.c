// SPDX-License-Identifier: Apache-2.0
/* loop PORT BACK LOOPS CONNECTIONS - event loops, each a thread with an epoll of its own: every descriptor is
 * served as it comes. A call takes a free connection to the back; when all of the loop's are busy it waits in
 * memory for one. A request is answered when all of its calls are. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

enum { CALLS_MAX = 65536, BACKS_MAX = 256 };

struct request {
	struct wire *front;
	struct message message;
	uint32_t left;
};

/* A descriptor of a loop: of a client, or to the back with the request whose call is under way. */
struct watched {
	struct wire wire;
	bool is_back;
	struct request *serving;
};

struct loop {
	pthread_t thread;
	int poll, listener;
	struct watched *idle[BACKS_MAX];
	uint32_t idle_count, back_count;
	struct request *calls[CALLS_MAX]; /* that wait for a connection */
	size_t first_call, last_call;
};

static uint16_t back;
static uint32_t backs_max;
static int ends;

static struct watched *watch(struct loop *l, int fd, bool is_back)
{
	struct watched *w = calloc(1, sizeof *w);

	if (is_back)
		wire_connect(&w->wire, back);
	else
		wire_open(&w->wire, fd);
	w->is_back = is_back;
	epoll_ctl(l->poll, EPOLL_CTL_ADD, w->wire.fd,
		  &(struct epoll_event){.events = EPOLLIN, .data.ptr = w});
	return w;
}

static void send_calls(struct loop *l)
{
	while (l->first_call < l->last_call) {
		struct watched *w;

		if (l->idle_count > 0)
			w = l->idle[--l->idle_count];
		else if (l->back_count < backs_max)
			l->back_count++, w = watch(l, -1, true);
		else
			return;
		w->serving = l->calls[l->first_call++ % CALLS_MAX];
		wire_send(&w->wire, &w->serving->message, WIRE_TO_BACK, 'C');
	}
}

static void finish(struct request *r)
{
	wire_send(r->front, &r->message, WIRE_FROM_FRONT, 0);
	free(r);
}

static void asked(struct loop *l, struct watched *w, const struct message *m)
{
	struct request *r = malloc(sizeof *r);

	*r = (struct request){&w->wire, *m, m->fan};
	if (m->fan == 0)
		finish(r);
	for (uint32_t i = 0; i < m->fan; i++)
		l->calls[l->last_call++ % CALLS_MAX] = r;
	send_calls(l);
}

static void answered(struct loop *l, struct watched *w)
{
	struct request *r = w->serving;

	w->serving = NULL;
	l->idle[l->idle_count++] = w;
	if (--r->left == 0)
		finish(r);
	send_calls(l);
}

static void serve(struct loop *l, struct watched *w)
{
	struct message m;
	int r = wire_take(&w->wire, &m, w->is_back ? WIRE_FROM_BACK : WIRE_TO_FRONT, w->is_back ? 0 : 'R');

	if (r > 0 && w->is_back)
		answered(l, w);
	else if (r > 0)
		asked(l, w, &m);
	if (r >= 0)
		return;
	close(w->wire.fd);
	free(w);
}

static void *run(void *with)
{
	struct loop *l = with;

	for (;;) {
		struct epoll_event ready[64];
		int n = epoll_wait(l->poll, ready, 64, -1);

		for (int i = 0; i < n; i++) {
			void *what = ready[i].data.ptr;

			if (what == &ends)
				return NULL;
			if (what == l)
				watch(l, accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC),
				      false);
			else
				serve(l, what);
		}
	}
}

int main(int argc, char **argv)
{
	int loops = argc == 5 ? atoi(argv[3]) : 0, number;
	struct loop *all = calloc(64, sizeof *all);
	sigset_t term;

	if (loops < 1 || loops > 64)
		return 2;
	back = (uint16_t)atoi(argv[2]);
	backs_max = (uint32_t)atoi(argv[4]) < BACKS_MAX ? (uint32_t)atoi(argv[4]) : BACKS_MAX;
	ends = eventfd(0, EFD_CLOEXEC);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	for (int i = 0; i < loops; i++) {
		all[i].poll = epoll_create1(EPOLL_CLOEXEC);
		all[i].listener = wire_listen((uint16_t)atoi(argv[1]), true);
		epoll_ctl(all[i].poll, EPOLL_CTL_ADD, all[i].listener,
			  &(struct epoll_event){.events = EPOLLIN, .data.ptr = &all[i]});
		epoll_ctl(all[i].poll, EPOLL_CTL_ADD, ends,
			  &(struct epoll_event){.events = EPOLLIN, .data.ptr = &ends});
		pthread_create(&all[i].thread, NULL, run, &all[i]);
	}
	printf("ready\n");
	fflush(stdout);
	sigwait(&term, &number);
	if (write(ends, &(uint64_t){1}, 8) != 8)
		return 1;
	for (int i = 0; i < loops; i++)
		pthread_join(all[i].thread, NULL);
	wire_log_end();
	return 0;
}
