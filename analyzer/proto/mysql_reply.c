/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mysql_reply.c - walks the packets of a reply; see mysql_reply.h. Analyzer, any thread; pure.
 *
 * A reply's end is known only from its packets, so it is known only where they were captured. The forms
 * with and without inner end packets are told apart by the length of the end packet (5 bytes, or 7 and
 * more), so that a connection whose handshake was not seen can be walked too.
 *
 * Invariant: a length is given only when every packet's header up to the end was seen.
 */
#include "mysql_reply.h"

#include "proto.h"

#define MORE_RESULTS  0x0008u
#define CURSOR_EXISTS 0x0040u
#define END_BYTES     5u /* of an end packet; an OK packet in its place is longer */
#define COLUMNS_MAX   65535u
#define PREPARE_BYTES 12u

bool mysql_packet_read(const uint8_t *bytes, size_t len, size_t at, struct mysql_packet *p)
{
	if (at > len || len - at < MYSQL_HEADER_BYTES)
		return false;
	const uint8_t *b = bytes + at;

	p->len = b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16;
	p->seq = b[3];
	p->payload = b + MYSQL_HEADER_BYTES;
	p->seen = len - at - MYSQL_HEADER_BYTES;
	if (p->seen > p->len)
		p->seen = p->len;
	return true;
}

bool mysql_integer_read(const uint8_t *bytes, size_t len, size_t *at, uint64_t *v)
{
	size_t n;

	if (*at >= len)
		return false;
	uint8_t first = bytes[(*at)++];

	if (first < 0xfb) {
		*v = first;
		return true;
	}
	n = first == 0xfc ? 2 : first == 0xfd ? 3 : first == 0xfe ? 8 : 0;
	if (!n || len - *at < n)
		return false;
	*v = 0;
	for (size_t i = 0; i < n; i++)
		*v |= (uint64_t)bytes[*at + i] << (8 * i);
	*at += n;
	return true;
}

bool mysql_status_read(const struct mysql_packet *p, unsigned int *status)
{
	size_t at = 1;
	uint64_t v;

	if (p->len == END_BYTES && p->seen == END_BYTES && p->payload[0] == MYSQL_EOF)
		at = 3;
	else if (!mysql_integer_read(p->payload, p->seen, &at, &v) ||
		 !mysql_integer_read(p->payload, p->seen, &at, &v))
		return false;
	if (p->seen < at + 2)
		return false;
	*status = p->payload[at] | (unsigned int)p->payload[at + 1] << 8;
	return true;
}

/* A packet and what continues it; false if the end of that was not seen. */
static bool packet_take(const uint8_t *b, size_t len, size_t *at, struct mysql_packet *p)
{
	struct mysql_packet rest;

	if (!mysql_packet_read(b, len, *at, p))
		return false;
	*at += MYSQL_HEADER_BYTES + p->len;
	for (rest = *p; rest.len == MYSQL_PACKET_MAX; *at += MYSQL_HEADER_BYTES + rest.len) {
		if (!mysql_packet_read(b, len, *at, &rest))
			return false;
	}
	return true;
}

static bool packets_skip(const uint8_t *b, size_t len, size_t *at, uint64_t n)
{
	struct mysql_packet p;

	while (n--) {
		if (!packet_take(b, len, at, &p))
			return false;
	}
	return true;
}

static bool is_end(const struct mysql_packet *p)
{
	return p->seen && p->payload[0] == MYSQL_EOF && p->len < MYSQL_PACKET_MAX;
}

/* Rows up to their end packet. 1: the end, 0: another result follows, -1: not seen. */
static int rows_skip(const uint8_t *b, size_t len, size_t *at, bool columns)
{
	unsigned int status = 0;
	struct mysql_packet p;

	for (bool first = true;; first = false) {
		if (!packet_take(b, len, at, &p) || (p.len && !p.seen))
			return -1;
		if (p.seen && p.payload[0] == MYSQL_ERROR)
			return 1;
		if (!is_end(&p))
			continue;
		if (!mysql_status_read(&p, &status))
			return -1;
		if (first && columns && p.len == END_BYTES && !(status & CURSOR_EXISTS))
			continue; /* the end of the columns */
		return !(status & MORE_RESULTS);
	}
}

