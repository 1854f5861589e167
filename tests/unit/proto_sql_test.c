/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto_sql_test.c - statements without their values: what is kept, what is folded, and that a statement
 * cut at any byte shows no value and has few names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/proto/proto.h"
#include "analyzer/proto/sql.h"

#define SECRET "hunter2"

struct row {
	const char *in, *out;
};

static void normalise(char *name, const char *in, size_t len, enum sql_dialect dialect, bool cut,
		      struct sql_facts *facts)
{
	struct sql_text sql = {(const uint8_t *)in, len, dialect, dialect == SQL_MYSQL, cut};
	struct text out;

	text_start(&out, name, PROTO_OPERATION_BYTES);
	sql_normalise(&out, &sql, facts);
}

static void check_rows(const struct row *rows, enum sql_dialect dialect)
{
	int wrong = 0;

	for (; rows->in; rows++) {
		char name[PROTO_OPERATION_BYTES];
		struct sql_facts facts;

		normalise(name, rows->in, strlen(rows->in), dialect, false, &facts);
		if (strcmp(name, rows->out)) {
			print_error("%s\n  %s\n  not %s\n", rows->in, name, rows->out);
			wrong++;
		}
		/* The name of a name is the name: nothing is lost twice. */
		char again[PROTO_OPERATION_BYTES];

		normalise(again, name, strlen(name), dialect, false, &facts);
		assert_string_equal(again, name);
	}
	assert_int_equal(wrong, 0);
}

static const struct row both[] = {
    {"SELECT a FROM t1 WHERE id = 17", "SELECT a FROM t1 WHERE id = ?"},
    {"select\n a ,\t b\r\n from t;", "select a , b from t"},
    {"SELECT 'it''s', '', N'x', X'ff', B'01', 1.5e-3, .5, 0xFF", "SELECT ?, ?, ?, ?, ?, ?, ?, ?"},
    {"SELECT 'a' 'b'", "SELECT ?"},
    {"SELECT a -- hunter2\nFROM t /* hunter2 */ WHERE/**/b=1", "SELECT a FROM t WHERE b=?"},
    {"SELECT /*! STRAIGHT_JOIN */ a FROM t", "SELECT a FROM t"},
    {"SELECT a FROM t WHERE b IN (1, 2,3) AND c IN ('x')", "SELECT a FROM t WHERE b IN (?) AND c IN (?)"},
    {"SELECT a FROM t WHERE b IN (?, ?, ?)", "SELECT a FROM t WHERE b IN (?)"},
    {"SELECT a FROM t WHERE b in (select c from d where e in (1,2))",
     "SELECT a FROM t WHERE b in (select c from d where e in (?))"},
    {"SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4))", "SELECT a FROM t WHERE (a, b) IN ((?, ?))"},
    {"INSERT INTO t (a, b) VALUES (1, 'x')", "INSERT INTO t (a, b) VALUES (?, ?)"},
    {"INSERT INTO t (a, b) VALUES (1, 'x'), (2, NULL),(3, 'y')", "INSERT INTO t (a, b) VALUES (?, ?)"},
    {"INSERT INTO t VALUES (1),(2),(3)", "INSERT INTO t VALUES (?)"},
    {"INSERT INTO t VALUES (1, NOW()), (2, NOW())", "INSERT INTO t VALUES (?, NOW())"},
    {"INSERT INTO t VALUES (1, NOW()), (2, USER())", "INSERT INTO t VALUES (?, NOW()), (?, USER())"},
    {"SELECT f(1, 2), g(a)", "SELECT f(?, ?), g(a)"},
    {"SELECT a FROM t WHERE b IS NULL AND c IS NOT NULL",
     "SELECT a FROM t WHERE b IS NULL AND c IS NOT NULL"},
    {"UPDATE t SET a = NULL, b = TRUE, c = 1 WHERE d = -5", "UPDATE t SET a = ?, b = ?, c = ? WHERE d = ?"},
    {"SELECT a - 5, a -5, 3-2, (a)-1 FROM t LIMIT -1", "SELECT a - ?, a -?, ?-?, (a)-? FROM t LIMIT ?"},
    {"SELECT a FROM t WHERE b = %s AND c = %(name)s AND d = :name AND e = ?",
     "SELECT a FROM t WHERE b = ? AND c = ? AND d = ? AND e = ?"},
    {"SAVEPOINT sa_savepoint_1", "SAVEPOINT sa_savepoint_{id}"},
    {"ROLLBACK TO SAVEPOINT s1403_x2", "ROLLBACK TO SAVEPOINT s{id}_x{id}"},
    {"SELECT t1.a, t2.b FROM t1, t2, orders_2024", "SELECT t1.a, t2.b FROM t1, t2, orders_2024"},
    {"SELECT a FROM tmp_8273645, tmp_9f8a7b6c", "SELECT a FROM tmp_{id}, tmp_{id}"},
    {"SELECT caf\xc3\xa9 FROM t", "SELECT caf\xc3\xa9 FROM t"},
    {"CREATE TABLE t (a INT NOT NULL, b VARCHAR(20) DEFAULT 'x')",
     "CREATE TABLE t (a INT NOT NULL, b VARCHAR(?) DEFAULT ?)"},
    {"BEGIN; SELECT 1; COMMIT;", "BEGIN; SELECT ?; COMMIT"},
    {"SELECT 'never closed " SECRET, "SELECT ?"},
    {"", ""},
    {";", ""},
    {NULL, NULL},
};

