/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_wire.c - protocols whose logins are messages of their own: these are masked, other messages are
 * walked as text. Flusher and salvage; pure. See secret_stream.h.
 */
#include <string.h>

#include "preload/secret_stream.h"

#define MESSAGE_MAX (1u << 30)

/* A message of `len` further bytes, secret or not. */
static void message(struct secret_stream *s, uint64_t len, bool secret)
{
	if (len > MESSAGE_MAX)
		secret_lost(s);
	else if (secret)
		secret_piece(s, 0, len, THEN_MASK);
	else
		secret_piece_text(s, 0, len, 0);
}

/* ---- AMQP 0-9-1: class 10 is the connection ---- */

void plan_amqp(struct secret_stream *s)
{
	uint32_t len;

	if (s->head[0] == 'A') {
		if (s->have == 8)
			secret_piece(s, 0, 0, THEN_MASK);
		return;
	}
	if (s->have < 7)
		return;
	len = secret_be32(s->head + 3);
	if (s->head[0] == 0 || s->head[0] > 8) {
		secret_lost(s);
	} else if (s->head[0] != 1 || len < 4) {
		message(s, len + 1ull, false);
	} else if (s->have == 11) {
		uint32_t method = secret_be16(s->head + 9);

		/* start-ok, secure, secure-ok, update-secret */
		bool secret = secret_be16(s->head + 7) == 10 &&
			      (method == 11 || method == 20 || method == 21 || method == 70);

		s->more = false;
		message(s, len - 4ull, secret);
		s->left += 1; /* the frame's end, masked or not */
	}
}

/* ---- MQTT: the payload of CONNECT; AUTH of version 5 ---- */

void plan_mqtt(struct secret_stream *s)
{
	uint32_t len = 0, at = 1;

	for (;; at++) {
		if (at >= s->have)
			return;
		len |= (uint32_t)(s->head[at] & 0x7f) << 7 * (at - 1);
		if (!(s->head[at] & 0x80) || at == 4)
			break;
	}
	if (s->head[0] == 0x10 && len >= 10) /* name, version, flags, keep-alive */
		secret_piece(s, 10, len - 10, THEN_MASK);
	else
		message(s, len, s->head[0] == 0xf0);
}

/* ---- MongoDB: the command is the first key of the document ---- */

