/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.c - a lexer of SQL that copies all but the values. Analyzer, any thread; pure.
 *
 * It knows tokens, not grammar: what is a value shows in its first bytes, so that a statement that is cut
 * at any byte gives the same tokens as the whole one up to there. Lists of values and repeated rows are
 * folded while they are written, because they are as long as the data.
 *
 * Invariant: no byte of a literal reaches the output; an unclosed literal runs to the end of the text.
 */
#include "sql.h"

#include <string.h>

#include "id.h"

#define WORK_BYTES 1024 /* folding needs more room than the result */
#define LEVELS	   16	/* parentheses that are folded; deeper ones are copied */

enum token {
	TOKEN_NONE,
	TOKEN_WORD,
	TOKEN_VALUE,
	TOKEN_STRING,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_COMMA,
	TOKEN_SIGN
};

/* One open parenthesis; level 0 is the statement. Positions are in the output. */
struct level {
	size_t start;	      /* of the parenthesis */
	size_t sibling_start; /* the last parenthesis closed in it */
	size_t sibling_end;
	size_t item; /* lists: the item that is being written, and the one before it */
	size_t before_start;
	size_t before_end;
	bool list;  /* IN (...) or [...]: as long as the data */
	bool after; /* it follows its sibling and a comma */
};

struct lexer {
	const struct sql_text *sql;
	size_t pos;
	struct text out;
	struct level level[LEVELS];
	size_t depth;
	enum token last;
	char sign;		 /* last byte of the last TOKEN_SIGN */
	bool gap;		 /* white space since the last token */
	bool in;		 /* the last word was IN */
	bool operand;		 /* the last word cannot be followed by a sign: it is no operand */
	bool rename, rename_all; /* the next name, or all names, are made up per use: savepoints, cursors */
	size_t words;
	size_t comma_at;
	size_t value_at;   /* where the first value stood; output before it depends on the statement only */
	size_t clause_end; /* of the last clause keyword */
	bool valued;
	struct sql_facts facts;
};

static const char *const verbs[] = {
    "select",  "insert",   "update",   "delete",   "replace",	 "begin",      "commit",  "rollback",
    "set",     "show",	   "with",     "call",	   "create",	 "drop",       "alter",	  "truncate",
    "start",   "use",	   "explain",  "describe", "desc",	 "lock",       "unlock",  "savepoint",
    "release", "copy",	   "values",   "table",	   "do",	 "load",       "grant",	  "revoke",
    "analyze", "vacuum",   "prepare",  "execute",  "deallocate", "declare",    "fetch",	  "close",
    "move",    "listen",   "unlisten", "notify",   "discard",	 "reset",      "end",	  "abort",
    "merge",   "optimize", "flush",    "kill",	   "check",	 "checkpoint", "refresh", "reindex",
    "cluster", "comment",  "rename",   "handler",  "xa",	 "import",     NULL};

static const char *const clauses[] = {"from",  "where", "set",	  "values", "value", "on",	  "join",
				      "order", "group", "having", "limit",  "union", "returning", NULL};

/* Words after which a minus belongs to the number. */
static const char *const before_operand[] = {
    "select", "where", "and",	   "or",  "not",  "limit", "offset", "between", "then",
    "else",   "when",  "case",	   "in",  "like", "by",	   "values", "set",	"return",
    "is",     "from",  "interval", "div", "mod",  "on",	   NULL};

/* A parenthesis with one of these holds a query, not a list. */
static const char *const queries[] = {"select", "with", "values", "table", NULL};

/* Statements whose names are made by drivers and numbered. */
static const char *const renaming[] = {"savepoint",  "release", "rollback", "fetch",	"move", "close",
				       "deallocate", "execute", "listen",   "unlisten", NULL};

static bool one_of(const uint8_t *word, size_t len, const char *const *list)
{
	char first = len ? (char)text_lower(word[0]) : 0;

	for (; *list; list++) {
		if (**list == first && text_is_word(word, len, *list))
			return true;
	}
	return false;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0;
}

static bool is_name_byte(uint8_t c)
{
	return text_is_letter(c) || text_is_digit(c) || c == '_' || c == '$' || c >= 0x80;
}

static uint8_t at(const struct lexer *x, size_t ahead)
{
	return x->pos + ahead < x->sql->len ? x->sql->bytes[x->pos + ahead] : 0;
}

