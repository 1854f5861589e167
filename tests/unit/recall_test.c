// SPDX-License-Identifier: Apache-2.0
/*
 * recall_test.c - what requests that execute prepared statements are called: conversations of MySQL and
 * PostgreSQL, both ends traced. Bytes are written by the functions below as clients and servers do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "analyzer/pass/message.h"
#include "analyzer/strings.h"
#include "tests/unit/story.h"

#define CONNS_MAX 2
#define LOST	  1

struct wire {
	uint8_t bytes[2048];
	uint32_t len;
};

struct scene {
	struct story *story;
	struct conns conns;
	struct links links;
	struct strings *strings;
	struct messages m;
	uint64_t off[CONNS_MAX][2]; /* by direction: to the server, to the client */
	uint64_t t;
	unsigned int conn; /* the one that is spoken on */
};

static struct scene scene;

static void scene_start(uint16_t port)
{
	memset(&scene, 0, sizeof(scene));
	scene.story = story_new();
	scene.t = 1000;
	for (int who = 0; who < 2; who++)
		story_process(scene.story, 0, (uint64_t)who + 10, 1);
	for (unsigned int conn = 0; conn < CONNS_MAX; conn++) {
		uint16_t client_port = (uint16_t)(40000 + conn);

		for (uint32_t who = 0; who < 2; who++)
			story_open(
			    scene.story,
			    &(struct story_end){.process = who,
						.conn = conn + 1,
						.flags = who ? RECORD_FLAG_ACCEPT : RECORD_FLAG_CONNECT,
						.local_host = (uint8_t)(who + 1),
						.local_port = who ? port : client_port,
						.remote_host = (uint8_t)(2 - who),
						.remote_port = who ? client_port : port,
						.cookie = conn * 2 + who + 1},
			    scene.t, scene.t + 10);
	}
}

static void move(int dir, const struct wire *w, int lost)
{
	uint64_t *off = &scene.off[scene.conn][dir];

	for (uint32_t who = 0; who < 2 && !lost; who++)
		story_move(scene.story, (dir == 0) == (who == 0) ? RECORD_OUT : RECORD_IN, who,
			   scene.conn + 1, *off, w->bytes, w->len, RECORD_FLAG_BURST, scene.t + who * 100,
			   scene.t + who * 100 + 50);
	scene.t += 1000;
	*off += w->len;
}

static void put(struct wire *w, const void *bytes, size_t len)
{
	assert_true(w->len + len <= sizeof(w->bytes));
	memcpy(w->bytes + w->len, bytes, len);
	w->len += (uint32_t)len;
}

/* The operations of all requests, by connection, each with a '|' behind it. */
static void expect(const char *operations)
{
	char all[2048] = "";

	scene.strings = strings_new();
	assert_int_equal(conn_run(&scene.story->store, &scene.conns), 0);
	assert_int_equal(pair_run(&scene.story->store, &scene.conns, &scene.links), 0);
	assert_int_equal(
	    message_run(&scene.story->store, &scene.conns, &scene.links, scene.strings, &scene.m), 0);
	for (uint32_t i = 0; i < scene.m.message_count; i++) {
		if (scene.m.messages[i].dir == PROTO_TO_SERVER) {
			strcat(all, strings_get(scene.strings, scene.m.messages[i].operation));
			strcat(all, "|");
		}
	}
	assert_string_equal(all, operations);
	message_free(&scene.m);
	strings_free(scene.strings);
	pair_free(&scene.links);
	conn_free(&scene.conns);
	story_free(scene.story);
}

/* ---- MySQL ---- */

static void packet(struct wire *w, uint8_t seq, const void *payload, size_t len)
{
	put(w, (uint8_t[]){(uint8_t)len, (uint8_t)(len >> 8), 0, seq}, 4);
	put(w, payload, len);
}

static void my_request(uint8_t code, const char *text)
{
	struct wire w = {.len = 0};
	uint8_t payload[512] = {code};

	memcpy(payload + 1, text, strlen(text));
	packet(&w, 0, payload, strlen(text) + 1);
	move(PROTO_TO_SERVER, &w, 0);
}

