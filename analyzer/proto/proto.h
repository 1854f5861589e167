/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto.h - a grammar: what one protocol looks like in a stream of bytes. Analyzer, one thread per
 * connection; a grammar allocates nothing, does no I/O, has no clock and knows no host or thread.
 *
 * The engine (pass/message.c) owns the bytes, the direction, holes and pairing; a grammar answers
 * three questions about the bytes it is shown. What it is shown may be only the head of a message:
 * the library captures the first bytes of each burst, so a grammar must answer from a prefix.
 */
#ifndef DPROF_PROTO_H
#define DPROF_PROTO_H

#include <stddef.h>
#include <stdint.h>

enum proto_dir { PROTO_TO_SERVER, PROTO_TO_CLIENT };

/* How responses find their requests. */
enum proto_pairing {
	PROTO_FIFO,   /* in order, one for one */
	PROTO_BY_KEY, /* label.key is equal in both */
	PROTO_ONE_WAY /* no responses at all */
};

/* Answers of edge() that are not a length. */
#define PROTO_MORE (-1) /* a message starts here, its end is not visible: it runs to the end of the burst */
#define PROTO_LOST (-2) /* no message of this grammar starts here */

enum proto_flag {
	PROTO_INTERIM = 1 << 0,	    /* a response that does not end the call (HTTP 1xx) */
	PROTO_NO_RESPONSE = 1 << 1, /* a request that is never answered (COM_STMT_CLOSE, X Terminate) */
	PROTO_PUSH = 1 << 2,	    /* sent by the server unasked (RESP push, MySQL greeting) */
	PROTO_ERROR = 1 << 3,	    /* a response that reports an error */
	PROTO_CONTROL = 1 << 4,	    /* handshake or authentication: an RPC, but not the application's */
	PROTO_UPGRADE = 1 << 5,	    /* after this response the stream is another protocol: bursts from here */
	PROTO_CUT = 1 << 6,	    /* operation or target was read from a head that ended too early */
};

#define PROTO_OPERATION_BYTES 192
#define PROTO_PREPARE	      "PREPARE " /* begins the operation of a request that prepares a statement */
#define PROTO_PREPARE_BYTES   8
#define PROTO_TARGET_BYTES    512

/* Keys of prepared statements that mean more than a name. */
#define PROTO_STATEMENT_NONE   0
#define PROTO_STATEMENT_KEPT   1	  /* in a response that reports an error: the statement is there */
#define PROTO_STATEMENT_ONLY   2	  /* in a response: it was prepared and not executed */
#define PROTO_STATEMENT_FIRST  3	  /* of those that are names */
#define PROTO_STATEMENT_LATEST UINT64_MAX /* the last one prepared without a name of its own */

/* What a message says. Strings are NUL-terminated, valid UTF-8 (bad bytes as \xHH), never longer than the
 * array. */
struct label {
	/* normalised: "GET /order/{id}"; empty for responses. A statement's is as long prepared as not. */
	char operation[PROTO_PREPARE_BYTES + PROTO_OPERATION_BYTES];
	char target[PROTO_TARGET_BYTES]; /* as sent, values left out: "GET /order/17?x=1" */
	char status[64];		 /* of a response: "200", "ERR", "1064"; "" = none in the protocol */
	uint64_t key;			 /* PROTO_BY_KEY */
	unsigned int flags;		 /* enum proto_flag */

	/* The statement whose text is the operation of this request, or of the one that this response
	 * answers, which then remembers too; and the one that this request executes. The engine calls the
	 * latter like the former, without PROTO_PREPARE, if that was seen on this connection and was not
	 * answered by an error; else the operation stands. */
	uint64_t remember, recall;
};

struct proto {
	const char *name;      /* as printed: "http", "resp", "mysql", "postgresql", "raw" */
	const uint16_t *ports; /* hint only, 0-terminated, may be NULL */
	size_t state_bytes;    /* per connection, zeroed by the engine, at most PROTO_STATE_BYTES */
	enum proto_pairing pairing;

	/* How sure are you, 0 to 100, that `head` starts a stream of yours in this direction. May be called
	 * with a head that starts mid-stream at a message boundary. Stateless. */
	int (*sniff)(enum proto_dir dir, const uint8_t *head, size_t len);

	/* Where does the message that starts at `bytes` end: its length (>= 1, may exceed len), PROTO_MORE
	 * or PROTO_LOST. Called once per message with what was captured of it, in stream order per
	 * direction, requests before their responses. May read the state, must not change it. */
	int64_t (*edge)(const void *state, enum proto_dir dir, const uint8_t *bytes, size_t len);

	/* What does it say. `len` is what was captured, `full` whether that is the whole message. Updates
	 * the state (for example: the request was HEAD). `out` is zeroed by the engine. */
	void (*label)(void *state, enum proto_dir dir, const uint8_t *bytes, size_t len, int full,
		      struct label *out);
};

#define PROTO_STATE_BYTES 256

/* All grammars, NULL-terminated; the last is raw, which takes anything and calls a burst a message. */
extern const struct proto *const proto_table[];

/* The grammar of a connection by the first captured bytes of both directions (len 0: none seen) and, as a
 * tie-breaker of at most 10 points, the server's port. Never NULL: raw if no other reaches 60. */
const struct proto *proto_guess(const uint8_t *to_server, size_t to_server_len, const uint8_t *to_client,
				size_t to_client_len, uint16_t port);

/* By name, NULL if there is none. */
const struct proto *proto_find(const char *name);

#endif
