/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_sniff.c - which protocol begins with these bytes: one row each. Flusher and salvage; pure.
 *
 * Only protocols whose secrets are not told by words in text need a row. A row that is wrong masks too much
 * or leaves the bytes to the walk through text. Invariant: the more exact comes first.
 */
#include <string.h>

#include "preload/secret_stream.h"

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* A fixed beginning. */
static enum secret_fit fits_text(const uint8_t *b, size_t n, const char *text, size_t len)
{
	if (memcmp(b, text, n < len ? n : len) != 0)
		return FIT_NO;
	return n < len ? FIT_MAYBE : FIT_YES;
}

static enum secret_fit fits_resp(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	(void)total;
	(void)role;
	if (b[0] != '*' && b[0] != '$' && b[0] != '>' && b[0] != '%' && b[0] != '~')
		return FIT_NO;
	if (n < 2)
		return FIT_MAYBE;
	return (b[1] >= '0' && b[1] <= '9') || (b[1] == '-' && b[0] != '%') ? FIT_YES : FIT_NO;
}

static enum secret_fit fits_amqp(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	(void)total;
	*role = b[0] == 1 ? ROLE_SERVER : ROLE_CLIENT;
	if (b[0] != 1)
		return fits_text(b, n, "AMQP", 4);
	if (n > 1 && memcmp(b + 1, "\0\0", n < 3 ? n - 1 : 2) != 0)
		return FIT_NO;
	if (n < 11)
		return n < 3 ? FIT_MAYBE : memcmp(b + 3, "\0\0", n < 5 ? n - 3 : 2) ? FIT_NO : FIT_MAYBE;
	return secret_be16(b + 7) == 10 ? FIT_YES : FIT_NO; /* of the connection */
}

