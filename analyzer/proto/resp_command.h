/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resp_command.h - what resp.c must know of single commands: where the key is, what may be shown, what is
 * answered. Analyzer, any thread; pure.
 */
#ifndef DPROF_PROTO_RESP_COMMAND_H
#define DPROF_PROTO_RESP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum resp_command_flag {
	RESP_SUBCOMMAND = 1 << 0,  /* the second word belongs to the name */
	RESP_CONTROL = 1 << 1,	   /* handshake or authentication */
	RESP_SECRET = 1 << 2,	   /* arguments may be passwords: show none */
	RESP_SUBSCRIBE = 1 << 3,   /* one reply per channel, then messages unasked */
	RESP_UNSUBSCRIBE = 1 << 4, /* one reply per channel */
	RESP_MONITOR = 1 << 5,	   /* then a line per command of others */
	RESP_SYNC = 1 << 6,	   /* then the replication stream */
	RESP_RESET = 1 << 7,	   /* ends the modes above */
};

#define RESP_KEY_NONE	 0
#define RESP_KEY_STREAMS (-1) /* after the word STREAMS */

struct resp_command {
	const char *name; /* lower case */
	int key;	  /* which argument is the first key, from 1 */
	unsigned int flags;
};

/* The row of a command. Never NULL: one that is not in the table has its key first, as modules' have. */
const struct resp_command *resp_command_find(const uint8_t *name, size_t len);

/* True if the table has a command that is, or with `part` begins with, these bytes: inline commands are
 * believed only then. */
bool resp_command_known(const uint8_t *name, size_t len, bool part);

#endif
