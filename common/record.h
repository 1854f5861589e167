/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - what one intercepted call leaves behind, in memory. The library writes it into a ring,
 * the reader gives it back from a dump. Kinds, flags and field names are in record.def.
 *
 * Invariant: no pointers, no padding, little-endian hosts only; a record plus its data is what the
 * ring stores, rounded up to RECORD_ALIGN.
 */
#ifndef DPROF_RECORD_H
#define DPROF_RECORD_H

#include <stdint.h>

enum record_kind {
#define RECORD(word, name, conn, off, len, data, text) RECORD_##word,
#include "record.def"
	RECORD_KINDS
};

enum record_flag {
#define FLAG(word, bit, name, text) RECORD_FLAG_##word = 1 << (bit),
#include "record.def"
};

/* How the data of a record is laid out. */
enum record_data {
	RECORD_DATA_NONE,     /* no data */
	RECORD_DATA_HEAD,     /* the first bytes of what was moved, at stream offset `off` */
	RECORD_DATA_ENDPOINT, /* struct endpoint, then the path of a unix socket */
	RECORD_DATA_COUNTS,   /* struct counts */
	RECORD_DATA_NAME,     /* text, no NUL */
	RECORD_DATA_DATAGRAM, /* struct datagram, then its first bytes */
	RECORD_DATA_SESSION,  /* struct tls_session */
};

#define RECORD_ALIGN 8u
/* In a head: a byte that was masked, or a star, or a zero; who compares two ends takes it for unknown. */
#define RECORD_MASK	   '*'
#define RECORD_MASK_NUMBER '0' /* so that a number in a statement stays one */
#define RECORD_CONN_NONE   0u  /* conn numbers start at 1 in every process */

/* t0 is the stamp at entry of the call, t1 at its return; t1 >= t0. */
struct record {
	uint32_t size_bytes; /* in the ring: this struct + data, before rounding; 0 in dumps */
	uint8_t kind;	     /* enum record_kind */
	uint8_t call;	     /* row of calls.def, 0 = none */
	uint16_t flags;	     /* enum record_flag */
	uint32_t conn;	     /* per process, never used twice */
	uint32_t len;
	uint64_t t0;
	uint64_t t1;
	uint64_t off;
	/* data follows */
};

/* Stream offsets, both ways: what our counters said, and what the kernel says (COUNT_UNKNOWN: it did not). */
struct counts {
#define COUNT(name) uint64_t name;
#include "record.def"
};
#define COUNT_UNKNOWN UINT64_MAX

enum endpoint_family {
	ENDPOINT_UNIX = 1,
	ENDPOINT_PIPE = 2,  /* one end of a pipe or FIFO: bytes here wake somebody; the inode is the pipe's */
	ENDPOINT_EVENT = 3, /* eventfd */
	ENDPOINT_IPV4 = 4,
	ENDPOINT_IPV6 = 6
};

enum endpoint_type { ENDPOINT_STREAM, ENDPOINT_DATAGRAM, ENDPOINT_SEQPACKET };

/* One process's sight of a connection. Ports in host order; an IPv4 address (also a mapped one) is in
 * the first 4 bytes. Offsets are those at the moment of the record. */
struct endpoint {
	uint8_t family;
	uint8_t type; /* enum endpoint_type */
	uint8_t zero[2];
	uint16_t local_port;
	uint16_t remote_port;
	uint8_t local_addr[16];
	uint8_t remote_addr[16];
	uint64_t netns;	     /* inode of the network namespace */
	uint64_t inode;	     /* of the socket */
	uint64_t cookie;     /* SO_COOKIE: same in every process that holds the socket; 0 = unknown */
	uint64_t off_in;     /* bytes the socket's holders had read before */
	uint64_t off_out;    /* bytes they had written before */
	uint32_t peer_pid;   /* SO_PEERCRED, unix only */
	uint32_t path_bytes; /* of the path that follows, unix only */
};

/* Who a datagram went to or came from; family 0: the other end of the conn, or unknown. */
struct datagram {
	uint8_t family;
	uint8_t zero;
	uint16_t port;
	uint8_t addr[16];
};

#define TLS_RANDOM_BYTES 32u

/* A TLS session. Its client random is also in the ClientHello, in the clear: there is the stream that carries
 * it. Offsets are of the plaintext, at the moment of the record. */
struct tls_session {
	uint8_t random[TLS_RANDOM_BYTES];
	uint64_t off_in;
	uint64_t off_out;
};

/* One row of record.def, for printing and for readers. */
struct record_info {
	const char *name;
	const char *conn;
	const char *off;
	const char *len;
	enum record_data data;
	const char *text;
};

/* The row of a kind; a kind from a newer writer gives NULL. */
const struct record_info *record_info(unsigned int kind);

/* The name of a flag bit, NULL if it has none. */
const char *record_flag_name(unsigned int bit);

_Static_assert(sizeof(struct record) == 40, "the ring's record has no padding");
_Static_assert(sizeof(struct endpoint) == 88, "the endpoint has no padding");
_Static_assert(sizeof(struct counts) == 32, "the counts have no padding");
_Static_assert(sizeof(struct datagram) == 20, "the datagram has no padding");
_Static_assert(sizeof(struct tls_session) == 48, "the session has no padding");

#endif
