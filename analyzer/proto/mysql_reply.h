/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mysql_reply.h - packets of MySQL's protocol, and where a reply made of them ends. Analyzer, any thread;
 * pure; no state of its own.
 */
#ifndef DPROF_PROTO_MYSQL_REPLY_H
#define DPROF_PROTO_MYSQL_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MYSQL_HEADER_BYTES 4u
#define MYSQL_PACKET_MAX   0xffffffu /* a packet this long is continued in the next */
#define MYSQL_NO_BACKSLASH 0x0200u   /* status flag: in '...' a backslash is a backslash */

/* First byte of a reply's packet. */
enum mysql_mark { MYSQL_OK = 0x00, MYSQL_INFILE = 0xfb, MYSQL_EOF = 0xfe, MYSQL_ERROR = 0xff };

/* What was asked; kept per request until the reply. Kinds start at 1: see pending.h. */
enum mysql_kind {
	MYSQL_KIND_ANY,	    /* unknown: the request was not seen */
	MYSQL_KIND_QUERY,   /* OK, error, file request, or result sets */
	MYSQL_KIND_PREPARE, /* a statement's number, then its parameters and columns */
	MYSQL_KIND_ONE,	    /* one packet */
	MYSQL_KIND_FIELDS,  /* packets up to an end packet */
	MYSQL_KIND_LOGIN,   /* one packet, of the authentication's */
	MYSQL_KIND_STREAM,  /* the replication stream, without an end */
};

struct mysql_packet {
	const uint8_t *payload;
	size_t seen; /* of its bytes */
	size_t len;
	uint8_t seq;
};

/* The packet at `at`; false if its header is not wholly there. */
bool mysql_packet_read(const uint8_t *bytes, size_t len, size_t at, struct mysql_packet *p);

/* A length-encoded integer at `*at`, which moves past it; false if it is not wholly there or none. */
bool mysql_integer_read(const uint8_t *bytes, size_t len, size_t *at, uint64_t *v);

/* Status flags of an OK or end packet; false if they are not there. */
bool mysql_status_read(const struct mysql_packet *p, unsigned int *status);

/* The first packet of the reply to a PREPARE that succeeded; the statement's number is its bytes 1 to 4. */
bool mysql_is_prepared(const struct mysql_packet *p);

/* Where a reply ends: its length or PROTO_MORE. `no_eof`: the client asked for results without inner end
 * packets: 1 yes, 0 no, -1 unknown. */
int64_t mysql_reply_end(const uint8_t *bytes, size_t len, enum mysql_kind kind, int no_eof);

#endif
