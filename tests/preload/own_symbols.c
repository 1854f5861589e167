// SPDX-License-Identifier: Apache-2.0
/*
 * A program that brings functions of libc's itself, as beam.smp does with sigaction: they are found before
 * libc's, and the library must not call them. COVERAGE trap 15.
 */
#include "expect.h"

static int called;
static bool counting;

static int count(void)
{
	called += counting;
	return 0;
}

int sigaction(int number, const struct sigaction *restrict new, struct sigaction *restrict old)
{
	return count() + (int)syscall(SYS_rt_sigaction, number, new, old, 8);
}

int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
	return count() + (int)syscall(SYS_rt_sigprocmask, how, set, old, 8);
}

int open(const char *path, int flags, ...)
{
	return count() + (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

pid_t getpid(void)
{
	return count() + (pid_t)syscall(SYS_getpid);
}

int main(void)
{
	int fd[2];
	char buf[4];

	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	counting = true;
	must("write", write(fd[0], "ab", 2) == 2);
	must("read", read(fd[1], buf, sizeof buf) == 2);
	close(fd[0]);
	counting = false;
	said("called", called);
	expect("main", "open conn=a flags=seen");
	expect("main", "out conn=a off=0 len=2");
	expect("main", "open conn=b flags=seen");
	expect("main", "in conn=b off=0 len=2");
	expect("main", "close conn=a flags=none");
	expect("main", "close conn=b flags=exit");
	return 0;
}
