// SPDX-License-Identifier: Apache-2.0
/* preface.c - see preface.h. Analyzer, any thread; pure. The bytes are hostile. */
#include "analyzer/pass/preface.h"

#include <arpa/inet.h>
#include <string.h>

#define V1_MAX		 107u
#define V2_FIXED_BYTES	 16u
#define V2_COMMAND_PROXY 1

/* A port at *at, followed by `end`. False if it is none. */
static bool take_port(const char **at, char end, uint16_t *port)
{
	uint32_t n = 0, digits = 0;

	for (; **at >= '0' && **at <= '9' && digits < 6; (*at)++, digits++)
		n = n * 10 + (uint32_t)(**at - '0');
	if (!digits || n > UINT16_MAX || **at != end)
		return false;
	(*at)++;
	*port = (uint16_t)n;
	return true;
}

/* A word at *at, followed by a blank. */
static bool take_word(const char **at, char *word, size_t size)
{
	size_t n = strcspn(*at, " ");

	if (n == 0 || n >= size || (*at)[n] != ' ')
		return false;
	memcpy(word, *at, n);
	word[n] = '\0';
	*at += n + 1;
	return true;
}

/* IPv4 in the first 4 bytes, also a mapped one, as endpoints have it. */
static void set_address(struct address *a, int family, const void *bytes, uint16_t port)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	*a = (struct address){.family = ENDPOINT_IPV4, .port = port};
	if (family == AF_INET) {
		memcpy(a->addr, bytes, 4);
	} else if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		memcpy(a->addr, (const uint8_t *)bytes + sizeof(mapped), 4);
	} else {
		a->family = ENDPOINT_IPV6;
		memcpy(a->addr, bytes, 16);
	}
}

/* "TCP4 10.0.0.1 10.0.0.2 40000 80" */
static void read_names(const char *text, struct preface *p)
{
	char kind[8], from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	uint16_t port, to_port;
	int family;

	if (!take_word(&text, kind, sizeof(kind)) || (strcmp(kind, "TCP4") != 0 && strcmp(kind, "TCP6") != 0))
		return;
	family = kind[3] == '4' ? AF_INET : AF_INET6;
	if (!take_word(&text, from, sizeof(from)) || !take_word(&text, to, sizeof(to)) ||
	    !take_port(&text, ' ', &port) || !take_port(&text, '\0', &to_port) ||
	    inet_pton(family, from, bytes) != 1)
		return;
	set_address(&p->from, family, bytes, port);
}

static struct preface read_v1(const uint8_t *bytes, size_t n)
{
	struct preface p = {0};
	char text[V1_MAX + 1];
	const uint8_t *end = memchr(bytes, '\r', n < V1_MAX ? n : V1_MAX);
	size_t len = end ? (size_t)(end - bytes) : 0;

	if (!end || len + 1 >= n || end[1] != '\n')
		return p;
	memcpy(text, bytes, len);
	text[len] = '\0';
	p.len = (uint32_t)len + 2;
	read_names(text + strlen("PROXY "), &p);
	return p;
}

static struct preface read_v2(const uint8_t *bytes, size_t n)
{
	struct preface p = {0};
	uint32_t said;
	uint8_t family;
	uint16_t port;

	if (n < V2_FIXED_BYTES || bytes[12] >> 4 != 2 || (bytes[12] & 15) > V2_COMMAND_PROXY)
		return p;
	said = (uint32_t)bytes[14] << 8 | bytes[15];
	p.len = V2_FIXED_BYTES + said;
	family = bytes[13] >> 4;
	if ((bytes[12] & 15) != V2_COMMAND_PROXY)
		return p;
	if (family == 1 && said >= 12 && n >= V2_FIXED_BYTES + 12) {
		port = (uint16_t)(bytes[24] << 8 | bytes[25]);
		set_address(&p.from, AF_INET, bytes + 16, port);
	} else if (family == 2 && said >= 36 && n >= V2_FIXED_BYTES + 36) {
		port = (uint16_t)(bytes[48] << 8 | bytes[49]);
		set_address(&p.from, AF_INET6, bytes + 16, port);
	}
	return p;
}

struct preface preface_read(const uint8_t *bytes, size_t n)
{
	static const uint8_t v2[12] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

	if (n > sizeof(v2) && memcmp(bytes, v2, sizeof(v2)) == 0)
		return read_v2(bytes, n);
	if (n > 8 && (memcmp(bytes, "PROXY TCP", 9) == 0 || memcmp(bytes, "PROXY UNK", 9) == 0))
		return read_v1(bytes, n);
	return (struct preface){0};
}