static void my_ok(void)
{
	struct wire w = {.len = 0};

	packet(&w, 1, "\0\0\0\2\0\0", 7);
	move(PROTO_TO_CLIENT, &w, 0);
}

static void my_query(const char *sql)
{
	my_request(0x03, sql);
	my_ok();
}

static void my_prepared(uint8_t id, int lost)
{
	struct wire w = {.len = 0};

	packet(&w, 1, (uint8_t[12]){0, id}, 12);
	move(PROTO_TO_CLIENT, &w, lost);
}

static void my_prepare(uint8_t id, const char *sql)
{
	my_request(0x16, sql);
	my_prepared(id, 0);
}

static void execute_packet(struct wire *w, uint32_t id)
{
	packet(w, 0,
	       (uint8_t[]){0x17, (uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16), (uint8_t)(id >> 24), 0,
			   1, 0, 0, 0},
	       10);
}

static void my_execute(uint32_t id)
{
	struct wire w = {.len = 0};

	execute_packet(&w, id);
	move(PROTO_TO_SERVER, &w, 0);
	my_ok();
}

static void my_error(void)
{
	struct wire w = {.len = 0};

	packet(&w, 1, "\xff\x28\x04#42000no", 11);
	move(PROTO_TO_CLIENT, &w, 0);
}

static void test_mysql(void **unused)
{
	(void)unused;
	scene_start(3306);
	my_query("SELECT a FROM t WHERE id=7");
	my_prepare(1, "SELECT a FROM t WHERE id=?");
	my_prepare(2, "DELETE FROM t WHERE id=?");
	my_execute(1);
	my_execute(2);
	my_execute(1);
	my_execute(3);
	expect(
	    "SELECT a FROM t WHERE id=?|PREPARE SELECT a FROM t WHERE id=?|PREPARE DELETE FROM t WHERE id=?|"
	    "SELECT a FROM t WHERE id=?|DELETE FROM t WHERE id=?|SELECT a FROM t WHERE id=?|"
	    "EXECUTE statement|");
}

static void test_mysql_latest_wins(void **unused)
{
	(void)unused;
	scene_start(3306);
	my_prepare(1, "SELECT a FROM t");
	my_execute(1);
	my_prepare(1, "SELECT b FROM t");
	my_execute(1);
	my_request(0x16, "SELECT FROM nothing");
	my_error();
	my_execute(1);
	expect("PREPARE SELECT a FROM t|SELECT a FROM t|PREPARE SELECT b FROM t|SELECT b FROM t|"
	       "PREPARE SELECT FROM nothing|SELECT b FROM t|");
}

/* A statement's number tells nothing once its PREPARE, or the response, is lost. */
static void test_mysql_lost(void **unused)
{
	struct wire w = {.len = 0};

	(void)unused;
	scene_start(3306);
	my_prepare(1, "SELECT a FROM t");
	my_execute(1);
	my_request(0x16, "SELECT b FROM t");
	my_prepared(2, LOST);
	my_execute(2);
	my_execute(1);
	packet(&w, 0, "\x16SELECT c FROM t", 16);
	move(PROTO_TO_SERVER, &w, LOST);
	my_prepared(3, LOST);
	my_execute(3);
	my_execute(1);
	expect("PREPARE SELECT a FROM t|SELECT a FROM t|PREPARE SELECT b FROM t|EXECUTE statement|"
	       "SELECT a FROM t|EXECUTE statement|SELECT a FROM t|");
}

/* These use a number again, so that after a gap no number is believed. */
static void test_mysql_lost_reuse(void **unused)
{
	struct wire w = {.len = 0};

	(void)unused;
	scene_start(3306);
	my_prepare(1, "SELECT a FROM t");
	my_prepare(1, "SELECT b FROM t");
	my_execute(1);
	packet(&w, 0, "\x16SELECT c FROM t", 16);
	move(PROTO_TO_SERVER, &w, LOST);
	my_prepared(1, LOST);
	my_execute(1);
	my_prepare(1, "SELECT d FROM t");
	my_execute(1);
	expect("PREPARE SELECT a FROM t|PREPARE SELECT b FROM t|SELECT b FROM t|EXECUTE statement|"
	       "PREPARE SELECT d FROM t|SELECT d FROM t|");
}