/* White space and comments: moves on and says true if there was one. */
static bool skip_gap(struct lexer *x)
{
	const struct sql_text *s = x->sql;
	bool mysql = s->dialect == SQL_MYSQL;
	size_t nested = 0;

	if (is_space(at(x, 0))) {
		x->pos++;
		return true;
	}
	if ((at(x, 0) == '-' && at(x, 1) == '-' && (!mysql || is_space(at(x, 2)))) ||
	    (mysql && at(x, 0) == '#')) {
		while (x->pos < s->len && s->bytes[x->pos] != '\n')
			x->pos++;
		return true;
	}
	if (at(x, 0) != '/' || at(x, 1) != '*')
		return false;
	do {
		if (at(x, 0) == '/' && at(x, 1) == '*' && (!nested || !mysql)) {
			nested++;
			x->pos += 2;
		} else if (at(x, 0) == '*' && at(x, 1) == '/') {
			nested--;
			x->pos += 2;
		} else {
			x->pos++;
		}
	} while (nested && x->pos < s->len);
	if (x->pos > s->len)
		x->pos = s->len;
	return true;
}

static void put_gap(struct lexer *x)
{
	if (x->gap && x->out.len)
		text_char(&x->out, ' ');
	x->gap = false;
}

static struct level *level_now(struct lexer *x)
{
	return x->depth < LEVELS ? &x->level[x->depth] : NULL;
}

/* An item of a list is complete: drop it if it equals the one before. */
static void item_end(struct lexer *x)
{
	struct level *l = level_now(x);

	if (!l || !l->list || x->out.full || l->item > x->out.len)
		return;
	while (l->item < x->out.len && x->out.to[l->item] == ' ')
		l->item++;
	size_t len = x->out.len - l->item;

	if (l->before_end && len == l->before_end - l->before_start &&
	    !memcmp(x->out.to + l->item, x->out.to + l->before_start, len)) {
		text_back(&x->out, l->before_end);
		return;
	}
	l->before_start = l->item;
	l->before_end = x->out.len;
}

static void put_value(struct lexer *x, enum token kind)
{
	if (kind == TOKEN_STRING && x->last == TOKEN_STRING) {
		x->gap = false; /* 'a' 'b' is one literal */
		return;
	}
	if (!x->valued) {
		x->valued = true;
		x->value_at = x->out.len + (x->gap && x->out.len);
	}
	put_gap(x);
	text_char(&x->out, '?');
	x->last = kind;
}

/* A quoted run: the position after it, or the end of the text. A doubled quote stands for itself. */
static size_t quoted_end(const struct lexer *x, size_t from, uint8_t quote, bool backslash)
{
	const struct sql_text *s = x->sql;

	for (size_t i = from + 1; i < s->len; i++) {
		if (backslash && s->bytes[i] == '\\')
			i++;
		else if (s->bytes[i] == quote && i + 1 < s->len && s->bytes[i + 1] == quote)
			i++;
		else if (s->bytes[i] == quote)
			return i + 1;
	}
	return s->len;
}

static void put_string(struct lexer *x, size_t prefix, bool backslash)
{
	x->pos = quoted_end(x, x->pos + prefix, at(x, prefix), backslash);
	put_value(x, TOKEN_STRING);
}

/* $1, $$...$$, $tag$...$tag$; false if it is none. */
static bool put_dollar(struct lexer *x)
{
	const struct sql_text *s = x->sql;
	size_t n = 1;

	while (text_is_digit(at(x, n)))
		n++;
	if (n > 1) {
		x->pos += n;
		put_value(x, TOKEN_VALUE);
		return true;
	}
	while (at(x, n) != '$' && is_name_byte(at(x, n)))
		n++;
	if (x->pos + n < s->len && at(x, n) != '$')
		return false;
	n++;
	const uint8_t *tag = s->bytes + x->pos;
	size_t from = x->pos + n;

	x->pos = s->len;
	if (from < s->len) {
		const uint8_t *end = memmem(s->bytes + from, s->len - from, tag, n);

		if (end)
			x->pos = (size_t)(end - s->bytes) + n;
	}
	put_value(x, TOKEN_STRING);
	return true;
}

static void put_number(struct lexer *x)
{
	bool hex = at(x, 0) == '0' && (at(x, 1) == 'x' || at(x, 1) == 'X');

	while (x->pos < x->sql->len) {
		uint8_t c = at(x, 0);

		if (!hex && (c == 'e' || c == 'E') && (at(x, 1) == '-' || at(x, 1) == '+'))
			x->pos++;
		else if (!is_name_byte(c) && c != '.')
			break;
		x->pos++;
	}
	if (x->pos > x->sql->len)
		x->pos = x->sql->len;
	put_value(x, TOKEN_VALUE);
}

