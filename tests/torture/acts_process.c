/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acts_process.c - scenes with several processes: fork from threads, turns at one socket, spawn and exec,
 * passed descriptors, children that close everything. Children end in every way there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "acts.h"
#include "move.h"

#define CHILDREN_MOST 5
#ifdef __SANITIZE_THREAD__ /* it makes a fork of vfork, and counts threads wrongly behind a fork */
#define SPAWNS 1
#else
#define SPAWNS 3
#endif

extern char **environ;
char act_program[ACT_PATH_BYTES];

bool act_child_begin(void)
{
	if (__atomic_add_fetch(&board->children, 1, __ATOMIC_ACQ_REL) <= CHILDREN_MOST) {
		__atomic_add_fetch(&board->forks, 1, __ATOMIC_RELAXED);
		return true;
	}
	act_child_end();
	return false;
}

void act_child_end(void)
{
	__atomic_sub_fetch(&board->children, 1, __ATOMIC_ACQ_REL);
}

/* ---- ways to end ---- */

enum ending {
	END_FAST,
	END_ORDERLY,
	END_KILLED,
	END_ABORT,
	END_THREAD,
	END_QUICK,
	END_TERM,
	END_GROUP,
	ENDINGS
};

static void *end_from_thread(void *unused)
{
	(void)unused;
	exit(0);
}

/* Under ASan a child of several threads may find the allocator locked for ever: then it makes no thread. */
extern void __asan_init(void) __attribute__((weak));

static bool may_make_threads(void)
{
	return __asan_init == NULL;
}

static void __attribute__((noreturn)) child_ends(enum ending how)
{
	pthread_t thread;

	if (how == END_THREAD && !may_make_threads())
		how = END_FAST;
	switch (how) {
	case END_FAST:
		_exit(0);
	case END_ORDERLY:
		exit(0);
	case END_KILLED:
		kill(getpid(), SIGKILL);
		break;
	case END_ABORT:
		abort();
	case END_THREAD:
		pthread_create(&thread, NULL, end_from_thread, NULL);
		pthread_exit(NULL);
	case END_QUICK:
		quick_exit(0);
	case END_TERM:
		kill(getpid(), SIGTERM);
		break;
	default:
		syscall(SYS_exit_group, 0);
		break;
	}
	for (;;)
		pause();
}

static void child_awaited(pid_t pid, enum ending how)
{
	int status, wanted = how == END_KILLED	? SIGKILL
			     : how == END_ABORT ? SIGABRT
			     : how == END_TERM	? SIGTERM
						: 0;

	while (waitpid(pid, &status, 0) != pid)
		board_must(errno == EINTR, "waitpid");
	board_must(wanted ? WIFSIGNALED(status) && WTERMSIG(status) == wanted : status == 0,
		   "a child ended otherwise");
	act_child_end();
}

/* ---- a child at the other end ---- */

static void __attribute__((noreturn))
child_answers(struct dice *d, const struct end *b, size_t n, enum ending how)
{
	move_in(d, b, n);
	if (dice_roll(d, 3) == 0 && may_make_threads())
		act_partner(d);
	if (dice_roll(d, 3) == 0)
		act_talk(d);
	move_out(d, b, n);
	child_ends(how);
}

void act_fork(struct dice *d)
{
	struct dice mine;
	struct end a, b;
	size_t n = 1 + dice_roll(d, 5000);
	enum ending how = dice_roll(d, ENDINGS);
	pid_t pid;

	if (!act_child_begin())
		return;
	move_connect(d, &a, &b);
	a.wire->flags |= WIRE_SHARED;
	if (dice_roll(d, 2))
		move_both(d, &a, &b);
	mine.state = d->state + 17;
	pid = fork();
	board_must(pid >= 0, "fork");
	if (pid == 0)
		child_answers(&mine, &b, n, how);
	if (dice_roll(d, 2)) {
		move_close(d, b.fd);
		b.fd = -1;
	}
	move_out(d, &a, n);
	move_in(d, &a, n);
	child_awaited(pid, how);
	move_close(d, a.fd);
	if (b.fd >= 0)
		move_close(d, b.fd);
}

/* Parent and child use the same end, one after the other. */
void act_fork_turns(struct dice *d)
{
	struct dice mine;
	struct end a, b;
	pid_t pid;

	if (!act_child_begin())
		return;
	move_connect_tcp(&a, &b); /* only there the kernel's counters tell whose turn it was */
	a.wire->flags |= WIRE_SHARED;
	move_both(d, &a, &b);
	for (int i = 0; i < 3; i++) {
		mine.state = d->state + 23;
		pid = fork();
		board_must(pid >= 0, "fork");
		if (pid == 0) {
			move_out(&mine, &a, 1 + dice_roll(&mine, 3000));
			if (dice_roll(&mine, 2))
				move_in(&mine, &b, b.wire->sent[0] - b.wire->taken[0]);
			child_ends(END_FAST);
		}
		while (waitpid(pid, NULL, 0) != pid)
			board_must(errno == EINTR, "waitpid");
		move_out(d, &a, 1 + dice_roll(d, 2000));
	}
	move_in(d, &b, b.wire->sent[0] - b.wire->taken[0]);
	move_close(d, a.fd);
	move_close(d, b.fd);
	act_child_end();
}