static int64_t results_end(const uint8_t *b, size_t len)
{
	size_t at = 0;

	for (;;) {
		unsigned int status = 0;
		uint64_t columns;
		struct mysql_packet p;
		size_t i = 0;

		if (!packet_take(b, len, &at, &p) || !p.seen)
			return PROTO_MORE;
		if (p.payload[0] == MYSQL_ERROR || p.payload[0] == MYSQL_INFILE)
			return (int64_t)at;
		if (p.payload[0] == MYSQL_OK || p.payload[0] == MYSQL_EOF) {
			if (!mysql_status_read(&p, &status))
				return PROTO_MORE;
			if (status & MORE_RESULTS)
				continue;
			return (int64_t)at;
		}
		if (!mysql_integer_read(p.payload, p.seen, &i, &columns) || columns > COLUMNS_MAX)
			return PROTO_MORE;
		if (p.len == i + 1 && p.seen == p.len && p.payload[i] == 0)
			columns = 0; /* MariaDB: the client has kept their descriptions */
		else if (p.len != i && !(p.len == i + 1 && p.seen == p.len && p.payload[i] == 1))
			return PROTO_MORE;
		if (!packets_skip(b, len, &at, columns))
			return PROTO_MORE;
		int done = rows_skip(b, len, &at, true);

		if (done)
			return done > 0 ? (int64_t)at : PROTO_MORE;
	}
}

/* Descriptions of parameters or columns, with the end packet that may follow them. */
static bool columns_skip(const uint8_t *b, size_t len, size_t *at, unsigned int n, int no_eof)
{
	struct mysql_packet p;

	if (!n)
		return true;
	if (!packets_skip(b, len, at, n))
		return false;
	if (no_eof > 0)
		return true;
	if (!mysql_packet_read(b, len, *at, &p) || !p.seen)
		return false;
	if (is_end(&p) && p.len == END_BYTES)
		*at += MYSQL_HEADER_BYTES + p.len;
	return true;
}

bool mysql_is_prepared(const struct mysql_packet *p)
{
	/* one byte more says whether the columns are described */
	return p->seen >= 5 && p->payload[0] == MYSQL_OK &&
	       (p->len == PREPARE_BYTES || p->len == PREPARE_BYTES + 1);
}

static int64_t prepare_end(const uint8_t *b, size_t len, int no_eof)
{
	struct mysql_packet p;
	size_t at = 0;

	if (!packet_take(b, len, &at, &p) || !p.seen)
		return PROTO_MORE;
	if (p.payload[0] != MYSQL_OK)
		return p.payload[0] == MYSQL_ERROR ? (int64_t)at : PROTO_MORE;
	if (p.seen < PREPARE_BYTES)
		return PROTO_MORE;
	unsigned int columns = p.payload[5] | (unsigned int)p.payload[6] << 8;
	unsigned int parameters = p.payload[7] | (unsigned int)p.payload[8] << 8;

	if (!columns_skip(b, len, &at, parameters, no_eof) || !columns_skip(b, len, &at, columns, no_eof))
		return PROTO_MORE;
	return (int64_t)at;
}

int64_t mysql_reply_end(const uint8_t *bytes, size_t len, enum mysql_kind kind, int no_eof)
{
	struct mysql_packet p;
	size_t at = 0;

	switch (kind) {
	case MYSQL_KIND_QUERY:
		return results_end(bytes, len);
	case MYSQL_KIND_PREPARE:
		return prepare_end(bytes, len, no_eof);
	case MYSQL_KIND_ONE:
	case MYSQL_KIND_LOGIN:
		return packet_take(bytes, len, &at, &p) ? (int64_t)at : PROTO_MORE;
	case MYSQL_KIND_FIELDS:
		return rows_skip(bytes, len, &at, false) > 0 ? (int64_t)at : PROTO_MORE;
	case MYSQL_KIND_ANY: /* a prepared statement's reply looks like a short OK */
		if (!mysql_packet_read(bytes, len, 0, &p) || !p.seen ||
		    (p.payload[0] == MYSQL_OK && p.len == PREPARE_BYTES))
			return PROTO_MORE;
		return results_end(bytes, len);
	default:
		return PROTO_MORE;
	}
}
