/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resp_command.c - the table of commands; see resp_command.h. Analyzer, any thread; pure.
 *
 * A row is needed for what differs from "the first argument is a key, all may be shown, one reply", and
 * for what people type by hand (inline commands).
 *
 * Invariant: every command that takes a password is marked RESP_SECRET.
 */
#include "resp_command.h"

#include "text.h"

static const struct resp_command commands[] = {
    /* connection */
    {"auth", 0, RESP_CONTROL | RESP_SECRET},
    {"hello", 0, RESP_CONTROL | RESP_SECRET},
    {"ping", 0, 0},
    {"echo", 0, 0},
    {"quit", 0, 0},
    {"select", 0, 0},
    {"reset", 0, RESP_RESET},
    {"readonly", 0, 0},
    {"readwrite", 0, 0},
    {"asking", 0, 0},
    /* transactions */
    {"multi", 0, 0},
    {"exec", 0, 0},
    {"discard", 0, 0},
    {"unwatch", 0, 0},
    /* server */
    {"acl", 0, RESP_SUBCOMMAND | RESP_SECRET},
    {"client", 0, RESP_SUBCOMMAND},
    {"cluster", 0, RESP_SUBCOMMAND},
    {"command", 0, RESP_SUBCOMMAND},
    {"config", 0, RESP_SUBCOMMAND | RESP_SECRET},
    {"debug", 0, RESP_SUBCOMMAND},
    {"function", 0, RESP_SUBCOMMAND},
    {"latency", 0, RESP_SUBCOMMAND},
    {"memory", 0, RESP_SUBCOMMAND},
    {"module", 0, RESP_SUBCOMMAND},
    {"object", 2, RESP_SUBCOMMAND},
    {"pubsub", 0, RESP_SUBCOMMAND},
    {"script", 0, RESP_SUBCOMMAND},
    {"sentinel", 0, RESP_SUBCOMMAND | RESP_SECRET},
    {"slowlog", 0, RESP_SUBCOMMAND},
    {"xgroup", 2, RESP_SUBCOMMAND},
    {"xinfo", 2, RESP_SUBCOMMAND},
    {"bgrewriteaof", 0, 0},
    {"bgsave", 0, 0},
    {"dbsize", 0, 0},
    {"failover", 0, 0},
    {"flushall", 0, 0},
    {"flushdb", 0, 0},
    {"info", 0, 0},
    {"keys", 0, 0},
    {"lastsave", 0, 0},
    {"lolwut", 0, 0},
    {"monitor", 0, RESP_MONITOR},
    {"psync", 0, RESP_SYNC},
    {"randomkey", 0, 0},
    {"replconf", 0, RESP_CONTROL},
    {"replicaof", 0, 0},
    {"role", 0, 0},
    {"save", 0, 0},
    {"scan", 0, 0},
    {"shutdown", 0, 0},
    {"slaveof", 0, 0},
    {"swapdb", 0, 0},
    {"sync", 0, RESP_SYNC},
    {"time", 0, 0},
    {"wait", 0, 0},
    {"waitaof", 0, 0},
    /* scripts: the text is no name */
    {"eval", 0, 0},
    {"eval_ro", 0, 0},
    {"evalsha", 0, 0},
    {"evalsha_ro", 0, 0},
    /* publish and subscribe: the channel takes the place of the key */
    {"psubscribe", 1, RESP_SUBSCRIBE},
    {"punsubscribe", 1, RESP_UNSUBSCRIBE},
    {"ssubscribe", 1, RESP_SUBSCRIBE},
    {"subscribe", 1, RESP_SUBSCRIBE},
    {"sunsubscribe", 1, RESP_UNSUBSCRIBE},
    {"unsubscribe", 1, RESP_UNSUBSCRIBE},
    /* the key is not the first argument */
    {"bitop", 2, 0},
    {"blmpop", 3, 0},
    {"bzmpop", 3, 0},
    {"lmpop", 2, 0},
    {"migrate", 3, RESP_SECRET},
    {"sintercard", 2, 0},
    {"xread", RESP_KEY_STREAMS, 0},
    {"xreadgroup", RESP_KEY_STREAMS, 0},
    {"zdiff", 2, 0},
    {"zinter", 2, 0},
    {"zintercard", 2, 0},
    {"zmpop", 2, 0},
    {"zunion", 2, 0},
    /* typed by hand */
    {"append", 1, 0},
    {"decr", 1, 0},
    {"decrby", 1, 0},
    {"del", 1, 0},
    {"exists", 1, 0},
    {"expire", 1, 0},
    {"get", 1, 0},
    {"getset", 1, 0},
    {"hdel", 1, 0},
    {"hget", 1, 0},
    {"hgetall", 1, 0},
    {"hincrby", 1, 0},
    {"hmget", 1, 0},
    {"hmset", 1, 0},
    {"hset", 1, 0},
    {"incr", 1, 0},
    {"incrby", 1, 0},
    {"llen", 1, 0},
    {"lpop", 1, 0},
    {"lpush", 1, 0},
    {"lrange", 1, 0},
    {"mget", 1, 0},
    {"mset", 1, 0},
    {"persist", 1, 0},
    {"publish", 1, 0},
    {"rename", 1, 0},
    {"rpop", 1, 0},
    {"rpush", 1, 0},
    {"sadd", 1, 0},
    {"scard", 1, 0},
    {"set", 1, 0},
    {"setex", 1, 0},
    {"setnx", 1, 0},
    {"sismember", 1, 0},
    {"smembers", 1, 0},
    {"srem", 1, 0},
    {"ttl", 1, 0},
    {"type", 1, 0},
    {"unlink", 1, 0},
    {"watch", 1, 0},
    {"xadd", 1, 0},
    {"zadd", 1, 0},
    {"zcard", 1, 0},
    {"zrange", 1, 0},
    {"zscore", 1, 0},
};

static const struct resp_command other = {"", 1, 0};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

const struct resp_command *resp_command_find(const uint8_t *name, size_t len)
{
	uint8_t first = len ? text_lower(name[0]) : 0;

	for (size_t i = 0; i < COMMANDS; i++) {
		if ((uint8_t)commands[i].name[0] == first && text_is_word(name, len, commands[i].name))
			return &commands[i];
	}
	return &other;
}

bool resp_command_known(const uint8_t *name, size_t len, bool part)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		const char *row = commands[i].name;
		size_t n = 0;

		while (n < len && row[n] && text_lower(name[n]) == (uint8_t)row[n])
			n++;
		if (n == len && (part || !row[n]))
			return true;
	}
	return false;
}