/* "Execute what I prepared last", sent before the number is known. */
static void test_mysql_at_once(void **unused)
{
	static const char *const sql[] = {"\x16SELECT a FROM t", "\x16SELECT b FROM t"};

	(void)unused;
	scene_start(3306);
	for (uint8_t i = 0; i < 2; i++) {
		struct wire w = {.len = 0};

		packet(&w, 0, sql[i], strlen(sql[i]));
		execute_packet(&w, UINT32_MAX);
		move(PROTO_TO_SERVER, &w, 0);
		my_prepared((uint8_t)(i + 1), 0);
		my_ok();
	}
	my_execute(1);
	expect("PREPARE SELECT a FROM t|SELECT a FROM t|PREPARE SELECT b FROM t|SELECT b FROM t|"
	       "SELECT a FROM t|");
}

static void test_mysql_two_conns(void **unused)
{
	(void)unused;
	scene_start(3306);
	my_prepare(1, "SELECT a FROM t");
	scene.conn = 1;
	my_prepare(1, "SELECT b FROM t");
	scene.conn = 0;
	my_execute(1);
	scene.conn = 1;
	my_execute(1);
	expect("PREPARE SELECT a FROM t|SELECT a FROM t|PREPARE SELECT b FROM t|SELECT b FROM t|");
}

/* A long statement has one name, however it is sent. */
static void test_mysql_long(void **unused)
{
	char sql[256] = "SELECT ", name[512], all[2048];

	(void)unused;
	while (strlen(sql) < 230)
		strcat(sql, "column_a, ");
	scene_start(3306);
	my_query(sql);
	my_prepare(1, sql);
	my_execute(1);
	/* what fits, less room for the ellipsis */
	snprintf(name, sizeof(name), "%.*s\xe2\x80\xa6", PROTO_OPERATION_BYTES - 4, sql);
	snprintf(all, sizeof(all), "%s|PREPARE %s|%s|", name, name, name);
	expect(all);
}

/* More statements than are remembered: those in use keep their names. */
static void test_mysql_many(void **unused)
{
	uint32_t recalled = 0, unknown = 0;

	(void)unused;
	scene_start(3306);
	my_prepare(1, "SELECT a FROM t");
	my_prepare(2, "SELECT b FROM t");
	for (unsigned int i = 0; i < 14000; i++) {
		struct wire w = {.len = 0};
		unsigned int id = 3 + i;

		my_request(0x16, "SELECT c FROM t");
		packet(&w, 1, (uint8_t[12]){0, (uint8_t)id, (uint8_t)(id >> 8)}, 12);
		move(PROTO_TO_CLIENT, &w, 0);
		if (i % 1000 == 0)
			my_execute(1);
	}
	my_execute(2);
	scene.strings = strings_new();
	assert_int_equal(conn_run(&scene.story->store, &scene.conns), 0);
	assert_int_equal(pair_run(&scene.story->store, &scene.conns, &scene.links), 0);
	assert_int_equal(
	    message_run(&scene.story->store, &scene.conns, &scene.links, scene.strings, &scene.m), 0);
	for (uint32_t i = 0; i < scene.m.message_count; i++) {
		const char *name = strings_get(scene.strings, scene.m.messages[i].operation);

		recalled += !strcmp(name, "SELECT a FROM t");
		unknown += !strcmp(name, "EXECUTE statement");
	}
	assert_int_equal(recalled, 14);
	assert_int_equal(unknown, 1);
	message_free(&scene.m);
	strings_free(scene.strings);
	pair_free(&scene.links);
	conn_free(&scene.conns);
	story_free(scene.story);
}

/* ---- PostgreSQL ---- */

static void part(struct wire *w, char type, const void *body, size_t len)
{
	put(w, (uint8_t[]){(uint8_t)type, 0, 0, (uint8_t)((len + 4) >> 8), (uint8_t)(len + 4)}, 5);
	put(w, body, len);
}

static void parse(struct wire *w, const char *name, const char *sql)
{
	char body[512];
	size_t n = strlen(name) + 1, len = n + strlen(sql) + 1;

	memcpy(body, name, n);
	memcpy(body + n, sql, len - n);
	memcpy(body + len, "\0", 2);
	part(w, 'P', body, len + 2);
}