static void test_both(void **unused)
{
	(void)unused;
	check_rows(both, SQL_MYSQL);
	check_rows(both, SQL_POSTGRESQL);
}

static void test_mysql(void **unused)
{
	static const struct row rows[] = {
	    {"SELECT \"it\"\"s\", 'a\\'b', 'c' # hunter2", "SELECT ?, ?, ?"},
	    {"SELECT `a``b` FROM `order` WHERE c=_utf8mb4'x' AND d = _binary 'y'",
	     "SELECT `a``b` FROM `order` WHERE c=? AND d = _binary ?"},
	    {"SELECT @v, @@sql_mode", "SELECT @v, @@sql_mode"},
	    {"SELECT a--1 FROM t", "SELECT a-? FROM t"},
	    {"LOAD DATA LOCAL INFILE '/x' INTO TABLE t", "LOAD DATA LOCAL INFILE ? INTO TABLE t"},
	    {NULL, NULL},
	};

	(void)unused;
	check_rows(rows, SQL_MYSQL);
}

static void test_postgresql(void **unused)
{
	static const struct row rows[] = {
	    {"SELECT \"Id\", 'a\\' FROM t WHERE b = $1 AND c = $22",
	     "SELECT \"Id\", ? FROM t WHERE b = ? AND c = ?"},
	    {"SELECT $$ it's $$, $a$ $$ $a$, E'x\\'y', U&'z'", "SELECT ?, ?, ?, ?"},
	    {"SELECT /* a /* hunter2 */ b */ 1", "SELECT ?"},
	    {"SELECT a::text, '1'::int FROM t WHERE b=$1::uuid",
	     "SELECT a::text, ?::int FROM t WHERE b=?::uuid"},
	    {"SELECT 1 FROM t WHERE a = ANY(ARRAY[1,2,3]) AND b IN ('x'::uuid, 'y'::uuid)",
	     "SELECT ? FROM t WHERE a = ANY(ARRAY[?]) AND b IN (?::uuid)"},
	    {"INSERT INTO t VALUES ('a'::date), ('b'::date) RETURNING id",
	     "INSERT INTO t VALUES (?::date) RETURNING id"},
	    {"DECLARE \"_django_curs_140_sync_1\" CURSOR FOR SELECT a FROM t2",
	     "DECLARE \"_django_curs_{id}_sync_{id}\" CURSOR FOR SELECT a FROM t2"},
	    {"FETCH FORWARD 100 FROM \"c_17\"", "FETCH FORWARD ? FROM \"c_{id}\""},
	    {"SELECT a FROM t WHERE b @> '{\"k\":1}' AND c ->> 'd' = 'e'",
	     "SELECT a FROM t WHERE b @> ? AND c ->> ? = ?"},
	    {NULL, NULL},
	};

	(void)unused;
	check_rows(rows, SQL_POSTGRESQL);
}

static void test_facts(void **unused)
{
	char name[PROTO_OPERATION_BYTES];
	struct sql_facts facts;

#define FACTS(text) normalise(name, text, strlen(text), SQL_POSTGRESQL, false, &facts)
	(void)unused;
	FACTS("SELECT a FROM t");
	assert_false(facts.control);
	FACTS("  begin isolation level serializable");
	assert_true(facts.control);
}

