/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - one end of a connection in the programs of this directory: moves bytes that follow from wire, way
 * and offset, checks what it gets, and writes each call to the log $WIRE_LOG, which dprof and the analyzer
 * know nothing of:
 *
 *	io WIRE SIDE WAY OFFSET BYTES PID COOKIE TRACED
 *
 * SIDE is c or s, WAY out or in, TRACED 1 if the process that moved them was given the library. A connection
 * without a byte has a line `end WIRE SIDE PID COOKIE TRACED`, as all have.
 * Any thread.
 */
#ifndef TESTS_CHURN_WIRE_H
#define TESTS_CHURN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum wire_way { WIRE_OUT, WIRE_IN };

#define WIRE_UNKNOWN UINT32_MAX /* the server learns the number from the first word */
#define WIRE_WORD    8u

struct wire {
	uint32_t id;
	uint32_t content; /* what its bytes follow from; else as id */
	char side;
	int fd;
	uint64_t off[2]; /* by enum wire_way: moved so far */
	uint64_t cookie;
};

union wire_address {
	struct sockaddr any;
	struct sockaddr_storage room;
};

/* A number that follows from both. */
uint64_t wire_dice(uint64_t a, uint64_t b);

/* The word of 8 letters that is in a stream at `off`, a multiple of 8. */
void wire_word(uint32_t id, char side, uint64_t off, char word[WIRE_WORD]);

void wire_must(bool right, const char *what);
void wire_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct wire wire_make(int fd, uint32_t id, char side);

/* n bytes, in one or several calls of different kinds. The server's first read finds the number. */
void wire_send(struct wire *w, uint64_t n);
void wire_take(struct wire *w, uint64_t n);

/* One call; what it moved, 0 at the end, -1 if the other end reset. */
long wire_take_some(struct wire *w, uint64_t most);

/* Says that this end is over in this process, and closes it. */
void wire_end(struct wire *w);

/* WHERE: 4/ADDRESS/PORT, 6/ADDRESS[%DEVICE]/PORT, unix/PATH, abstract/NAME. */
socklen_t wire_address(const char *where, union wire_address *a);
int wire_socket(const char *where);
int wire_listen(const char *where, bool shared_port);
int wire_connect(const char *where);

#endif