/* What the first words say of the whole. */
static void note_verb(struct lexer *x, const uint8_t *word, size_t len)
{
	static const char *const control[] = {"begin", "commit", "rollback", "start", "end", "abort", NULL};

	if (x->words == 1) {
		x->rename_all = one_of(word, len, renaming);
		x->rename = text_is_word(word, len, "declare") || text_is_word(word, len, "prepare");
		x->facts.control = one_of(word, len, control);
	} else {
		x->rename = false;
	}
}

/* NULL, TRUE and FALSE where a driver writes them for a parameter. */
static bool is_value_word(const struct lexer *x, const uint8_t *word, size_t len)
{
	if (x->last != TOKEN_OPEN && x->last != TOKEN_COMMA && !(x->last == TOKEN_SIGN && x->sign == '='))
		return false;
	return text_is_word(word, len, "null") || text_is_word(word, len, "true") ||
	       text_is_word(word, len, "false");
}

/* A prefix that belongs to a literal: E'', X'', B'', N'', U&'', _utf8mb4''. Length, 0 if it is none. */
static size_t literal_prefix(const struct lexer *x, size_t len)
{
	uint8_t first = text_lower(at(x, 0));

	if (at(x, len) == '\'') {
		if (len == 1 && strchr("exbn", first))
			return 1;
		if (x->sql->dialect == SQL_MYSQL && first == '_')
			return len;
	}
	if (len == 1 && first == 'u' && at(x, 1) == '&' && at(x, 2) == '\'')
		return 2;
	return 0;
}

static void put_word(struct lexer *x)
{
	const uint8_t *word = x->sql->bytes + x->pos;
	size_t len = 1;

	while (x->pos + len < x->sql->len && is_name_byte(word[len]))
		len++;
	size_t prefix = literal_prefix(x, len);

	if (prefix) {
		put_string(x, prefix, x->sql->backslash || text_lower(word[0]) == 'e');
		return;
	}
	x->pos += len;
	if (is_value_word(x, word, len)) {
		put_value(x, TOKEN_VALUE);
		return;
	}
	x->words++;
	bool rename = x->rename || x->rename_all;

	note_verb(x, word, len);
	if (level_now(x) && one_of(word, len, queries))
		level_now(x)->list = false;
	put_gap(x);
	id_replace_numbers(&x->out, word, len, rename);
	x->in = text_is_word(word, len, "in");
	x->operand = !one_of(word, len, before_operand);
	if (one_of(word, len, clauses))
		x->clause_end = x->out.len;
	x->last = TOKEN_WORD;
}

static void put_quoted_name(struct lexer *x)
{
	const uint8_t *name = x->sql->bytes + x->pos;
	size_t len = quoted_end(x, x->pos, name[0], false) - x->pos;

	x->words++;
	bool rename = x->rename || x->rename_all;

	note_verb(x, name, 0);
	put_gap(x);
	id_replace_numbers(&x->out, name, len, rename);
	x->pos += len;
	x->in = false;
	x->operand = true;
	x->last = TOKEN_WORD;
}

static void put_open(struct lexer *x)
{
	struct level *parent = level_now(x);
	bool list = at(x, 0) == '[' || (x->last == TOKEN_WORD && x->in);
	bool after = parent && x->last == TOKEN_COMMA && x->comma_at == parent->sibling_end;

	put_gap(x);
	x->depth++;
	if (level_now(x))
		*level_now(x) =
		    (struct level){.start = x->out.len, .item = x->out.len + 1, .list = list, .after = after};
	text_char(&x->out, (char)at(x, 0));
	x->pos++;
	x->last = TOKEN_OPEN;
}

static void put_close(struct lexer *x)
{
	struct level *l = level_now(x);

	item_end(x);
	put_gap(x);
	text_char(&x->out, (char)at(x, 0));
	x->pos++;
	x->last = TOKEN_CLOSE;
	if (!x->depth)
		return;
	x->depth--;
	struct level *parent = level_now(x);

	if (!l || !parent || x->out.full)
		return;
	size_t len = x->out.len - l->start;

	if (l->after && len == parent->sibling_end - parent->sibling_start &&
	    !memcmp(x->out.to + l->start, x->out.to + parent->sibling_start, len)) {
		text_back(&x->out, parent->sibling_end);
		return;
	}
	parent->sibling_start = l->start;
	parent->sibling_end = x->out.len;
}

static void put_comma(struct lexer *x)
{
	item_end(x);
	x->comma_at = x->out.len;
	put_gap(x);
	text_char(&x->out, ',');
	x->pos++;
	x->last = TOKEN_COMMA;
	if (level_now(x))
		level_now(x)->item = x->out.len;
}

