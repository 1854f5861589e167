// SPDX-License-Identifier: Apache-2.0
/* A connection is sent to another process and kept: what the other one moves, which no library sees, is
 * missed neither at once nor after many calls of ours. */
#include <time.h>

#include "expect.h"

#define CALLS 40 /* more than are looked at one by one */

static void send_fd(int through, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec byte = {"x", 1};
	struct msghdr msg = {
	    .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	must("sendmsg", sendmsg(through, &msg, 0) == 1);
}

/* The time in which a socket that was given away is looked at again, and much less than a second. */
static void let_time_go_by(void)
{
	struct timespec from, now;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - from.tv_sec) * 1000000000l + now.tv_nsec - from.tv_nsec < 3000000);
}

int main(void)
{
	int fd[2], through[2];
	unsigned int off = 0;

	tcp_pair(fd);
	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, through) == 0);
	expect("main", "open conn=m flags=pair");
	expect("main", "open conn=n flags=pair");
	send_fd(through[0], fd[0]);
	expect("main", "out conn=m off=0 len=1");
	must("by another", unseen(SYS_write, fd[0], (long)"abc", 3, 0) == 3);
	must("write", write(fd[0], "d", 1) == 1);
	expect("main", "resync conn=c out_seen=0 out_kernel=3");
	expect("main", "out conn=c off=3 len=1");
	for (off = 4; off < 4 + CALLS; off++) {
		must("write", write(fd[0], "e", 1) == 1);
		expect("main", "out conn=c off=%u len=1", off);
	}
	let_time_go_by();
	must("by another", unseen(SYS_write, fd[0], (long)"fgh", 3, 0) == 3);
	must("write", write(fd[0], "i", 1) == 1);
	expect("main", "resync conn=c out_seen=%u out_kernel=%u", off, off + 3);
	expect("main", "out conn=c off=%u len=1", off + 3);
	for (const char *name = "mcsn"; *name != '\0'; name++)
		expect("main", "close conn=%c flags=exit", *name);
	exit(0);
}