static void bind_execute(struct wire *w, const char *name)
{
	char body[128] = "";
	size_t n = strlen(name) + 1;

	memcpy(body + 1, name, n);
	memset(body + 1 + n, 0, 6);
	part(w, 'B', body, 1 + n + 6);
	part(w, 'E', "\0\0\0\0", 5);
}

/* A run that was begun in w, and its response: of these messages without a body, then an error if one came.
 */
static void pg_run(struct wire *w, const char *types, int error, int lost)
{
	struct wire r = {.len = 0};

	part(w, 'S', "", 0);
	move(PROTO_TO_SERVER, w, lost);
	for (; *types; types++)
		part(&r, *types, "", 0);
	if (error)
		part(&r, 'E', "SERROR\0C23505\0", 15);
	else
		part(&r, 'C', "SELECT 1", 9);
	part(&r, 'Z', "I", 1);
	move(PROTO_TO_CLIENT, &r, lost);
}

static void pg_prepare(const char *name, const char *sql, int lost)
{
	struct wire w = {.len = 0};

	parse(&w, name, sql);
	pg_run(&w, "1", 0, lost);
}

static void pg_execute(const char *name)
{
	struct wire w = {.len = 0};

	bind_execute(&w, name);
	pg_run(&w, "2", 0, 0);
}

static void test_postgresql(void **unused)
{
	struct wire w = {.len = 0};

	(void)unused;
	scene_start(5432);
	pg_prepare("S_1", "SELECT a FROM t WHERE id=$1", 0);
	pg_prepare("S_2", "DELETE FROM t WHERE id=$1", 0);
	pg_execute("S_1");
	pg_execute("S_2");
	pg_execute("S_3");
	part(&w, 'Q', "SELECT a FROM t WHERE id=7", 27);
	move(PROTO_TO_SERVER, &w, 0);
	expect(
	    "PREPARE SELECT a FROM t WHERE id=?|PREPARE DELETE FROM t WHERE id=?|"
	    "SELECT a FROM t WHERE id=?|DELETE FROM t WHERE id=?|EXECUTE S_{id}|SELECT a FROM t WHERE id=?|");
}

/* Prepared and executed in one run, re-prepared, prepared in vain, prepared where only the execution failed.
 */
static void test_postgresql_latest_wins(void **unused)
{
	struct wire first = {.len = 0}, again = {.len = 0}, vain = {.len = 0}, kept = {.len = 0};

	(void)unused;
	scene_start(5432);
	parse(&first, "S_1", "SELECT a FROM t");
	bind_execute(&first, "S_1");
	pg_run(&first, "12", 0, 0);
	pg_execute("S_1");
	parse(&again, "S_1", "SELECT b FROM t");
	bind_execute(&again, "S_1");
	pg_run(&again, "12", 0, 0);
	pg_execute("S_1");
	parse(&vain, "S_1", "SELECT c FROM t");
	pg_run(&vain, "", 1, 0);
	pg_execute("S_1");
	parse(&kept, "S_1", "SELECT d FROM t");
	bind_execute(&kept, "S_1");
	pg_run(&kept, "12", 1, 0);
	pg_execute("S_1");
	expect("SELECT a FROM t|SELECT a FROM t|SELECT b FROM t|SELECT b FROM t|PREPARE SELECT c FROM t|"
	       "SELECT b FROM t|SELECT d FROM t|SELECT d FROM t|");
}

/* The statement without a name is another one after each gap; the others are what they were. */
static void test_postgresql_unnamed(void **unused)
{
	(void)unused;
	scene_start(5432);
	pg_prepare("S_1", "SELECT a FROM t", 0);
	pg_prepare("", "SELECT b FROM t", 0);
	pg_execute("");
	pg_prepare("", "SELECT c FROM t", 0);
	pg_execute("");
	pg_prepare("", "SELECT d FROM t", LOST);
	pg_execute("");
	pg_execute("S_1");
	expect("PREPARE SELECT a FROM t|PREPARE SELECT b FROM t|SELECT b FROM t|PREPARE SELECT c FROM t|"
	       "SELECT c FROM t|EXECUTE statement|SELECT a FROM t|");
}