static bool is_mongo_login(const char *key)
{
	static const char *const names[] = {"sasl",	      "authenticate", "createUser", "updateUser",
					    "copydb",	      "hello",	      "isMaster",   "ismaster",
					    "conversationId", "logout",	      "usersInfo"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (memcmp(key, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

void plan_mongo(struct secret_stream *s)
{
	uint32_t len, code, key;
	char name[SECRET_HEAD_BYTES + 1] = "";

	if (s->have < 16)
		return;
	len = secret_le32(s->head);
	code = secret_le32(s->head + 12);
	if (len < 16 || len > 48u << 20) {
		secret_lost(s);
		return;
	}
	if (code != 2013 || len < 26) {
		/* a query of an old client names its collection first: logins go to $cmd */
		message(s, len - 16, code == 2004 || code == 2012);
		return;
	}
	key = 16 + 4 + 1 + 4 + 1;
	if (s->have <= key || (s->head[s->have - 1] != 0 && s->have < SECRET_HEAD_BYTES - 1))
		return;
	memcpy(name, s->head + key, s->have - key);
	message(s, len > s->have ? len - s->have : 0, is_mongo_login(name));
}

/* ---- LDAP: bind, and extended requests (which change passwords) ---- */

void plan_ldap(struct secret_stream *s)
{
	uint32_t at = 2, len, extra;

	if (s->have < 2)
		return;
	len = s->head[1];
	if (s->head[0] != 0x30 || len == 0x80 || len > 0x84) {
		secret_lost(s);
		return;
	}
	extra = len & 0x80 ? len & 0x7f : 0;
	at += extra;
	if (s->have < at + 2)
		return;
	if (extra > 0) {
		len = 0;
		for (uint32_t i = 0; i < extra; i++)
			len = len << 8 | s->head[2 + i];
	}
	at += 2u + s->head[at + 1];
	if (at + 1 >= SECRET_HEAD_BYTES)
		secret_lost(s);
	else if (s->have == at + 1)
		message(s, len + 2ull + extra - s->have,
			s->head[at] == 0x60 || s->head[at] == 0x77 || s->head[at] == 0x61);
}

/* ---- Kafka: SASL; a handshake's tokens may stand without any head ---- */

void plan_kafka(struct secret_stream *s)
{
	uint32_t len, key;

	if (s->have < 8)
		return;
	len = secret_be32(s->head);
	key = secret_be16(s->head + 4);
	if (len < 4 || len > MESSAGE_MAX)
		secret_lost(s);
	else
		message(s, len - 4, key == 17 || key == 36 || key == 50 || key == 51 || key > 100);
}

/* ---- Cassandra, versions 3 to 5 ---- */

void plan_cassandra(struct secret_stream *s)
{
	uint8_t code;

	if (s->have < 9)
		return;
	code = s->head[4];
	if ((s->head[0] & 0x7f) > 5 || (s->head[0] & 0x7f) < 3) {
		s->blind = true; /* version 5 puts frames around its frames after the start */
		return;
	}
	if (code == 7 || code == 9)
		secret_piece_text(s, 0, secret_be32(s->head + 5), SECRET_SQL);
	else
		message(s, secret_be32(s->head + 5), code == 0x0e || code == 0x0f || code == 0x10);
}

/* ---- memcached, binary ---- */

void plan_memcached(struct secret_stream *s)
{
	if (s->have < 24)
		return;
	if (s->head[0] != 0x80 && s->head[0] != 0x81)
		secret_lost(s);
	else
		message(s, secret_be32(s->head + 8), s->head[1] >= 0x20 && s->head[1] <= 0x22);
}

/* ---- TDS (SQL Server, Sybase): logins; statements are UTF-16, so their text is masked as well ---- */

void plan_tds(struct secret_stream *s)
{
	uint32_t len;

	if (s->have < 8)
		return;
	len = secret_be16(s->head + 2);
	if (len < 8)
		secret_lost(s);
	else
		secret_piece(s, s->head[0] == 0x12 || s->head[0] == 4 ? len - 8 : 0,
			     s->head[0] == 0x12 || s->head[0] == 4 ? 0 : len - 8, THEN_MASK);
}

/* ---- SOCKS 5: methods; user and password; where to; then whatever it carries ---- */

enum { SOCKS_METHODS, SOCKS_LOGIN, SOCKS_PASSWORD, SOCKS_WHERE };

static void socks_where(struct secret_stream *s)
{
	uint32_t len;

	if (s->have < 5)
		return;
	if (s->head[0] != 5 || s->head[2] != 0) {
		secret_lost(s);
		return;
	}
	len = s->head[3] == 1 ? 10 : s->head[3] == 4 ? 22 : 7u + s->head[4];
	if (len >= SECRET_HEAD_BYTES) {
		secret_lost(s);
	} else if (s->have == len) {
		secret_piece(s, 0, 0, THEN_MASK);
		s->grammar = SECRET_SNIFF;
	}
}

void plan_socks(struct secret_stream *s)
{
	switch (s->phase) {
	case SOCKS_METHODS:
		if (s->have >= 2 && s->have == 2u + s->head[1]) {
			s->phase = SOCKS_LOGIN;
			secret_piece(s, 0, 0, THEN_MASK);
		}
		return;
	case SOCKS_LOGIN:
		if (s->head[0] == 5) {
			s->phase = SOCKS_WHERE;
			socks_where(s);
		} else if (s->head[0] != 1) {
			secret_lost(s);
		} else if (s->have == 2) {
			s->phase = SOCKS_PASSWORD;
			secret_piece(s, 0, s->head[1], THEN_MASK);
		}
		return;
	case SOCKS_PASSWORD:
		s->phase = SOCKS_WHERE;
		secret_piece(s, 0, s->head[0], THEN_MASK);
		return;
	default:
		socks_where(s);
	}
}