/* ---- another program at the other end ---- */

static pid_t spawn_by(struct dice *d, char **argv)
{
	pid_t pid;

	switch (dice_roll(d, SPAWNS)) {
	case 0:
		board_must(posix_spawn(&pid, act_program, NULL, NULL, argv, environ) == 0, "posix_spawn");
		return pid;
	case 1:
		pid = vfork();
		break;
	default:
		pid = fork();
		break;
	}
	board_must(pid >= 0, "fork");
	if (pid == 0) {
		execv(act_program, argv);
		_exit(111);
	}
	return pid;
}

void act_spawn(struct dice *d)
{
	char seed[24], fd[12], wire[24], bytes[12], ending[12];
	char *argv[] = {act_program, "spawned", seed, fd, wire, bytes, ending, NULL};
	uint32_t n = 1 + dice_roll(d, 5000), how = dice_roll(d, ENDINGS);
	struct end a, b;
	pid_t pid;

	if (!act_child_begin())
		return;
	move_connect(d, &a, &b);
	a.wire->flags |= WIRE_SHARED;
	if (dice_roll(d, 2))
		move_both(d, &a, &b);
	snprintf(seed, sizeof seed, "%llu", (unsigned long long)d->state);
	snprintf(fd, sizeof fd, "%d", b.fd);
	snprintf(wire, sizeof wire, "%ld", (long)(b.wire - board->wires));
	snprintf(bytes, sizeof bytes, "%u", n);
	snprintf(ending, sizeof ending, "%u", how);
	pid = spawn_by(d, argv);
	move_close(d, b.fd);
	move_out(d, &a, n);
	move_in(d, &a, n);
	child_awaited(pid, how);
	move_close(d, a.fd);
}

int act_spawned(int argc, char **argv)
{
	struct dice d;
	struct end b;

	board_must(argc == 7, "arguments");
	d.state = strtoull(argv[2], NULL, 10);
	b = (struct end){atoi(argv[3]), 1, &board->wires[atoi(argv[4])]};
	child_answers(&d, &b, (size_t)atoi(argv[5]), (enum ending)atoi(argv[6]));
}

/* ---- descriptors in messages ---- */

static void pass_send(int by, int fd)
{
	char control[CMSG_SPACE(sizeof fd)] = "", byte = 'f';
	struct iovec part = {&byte, 1};
	struct msghdr msg = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	while (sendmsg(by, &msg, MSG_NOSIGNAL) != 1)
		board_must(errno == EINTR, "passing a descriptor");
}

static int pass_receive(const struct end *by)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec part = {&byte, 1};
	struct msghdr msg = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	ssize_t n;
	int fd = -1;

	while ((n = recvmsg(by->fd, &msg, MSG_CMSG_CLOEXEC)) < 0)
		board_must(errno == EINTR, "being passed a descriptor");
	board_took(by, n);
	board_must(CMSG_FIRSTHDR(&msg) != NULL, "no descriptor came");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
	return fd;
}

void act_pass(struct dice *d)
{
	struct dice mine = {d->state + 31};
	struct end road[2], a, b;
	int fds[2];
	pid_t pid = -1;

	if (!act_child_begin())
		return;
	board_must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "socketpair");
	board_wire(&road[0], &road[1], fds[0], fds[1], WIRE_UNORDERED | WIRE_SHARED);
	pid = fork();
	board_must(pid >= 0, "fork");
	if (pid == 0) {
		b.fd = pass_receive(&road[1]);
		move_in(&mine, &road[1],
			sizeof(uint32_t)); /* when this is there, the wire is told on the board */
		b.wire = &board->wires[road[1].wire->rest];
		b.side = 1;
		move_out(&mine, &b, 500);
		move_in(&mine, &b, 700);
		child_ends(END_FAST);
	}
	move_connect(d, &a, &b);
	a.wire->flags |= WIRE_SHARED;
	if (dice_roll(d, 2))
		move_both(d, &a, &b);
	road[0].wire->rest = (uint32_t)(a.wire - board->wires);
	pass_send(road[0].fd, b.fd);
	board_sent(&road[0], 1);
	move_out(d, &road[0], sizeof(uint32_t));
	move_close(d, b.fd);
	move_out(d, &a, 700);
	move_in(d, &a, 500);
	child_awaited(pid, END_FAST);
	move_close(d, a.fd);
	move_close(d, fds[0]);
	move_close(d, fds[1]);
}

/* ---- a child that keeps nothing, as daemons do ---- */

void act_close_all(struct dice *d)
{
	struct dice mine = {d->state + 41};
	pid_t pid;

	if (!act_child_begin())
		return;
	pid = fork();
	board_must(pid >= 0, "fork");
	if (pid == 0) {
		if (dice_roll(&mine, 2))
			closefrom(3);
		else
			for (int fd = 3; fd < 1024; fd++)
				close(fd);
		board_lost_files();
		act_talk(&mine);
		if (may_make_threads())
			act_partner(&mine);
		child_ends(dice_roll(&mine, 2) ? END_FAST : END_ORDERLY);
	}
	child_awaited(pid, END_FAST);
}
