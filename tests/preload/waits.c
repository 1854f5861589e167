// SPDX-License-Identifier: Apache-2.0
/* Waits: several become one record, right before what the thread does next. */
#include <sys/epoll.h>
#include <sys/select.h>

#include "expect.h"

int main(void)
{
	struct epoll_event event = {.events = EPOLLIN}, got;
	struct timespec now = {0};
	int fd[2], poller = epoll_create1(0);
	char buf[8];
	fd_set set;

	tcp_pair(fd);
	must("epoll", epoll_ctl(poller, EPOLL_CTL_ADD, fd[1], &event) == 0);
	said("none ready", epoll_wait(poller, &got, 1, 0));
	said("none ready", poll(NULL, 0, 0));
	said("none ready", epoll_pwait(poller, &got, 1, 0, NULL));
	expect("main", "wait call=epoll_pwait conn=0 object=%d ready=0", poller);
	said("write", write(fd[0], "a", 1));
	expect("main", "out conn=c off=0 len=1");
	said("epoll_wait", epoll_wait(poller, &got, 1, -1));
	expect("main", "wait call=epoll_wait conn=0 object=%d ready=1", poller);
	said("read", read(fd[1], buf, 8));
	expect("main", "in conn=s off=0 len=1");
	said("none there", recv(fd[1], buf, 8, MSG_DONTWAIT));
	said("write", write(fd[0], "b", 1));
	expect("main", "out conn=c off=1 len=1");
	said("poll", poll(&(struct pollfd){.fd = fd[1], .events = POLLIN}, 1, -1));
	expect("main", "wait call=poll conn=s object=%d ready=1", fd[1]);
	said("read", read(fd[1], buf, 8));
	expect("main", "in conn=s off=1 len=1");
	FD_ZERO(&set);
	FD_SET(fd[0], &set);
	said("select", select(fd[0] + 1, NULL, &set, NULL, NULL));
	expect("main", "wait call=select conn=c object=%d ready=1", fd[0]);
	said("write", write(fd[0], "c", 1));
	expect("main", "out conn=c off=2 len=1");
	FD_SET(fd[1], &set);
	said("pselect", pselect(60, &set, NULL, NULL, &now, NULL) >= 0 ? 0 : -1);
	said("epoll_pwait2", epoll_pwait2(poller, &got, 1, NULL, NULL));
	expect("main", "wait call=epoll_pwait2 conn=0 object=%d ready=1", poller);
	said("read", read(fd[1], buf, 8));
	expect("main", "in conn=s off=2 len=1");
	said("bad", epoll_wait(fd[0], &got, 1, 0));
	expect("main", "wait call=epoll_wait");
	expect("main", "close conn=c flags=exit");
	expect("main", "close conn=s flags=exit");
	_exit(3);
}
