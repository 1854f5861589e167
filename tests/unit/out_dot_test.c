/* SPDX-License-Identifier: Apache-2.0 */
/* out_dot_test.c - graphs: exact dot, hostile texts, formats that do not draw, and pictures where Graphviz
 * is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/out/out.h"

/* Prints a document into memory, which the caller frees. */
static char *printed(const char *format, void (*document)(struct out *o))
{
	char *text = NULL, *copy;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	struct out *o = out_open(format, to);

	assert_non_null(o);
	document(o);
	assert_int_equal(out_close(o), 0);
	fclose(to);
	copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy, text, len + 1);
	free(text);
	return copy;
}

static void say_graph(struct out *o)
{
	static const struct out_column columns[] = {{"name", "name", OUT_TEXT}};

	out_object_begin(o, NULL, NULL);
	out_field(o, "schema", NULL, out_text("dprof.test/1"));
	out_table_begin(o, "rows", "rows", columns, 1);
	out_row(o, (const struct out_value[]){out_text("a row")});
	out_table_end(o);
	out_graph_begin(o, "a graph");
	out_group_begin(o, "host");
	out_vertex(o, &(struct out_vertex){.number = 7, .label = "one", .detail = "two\tlines"});
	out_group_end(o);
	out_vertex(o, &(struct out_vertex){.number = 8, .label = "other", .tone = OUT_TONE_FAINT});
	out_arc(o,
		&(struct out_arc){.from = 7, .to = 8, .label = "short\nlines", .hint = "long", .width = 100});
	out_arc(o, &(struct out_arc){.from = 8, .to = 8, .label = "", .width = 7777, .tone = OUT_TONE_ALERT});
	out_graph_end(o);
	out_object_end(o);
}

/* The graph without its first lines, which say how all of it looks. */
static const char *behind_styles(const char *dot)
{
	const char *at = strstr(dot, "\tedge [");

	assert_non_null(at);
	at = strstr(at, "];\n");
	assert_non_null(at);
	return at + 3;
}

static void test_dot(void **state)
{
	char *dot = printed("dot", say_graph);

	(void)state;
	assert_non_null(strstr(dot, "label=\"a graph\"];\n"));
	assert_null(strstr(dot, "a row"));
	assert_string_equal(
	    behind_styles(dot),
	    "\tsubgraph cluster_0 {\n"
	    "\t\tgraph [style=\"rounded,filled\", color=\"#cbd5e0\", fillcolor=\"#f4f6f9\", "
	    "label=\"host\"];\n"
	    "\t\tv7 [label=\"one\\ntwo\\\\tlines\", tooltip=\"one\"];\n"
	    "\t}\n"
	    "\tv8 [label=\"other\", tooltip=\"other\", style=\"rounded,dashed\", fontcolor=\"#4a5568\"];\n"
	    "\tv7 -> v8 [label=\"short\\nlines\", tooltip=\"long\", penwidth=3.2];\n"
	    "\tv8 -> v8 [label=\"\", tooltip=\"\", penwidth=3.2, color=\"#f0a0a0\", fontcolor=\"#a01c1c\"];\n"
	    "}\n");
	free(dot);
}

/* What ends the string, the label, the element; what the label language reads; what no terminal sees. */
static const char hostile[] = "\"];}<b>\\N\\\"&quot;&\x1b[31m\xff\xe2\x80\xae";

static void say_hostile(struct out *o)
{
	char wide[400];

	for (size_t i = 0; i + 3 < sizeof(wide); i += 2)
		memcpy(wide + i, "\xc3\xa9", 3);
	out_graph_begin(o, hostile);
	out_group_begin(o, hostile);
	out_vertex(o, &(struct out_vertex){.number = 1, .label = hostile, .detail = wide});
	out_group_end(o);
	out_arc(o, &(struct out_arc){.from = 1, .to = 1, .label = hostile, .hint = hostile});
	out_graph_end(o);
}

static void test_hostile_texts(void **state)
{
	static const char escaped[] = "\\\"];}<b>\\\\N\\\\\\\"&amp;quot;&amp;\\\\x1b[31m\\\\xff\\\\u202e";
	char *dot = printed("dot", say_hostile), cut[200] = "\"";
	unsigned int seen = 0;

	(void)state;
	for (const char *at = dot; (at = strstr(at, escaped)); at++)
		seen++;
	assert_int_equal(seen, 6); /* title, group, label and tooltip of both */
	assert_null(strchr(dot, '\x1b'));
	assert_null(strchr(dot, '\xff'));
	for (int i = 0; i < 48; i++)
		strcat(cut, "\xc3\xa9");
	assert_null(strstr(dot, cut)); /* it is not the beginning of the label */
	cut[0] = 'n';
	strcat(cut, "…\"");
	assert_non_null(strstr(dot, cut));
	free(dot);
}

