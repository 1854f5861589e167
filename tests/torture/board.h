/* SPDX-License-Identifier: Apache-2.0 */
/*
 * board.h - what the torture program itself knows: each connection and how many bytes each process moved over
 * each of its ends. Lies in a shared file, so that it outlives kill -9 and is one for all processes; dprof
 * does not see it. Any thread, also in a signal handler: atomics only.
 *
 * The bytes of a stream follow from the stream and the position (board_bytes), so whoever reads a dump can
 * tell whether a record's offset is right.
 */
#ifndef TESTS_TORTURE_BOARD_H
#define TESTS_TORTURE_BOARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BOARD_MAGIC   0x31747274u
#define BOARD_WIRES   (1u << 18)
#define BOARD_HOLDERS 16
#define BOARD_PATTERN 65536u
#define BOARD_MOST    16384u /* bytes moved by one call */

enum wire_flag {
	WIRE_UNORDERED = 1, /* two threads write, or read, at once: the order of bytes is the kernel's */
	WIRE_TCP = 2,
	WIRE_SHARED = 4 /* more than one process held an end */
};

/* One process at one end. */
struct holder {
	uint32_t pid;
	uint32_t side;
	uint64_t out;
	uint64_t in;
};

/* One connection: two ends, 0 and 1. Direction d flows from end d. */
struct wire {
	uint32_t salt;
	uint32_t flags;
	uint32_t rest; /* a word from one process to the other */
	uint32_t unused;
	uint64_t cookie[2];
	uint64_t sent[2];
	uint64_t taken[2];
	struct holder holders[BOARD_HOLDERS];
};

struct board {
	uint32_t magic;
	uint32_t wires_n;
	uint32_t children; /* now */
	uint32_t failed;
	uint32_t group; /* of all our processes */
	uint32_t unused;
	uint64_t acts;
	uint64_t signals;
	uint64_t forks;
	uint64_t calls;
	char why[256];
	uint8_t rest[4096 - 312];
	struct wire wires[BOARD_WIRES];
};

/* One descriptor of one end. */
struct end {
	int fd;
	uint32_t side;
	struct wire *wire;
};

extern struct board *board;
extern int board_fd;   /* of the file, the same number in every process */
extern int pattern_fd; /* a file that holds the pattern twice */
extern char board_pattern[2 * BOARD_PATTERN];

void board_open(const char *path, bool make);

/* The process has closed all its descriptors: the pattern comes back under its number. */
void board_lost_files(void);

/* A new connection between a and b. */
void board_wire(struct end *a, struct end *b, int a_fd, int b_fd, uint32_t flags);

/* Where in the pattern the byte at `position` of direction `d` lies. */
static inline uint32_t board_at(const struct wire *w, uint32_t d, uint64_t position)
{
	return (uint32_t)(w->salt * 2654435761u + d * 40503u + position) % BOARD_PATTERN;
}

void board_sent(const struct end *e, ssize_t n);
void board_took(const struct end *e, ssize_t n);

/* The program's own promise was broken: says so on the board and ends the process. */
void board_fail(const char *what) __attribute__((noreturn));
void board_must(bool right, const char *what);

/* A generator per thread: what a thread does follows from the seed. */
struct dice {
	uint64_t state;
};

static inline uint32_t dice_roll(struct dice *d, uint32_t sides)
{
	d->state = d->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(d->state >> 33) % sides;
}

#endif
