/* SPDX-License-Identifier: Apache-2.0 */
/* opt_test.c - the command line: what is taken, what is refused, and that table, --help and man page agree.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/err.h"
#include "analyzer/opt.h"

#define MAN_PAGE "analyzer/dprof-analyze.1"

/* Parses a command line given as words; the words stay valid. */
static int parse(struct options *o, char **words)
{
	int count = 0;

	while (words[count])
		count++;
	return opt_parse(o, count, words);
}

#define PARSE(o, ...) parse(o, (char *[]){"dprof-analyze", __VA_ARGS__, NULL})

static void test_default_command(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "a.zst", "b"), 0);
	assert_ptr_equal(o.command, &opt_commands[0]);
	assert_string_equal(o.format, "text");
	assert_int_equal(o.path_count, 2);
	assert_string_equal(o.paths[0], "a.zst");
	assert_string_equal(o.paths[1], "b");
	assert_false(o.quiet);
	assert_null(o.output);
}

static void test_options_anywhere(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "--format", "json", "dump", "-q", "d", "-o", "out", "e"), 0);
	assert_string_equal(o.command->name, "dump");
	assert_string_equal(o.format, "json");
	assert_string_equal(o.output, "out");
	assert_true(o.quiet);
	assert_int_equal(o.path_count, 2);
	assert_string_equal(o.paths[1], "e");
}

static void test_refused(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "dump"), -EINVAL);
	assert_int_equal(PARSE(&o, "dump", "--format=xml", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "dump", "--format"), -EINVAL);
	assert_int_equal(PARSE(&o, "dump", "--no-such-option", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "dump", "-x", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "dump", "--output=", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "dump", "info"), -EINVAL);
	assert_int_equal(PARSE(&o, "dump", "./info"), 0);
	assert_int_equal(PARSE(&o, "d", "dump"), -EINVAL);
	assert_int_equal(PARSE(&o, "dump", "--slowest=3", "d"), -EINVAL);
}

static void test_tree_options(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "tree", "--slowest=3", "--cid=00fFab", "--op=GET /x", "d"), 0);
	assert_true(o.tree.has_slowest && o.tree.has_cid);
	assert_int_equal(o.tree.slowest, 3);
	assert_int_equal(o.tree.cid, 0xffab);
	assert_string_equal(o.tree.operation, "GET /x");
	assert_int_equal(PARSE(&o, "tree", "d"), 0);
	assert_false(o.tree.has_slowest || o.tree.has_cid || o.tree.operation);
	assert_int_equal(PARSE(&o, "tree", "--slowest=-1", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "tree", "--slowest=3x", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "tree", "--slowest=99999999999999999999", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "tree", "--cid=xyz", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "tree", "--cid=0x12", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "tree", "--op=", "d"), -EINVAL);
}

static void test_map_options(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "map", "d"), 0);
	assert_int_equal(o.map.by, MAP_BY_SERVICE);
	assert_int_equal(o.map.peers, MAP_PEERS_DEFAULT);
	assert_int_equal(PARSE(&o, "map", "--by=process", "--peers=0", "--format=dot", "d"), 0);
	assert_int_equal(o.map.by, MAP_BY_PROCESS);
	assert_int_equal(o.map.peers, 0);
	assert_int_equal(PARSE(&o, "map", "--by=host", "--peers=99999999999", "d"), 0);
	assert_int_equal(o.map.by, MAP_BY_HOST);
	assert_int_equal(o.map.peers, UINT32_MAX);
	assert_int_equal(PARSE(&o, "map", "--by=", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "map", "--peers=-1", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "tree", "--by=host", "d"), -EINVAL);
	assert_int_equal(PARSE(&o, "report", "--format=dot", "d"), -EINVAL); /* has no graph */
	assert_int_equal(PARSE(&o, "--format=svg", "d"), -EINVAL);
}

static void test_help_needs_no_dump(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "--help"), 0);
	assert_true(o.help);
	assert_null(o.command);
	assert_int_equal(PARSE(&o, "dump", "-h"), 0);
	assert_string_equal(o.command->name, "dump");
	assert_int_equal(PARSE(&o, "-V"), 0);
	assert_true(o.version);
}

/* ---- table, help, man page ---- */

/* A man page without its macros, backslashes and quotes: words separated by single blanks. */
static char *read_plain(const char *path)
{
	static char text[65536];
	FILE *from = fopen(path, "r");
	size_t len = 0;
	int c;

	assert_non_null(from);
	while ((c = fgetc(from)) != EOF && len + 1 < sizeof(text)) {
		if (c == '\\' || c == '"')
			continue;
		if (strchr("\n\t ", c)) {
			if (len && text[len - 1] != ' ')
				text[len++] = ' ';
		} else {
			text[len++] = (char)c;
		}
	}
	text[len] = 0;
	fclose(from);
	return text;
}

static void test_man_page_has_every_row(void **state)
{
	const char *man = read_plain(MAN_PAGE);
	char want[400];

	(void)state;
	for (const struct opt_command *c = opt_commands; c->name; c++) {
		snprintf(want, sizeof(want), ".B %s %s .", c->name, c->text);
		if (!strstr(man, want))
			fail_msg("%s has not: %s", MAN_PAGE, want);
	}
	for (const struct opt *o = opts; o->name; o++) {
		snprintf(want, sizeof(want), "--%s%s %s%s%s .", o->name, o->value ? "=" : "",
			 o->value ? o->value : "", o->value ? " " : "", o->text);
		if (!strstr(man, want))
			fail_msg("%s has not: %s", MAN_PAGE, want);
	}
}

static void test_man_page_has_no_other_option(void **state)
{
	const char *man = read_plain(MAN_PAGE);
	const char *end = strstr(man, ".SH OUTPUT");

	(void)state;
	assert_non_null(end);
	for (const char *at = man; (at = strstr(at, "--")) && at < end; at += 2) {
		size_t len = strcspn(at + 2, " =");
		bool known = false;

		for (const struct opt *o = opts; o->name; o++)
			known |= strlen(o->name) == len && !memcmp(o->name, at + 2, len);
		if (!known)
			fail_msg("%s has --%.*s, the table has not", MAN_PAGE, (int)len, at + 2);
	}
}

static void test_formats_are_documented(void **state)
{
	(void)state;
	for (const char *const *format = out_formats; *format; format++) {
		if (!strstr(opts[0].text, *format))
			fail_msg("--%s does not speak of %s", opts[0].name, *format);
	}
}

static void test_help_has_every_row(void **state)
{
	char *text = NULL, want[400];
	size_t len;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	opt_help(to, NULL);
	fclose(to);
	for (const struct opt_command *c = opt_commands; c->name; c++) {
		assert_non_null(strstr(text, c->text));
		assert_true(strlen(c->text) < 90);
	}
	for (const struct opt *o = opts; o->name; o++) {
		snprintf(want, sizeof(want), "--%s", o->name);
		assert_non_null(strstr(text, want));
		assert_non_null(strstr(text, o->text));
	}
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 120);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_default_command),
	    cmocka_unit_test(test_options_anywhere),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_tree_options),
	    cmocka_unit_test(test_map_options),
	    cmocka_unit_test(test_help_needs_no_dump),
	    cmocka_unit_test(test_man_page_has_every_row),
	    cmocka_unit_test(test_man_page_has_no_other_option),
	    cmocka_unit_test(test_formats_are_documented),
	    cmocka_unit_test(test_help_has_every_row),
	};

	err_be_quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