static void test_others_leave_it_out(void **state)
{
	char *text = printed("text", say_graph), *json = printed("json", say_graph);

	(void)state;
	assert_string_equal(text, "rows\n  name\n  a row\n");
	assert_null(strstr(json, "graph"));
	assert_false(out_draws("text") || out_draws("json") || out_draws("xml"));
	assert_true(out_draws("dot") && out_draws("svg") && out_draws("png"));
	assert_true(out_binary("png"));
	assert_false(out_binary("svg"));
	free(text);
	free(json);
}

static const struct out_column tree_columns[] = {{NULL, "call", OUT_TEXT},   {NULL, "host", OUT_TEXT},
						 {NULL, "total", OUT_NS},    {"hidden", NULL, OUT_NS},
						 {NULL, "bytes", OUT_BYTES}, {NULL, "", OUT_TEXT}};

static void node(struct out *o, const char *name, uint64_t ns)
{
	out_node_begin(o, (const struct out_value[]){out_text(name), out_text("web"), out_ns(ns), out_ns(1),
						     ns ? out_bytes(ns) : out_null(), out_text("")});
}

static void say_trees(struct out *o)
{
	out_object_begin(o, NULL, NULL);
	out_tree_begin(o, "root", NULL, tree_columns, 6); /* for programs */
	node(o, "unseen", 1);
	out_node_end(o);
	out_tree_end(o);
	for (int i = 0; i < 2; i++) {
		out_tree_begin(o, NULL, "a \"tree\"", tree_columns, 6);
		node(o, "root\\", 1500);
		node(o, "first", 0);
		out_node_end(o);
		node(o, "second", 7);
		out_node_end(o);
		out_node_end(o);
		out_tree_end(o);
	}
	out_object_end(o);
}

static void test_trees(void **state)
{
	char *dot = printed("dot", say_trees);

	(void)state;
	assert_null(strstr(dot, "unseen"));
	assert_null(strstr(dot, "hidden"));
	assert_null(strstr(behind_styles(dot), "digraph")); /* one graph for all */
	assert_non_null(
	    strstr(dot, "label=\"a \\\"tree\\\"\"];\n"
			"\t\tgraph [ordering=out];\n"
			"\t\tt0 [label=\"root\\\\\\nweb\\ntotal 1.50 µs\", tooltip=\"bytes 1.46 KiB\"];\n"
			"\t\tt1 [label=\"first\\nweb\\ntotal 0 ns\", tooltip=\"\"];\n"
			"\t\tt2 [label=\"second\\nweb\\ntotal 7 ns\", tooltip=\"bytes 7 B\"];\n"
			"\t\tt0 -> t2;\n"
			"\t\tt0 -> t1;\n"
			"\t}\n"
			"\tsubgraph cluster_1 {\n"));
	assert_non_null(strstr(dot, "\t\tt3 -> t5;\n\t\tt3 -> t4;\n\t}\n}\n"));
	free(dot);
}

/* Wider and deeper than can be laid out. */
static void say_large_tree(struct out *o)
{
	out_tree_begin(o, NULL, "large", tree_columns, 6);
	for (int i = 0; i < 100000; i++)
		node(o, "n", 1);
	for (int i = 0; i < 100000; i++)
		out_node_end(o);
	out_tree_end(o);
}

static void test_large_tree(void **state)
{
	char *dot = printed("dot", say_large_tree);

	(void)state;
	assert_non_null(strstr(dot, "t998 -> t999;"));
	assert_null(strstr(dot, "t1000"));
	assert_non_null(strstr(dot, "label=\"99000 more are not drawn\""));
	free(dot);
}

static void test_lacks(void **state)
{
	char *path = strdup(getenv("PATH"));

	(void)state;
	setenv("PATH", "/nowhere:", 1);
	assert_null(out_lacks("text"));
	assert_null(out_lacks("dot"));
	assert_string_equal(out_lacks("svg"), "dot");
	setenv("PATH", path, 1);
	free(path);
}

static void test_pictures(void **state)
{
	char *svg, *png;

	(void)state;
	if (out_lacks("svg"))
		skip();
	svg = printed("svg", say_hostile);
	assert_non_null(strstr(svg, "<svg "));
	assert_non_null(strstr(svg, "</svg>"));
	assert_non_null(strstr(svg, "&lt;b&gt;\\N")); /* as it was, and not the name of the node */
	png = printed("png", say_graph);
	assert_memory_equal(png, "\x89PNG", 4);
	free(svg);
	free(png);
}

static void test_full_disk(void **state)
{
	FILE *to = fopen("/dev/full", "w");
	struct out *o = out_open("dot", to);

	(void)state;
	say_graph(o);
	assert_int_equal(out_close(o), -ENOSPC);
	fclose(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dot),
	    cmocka_unit_test(test_hostile_texts),
	    cmocka_unit_test(test_others_leave_it_out),
	    cmocka_unit_test(test_trees),
	    cmocka_unit_test(test_large_tree),
	    cmocka_unit_test(test_lacks),
	    cmocka_unit_test(test_pictures),
	    cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
