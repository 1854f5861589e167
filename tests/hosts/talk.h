/* SPDX-License-Identifier: Apache-2.0 */
/*
 * talk.h - one connection of the test programs, and the log that the analyzer never sees. A line of the log
 * is what one end knew of one connection when it was over: its addresses, the bytes each way, and the token.
 * The token is made by the server for each connection and goes to the client behind what dprof captures of an
 * answer's head, so both lines have it and no dump does.
 */
#ifndef TESTS_HOSTS_TALK_H
#define TESTS_HOSTS_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define TALK_TOKEN  16	 /* hexadecimal digits */
#define TALK_ANSWER 1400 /* bytes of an answer's body: the token is its end */
#define TALK_BUFFER 16384

struct talk {
	int fd;
	uint64_t in, out;
	uint64_t header; /* bytes of the PROXY protocol that came first */
	bool wants_header;
	uint64_t opened_ns;
	char token[TALK_TOKEN + 1];
	struct sockaddr_storage local, remote;
	size_t have; /* bytes in `buffer` that no message was made of */
	char buffer[TALK_BUFFER + 1];
};

/* Ends the program with a line on stderr. */
void talk_die(const char *what) __attribute__((noreturn));

/* `remote`: as accept() said, for the other end may be gone already; NULL: getpeername() says. */
struct talk *talk_new(int fd, bool proxied, const struct sockaddr_storage *remote);
/* Logs the connection, closes it. */
void talk_end(struct talk *t, int log, const char *role);

/* Takes up to `limit` bytes more; what read() returned. */
long talk_take(struct talk *t, size_t limit);
void talk_give(struct talk *t, const char *bytes, size_t len);

/* Length of the whole message (head, and the body that its Content-Length says) at the start of the buffer; 0
 * if more bytes are needed. */
size_t talk_whole(struct talk *t, const char **body);
void talk_drop(struct talk *t, size_t len);

int serve(int argc, char **argv);
int ask(int argc, char **argv);

#endif