static enum secret_fit fits_http2(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	(void)total;
	if (b[0] == 'P') {
		*role = ROLE_CLIENT;
		return fits_text(b, n, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	}
	*role = ROLE_SERVER;
	if (b[0] != 0)
		return FIT_NO;
	if (n < 9)
		return n < 4 || b[3] == 4 ? FIT_MAYBE : FIT_NO;
	return b[1] == 0 && b[2] % 6 == 0 && b[3] == 4 && b[4] <= 1 && secret_be32(b + 5) == 0 ? FIT_YES
											       : FIT_NO;
}

/* Startup, a request for TLS or to cancel; from the server its first question. Or, later, a message. */
static enum secret_fit fits_postgresql(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	uint32_t len, code;

	(void)total;
	if (b[0] == 0) {
		*role = ROLE_CLIENT;
		if (n < 8)
			return n > 1 && b[1] != 0 ? FIT_NO : FIT_MAYBE;
		len = secret_be32(b);
		code = secret_be32(b + 4);
		return len >= 8 && len <= 10000 && (code >> 16 == 3 || code >> 4 == 80877102 >> 4) ? FIT_YES
												   : FIT_NO;
	}
	if (memchr("QPBFp", b[0], 5) != NULL)
		*role = ROLE_CLIENT;
	else if (memchr("RTKZ12nt", b[0], 8) != NULL)
		*role = ROLE_SERVER;
	else
		return FIT_NO;
	if (n < 5)
		return n > 1 && b[1] != 0 ? FIT_NO : FIT_MAYBE;
	len = secret_be32(b + 1);
	return len >= 4 && len < 1u << 24 ? FIT_YES : FIT_NO;
}

/* Capabilities, then at a fixed place zeros: as many as are there, if the packet was cut. */
static enum secret_fit fits_mysql_login(const uint8_t *b, size_t n, size_t total, size_t len)
{
	static const uint8_t filler[19];
	size_t zeros = n < 13 ? 0 : n < 32 ? n - 13 : sizeof filler;

	if ((n > 5 && !(b[5] & 2)) || memcmp(b + 13, filler, zeros) != 0)
		return FIT_NO;
	return zeros >= 3 || (n > 5 && total >= len + 4) ? FIT_YES : FIT_MAYBE;
}

/* Inside TLS the server's first packet is its answer to the login: OK, or the name of a method. */
static enum secret_fit fits_mysql_welcome(const uint8_t *b, size_t n, size_t len, uint8_t *role)
{
	*role = ROLE_SERVER;
	if (len < 7 || len > 1024)
		return FIT_NO;
	if (n < 7)
		return n < 5 || b[4] == 0 || b[4] == 0xfe ? FIT_MAYBE : FIT_NO;
	if (b[4] == 0)
		return b[5] == 0 && b[6] == 0 ? FIT_YES : FIT_NO;
	/* or masked already */
	return b[4] == 0xfe && (is_letter(b[5]) || b[5] == '*') && (is_letter(b[6]) || b[6] == '*') ? FIT_YES
												    : FIT_NO;
}

static enum secret_fit fits_mysql(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	size_t len;

	if (n < 4)
		return FIT_MAYBE;
	len = secret_le32(b) & 0xffffff;
	*role = ROLE_CLIENT;
	if (b[3] == 1 || b[3] == 2) /* inside TLS the login comes second */
		return len >= 32 && len < 65536 ? fits_mysql_login(b, n, total, len) : FIT_NO;
	if (b[3] == 3)
		return fits_mysql_welcome(b, n, len, role);
	if (b[3] != 0 || len == 0)
		return FIT_NO;
	if (n < 6)
		return n < 5 || b[4] == 10 || b[4] == 3 ? FIT_MAYBE : FIT_NO;
	if (b[4] == 10 && len > 30 && len < 1024) {
		*role = ROLE_SERVER;
		return b[5] >= '0' && b[5] <= '9' ? FIT_YES : FIT_NO;
	}
	if (total < len + 4 && total <= SECRET_HEAD_BYTES)
		return FIT_NO;
	if (b[4] == 3 || b[4] == 0x16) /* a statement */
		return is_letter(b[5]) || b[5] == '(' || b[5] == '/' || b[5] <= ' ' ? FIT_YES : FIT_NO;
	return b[4] == 0x11 && len == total - 4 ? FIT_YES : FIT_NO;
}

static enum secret_fit fits_mqtt(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	size_t at = 1;

	(void)total;
	(void)role;
	if (b[0] != 0x10)
		return FIT_NO;
	while (at < n && at < 4 && b[at] & 0x80)
		at++;
	at++;
	if (n < at + 4)
		return FIT_MAYBE;
	return b[at] == 0 && (b[at + 1] == 4 || b[at + 1] == 6) && b[at + 2] == 'M' && b[at + 3] == 'Q'
		   ? FIT_YES
		   : FIT_NO;
}

static enum secret_fit fits_mongo(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	uint32_t code;

	(void)total;
	(void)role;
	if (n < 16)
		return n >= 4 && b[3] != 0 ? FIT_NO : FIT_MAYBE;
	code = secret_le32(b + 12);
	return secret_le32(b) >= 21 && secret_le32(b) <= 48u << 20 &&
		       (code == 2013 || code == 2012 || code == 2004 ||
			(code == 1 && secret_le32(b + 8) != 0))
		   ? FIT_YES
		   : FIT_NO;
}

/* A sequence of a number and an operation. */
static enum secret_fit fits_ldap(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	static const uint8_t operations[] = {0x60, 0x61, 0x63, 0x64, 0x65, 0x66,
					     0x68, 0x4a, 0x6c, 0x6e, 0x77, 0x78};
	size_t at = 2;

	(void)total;
	(void)role;
	if (b[0] != 0x30)
		return FIT_NO;
	if (n > 1 && b[1] & 0x80)
		at += b[1] & 0x7f;
	if (n > 1 && (b[1] > 0x84 || b[1] == 0x80))
		return FIT_NO;
	if (n < at + 2)
		return FIT_MAYBE;
	if (b[at] != 2 || b[at + 1] < 1 || b[at + 1] > 4)
		return FIT_NO;
	at += 2u + b[at + 1];
	if (n <= at)
		return FIT_MAYBE;
	return memchr(operations, b[at], sizeof operations) != NULL ? FIT_YES : FIT_NO;
}

static enum secret_fit fits_cassandra(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	uint8_t version = b[0] & 0x7f;

	(void)total;
	*role = b[0] & 0x80 ? ROLE_SERVER : ROLE_CLIENT;
	if (version < 3 || version > 5 || (n > 1 && b[1] > 0x1f))
		return FIT_NO;
	if (n < 9)
		return FIT_MAYBE;
	return b[4] <= 0x10 && secret_be32(b + 5) < 1u << 24 ? FIT_YES : FIT_NO;
}

static enum secret_fit fits_memcached(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	(void)total;
	(void)role;
	if ((b[0] != 0x80 && b[0] != 0x81) || (n > 1 && b[1] > 0x50))
		return FIT_NO;
	if (n < 24)
		return FIT_MAYBE;
	return b[5] == 0 && secret_be32(b + 8) >= secret_be16(b + 2) + b[4] && secret_be32(b + 8) < 1u << 27
		   ? FIT_YES
		   : FIT_NO;
}

static enum secret_fit fits_tds(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	(void)total;
	(void)role;
	if ((b[0] != 0x10 && b[0] != 0x12) || (n > 1 && b[1] > 1))
		return FIT_NO;
	if (n < 8)
		return FIT_MAYBE;
	return secret_be16(b + 2) > 8 && b[4] == 0 && b[5] == 0 && b[7] == 0 ? FIT_YES : FIT_NO;
}

static enum secret_fit fits_socks(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	(void)role;
	if (b[0] != 5)
		return FIT_NO;
	if (n < 3)
		return n > 1 && (b[1] == 0 || b[1] > 8) ? FIT_NO : FIT_MAYBE;
	return b[1] >= 1 && b[1] <= 8 && total == 2u + b[1] && (b[2] <= 2 || b[2] >= 0x80) ? FIT_YES : FIT_NO;
}

static enum secret_fit fits_kafka(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	(void)total;
	(void)role;
	if (b[0] != 0 || (n > 1 && b[1] != 0) || (n > 4 && b[4] != 0) || (n > 6 && b[6] != 0))
		return FIT_NO;
	if (n < 14)
		return FIT_MAYBE;
	return b[5] < 100 && b[7] < 20 && secret_be32(b) >= 8 &&
		       (secret_be16(b + 12) == 0xffff || secret_be16(b + 12) < 256)
		   ? FIT_YES
		   : FIT_NO;
}

static enum secret_fit fits_fastcgi(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	(void)total;
	*role = ROLE_CLIENT;
	if (b[0] != 1 || (n > 1 && b[1] != 1))
		return FIT_NO;
	if (n < 8)
		return FIT_MAYBE;
	return b[4] == 0 && b[5] == 8 && b[7] == 0 ? FIT_YES : FIT_NO;
}

static enum secret_fit fits_uwsgi(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	(void)total;
	(void)role;
	if (b[0] != 0 || (n > 3 && b[3] != 0) || (n > 4 && b[4] == 0) || (n > 5 && b[5] != 0))
		return FIT_NO;
	if (n < 7)
		return FIT_MAYBE;
	return b[6] >= 'A' && b[6] <= 'Z' && (secret_le32(b) >> 8 & 0xffff) > b[4] ? FIT_YES : FIT_NO;
}

static enum secret_fit fits_ajp(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	(void)total;
	(void)role;
	if (b[0] != 0x12 || (n > 1 && b[1] != 0x34))
		return FIT_NO;
	return n < 5 ? FIT_MAYBE : FIT_YES;
}

const struct secret_grammar secret_grammars[] = {
    {fits_resp, plan_resp, true},
    {fits_amqp, plan_amqp, false},
    {fits_postgresql, plan_postgresql, false},
    {fits_http2, plan_http2, false},
    {fits_mqtt, plan_mqtt, false},
    {fits_tds, plan_tds, false},
    {fits_mongo, plan_mongo, false},
    {fits_mysql, plan_mysql, false},
    {fits_ldap, plan_ldap, false},
    {fits_cassandra, plan_cassandra, false},
    {fits_memcached, plan_memcached, false},
    {fits_socks, plan_socks, false},
    {fits_fastcgi, plan_fastcgi, true},
    {fits_uwsgi, plan_uwsgi, true},
    {fits_ajp, plan_ajp, true},
    {fits_kafka, plan_kafka, false},
};

const uint8_t secret_grammar_count = sizeof secret_grammars / sizeof secret_grammars[0];

uint8_t secret_sniff(const uint8_t *b, size_t n, size_t total, uint8_t *role)
{
	bool maybe = false;

	if (n == 0)
		return SECRET_SNIFF;
	/* HTTP and other text: no protocol of the table has a second letter there but these */
	if (n > 4 && is_letter(b[0]) && is_letter(b[1]) && b[0] != 'A' && b[0] != 'P')
		return SECRET_TEXT;
	for (uint8_t i = 0; i < secret_grammar_count; i++) {
		uint8_t as = ROLE_UNKNOWN;
		enum secret_fit fit = secret_grammars[i].fits(b, n, total, &as);

		if (fit == FIT_YES) {
			*role = as;
			return i;
		}
		maybe |= fit == FIT_MAYBE;
	}
	return maybe ? SECRET_SNIFF : SECRET_TEXT;
}