static void put_sign(struct lexer *x)
{
	put_gap(x);
	text_bytes(&x->out, x->sql->bytes + x->pos, 1);
	x->sign = (char)at(x, 0);
	x->pos++;
	x->last = TOKEN_SIGN;
}

/* :name, %s, %(name)s, ?: length, 0 if it is none. */
static size_t placeholder(const struct lexer *x)
{
	size_t n = 1;

	if (at(x, 0) == '?')
		return 1;
	if (at(x, 0) == ':' && x->sign != ':' && (text_is_letter(at(x, 1)) || at(x, 1) == '_')) {
		while (is_name_byte(at(x, n)))
			n++;
		return n;
	}
	if (at(x, 0) != '%')
		return 0;
	if (at(x, 1) == '(') {
		for (n = 2; is_name_byte(at(x, n)); n++)
			;
		if (at(x, n++) != ')')
			return 0;
	}
	return at(x, n) == 's' && !is_name_byte(at(x, n + 1)) ? n + 1 : 0;
}

static bool number_follows(const struct lexer *x, size_t n)
{
	return text_is_digit(at(x, n)) || (at(x, n) == '.' && text_is_digit(at(x, n + 1)));
}

/* A minus or plus that belongs to the number after it. */
static bool is_number_sign(const struct lexer *x)
{
	if ((at(x, 0) != '-' && at(x, 0) != '+') || !number_follows(x, 1))
		return false;
	switch (x->last) {
	case TOKEN_VALUE:
	case TOKEN_STRING:
	case TOKEN_CLOSE:
		return false;
	case TOKEN_WORD:
		return !x->operand;
	default:
		return true;
	}
}

static void put_token(struct lexer *x)
{
	uint8_t c = at(x, 0);
	bool mysql = x->sql->dialect == SQL_MYSQL;
	size_t n;

	if (c == '\'' || (c == '"' && mysql)) {
		put_string(x, 0, x->sql->backslash);
	} else if (c == '"' || c == '`') {
		put_quoted_name(x);
	} else if (number_follows(x, 0) && !(c == '.' && (x->last == TOKEN_WORD || x->last == TOKEN_CLOSE))) {
		put_number(x);
	} else if (is_number_sign(x)) {
		x->pos++;
		put_number(x);
	} else if (c == '$' && !mysql && put_dollar(x)) {
		return;
	} else if (is_name_byte(c)) {
		put_word(x);
	} else if (c == '(' || c == '[') {
		put_open(x);
	} else if (c == ')' || c == ']') {
		put_close(x);
	} else if (c == ',') {
		put_comma(x);
	} else if ((n = placeholder(x)) > 0) {
		x->pos += n;
		put_value(x, TOKEN_VALUE);
	} else {
		put_sign(x);
	}
}

/* A statement that was cut: values before the cut differ in length, so where it is cut differs from call to
 * call. What depends on the statement only is what stands before the first value, or up to a clause. */
static void end_cut(struct lexer *x)
{
	if (x->valued && x->clause_end >= x->value_at) {
		text_back(&x->out, x->clause_end < x->out.len ? x->clause_end : x->out.len);
		text_char(&x->out, ' ');
	} else if (x->valued) {
		text_back(&x->out, x->value_at < x->out.len ? x->value_at : x->out.len);
	}
	text_cut(&x->out);
}

void sql_normalise(struct text *out, const struct sql_text *sql, struct sql_facts *facts)
{
	char work[WORK_BYTES];
	struct lexer x = {.sql = sql};

	text_start(&x.out, work, sizeof(work));
	while (x.pos < sql->len && !x.out.full) {
		if (skip_gap(&x))
			x.gap = true;
		else
			put_token(&x);
	}
	if (sql->cut && !x.out.full)
		end_cut(&x);
	while (x.out.len && (work[x.out.len - 1] == ';' || work[x.out.len - 1] == ' '))
		text_back(&x.out, x.out.len - 1);
	text_bytes(out, (const uint8_t *)work, x.out.len);
	*facts = x.facts;
}

bool sql_sniff(const uint8_t *bytes, size_t len)
{
	size_t i = 0, n = 0;

	while (i < len && (is_space(bytes[i]) || bytes[i] == '('))
		i++;
	if (i + 2 < len && bytes[i] == '/' && bytes[i + 1] == '*')
		return true;
	while (i + n < len && text_is_letter(bytes[i + n]))
		n++;
	if (i + n < len && !is_space(bytes[i + n]) && !strchr("(;*\"'`", bytes[i + n]))
		return false;
	return n > 0 && one_of(bytes + i, n, verbs);
}