/* Values of every kind, cut after every byte. */
static void test_cut_shows_no_value(void **unused)
{
	static const char *const statements[] = {
	    "SELECT a FROM t WHERE b = 'hunter2''hunter2' AND c = 'hunter2'",
	    "INSERT INTO t (a, b) VALUES ('hunter2', E'hunter2'), (E'hunter2\\'hunter2', N'hunter2')",
	    "SELECT a FROM t WHERE b IN ('hunter2', 'hunter2', 'hunter2') ORDER BY a -- hunter2",
	    "SELECT /* hunter2 */ a FROM t WHERE b = X'hunter2' AND c = U&'hunter2'",
	};
	static const char *const dollars[] = {"SELECT $$hunter2$$, $hunter2$hunter2$hunter2$ FROM t",
					      "SELECT $a$ $hunter2$ $a$ FROM t"};
	char name[PROTO_OPERATION_BYTES];
	struct sql_facts facts;

	(void)unused;
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		for (size_t len = 0; len <= strlen(statements[i]); len++) {
			for (int cut = 0; cut < 2; cut++) {
				normalise(name, statements[i], len, SQL_MYSQL, cut, &facts);
				assert_null(strstr(name, "hunt"));
				normalise(name, statements[i], len, SQL_POSTGRESQL, cut, &facts);
				assert_null(strstr(name, "hunt"));
				assert_true(!cut || strstr(name, TEXT_ELLIPSIS));
			}
		}
	}
	for (size_t i = 0; i < sizeof(dollars) / sizeof(dollars[0]); i++) {
		for (size_t len = 0; len <= strlen(dollars[i]); len++) {
			normalise(name, dollars[i], len, SQL_POSTGRESQL, true, &facts);
			assert_null(strstr(name, "hunt"));
		}
	}
}

/* A capture of 256 bytes ends elsewhere in each call of one statement, as its values differ in length: the
 * names are as few as the clauses. */
static void test_cut_has_few_names(void **unused)
{
	char text[1024], names[8][PROTO_OPERATION_BYTES], name[PROTO_OPERATION_BYTES];
	struct sql_facts facts;
	size_t n = 0;

	(void)unused;
	for (int len = 0; len < 250; len++) {
		size_t i;

		sprintf(
		    text, "UPDATE t SET a = '%.*s', b = '%.*s', c = %d WHERE d = '%.*s' AND e = 'y' %0300d",
		    len,
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		    len % 70,
		    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy", len,
		    len % 30, "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", 7);
		normalise(name, text, 256, SQL_MYSQL, true, &facts);
		for (i = 0; i < n && strcmp(names[i], name); i++)
			;
		if (i == n) {
			assert_true(n < 4);
			strcpy(names[n++], name);
		}
	}
	assert_int_equal(n, 2);
}

static void test_long(void **unused)
{
	char text[4096], name[PROTO_OPERATION_BYTES];
	struct sql_facts facts;
	size_t len = 0;

	(void)unused;
	len += (size_t)sprintf(text, "SELECT a FROM t WHERE b IN (");
	while (len < 4000)
		len += (size_t)sprintf(text + len, "%zu, ", len);
	len += (size_t)sprintf(text + len, "1) AND c = 2");
	normalise(name, text, len, SQL_POSTGRESQL, false, &facts);
	assert_string_equal(name, "SELECT a FROM t WHERE b IN (?) AND c = ?");

	len = (size_t)sprintf(text, "SELECT ");
	while (len < 4000)
		len += (size_t)sprintf(text + len, "caf\xc3\xa9_%zu, ", len);
	normalise(name, text, len, SQL_POSTGRESQL, false, &facts);
	assert_true(strlen(name) < sizeof(name));
	assert_string_equal(name + strlen(name) - 3, TEXT_ELLIPSIS);

	memset(text, '(', sizeof(text));
	normalise(name, text, sizeof(text), SQL_MYSQL, false, &facts);
	memset(text, ')', sizeof(text));
	normalise(name, text, sizeof(text), SQL_MYSQL, true, &facts);
}

static void test_sniff(void **unused)
{
	(void)unused;
#define SNIFF(text) sql_sniff((const uint8_t *)(text), strlen(text))
	assert_true(SNIFF("SELECT 1"));
	assert_true(SNIFF("  (select 1)"));
	assert_true(SNIFF("/* hint */ SELECT"));
	assert_true(SNIFF("commit"));
	assert_true(SNIFF("BEGIN;"));
	assert_false(SNIFF("selection"));
	assert_false(SNIFF("hello world"));
	assert_false(SNIFF(""));
	assert_false(SNIFF("\x01\x02"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both),
	    cmocka_unit_test(test_mysql),
	    cmocka_unit_test(test_postgresql),
	    cmocka_unit_test(test_facts),
	    cmocka_unit_test(test_cut_shows_no_value),
	    cmocka_unit_test(test_cut_has_few_names),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_sniff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
