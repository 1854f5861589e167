/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_stream.h - what is remembered of one way of a connection, and what a protocol is to the masking.
 * Between the files secret*.c only. To add one: a row in secret_sniff.c, and its plan.
 *
 * A plan is asked after each byte of a frame's head (`head`, `have`). Once it knows, it says what the rest
 * is: `keep` bytes to leave, then `left` bytes for `then`; with `more` it is asked again after those, have 0.
 * A head must hold no secret: when the plan sees a byte that byte may be in the dump already.
 */
#ifndef DPROF_SECRET_STREAM_H
#define DPROF_SECRET_STREAM_H

#include "preload/secret_scan.h"

#define SECRET_HEAD_BYTES 48

enum secret_then {
	THEN_MASK,
	THEN_BLANK, /* masked but for zeros, which end strings */
	THEN_SCAN,
	THEN_SCAN_NUL, /* kept up to the second zero, then masked */
	THEN_FIELDS,   /* HPACK */
	THEN_LINE,     /* text up to the end of the line */
	THEN_MASK_LINE,
};

enum secret_role { ROLE_UNKNOWN, ROLE_CLIENT, ROLE_SERVER };

struct secret_stream {
	uint64_t next; /* offset of the byte after the last one that was looked at */
	uint64_t end;  /* of the last record, seen or not */
	uint64_t keep, left;
	uint32_t conn, owner;
	uint32_t used;	 /* when; 0: this slot is free */
	uint8_t way;	 /* kind of the record */
	uint8_t grammar; /* index of secret_grammars; SECRET_SNIFF, SECRET_TEXT */
	uint8_t then;	 /* enum secret_then */
	uint8_t have;	 /* bytes of `head` */
	uint8_t phase, role;
	bool more;
	bool blind;  /* bytes are missing: mask all up to the next turn */
	bool unsure; /* not all of it was seen: secret_scan_doubt() */
	bool http;   /* text that began with HTTP's words */
	uint8_t zeros;
	uint8_t class; /* the plan's own, as are the next four */
	uint32_t count, total, a, b;
	uint64_t names[2]; /* HTTP/2: one bit per entry of the dynamic table, the newest first */
	uint8_t head[SECRET_HEAD_BYTES];
	struct secret_scan scan;
};

enum { SECRET_SNIFF = 254, SECRET_TEXT = 255 };

enum secret_fit { FIT_NO, FIT_MAYBE, FIT_YES };

struct secret_grammar {
	/* Do these bytes begin a stream of it, or a message; `total` were moved. Sets the role. */
	enum secret_fit (*fits)(const uint8_t *b, size_t n, size_t total, uint8_t *role);
	void (*plan)(struct secret_stream *s);
	bool forgets; /* its phase is that of a message: after a hole it is the first */
};

extern const struct secret_grammar secret_grammars[];
extern const uint8_t secret_grammar_count;

/* The grammar of a stream that begins with these bytes; SECRET_SNIFF: more are needed, SECRET_TEXT: none. */
uint8_t secret_sniff(const uint8_t *b, size_t n, size_t total, uint8_t *role);

/* A frame's head is done. */
static inline void secret_piece(struct secret_stream *s, uint64_t keep, uint64_t left, uint8_t then)
{
	s->keep = keep;
	s->left = left;
	s->then = then;
	s->have = 0;
	s->zeros = 0;
	s->more = false;
}

/* The same for text, from its start. */
static inline void secret_piece_text(struct secret_stream *s, uint64_t keep, uint64_t left, uint8_t flags)
{
	secret_scan_start(&s->scan, flags);
	secret_piece(s, keep, left, THEN_SCAN);
}

static inline void secret_lost(struct secret_stream *s)
{
	s->blind = true;
}

static inline uint32_t secret_be32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline uint32_t secret_le32(const uint8_t *b)
{
	return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

static inline uint32_t secret_be16(const uint8_t *b)
{
	return (uint32_t)b[0] << 8 | b[1];
}

void plan_resp(struct secret_stream *s);
void plan_mysql(struct secret_stream *s);
void plan_postgresql(struct secret_stream *s);
void plan_http2(struct secret_stream *s);
void plan_amqp(struct secret_stream *s);
void plan_mqtt(struct secret_stream *s);
void plan_mongo(struct secret_stream *s);
void plan_ldap(struct secret_stream *s);
void plan_kafka(struct secret_stream *s);
void plan_cassandra(struct secret_stream *s);
void plan_memcached(struct secret_stream *s);
void plan_tds(struct secret_stream *s);
void plan_socks(struct secret_stream *s);
void plan_fastcgi(struct secret_stream *s);
void plan_uwsgi(struct secret_stream *s);
void plan_ajp(struct secret_stream *s);

/* HPACK reaches into the middle of bytes, so it takes them itself. */
void http2_fields(struct secret_stream *s, uint8_t *b, size_t n);

#endif
