// SPDX-License-Identifier: Apache-2.0
/*
 * pair_key.c - see pair_key.h. Analyzer, any thread; pure.
 *
 * Invariant: nothing that goes into a key depends on which dumps were loaded or in which order; the
 * definition in README.md holds for every later version.
 */
#include "analyzer/pass/pair_key.h"

#include <string.h>

#include "analyzer/hash.h"

enum { SEED_ADDRESS = 1, SEED_INTERNET, SEED_UNIX, SEED_ALONE, SEED_SESSION };

static uint64_t fold(uint64_t hash, uint64_t word)
{
	return hash_mix(hash_mix(hash + 0x9e3779b97f4a7c15ull) ^ word);
}

/* FNV-1a */
static uint64_t text_hash(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (; text && *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
	return hash;
}

static uint64_t kernel_hash(const struct store *store, const struct party *p)
{
	return text_hash(store->clocks[p->clock].boot_id);
}

static uint64_t address_hash(const struct store *store, const struct party *p, const struct address *a)
{
	uint64_t words[2], hash = fold(SEED_ADDRESS, (uint64_t)a->family << 16 | a->port);

	memcpy(words, a->addr, sizeof(words));
	hash = fold(fold(hash, words[0]), words[1]);
	return a->scope ? fold(fold(hash, kernel_hash(store, p)), p->netns) : hash;
}

/* The client's end of a TLS session, or the server's. */
static uint64_t session_hash(const uint8_t *random, uint64_t server)
{
	uint64_t words[TLS_RANDOM_BYTES / 8], hash = SEED_SESSION;

	memcpy(words, random, sizeof(words));
	for (size_t i = 0; i < TLS_RANDOM_BYTES / 8; i++)
		hash = fold(hash, words[i]);
	return fold(hash, server);
}

void pair_hash(const struct store *store, const struct conns *conns, struct party *p)
{
	const struct view *v = &conns->views[p->views[0]];

	if (p->random && p->role != VIEW_UNKNOWN) {
		p->hash[0] = session_hash(p->random, p->role == VIEW_SERVER);
		p->hash[1] = session_hash(p->random, p->role != VIEW_SERVER);
	} else if (!p->random && p->local.family == ENDPOINT_UNIX && p->inode) {
		p->hash[0] = p->inode;
		p->hash[1] = p->peer_inode;
	} else if (!p->random && p->local.family > ENDPOINT_UNIX) {
		p->hash[0] = address_hash(store, p, &p->local);
		p->hash[1] = address_hash(store, p, &p->remote);
	} else {
		p->hash[0] = fold(kernel_hash(store, p), store->processes[v->process].start_ns);
		p->hash[1] = fold(store->processes[v->process].pid, v->conn);
	}
}

static uint64_t other_hash(const struct party *a, const struct party *b)
{
	return b ? b->hash[0] : a->hash[1];
}

uint64_t pair_base(const struct store *store, const struct party *a, const struct party *b)
{
	uint64_t x = a->hash[0], y = other_hash(a, b);
	uint64_t low = x < y ? x : y, high = x < y ? y : x;

	if (a->random)
		return fold(fold(a->role == VIEW_UNKNOWN ? SEED_ALONE : SEED_SESSION, low), high);
	if (a->local.family == ENDPOINT_UNIX && a->inode)
		return fold(fold(fold(SEED_UNIX, kernel_hash(store, a)), low), high);
	if (a->local.family > ENDPOINT_UNIX)
		return fold(fold(SEED_INTERNET, low), high);
	return fold(fold(SEED_ALONE, low), high);
}

bool pair_is_second(const struct party *a, const struct party *b)
{
	return a->hash[0] > other_hash(a, b);
}

uint64_t pair_link_key(uint64_t base, uint32_t incarnation, bool client_is_second)
{
	return (fold(base, incarnation) & ~1ull) | client_is_second;
}

uint64_t pair_cid(uint64_t link_key, enum link_side side, uint64_t off)
{
	uint64_t sender_is_second = (side == LINK_CLIENT) == (link_key & 1);
	uint64_t cid = fold(fold(link_key >> 1, sender_is_second), off);

	return cid ? cid : 1;
}