static void test_postgresql_lost(void **unused)
{
	(void)unused;
	scene_start(5432);
	pg_prepare("S_1", "SELECT a FROM t", 0);
	pg_execute("S_1");
	pg_prepare("S_2", "SELECT b FROM t", LOST);
	pg_execute("S_2");
	pg_execute("S_1");
	expect("PREPARE SELECT a FROM t|SELECT a FROM t|EXECUTE S_{id}|SELECT a FROM t|");
}

/* As JDBC does: BEGIN is a prepared statement in front of the first one of a transaction. */
static void test_postgresql_transaction(void **unused)
{
	struct wire first = {.len = 0}, second = {.len = 0}, third = {.len = 0};

	(void)unused;
	scene_start(5432);
	parse(&first, "S_1", "BEGIN");
	bind_execute(&first, "S_1");
	parse(&first, "S_2", "SELECT a FROM t");
	bind_execute(&first, "S_2");
	pg_run(&first, "12C12", 0, 0);
	pg_prepare("S_3", "COMMIT", 0);
	pg_execute("S_3");
	bind_execute(&second, "S_1");
	bind_execute(&second, "S_2");
	pg_run(&second, "22", 0, 0);
	pg_execute("S_3");
	parse(&third, "S_1", "BEGIN");
	bind_execute(&third, "S_1");
	bind_execute(&third, "S_2");
	pg_run(&third, "122", 0, 0);
	expect("SELECT a FROM t|PREPARE COMMIT|COMMIT|SELECT a FROM t|COMMIT|SELECT a FROM t|");
}

/* Where the capture ends in the statement, only the response tells whether it was executed too. */
static void test_postgresql_long(void **unused)
{
	char sql[512] = "SELECT ", all[2048], name[256];
	struct wire w = {.len = 0};

	(void)unused;
	while (strlen(sql) < 300)
		strcat(sql, "column_a, ");
	strcat(sql, "column_a FROM t");
	snprintf(name, sizeof(name), "%.*s\xe2\x80\xa6", PROTO_OPERATION_BYTES - 4, sql);
	scene_start(5432);
	pg_prepare("S_1", sql, 0);
	pg_execute("S_1");
	parse(&w, "S_2", sql);
	bind_execute(&w, "S_2");
	pg_run(&w, "12", 0, 0);
	pg_execute("S_2");
	sql[220] = '\0'; /* this one is captured wholly, but too long for a name */
	pg_prepare("S_3", sql, 0);
	pg_execute("S_3");
	snprintf(all, sizeof(all), "PREPARE %s|%s|%s|%s|PREPARE %s|%s|", name, name, name, name, name, name);
	expect(all);
}

static void test_postgresql_two_conns(void **unused)
{
	(void)unused;
	scene_start(5432);
	pg_prepare("S_1", "SELECT a FROM t", 0);
	scene.conn = 1;
	pg_prepare("S_1", "SELECT b FROM t", 0);
	pg_execute("S_1");
	scene.conn = 0;
	pg_execute("S_1");
	expect("PREPARE SELECT a FROM t|SELECT a FROM t|PREPARE SELECT b FROM t|SELECT b FROM t|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mysql),
	    cmocka_unit_test(test_mysql_latest_wins),
	    cmocka_unit_test(test_mysql_lost),
	    cmocka_unit_test(test_mysql_lost_reuse),
	    cmocka_unit_test(test_mysql_at_once),
	    cmocka_unit_test(test_mysql_two_conns),
	    cmocka_unit_test(test_mysql_long),
	    cmocka_unit_test(test_mysql_many),
	    cmocka_unit_test(test_postgresql),
	    cmocka_unit_test(test_postgresql_latest_wins),
	    cmocka_unit_test(test_postgresql_unnamed),
	    cmocka_unit_test(test_postgresql_lost),
	    cmocka_unit_test(test_postgresql_transaction),
	    cmocka_unit_test(test_postgresql_long),
	    cmocka_unit_test(test_postgresql_two_conns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
