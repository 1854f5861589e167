// SPDX-License-Identifier: Apache-2.0
/*
 * Ways to end, and to be born, that run no destructor of ours or no handler of fork: the dump ends whole.
 * What a handler of quick_exit sends is in it. COVERAGE traps 3 and 13.
 */
#include <sched.h>

#include "expect.h"

static int fd[2];
static const char *name;

static void move(bool first)
{
	char buf[4];
	static int off;

	must("write", write(fd[0], "a", 1) == 1);
	if (first)
		expect(name, "open conn=%s-a flags=seen", name);
	expect(name, "out conn=%s-a off=%d len=1", name, off);
	must("read", read(fd[1], buf, sizeof buf) == 1);
	if (first)
		expect(name, "open conn=%s-b flags=seen", name);
	expect(name, "in conn=%s-b off=%d len=1", name, off);
	off++;
}

static void will_end(void)
{
	expect(name, "close conn=%s-a flags=exit", name);
	expect(name, "close conn=%s-b flags=exit", name);
}

static void at_quick(void)
{
	move(false);
	will_end();
}

static void end_quickly(void)
{
	move(true);
	must("handler", at_quick_exit(at_quick) == 0);
	quick_exit(3);
}

static void end_at_once(void)
{
	move(true);
	will_end();
	_Exit(4);
}

static void end_by_number(void)
{
	move(true);
	will_end();
	syscall(SYS_exit_group, 5);
}

/* The parent of a daemon ends inside libc. The daemon holds the pipe until it has ended. */
static void become_daemon(void)
{
	move(true);
	will_end();
	must("daemon", daemon(1, 1) == 0);
	name = "daemon";
	must("write", write(fd[0], "d", 1) == 1);
	expect(name, "open conn=d-a flags=seen");
	expect(name, "out conn=d-a off=1 len=1");
	expect(name, "close conn=d-a flags=exit");
	exit(0);
}

static void bare_fork(void)
{
	pid_t child;

	move(true);
	child = _Fork();
	if (child == 0) {
		name = "bare";
		must("write", write(fd[0], "b", 1) == 1);
		expect(name, "open conn=b-a flags=seen");
		expect(name, "out conn=b-a off=1 len=1");
		expect(name, "close conn=b-a flags=exit");
		_exit(0);
	}
	must("wait", waitpid(child, NULL, 0) == child);
	will_end();
	exit(6);
}

static void raw_fork(void)
{
	pid_t child;

	move(true);
	child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0) {
		name = "raw";
		must("write", write(fd[0], "r", 1) == 1);
		expect(name, "open conn=r-a flags=seen");
		expect(name, "out conn=r-a off=1 len=1");
		expect(name, "close conn=r-a flags=exit");
		_exit(0);
	}
	must("wait", waitpid(child, NULL, 0) == child);
	will_end();
	exit(7);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} ways[] = {
	    {"quick", end_quickly},    {"at-once", end_at_once},   {"by-number", end_by_number},
	    {"parent", become_daemon}, {"bare-parent", bare_fork}, {"raw-parent", raw_fork},
	};
	int status, lives[2];
	char byte;

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		fflush(stdout);
		must("pipe", pipe(lives) == 0);
		if (fork() == 0) {
			name = ways[i].name;
			must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
			ways[i].run();
		}
		close(lives[1]);
		said("all gone", syscall(SYS_read, lives[0], &byte, 1));
		close(lives[0]);
		wait(&status);
		said(ways[i].name, status);
	}
	return 0;
}
