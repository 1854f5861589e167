// SPDX-License-Identifier: Apache-2.0
/*
 * recall.c - see recall.h. Analyzer, one thread; pure but for memory, linear in messages.
 *
 * One sweep over the messages in their order. What a request prepared holds from there on, if its response
 * does not deny it: the response is known, since pairing is done, and nobody executes a statement by a number
 * that he has not been told.
 *
 * Invariant: at most two generations of STATEMENTS_MAX statements are known at a time; what was prepared or
 * executed among the last STATEMENTS_MAX is one of them.
 */
#include "analyzer/pass/recall.h"

#include <stdio.h>

#include "analyzer/hash.h"
#include "analyzer/vec.h"

#define STATEMENTS_MAX 4096
#define ELLIPSIS       "\xe2\x80\xa6"

struct statement {
	uint64_t key;
	uint32_t operation; /* 0: not known */
};

struct generation {
	VEC(struct statement) statements;
	struct hash by_key;
};

struct recalling {
	struct strings *strings;
	struct generation young, old;
	uint32_t latest; /* operation of the statement prepared last */
	bool reused;	 /* these peers give a statement the name of another one */
};

static bool statement_equal(const void *items, uint32_t index, const void *key)
{
	return ((const struct statement *)items)[index].key == *(const uint64_t *)key;
}

static struct statement *find(struct generation *g, uint64_t key)
{
	uint32_t number = hash_find(&g->by_key, hash_mix(key), statement_equal, g->statements.items, &key);

	return number == HASH_NONE ? NULL : &g->statements.items[number];
}

static void forget(struct generation *g)
{
	vec_free(&g->statements);
	hash_free(&g->by_key);
	*g = (struct generation){0};
}

static int set(struct recalling *r, uint64_t key, uint32_t operation)
{
	struct statement *s = find(&r->young, key);
	int err;

	if (s) {
		s->operation = operation;
		return 0;
	}
	if (r->young.statements.count == STATEMENTS_MAX) {
		forget(&r->old);
		r->old = r->young;
		r->young = (struct generation){0};
	}
	err = vec_push(&r->young.statements, (struct statement){key, operation});
	if (err)
		return err;
	return hash_add(&r->young.by_key, hash_mix(key), (uint32_t)r->young.statements.count - 1);
}

static uint32_t get(struct recalling *r, uint64_t key)
{
	struct statement *s;

	if (key == PROTO_STATEMENT_LATEST)
		return r->latest;
	s = find(&r->young, key);
	if (!s)
		s = find(&r->old, key);
	return s ? s->operation : 0;
}

static int bind_key(struct recalling *r, uint64_t key, uint32_t operation)
{
	uint32_t before = get(r, key);

	if (key == PROTO_STATEMENT_LATEST) {
		r->latest = operation;
		return 0;
	}
	r->reused |= before && before != operation;
	return set(r, key, operation);
}

/* The statement that an operation prepares. 0 in *statement: too little of it was captured. */
static int statement_of(struct recalling *r, uint32_t operation, uint32_t *statement)
{
	const char *text = strings_get(r->strings, operation);

	if (!strncmp(text, PROTO_PREPARE, PROTO_PREPARE_BYTES))
		text += PROTO_PREPARE_BYTES;
	*statement = 0;
	if (!*text || !strcmp(text, ELLIPSIS))
		return 0;
	*statement = strings_add(r->strings, text, strlen(text));
	return *statement ? 0 : -ENOMEM;
}

/* The capture ended in the statement, so that what follows it, if anything, was known from the response only.
 */
static int name_prepare(struct recalling *r, struct message *request, uint32_t statement)
{
	char name[PROTO_PREPARE_BYTES + PROTO_OPERATION_BYTES];
	int len;

	if (request->operation != statement) /* it is called so already */
		return 0;
	len = snprintf(name, sizeof(name), "%s%s", PROTO_PREPARE, strings_get(r->strings, statement));
	request->operation =
	    strings_add(r->strings, name, (size_t)len < sizeof(name) ? (size_t)len : sizeof(name) - 1);
	return request->operation ? 0 : -ENOMEM;
}

/* A request that prepares a statement, and its response, if that is known. */
static int remember(struct recalling *r, struct message *request, const struct mark *asked,
		    const struct message *response, const struct mark *answered)
{
	bool failed = response && (response->flags & PROTO_ERROR) && !answered->remember;
	uint32_t statement;
	int err = statement_of(r, request->operation, &statement);

	/* "the last one" is sent before it is known whether that succeeded */
	if (!err && (!failed || asked->remember == PROTO_STATEMENT_LATEST))
		err = bind_key(r, asked->remember, statement);
	if (!err && response && answered->remember >= PROTO_STATEMENT_FIRST)
		err = bind_key(r, answered->remember, statement);
	if (!err && response && answered->remember == PROTO_STATEMENT_ONLY)
		err = name_prepare(r, request, statement);
	return err;
}

static int recall(struct recalling *r, struct message *request, uint64_t key)
{
	uint32_t statement = get(r, key);

	if (!statement)
		return 0;
	request->operation = statement;
	return key == PROTO_STATEMENT_LATEST ? 0 : set(r, key, statement); /* it is young again */
}

/* What is missing may have given names to other statements. */
static void cross_gap(struct recalling *r)
{
	r->latest = 0;
	if (!r->reused)
		return;
	forget(&r->young);
	forget(&r->old);
}

int recall_run(struct walked *walked, uint32_t first, const struct answers *answers, size_t rpc,
	       struct strings *strings)
{
	struct recalling r = {.strings = strings};
	struct message *messages = walked->messages.items;
	const struct mark *marks = walked->marks.items;
	int err = 0;

	for (uint32_t i = first; i < walked->messages.count && !err; i++) {
		uint32_t response = RPC_NO_RESPONSE;

		while (rpc < answers->rpcs.count && answers->rpcs.items[rpc].request < i)
			rpc++;
		if (rpc < answers->rpcs.count && answers->rpcs.items[rpc].request == i)
			response = answers->rpcs.items[rpc].response;
		if (marks[i].gap)
			cross_gap(&r);
		if (messages[i].dir != PROTO_TO_SERVER)
			continue;
		if (marks[i].recall)
			err = recall(&r, &messages[i], marks[i].recall);
		else if (marks[i].remember && response != RPC_NO_RESPONSE)
			err = remember(&r, &messages[i], &marks[i], &messages[response], &marks[response]);
		else if (marks[i].remember)
			err = remember(&r, &messages[i], &marks[i], NULL, NULL);
	}
	forget(&r.young);
	forget(&r.old);
	return err;
}
