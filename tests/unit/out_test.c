/* SPDX-License-Identifier: Apache-2.0 */
/* out_test.c - the formats: exact text and JSON of one document, odd values, and a stream that fails. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/out/out.h"
#include "analyzer/out/units.h"
#include "analyzer/out/utf8.h"

static const struct out_column columns[] = {
    {"name", "name", OUT_TEXT}, {"total_ns.p50", "p50", OUT_NS}, {"total_ns.p99", "p99", OUT_NS},
    {"bytes", NULL, OUT_BYTES}, {NULL, "remark", OUT_TEXT},
};

/* Prints a document into memory, which the caller frees. */
static char *printed(const char *format, void (*document)(struct out *o))
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	struct out *o = out_open(format, to);

	assert_non_null(o);
	document(o);
	assert_int_equal(out_close(o), 0);
	fclose(to);
	return text;
}

static void assert_printed(const char *format, void (*document)(struct out *o), const char *want)
{
	char *text = printed(format, document);

	assert_string_equal(text, want);
	free(text);
}

static void row(struct out *o, const char *name, uint64_t ns)
{
	const struct out_value values[] = {out_text(name), out_ns(ns), ns % 2 ? out_ns(ns) : out_absent(),
					   out_bytes(ns), out_text(ns % 2 ? "odd" : "")};

	out_row(o, values);
}

static void say_everything(struct out *o)
{
	out_object_begin(o, NULL, NULL);
	out_field(o, "schema", NULL, out_text("dprof.test/1"));
	out_field(o, "flags", "flags", out_words(" a  b "));
	out_field(o, "sure", "surety", out_probability(0.99999));
	out_field(o, NULL, "remark", out_text("for people"));
	out_table_begin(o, "rows", "rows", columns, 5);
	row(o, "a", 1500);
	row(o, "b\n\x1b[31m\xff\xc3\xa9", 999);
	out_table_end(o);
	out_table_begin(o, "none", "nothing", columns, 5);
	out_table_end(o);
	out_table_begin(o, "hidden", NULL, columns, 5);
	row(o, "c", 1);
	out_table_end(o);
	out_object_begin(o, NULL, "not in JSON");
	out_field(o, "x", "x", out_count(1));
	out_object_end(o);
	out_list_begin(o, "list", "list");
	for (int i = 0; i < 2; i++) {
		out_object_begin(o, NULL, NULL);
		out_field(o, "cid", "cid", out_cid(255));
		out_field(o, "known", "known", out_bool(i));
		out_object_end(o);
	}
	out_list_end(o);
	out_object_end(o);
}

static void test_text(void **state)
{
	(void)state;
	assert_printed("text", say_everything,
		       "flags    a  b \n"
		       "surety  >99.99 %\n"
		       "remark  for people\n"
		       "\n"
		       "rows\n"
		       "  name                  p50     p99  remark\n"
		       "  a                 1.50 µs\n"
		       "  b\\n\\x1b[31m\\xffé   999 ns  999 ns  odd\n"
		       "\n"
		       "nothing\n"
		       "  none\n"
		       "\n"
		       "not in JSON\n"
		       "  x  1\n"
		       "\n"
		       "list\n"
		       "  cid    00000000000000ff\n"
		       "  known  no\n"
		       "\n"
		       "  cid    00000000000000ff\n"
		       "  known  yes\n");
}

static void test_json(void **state)
{
	(void)state;
	assert_printed(
	    "json", say_everything,
	    "{\n"
	    "  \"schema\": \"dprof.test/1\",\n"
	    "  \"flags\": [\"a\", \"b\"],\n"
	    "  \"sure\": 0.99999,\n"
	    "  \"rows\": [\n"
	    "    {\"name\": \"a\", \"total_ns\": {\"p50\": 1500}, \"bytes\": 1500},\n"
	    "    {\"name\": \"b\\n\\u001b[31m\xef\xbf\xbd\xc3\xa9\", \"total_ns\": {\"p50\": 999, \"p99\": "
	    "999}, \"bytes\": 999}\n"
	    "  ],\n"
	    "  \"none\": [],\n"
	    "  \"hidden\": [\n"
	    "    {\"name\": \"c\", \"total_ns\": {\"p50\": 1, \"p99\": 1}, \"bytes\": 1}\n"
	    "  ],\n"
	    "  \"list\": [\n"
	    "    {\n"
	    "      \"cid\": \"00000000000000ff\",\n"
	    "      \"known\": false\n"
	    "    },\n"
	    "    {\n"
	    "      \"cid\": \"00000000000000ff\",\n"
	    "      \"known\": true\n"
	    "    }\n"
	    "  ]\n"
	    "}\n");
}

static void node(struct out *o, const char *name)
{
	const struct out_value values[] = {out_text(name), out_ns(7), out_null(), out_bytes(1), out_absent()};

	out_node_begin(o, values);
}

static void say_tree(struct out *o)
{
	out_object_begin(o, NULL, NULL);
	out_tree_begin(o, "root", "", columns, 5);
	node(o, "root");
	node(o, "first");
	node(o, "below");
	out_node_end(o);
	out_node_end(o);
	node(o, "second");
	node(o, "below");
	out_node_end(o);
	out_node_end(o);
	out_node_end(o);
	out_tree_end(o);
	out_tree_begin(o, "nobody", NULL, columns, 5);
	out_tree_end(o);
	out_object_end(o);
}

