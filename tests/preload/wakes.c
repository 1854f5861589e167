// SPDX-License-Identifier: Apache-2.0
/* Pipes, FIFOs and eventfds of a process that is recorded: who woke whom, never with what.
 * wakes: yes
 */
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "expect.h"

static int event;

static void *waker(void *unused)
{
	uint64_t one = 1;

	must("wake", write(event, &one, sizeof one) == sizeof one);
	expect("waker", "out conn=e call=write off=0 len=8 flags=none head=none");
	return unused;
}

static void pipes(void)
{
	struct stat st;
	int ends[2];
	char buf[8];

	must("pipe", pipe(ends) == 0 && fstat(ends[0], &st) == 0);
	said("write", write(ends[1], "secret", 6));
	expect("main", "open conn=w call=write flags=seen family=2 fd=%d inode=%lu", ends[1], st.st_ino);
	expect("main", "out conn=w call=write off=0 len=6 flags=none head=none");
	said("read", read(ends[0], buf, sizeof buf));
	expect("main", "open conn=r call=read flags=seen family=2 fd=%d inode=%lu", ends[0], st.st_ino);
	expect("main", "in conn=r call=read off=0 len=6 flags=none head=none");
	close(ends[1]);
	expect("main", "close conn=w call=close out_seen=6");
	said("poll", poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, -1));
	expect("main", "wait conn=nobody call=poll object=%d ready=1", ends[0]);
	said("end", read(ends[0], buf, sizeof buf));
	expect("main", "in conn=r call=read off=6 len=0 flags=eof");
	said("end", read(ends[0], buf, sizeof buf));
	close(ends[0]);
	expect("main", "close conn=r call=close in_seen=6");
}

static void fifo(void)
{
	int fd;

	must("mkfifo", mkfifo("fifo", 0600) == 0);
	fd = open("fifo", O_RDWR);
	said("write", write(fd, "x", 1));
	expect("main", "open conn=f call=write flags=seen family=2 fd=%d", fd);
	expect("main", "out conn=f call=write len=1 head=none");
	close(fd);
	expect("main", "close conn=f");
}

static void events(void)
{
	pthread_t thread;
	eventfd_t value;
	uint64_t ticks;
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec soon = {.it_value.tv_nsec = 1};

	event = eventfd(0, 0);
	expect("main", "open conn=e call=eventfd flags=none family=3 fd=%d inode=0", event);
	must("thread", pthread_create(&thread, NULL, waker, NULL) == 0 && pthread_join(thread, NULL) == 0);
	said("eventfd_read", eventfd_read(event, &value));
	expect("main", "in conn=e call=eventfd_read off=0 len=8 flags=none head=none");
	said("eventfd_write", eventfd_write(event, 1));
	expect("main", "out conn=e call=eventfd_write off=8 len=8 head=none");
	fcntl(event, F_SETFL, O_NONBLOCK);
	said("read", eventfd_read(event, &value));
	expect("main", "in conn=e call=eventfd_read off=8 len=8 head=none");
	said("none", eventfd_read(event, &value));
	close(event);
	expect("main", "close conn=e out_seen=16 in_seen=16");
	must("timer", timerfd_settime(timer, 0, &soon, NULL) == 0);
	said("a timer is none", read(timer, &ticks, sizeof ticks));
	close(timer);
}

int main(void)
{
	char buf[8];
	int early[2], pair[2], early_event = eventfd(0, 0);

	must("pipe", pipe(early) == 0);
	said("before", eventfd_write(early_event, 1));
	said("before", write(early[1], "not recorded", 12));
	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	said("socket", write(pair[0], "x", 1));
	expect("main", "open conn=s flags=seen family=1");
	expect("main", "out conn=s len=1");
	said("after", write(early[1], "recorded", 8));
	expect("main", "open conn=p call=write flags=seen family=2 fd=%d", early[1]);
	expect("main", "out conn=p call=write len=8 head=none");
	said("after", eventfd_write(early_event, 1));
	expect("main", "open conn=v call=eventfd_write flags=seen family=3 fd=%d", early_event);
	expect("main", "out conn=v call=eventfd_write len=8 head=none");
	close(early_event);
	expect("main", "close conn=v");
	pipes();
	fifo();
	events();
	said("read", read(early[0], buf, 4));
	expect("main", "open conn=i call=read flags=seen family=2 fd=%d", early[0]);
	expect("main", "in conn=i call=read len=4 head=none");
	close(early[0]);
	expect("main", "close conn=i");
	close(early[1]);
	expect("main", "close conn=p");
	close(pair[0]);
	expect("main", "close conn=s");
	close(pair[1]);
	return 0;
}
