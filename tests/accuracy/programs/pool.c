// SPDX-License-Identifier: Apache-2.0
/* pool whole|parts PORT BACK WORKERS - one thread reads the requests and queues them, workers take them from
 * the queue. whole: a worker makes all calls of a request, one after another, and answers. parts: each call
 * is a task of its own, and whoever ends the last one answers. The connections to the back are shared: a
 * worker takes one that is free. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

enum { TASKS_MAX = 65536, FDS_MAX = 4096, SHARED_MAX = 64 };

struct request {
	struct wire *front;
	struct message message;
	uint32_t left; /* parts that are not done */
};

static struct wire *fronts[FDS_MAX];
static struct request *tasks[TASKS_MAX];
static size_t first_task, last_task;
static struct wire *shared[SHARED_MAX];
static size_t shared_count;
static bool parts;
static uint16_t back;
static pthread_mutex_t tasks_lock = PTHREAD_MUTEX_INITIALIZER, shared_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t tasks_there = PTHREAD_COND_INITIALIZER;

/* ---- connections to the back ---- */

static struct wire *borrow(void)
{
	struct wire *w = NULL;

	pthread_mutex_lock(&shared_lock);
	if (shared_count > 0)
		w = shared[--shared_count];
	pthread_mutex_unlock(&shared_lock);
	if (!w) {
		w = malloc(sizeof *w);
		wire_connect(w, back);
	}
	return w;
}

static void give_back(struct wire *w)
{
	pthread_mutex_lock(&shared_lock);
	shared[shared_count++] = w;
	pthread_mutex_unlock(&shared_lock);
}

static void call(const struct message *m)
{
	struct wire *w = borrow();
	struct message answer;

	wire_send(w, m, WIRE_TO_BACK, 'C');
	wire_wait(w, &answer, WIRE_FROM_BACK, 0);
	give_back(w);
}

/* ---- tasks ---- */

static void queue(struct request *r)
{
	pthread_mutex_lock(&tasks_lock);
	tasks[last_task++ % TASKS_MAX] = r;
	pthread_cond_signal(&tasks_there);
	pthread_mutex_unlock(&tasks_lock);
}

static struct request *take(void)
{
	struct request *r;

	pthread_mutex_lock(&tasks_lock);
	while (first_task == last_task)
		pthread_cond_wait(&tasks_there, &tasks_lock);
	r = tasks[first_task++ % TASKS_MAX];
	pthread_mutex_unlock(&tasks_lock);
	return r;
}

static void *work(void *unused)
{
	for (;;) {
		struct request *r = take();

		if (!r)
			return unused;
		for (uint32_t i = 0; i < (parts ? r->message.fan > 0 : r->message.fan); i++)
			call(&r->message);
		if (parts && __atomic_sub_fetch(&r->left, 1, __ATOMIC_ACQ_REL) > 0)
			continue;
		wire_send(r->front, &r->message, WIRE_FROM_FRONT, 0);
		free(r);
	}
}

static void serve(struct wire *w)
{
	struct message m;
	int r;

	while ((r = wire_take(w, &m, WIRE_TO_FRONT, 'R')) > 0) {
		struct request *q = malloc(sizeof *q);
		uint32_t n = parts && m.fan > 0 ? m.fan : 1;

		*q = (struct request){w, m, n};
		while (n-- > 0)
			queue(q);
	}
	if (r < 0) {
		fronts[w->fd] = NULL;
		close(w->fd);
		free(w);
	}
}

int main(int argc, char **argv)
{
	int workers = argc == 5 ? atoi(argv[4]) : 0, listener, ends, poll = epoll_create1(EPOLL_CLOEXEC);
	pthread_t thread[256];
	sigset_t term;
	bool over = false;

	if (workers < 1 || workers > 256)
		return 2;
	parts = strcmp(argv[1], "parts") == 0;
	back = (uint16_t)atoi(argv[3]);
	listener = wire_listen((uint16_t)atoi(argv[2]), false);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	ends = signalfd(-1, &term, SFD_CLOEXEC);
	epoll_ctl(poll, EPOLL_CTL_ADD, listener,
		  &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
	epoll_ctl(poll, EPOLL_CTL_ADD, ends, &(struct epoll_event){.events = EPOLLIN, .data.fd = ends});
	for (int i = 0; i < workers; i++)
		pthread_create(&thread[i], NULL, work, NULL);
	printf("ready\n");
	fflush(stdout);
	while (!over) {
		struct epoll_event ready[64];
		int n = epoll_wait(poll, ready, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd;

			if (fd == ends) {
				over = true;
			} else if (fd == listener) {
				fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
				fronts[fd] = malloc(sizeof **fronts);
				wire_open(fronts[fd], fd);
				epoll_ctl(poll, EPOLL_CTL_ADD, fd,
					  &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
			} else if (fronts[fd]) {
				serve(fronts[fd]);
			}
		}
	}
	for (int i = 0; i < workers; i++)
		queue(NULL);
	for (int i = 0; i < workers; i++)
		pthread_join(thread[i], NULL);
	wire_log_end();
	return 0;
}
