/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move.h - every way to get bytes through a stream socket, and to make and end one. Any thread. What arrives
 * is compared with what must arrive.
 */
#ifndef TESTS_TORTURE_MOVE_H
#define TESTS_TORTURE_MOVE_H

#include "board.h"

/* A connection of a random kind: over loopback, or of unix sockets. */
void move_connect(struct dice *d, struct end *a, struct end *b);
void move_connect_tcp(struct end *a, struct end *b);

/* Exactly `bytes`, by calls of random kinds and sizes; the other end must be taking if they are many. */
void move_out(struct dice *d, const struct end *e, size_t bytes);
void move_in(struct dice *d, const struct end *e, size_t bytes);

/* One call; what it returned. */
ssize_t move_out_once(struct dice *d, const struct end *e, size_t bytes);
ssize_t move_in_once(struct dice *d, const struct end *e, size_t bytes);

/* From one end to the other and perhaps back, a few times. */
void move_both(struct dice *d, const struct end *a, const struct end *b);

/* Takes until the end of the stream. */
void move_in_all(struct dice *d, const struct end *e);

/* Gives the descriptor up in a random way. */
void move_close(struct dice *d, int fd);

#endif
