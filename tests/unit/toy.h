/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toy.h - a protocol for tests of pass 3, in place of the real table: whoever includes it must not link that.
 *A message is a type letter, four hex digits of id, six of its whole length, then anything.
 *
 *	Q request   N request without an answer   W request of unknown length
 *	R response  I interim response  P push    M response of unknown length  U response, then another
 *protocol
 *
 * In lower case the same, answered by id. Responses carry the id of their request.
 */
#ifndef DPROF_TEST_TOY_H
#define DPROF_TEST_TOY_H

#include <stdio.h>
#include <string.h>

#include "analyzer/proto/proto.h"

#define TOY_HEADER 11

static inline int toy_number(const uint8_t *bytes, int digits, uint64_t *v)
{
	*v = 0;
	for (int i = 0; i < digits; i++) {
		const char *at = memchr("0123456789abcdef", bytes[i], 16);

		if (!at)
			return 0;
		*v = *v * 16 + (uint64_t)(strchr("0123456789abcdef", bytes[i]) - "0123456789abcdef");
	}
	return 1;
}

static inline int toy_is(enum proto_dir dir, const uint8_t *bytes, size_t len, int lower)
{
	static const char *const types[2][2] = {{"QNW", "RIPMU"}, {"qnw", "ripmu"}};
	const char *known = types[lower][dir];
	uint64_t v;

	return len > 0 && memchr(known, bytes[0], strlen(known)) &&
	       (len < TOY_HEADER || toy_number(bytes + 1, 10, &v));
}

static inline int64_t toy_edge_any(enum proto_dir dir, const uint8_t *bytes, size_t len, int lower)
{
	uint64_t n;

	if (!toy_is(dir, bytes, len, lower))
		return PROTO_LOST;
	if (len < TOY_HEADER || strchr("WMwm", bytes[0]) || !toy_number(bytes + 5, 6, &n) || n < TOY_HEADER)
		return PROTO_MORE;
	return (int64_t)n;
}

/* The state checks the engine's promise: the requests that a response belongs to were labelled before it. */
struct toy_state {
	uint64_t asked, answered, used;
};

static uint64_t toy_broken_promises;
static uint64_t toy_fresh_states; /* how often a state was zero */

static inline void toy_label(void *state, enum proto_dir dir, const uint8_t *bytes, size_t len, int full,
			     struct label *out)
{
	struct toy_state *s = state;

	(void)full;
	toy_fresh_states += s->used++ == 0;
	snprintf(out->operation, sizeof(out->operation), "%.5s",
		 len >= 5 && dir == PROTO_TO_SERVER ? (const char *)bytes : "");
	snprintf(out->target, sizeof(out->target), "%.*s", len < 100 ? (int)len : 100, (const char *)bytes);
	if (len >= 5)
		toy_number(bytes + 1, 4, &out->key);
	switch (len ? bytes[0] & ~0x20 : 0) {
	case 'N':
		out->flags |= PROTO_NO_RESPONSE;
		break;
	case 'I':
		out->flags |= PROTO_INTERIM;
		break;
	case 'P':
		out->flags |= PROTO_PUSH;
		break;
	case 'U':
		out->flags |= PROTO_UPGRADE;
		/* fall through */
	case 'R':
	case 'M':
		strcpy(out->status, "ok");
		if (s->answered++ >= s->asked)
			toy_broken_promises++;
		break;
	default:
		s->asked++;
	}
}

static inline int toy_sniff_upper(enum proto_dir dir, const uint8_t *head, size_t len)
{
	return len >= TOY_HEADER && toy_is(dir, head, len, 0) ? 95 : 0;
}

static inline int toy_sniff_lower(enum proto_dir dir, const uint8_t *head, size_t len)
{
	return len >= TOY_HEADER && toy_is(dir, head, len, 1) ? 95 : 0;
}

static inline int64_t toy_edge_upper(const void *state, enum proto_dir dir, const uint8_t *bytes, size_t len)
{
	(void)state;
	return toy_edge_any(dir, bytes, len, 0);
}

static inline int64_t toy_edge_lower(const void *state, enum proto_dir dir, const uint8_t *bytes, size_t len)
{
	(void)state;
	return toy_edge_any(dir, bytes, len, 1);
}

static inline int toy_sniff_raw(enum proto_dir dir, const uint8_t *head, size_t len)
{
	(void)dir, (void)head, (void)len;
	return 1;
}

static inline int64_t toy_edge_raw(const void *state, enum proto_dir dir, const uint8_t *bytes, size_t len)
{
	(void)state, (void)dir, (void)bytes, (void)len;
	return PROTO_MORE;
}

static inline void toy_label_raw(void *state, enum proto_dir dir, const uint8_t *bytes, size_t len, int full,
				 struct label *out)
{
	(void)state, (void)dir, (void)bytes, (void)len, (void)full, (void)out;
}

static const struct proto toy_fifo = {.name = "toy",
				      .state_bytes = sizeof(struct toy_state),
				      .pairing = PROTO_FIFO,
				      .sniff = toy_sniff_upper,
				      .edge = toy_edge_upper,
				      .label = toy_label};
static const struct proto toy_keyed = {.name = "toy-keyed",
				       .state_bytes = sizeof(struct toy_state),
				       .pairing = PROTO_BY_KEY,
				       .sniff = toy_sniff_lower,
				       .edge = toy_edge_lower,
				       .label = toy_label};
static const struct proto toy_raw = {.name = "raw",
				     .pairing = PROTO_FIFO,
				     .sniff = toy_sniff_raw,
				     .edge = toy_edge_raw,
				     .label = toy_label_raw};

const struct proto *const proto_table[] = {&toy_fifo, &toy_keyed, &toy_raw, NULL};

const struct proto *proto_guess(const uint8_t *to_server, size_t to_server_len, const uint8_t *to_client,
				size_t to_client_len, uint16_t port)
{
	(void)port;
	for (int i = 0; i < 2; i++) {
		if (proto_table[i]->sniff(PROTO_TO_SERVER, to_server, to_server_len) ||
		    proto_table[i]->sniff(PROTO_TO_CLIENT, to_client, to_client_len))
			return proto_table[i];
	}
	return &toy_raw;
}

const struct proto *proto_find(const char *name)
{
	for (int i = 0; i < 3; i++) {
		if (!strcmp(proto_table[i]->name, name))
			return proto_table[i];
	}
	return NULL;
}

/* Writes one message of `len` bytes in all, at least TOY_HEADER. */
static inline void toy_write(uint8_t *to, char type, unsigned int id, unsigned int len)
{
	char header[TOY_HEADER + 1];

	snprintf(header, sizeof(header), "%c%04x%06x", type, id & 0xffff, len & 0xffffff);
	memcpy(to, header, TOY_HEADER);
	for (unsigned int i = TOY_HEADER; i < len; i++)
		to[i] = (uint8_t)(33 + (i * 7 + id * 13) % 31); /* never a type letter or a digit */
}

#endif