static void test_tree(void **state)
{
	(void)state;
	assert_printed("text", say_tree,
		       "name          p50  p99  remark\n"
		       "root         7 ns    -\n"
		       "├─ first     7 ns    -\n"
		       "│  └─ below  7 ns    -\n"
		       "└─ second    7 ns    -\n"
		       "   └─ below  7 ns    -\n");
	assert_printed(
	    "json", say_tree,
	    "{\n"
	    "  \"root\": {\"name\": \"root\", \"total_ns\": {\"p50\": 7, \"p99\": null}, \"bytes\": 1, "
	    "\"children\": [\n"
	    "      {\"name\": \"first\", \"total_ns\": {\"p50\": 7, \"p99\": null}, \"bytes\": 1, "
	    "\"children\": [\n"
	    "        {\"name\": \"below\", \"total_ns\": {\"p50\": 7, \"p99\": null}, \"bytes\": 1, "
	    "\"children\": []}]},\n"
	    "      {\"name\": \"second\", \"total_ns\": {\"p50\": 7, \"p99\": null}, \"bytes\": 1, "
	    "\"children\": [\n"
	    "        {\"name\": \"below\", \"total_ns\": {\"p50\": 7, \"p99\": null}, \"bytes\": 1, "
	    "\"children\": []}]}]},\n"
	    "  \"nobody\": null\n"
	    "}\n");
}

/* A tree as deep as a million calls stays linear in size and does not recurse. */
static void say_deep_tree(struct out *o)
{
	out_object_begin(o, NULL, NULL);
	out_tree_begin(o, "root", "", columns, 5);
	for (int i = 0; i < 200000; i++)
		node(o, "n");
	for (int i = 0; i < 200000; i++)
		out_node_end(o);
	out_tree_end(o);
	out_object_end(o);
}

static void test_deep_tree(void **state)
{
	char *text = printed("text", say_deep_tree), *json = printed("json", say_deep_tree);

	(void)state;
	assert_true(strlen(text) < 200000 * 800ul);
	assert_true(strlen(json) < 200000 * 200ul);
	free(text);
	free(json);
}

static void test_many_rows(void **state)
{
	(void)state;
	for (const char *const *format = out_formats; *format; format++) {
		FILE *to = fopen("/dev/null", "w");
		struct out *o = out_open(*format, to);

		out_object_begin(o, NULL, NULL);
		out_table_begin(o, "rows", "rows", columns, 5);
		for (int i = 0; i < 100000; i++)
			row(o, "a row", (uint64_t)i);
		out_table_end(o);
		out_object_end(o);
		assert_int_equal(out_close(o), 0);
		fclose(to);
	}
}

static void test_full_disk(void **state)
{
	FILE *to = fopen("/dev/full", "w");
	struct out *o = out_open("json", to);

	(void)state;
	say_everything(o);
	assert_int_equal(out_close(o), -ENOSPC);
	fclose(to);
}

static void test_unknown_format(void **state)
{
	(void)state;
	assert_null(out_open("xml", stdout));
}

static void assert_unit(struct out_value value, const char *want)
{
	char text[UNITS_TEXT_BYTES];

	units_print(text, value);
	assert_string_equal(text, want);
}

static void test_units(void **state)
{
	(void)state;
	assert_unit(out_ns(0), "0 ns");
	assert_unit(out_ns(999), "999 ns");
	assert_unit(out_ns(1000), "1.00 µs");
	assert_unit(out_ns(9994), "9.99 µs");
	assert_unit(out_ns(9996), "10.0 µs");
	assert_unit(out_ns(99960), "100 µs");
	assert_unit(out_ns(999600), "1.00 ms");
	assert_unit(out_ns(1234567890), "1.23 s");
	assert_unit(out_ns(86400ull * 1000000000), "86400 s");
	assert_unit(out_offset(0), "0 ns");
	assert_unit(out_offset(1500), "+1.50 µs");
	assert_unit(out_offset(-3600ll * 1000000000), "-3600 s");
	assert_unit(out_offset(INT64_MIN), "-9223372037 s");
	assert_unit(out_bytes(1023), "1023 B");
	assert_unit(out_bytes(1024), "1.00 KiB");
	assert_unit(out_bytes(4200), "4.10 KiB");
	assert_unit(out_bytes(UINT64_MAX), "16.0 EiB");
	assert_unit(out_time(1767225600123456789), "2026-01-01 00:00:00.123456");
	assert_unit(out_time(0), "1970-01-01 00:00:00.000000");
	assert_unit(out_probability(1), "100 %");
	assert_unit(out_probability(0.99999), ">99.99 %");
	assert_unit(out_probability(0.5), "50 %");
	assert_unit(out_number(0.0 / 0.0), "-");
	assert_unit(out_number(123.4), "123");
	assert_unit(out_null(), "-");
}

static void test_utf8(void **state)
{
	char to[200];

	(void)state;
	utf8_escape(to, sizeof(to), "a\xc0\xaf\xed\xa0\x80\xf5\xe2\x80\xae\xe2\x80");
	assert_string_equal(to, "a\\xc0\\xaf\\xed\\xa0\\x80\\xf5\\u202e\\xe2\\x80");
	utf8_escape(to, sizeof(to), "\x7f\xc2\x9b\xf0\x9f\x90\xa2");
	assert_string_equal(to, "\\x7f\\x9b\xf0\x9f\x90\xa2");
	assert_int_equal(utf8_escape(to, 4, "\xc3\xa9\xc3\xa9"), 2);
	assert_string_equal(to, "\xc3\xa9");
	assert_int_equal(utf8_width("a\xc3\xa9z"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text),	   cmocka_unit_test(test_json),
	    cmocka_unit_test(test_tree),	   cmocka_unit_test(test_deep_tree),
	    cmocka_unit_test(test_many_rows),	   cmocka_unit_test(test_full_disk),
	    cmocka_unit_test(test_unknown_format), cmocka_unit_test(test_units),
	    cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
