/* SPDX-License-Identifier: Apache-2.0 */
/*
 * board.c - see board.h. All its system calls are raw ones on files, which dprof has no interest in.
 */
#include "board.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BOARD_AT   900 /* descriptors that nobody else is given */
#define PATTERN_AT 901

struct board *board;
int board_fd, pattern_fd;
char board_pattern[2 * BOARD_PATTERN];

void board_fail(const char *what)
{
	uint32_t none = 0;
	int error = errno;

	if (__atomic_compare_exchange_n(&board->failed, &none, 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		snprintf(board->why, sizeof board->why, "pid %d: %s: %s", getpid(), what, strerror(error));
	dprintf(2, "torture: pid %d: %s: %s\n", getpid(), what, strerror(error));
	if (getpgrp() == (pid_t)board->group)
		kill(0, SIGKILL); /* children wait for us */
	syscall(SYS_exit_group, 3);
	__builtin_unreachable();
}

void board_must(bool right, const char *what)
{
	if (!right)
		board_fail(what);
}

static void pattern_make(void)
{
	struct dice d = {1};

	for (uint32_t i = 0; i < BOARD_PATTERN; i++)
		board_pattern[i] = board_pattern[i + BOARD_PATTERN] = (char)('!' + dice_roll(&d, 94));
}

static int move_up(int fd, int to)
{
	int moved;

	if (fd == to)
		return fd;
	moved = (int)syscall(SYS_dup3, fd, to, 0);
	syscall(SYS_close, fd);
	return moved;
}

void board_lost_files(void)
{
	int fd = (int)syscall(SYS_memfd_create, "pattern", 0);

	board_must(fd >= 0, "memfd");
	pattern_fd = move_up(fd, PATTERN_AT);
	board_must(syscall(SYS_write, pattern_fd, board_pattern, sizeof board_pattern) ==
		       sizeof board_pattern,
		   "pattern");
}

void board_open(const char *path, bool make)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | (make ? O_CREAT | O_TRUNC : 0), 0600);

	if (fd < 0 || (make && ftruncate(fd, sizeof *board) < 0)) {
		perror(path);
		syscall(SYS_exit_group, 2);
	}
	board_fd = move_up(fd, BOARD_AT);
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, board_fd, 0);
	if (board == MAP_FAILED) {
		perror("mmap");
		syscall(SYS_exit_group, 2);
	}
	board->magic = BOARD_MAGIC;
	pattern_make();
	board_lost_files();
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof cookie;

	board_must(syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0, "SO_COOKIE");
	return cookie;
}

void board_wire(struct end *a, struct end *b, int a_fd, int b_fd, uint32_t flags)
{
	uint32_t i = __atomic_fetch_add(&board->wires_n, 1, __ATOMIC_RELAXED);
	struct wire *w = &board->wires[i];

	board_must(i < BOARD_WIRES, "too many connections for one round");
	w->salt = i + 1;
	w->flags = flags;
	w->cookie[0] = cookie_of(a_fd);
	w->cookie[1] = cookie_of(b_fd);
	*a = (struct end){a_fd, 0, w};
	*b = (struct end){b_fd, 1, w};
}

static struct holder *holder_of(const struct end *e)
{
	uint32_t pid = (uint32_t)getpid();

	for (int i = 0; i < BOARD_HOLDERS; i++) {
		struct holder *h = &e->wire->holders[i];
		uint64_t *key = (uint64_t *)h, none = 0, mine = (uint64_t)(e->side + 1) << 32 | pid;
		uint64_t have = __atomic_load_n(key, __ATOMIC_ACQUIRE);

		if (have == 0 &&
		    __atomic_compare_exchange_n(key, &none, mine, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			have = mine;
		else if (have == 0)
			have = none;
		if (have == mine)
			return h;
	}
	board_fail("too many processes at one connection");
}

void board_sent(const struct end *e, ssize_t n)
{
	__atomic_fetch_add(&board->calls, 1, __ATOMIC_RELAXED);
	if (n <= 0)
		return;
	__atomic_fetch_add(&holder_of(e)->out, (uint64_t)n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&e->wire->sent[e->side], (uint64_t)n, __ATOMIC_RELEASE);
}

void board_took(const struct end *e, ssize_t n)
{
	__atomic_fetch_add(&board->calls, 1, __ATOMIC_RELAXED);
	if (n <= 0)
		return;
	__atomic_fetch_add(&holder_of(e)->in, (uint64_t)n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&e->wire->taken[!e->side], (uint64_t)n, __ATOMIC_RELEASE);
}
