/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.c - the document as JSON, as it comes: nothing is kept back. One line per field, row and tree node.
 *
 * Invariant: always valid UTF-8 and valid JSON, whatever the texts hold; bad bytes become U+FFFD.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/out/format.h"
#include "analyzer/out/utf8.h"
#include "analyzer/vec.h"

/* Beyond this depth lines are not indented any more, so that a deep tree stays linear in size. */
#define INDENT_MAX 24u

struct level {
	bool list;
	bool filled; /* has an item: the next one needs a comma */
	bool tree;   /* a place for one root node, no brackets */
};

struct json {
	VEC(struct level) levels;
	unsigned int skipped; /* levels that are text only, and those inside them */
	const struct out_column *columns;
	unsigned int column_count;
};

static int json_open(struct out *o)
{
	o->state = calloc(1, sizeof(struct json));
	return o->state ? 0 : -ENOMEM;
}

static void json_close(struct out *o)
{
	struct json *j = o->state;

	fputc('\n', o->to);
	vec_free(&j->levels);
	free(j);
}

static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_string(FILE *to, const char *text, size_t len)
{
	const char *end = text + len, *start;
	uint32_t code;

	fputc('"', to);
	while (text < end) {
		for (start = text; text < end && is_plain(*text);)
			text++;
		fwrite(start, 1, (size_t)(text - start), to);
		if (text == end)
			break;
		start = text;
		code = utf8_next(&text);
		if (text > end || code == UTF8_BAD)
			fputs("\xef\xbf\xbd", to);
		else if (code == '"' || code == '\\')
			fprintf(to, "\\%c", (int)code);
		else if (code == '\n')
			fputs("\\n", to);
		else if (!utf8_printable(code) && code <= 0xffff)
			fprintf(to, "\\u%04x", (unsigned int)code);
		else
			fwrite(start, 1, (size_t)(text - start), to);
	}
	fputc('"', to);
}

static void put_words(FILE *to, const char *words)
{
	const char *separator = "";

	fputc('[', to);
	while (*words) {
		size_t len = strcspn(words, " ");

		if (len) {
			fputs(separator, to);
			put_string(to, words, len);
			separator = ", ";
		}
		words += len;
		words += strspn(words, " ");
	}
	fputc(']', to);
}

/* Most of what is printed; printf would cost more than all the rest. */
static void put_count(FILE *to, uint64_t count)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + count % 10);
		count /= 10;
	} while (count);
	fwrite(digits + at, 1, sizeof(digits) - at, to);
}

