/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - the list of grammars, and which of them a connection speaks. Analyzer, any thread; pure.
 *
 * Invariant: raw is last and takes what no other is sure of.
 */
#include "table.h"

#include <string.h>

#define LOCK_SCORE	   60 /* below this a grammar is not believed */
#define PORT_SCORE	   5  /* a tie-breaker */
#define AGREE_SCORE	   10 /* both directions look like it */
#define DISAGREE_SCORE	   25 /* one direction does not, and enough of it was seen to tell */
#define DISAGREE_BYTES_MIN 16

const struct proto *const proto_table[] = {&proto_http,	      &proto_resp, &proto_mysql,
					   &proto_postgresql, &proto_raw,  NULL};

static int score(const struct proto *p, const uint8_t *to_server, size_t to_server_len,
		 const uint8_t *to_client, size_t to_client_len, uint16_t port)
{
	int a = to_server_len ? p->sniff(PROTO_TO_SERVER, to_server, to_server_len) : 0;
	int b = to_client_len ? p->sniff(PROTO_TO_CLIENT, to_client, to_client_len) : 0;
	int sure = a > b ? a : b;

	if (!sure)
		return 0;
	if (a && b)
		sure += AGREE_SCORE;
	else if ((!a && to_server_len >= DISAGREE_BYTES_MIN) || (!b && to_client_len >= DISAGREE_BYTES_MIN))
		sure -= DISAGREE_SCORE;
	for (const uint16_t *hint = p->ports; hint && *hint; hint++) {
		if (*hint == port)
			sure += PORT_SCORE;
	}
	return sure;
}

const struct proto *proto_guess(const uint8_t *to_server, size_t to_server_len, const uint8_t *to_client,
				size_t to_client_len, uint16_t port)
{
	const struct proto *best = &proto_raw;
	int best_score = LOCK_SCORE - 1;

	for (const struct proto *const *p = proto_table; *p; p++) {
		int sure = score(*p, to_server, to_server_len, to_client, to_client_len, port);

		if (sure > best_score) {
			best = *p;
			best_score = sure;
		}
	}
	return best;
}

const struct proto *proto_find(const char *name)
{
	for (const struct proto *const *p = proto_table; *p; p++) {
		if (!strcmp((*p)->name, name))
			return *p;
	}
	return NULL;
}
