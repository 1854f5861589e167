/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - what the programs of tests/accuracy say to each other, and to the oracle.
 *
 * A message is u32 length of what follows, u64 id, u32 fan, u32 work_us, padding; big-endian. The id is the
 *request's number, made unlike itself at every hop, so that no bytes repeat from one connection to the next.
 *The oracle log has one line per message that somebody sent or served: where it stands in which stream, which
 *is what dprof's correlation ID is made of.
 *
 *	Q uid local remote off        the client asks
 *	R uid local remote off        a server has a request
 *	C uid local remote off        a server calls somebody for the request
 */
#ifndef TESTS_ACCURACY_WIRE_H
#define TESTS_ACCURACY_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_HEAD 20u
#define WIRE_MAX  2048u

struct message {
	uint64_t uid;
	uint32_t fan;	  /* calls that serving it takes */
	uint32_t work_us; /* that the last server in the chain waits */
};

/* A connection with its two streams. */
struct wire {
	int fd;
	struct sockaddr_in local, remote;
	uint64_t sent, taken;
	uint8_t buffer[WIRE_MAX]; /* what was read of a message that is not whole */
	size_t have;
};

enum wire_hop { WIRE_TO_FRONT, WIRE_FROM_FRONT, WIRE_TO_BACK, WIRE_FROM_BACK };

int wire_listen(uint16_t port, bool shared);
void wire_open(struct wire *w, int fd);
void wire_connect(struct wire *w, uint16_t port);

/* Sends one message in one write. `what`: the letter of its line in the log, 0 for none. */
void wire_send(struct wire *w, const struct message *m, enum wire_hop hop, char what);

/* Reads what is there, or waits for it; 1: *m is a whole message, 0: not yet, -1: the other end has closed.
 */
int wire_take(struct wire *w, struct message *m, enum wire_hop hop, char what);

/* The same, until the message is whole. False: closed. */
bool wire_wait(struct wire *w, struct message *m, enum wire_hop hop, char what);

void wire_log_end(void); /* writes the log; at exit, and in a child before _exit */
uint32_t wire_random(void);

#endif