/* The shortest text that reads back as the same double. */
static void put_number(FILE *to, double number)
{
	char text[40];

	if (!isfinite(number)) {
		fputs("null", to);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	fputs(text, to);
}

static void put_value(FILE *to, struct out_value value)
{
	switch (value.type) {
	case OUT_TEXT:
		put_string(to, value.text, strlen(value.text));
		break;
	case OUT_WORDS:
		put_words(to, value.text);
		break;
	case OUT_OFFSET:
		fprintf(to, "%" PRId64, (int64_t)value.count);
		break;
	case OUT_COUNT:
	case OUT_NS:
	case OUT_TIME:
	case OUT_BYTES:
		put_count(to, value.count);
		break;
	case OUT_NUMBER:
		put_number(to, value.number);
		break;
	case OUT_PROBABILITY:
		fprintf(to, "%.6g", isfinite(value.number) ? value.number : 0);
		break;
	case OUT_CID:
		fprintf(to, "\"%016" PRIx64 "\"", value.count);
		break;
	case OUT_BOOL:
		fputs(value.truth ? "true" : "false", to);
		break;
	case OUT_NULL:
	case OUT_ABSENT:
		fputs("null", to);
		break;
	}
}

static void new_line(struct json *j, FILE *to)
{
	fputc('\n', to);
	for (size_t i = 0; i < j->levels.count && i < INDENT_MAX; i++)
		fputs("  ", to);
}

/* Comma, line and key before an item. False: the item has no place in JSON. */
static bool begin_item(struct out *o, const char *key)
{
	struct json *j = o->state;
	struct level *level;

	if (j->skipped)
		return false;
	if (!j->levels.count)
		return true;
	level = vec_last(&j->levels);
	if (!level->list && !key)
		return false;
	if (level->filled)
		fputc(',', o->to);
	level->filled = true;
	new_line(j, o->to);
	if (!level->list) {
		put_string(o->to, key, strlen(key));
		fputs(": ", o->to);
	}
	return true;
}

static void level_begin(struct out *o, const char *key, bool list)
{
	struct json *j = o->state;

	if (!begin_item(o, key)) {
		j->skipped++;
		return;
	}
	fputc(list ? '[' : '{', o->to);
	if (vec_push(&j->levels, (struct level){.list = list})) {
		out_fail(o, -ENOMEM);
		j->skipped++;
	}
}

static void level_end(struct out *o)
{
	struct json *j = o->state;
	struct level level;

	if (j->skipped) {
		j->skipped--;
		return;
	}
	if (!j->levels.count)
		return;
	level = *vec_last(&j->levels);
	j->levels.count--;
	if (level.filled)
		new_line(j, o->to);
	fputc(level.list ? ']' : '}', o->to);
}

static void json_object_begin(struct out *o, const char *key, const char *title)
{
	(void)title;
	level_begin(o, key, false);
}

static void json_list_begin(struct out *o, const char *key, const char *title)
{
	(void)title;
	level_begin(o, key, true);
}

static void json_field(struct out *o, const char *key, const char *title, struct out_value value)
{
	(void)title;
	if (value.type != OUT_ABSENT && begin_item(o, key))
		put_value(o->to, value);
}

/* The members of a row or node, without braces. */
static void put_members(struct out *o, const struct out_value *values)
{
	const struct json *j = o->state;
	const char *nest = NULL, *separator = "";
	size_t nest_len = 0;

	for (unsigned int i = 0; i < j->column_count; i++) {
		const char *key = j->columns[i].key, *dot;

		if (!key || values[i].type == OUT_ABSENT)
			continue;
		dot = strchr(key, '.');
		if (nest && !(dot && (size_t)(dot - key) == nest_len && !memcmp(nest, key, nest_len))) {
			fputc('}', o->to);
			nest = NULL;
		}
		fputs(separator, o->to);
		if (dot && !nest) {
			nest = key;
			nest_len = (size_t)(dot - key);
			put_string(o->to, key, nest_len);
			fputs(": {", o->to);
		}
		key = dot ? dot + 1 : key;
		put_string(o->to, key, strlen(key));
		fputs(": ", o->to);
		put_value(o->to, values[i]);
		separator = ", ";
	}
	if (nest)
		fputc('}', o->to);
}

static void json_table_begin(struct out *o, const char *key, const char *title,
			     const struct out_column *columns, unsigned int n)
{
	struct json *j = o->state;

	(void)title;
	j->columns = columns;
	j->column_count = n;
	level_begin(o, key, true);
}

static void json_row(struct out *o, const struct out_value *values)
{
	if (!begin_item(o, NULL))
		return;
	fputc('{', o->to);
	put_members(o, values);
	fputc('}', o->to);
}

/* A tree is its root node; the level that stands for the place of the root is no list and prints nothing. */
static void json_tree_begin(struct out *o, const char *key, const char *title,
			    const struct out_column *columns, unsigned int n)
{
	struct json *j = o->state;

	(void)title;
	j->columns = columns;
	j->column_count = n;
	if (!begin_item(o, key) || vec_push(&j->levels, (struct level){.list = true, .tree = true}))
		j->skipped++;
}

static void json_node_begin(struct out *o, const struct out_value *values)
{
	struct json *j = o->state;
	struct level *level;

	if (j->skipped) {
		j->skipped++;
		return;
	}
	level = vec_last(&j->levels);
	if (level->filled)
		fputc(',', o->to);
	if (level->filled || !level->tree)
		new_line(j, o->to);
	level->filled = true;
	fputc('{', o->to);
	put_members(o, values);
	fputs(", \"children\": [", o->to);
	if (vec_push(&j->levels, (struct level){.list = true})) {
		out_fail(o, -ENOMEM);
		j->skipped++;
	}
}

static void json_node_end(struct out *o)
{
	struct json *j = o->state;

	if (j->skipped) {
		j->skipped--;
		return;
	}
	j->levels.count--;
	fputs("]}", o->to);
}

static void json_tree_end(struct out *o)
{
	struct json *j = o->state;

	if (j->skipped) {
		j->skipped--;
		return;
	}
	if (!vec_last(&j->levels)->filled)
		fputs("null", o->to);
	j->levels.count--;
}

const struct out_format out_format_json = {
    .name = "json",
    .open = json_open,
    .close = json_close,
    .object_begin = json_object_begin,
    .object_end = level_end,
    .field = json_field,
    .list_begin = json_list_begin,
    .list_end = level_end,
    .table_begin = json_table_begin,
    .row = json_row,
    .table_end = level_end,
    .tree_begin = json_tree_begin,
    .node_begin = json_node_begin,
    .node_end = json_node_end,
    .tree_end = json_tree_end,
};
