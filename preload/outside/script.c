/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script.c - see script.h. Pure. It is no shell: it knows words, quotes, comments and what separates
 * commands; what it does not know it passes over, so that it may miss a command but takes none from a
 * comment.
 *
 * Invariant: reads within [bytes, bytes + size) only, at most SCRIPT_BYTES of them.
 */
#include "preload/outside/script.h"

#include <string.h>

#define SCRIPT_BYTES (256u << 10)

struct reader {
	const char *at, *end;
	unsigned int line;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void add_char(char word[SCRIPT_WORD_BYTES], size_t *len, char c)
{
	if (*len < SCRIPT_WORD_BYTES - 1)
		word[(*len)++] = c;
}

bool script_interpreter(const char *bytes, size_t size, char interpreter[SCRIPT_WORD_BYTES],
			char argument[SCRIPT_WORD_BYTES])
{
	const char *end = size < 256 ? bytes + size : bytes + 256; /* the kernel's own limit */
	const char *at = bytes + 2;
	size_t len = 0;

	interpreter[0] = argument[0] = '\0';
	if (size < 3 || bytes[0] != '#' || bytes[1] != '!')
		return false;
	while (at < end && is_blank(*at))
		at++;
	for (; at < end && !is_blank(*at) && *at != '\n' && *at != '\0'; at++)
		add_char(interpreter, &len, *at);
	interpreter[len] = '\0';
	while (at < end && is_blank(*at))
		at++;
	for (len = 0; at < end && *at != '\n' && *at != '\0'; at++)
		add_char(argument, &len, *at);
	while (len > 0 && is_blank(argument[len - 1]))
		len--;
	argument[len] = '\0';
	return interpreter[0] != '\0';
}

bool script_is_plain(const char *word)
{
	return *word != '\0' && strpbrk(word, "$`*?[{~\n") == NULL;
}

/* One quoted part; the reader is behind its end. */
static void take_quoted(struct reader *r, char word[SCRIPT_WORD_BYTES], size_t *len)
{
	char quote = *r->at++;

	while (r->at < r->end && *r->at != quote) {
		if (*r->at == '\n')
			r->line++;
		if (quote == '"' && *r->at == '\\' && r->at + 1 < r->end)
			r->at++;
		add_char(word, len, *r->at++);
	}
	r->at += r->at < r->end;
}

/* False: no word before what ends the command. */
static bool take_word(struct reader *r, char word[SCRIPT_WORD_BYTES])
{
	size_t len = 0;
	bool any = false;

	for (;;) {
		while (r->at < r->end && is_blank(*r->at))
			r->at++;
		if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != '\n')
			break;
		r->at += 2;
		r->line++;
	}
	while (r->at < r->end && !is_blank(*r->at) && strchr("\n;&|()", *r->at) == NULL) {
		any = true;
		if (*r->at == '"' || *r->at == '\'') {
			take_quoted(r, word, &len);
		} else {
			if (*r->at == '\\' && r->at + 1 < r->end)
				r->at++;
			add_char(word, &len, *r->at++);
		}
	}
	word[len] = '\0';
	return any;
}

static bool is_assignment(const char *word)
{
	size_t name = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

	return name > 0 && word[name] == '=';
}

/* Words that stand before a command and are none. */
static bool is_prefix(const char *word)
{
	static const char *const words[] = {"then", "else",  "do",   "{",    "!",
					    "if",   "while", "elif", "time", "command"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return is_assignment(word);
}

static void take_command(struct reader *r, struct script_command *c)
{
	char word[SCRIPT_WORD_BYTES];
	bool skip_value = false;

	c->count = 0;
	c->is_exec = false;
	c->line = r->line;
	while (take_word(r, word)) {
		if (c->count == 0) {
			if (word[0] == '#') {
				while (r->at < r->end && *r->at != '\n')
					r->at++;
				return;
			}
			if (skip_value || is_prefix(word)) {
				skip_value = false;
				continue;
			}
			if (strcmp(word, "exec") == 0 || (c->is_exec && word[0] == '-')) {
				skip_value = strcmp(word, "-a") == 0;
				c->is_exec = true;
				continue;
			}
			c->line = r->line;
		}
		if (c->count < SCRIPT_WORDS_MAX)
			strcpy(c->words[c->count++], word);
	}
}

void script_read(const char *bytes, size_t size, void (*see)(void *to, const struct script_command *c),
		 void *to)
{
	struct reader r = {
	    .at = bytes, .end = bytes + (size < SCRIPT_BYTES ? size : SCRIPT_BYTES), .line = 1};
	struct script_command c;

	while (r.at < r.end) {
		take_command(&r, &c);
		if (c.count > 0)
			see(to, &c);
		if (r.at < r.end) {
			r.line += *r.at == '\n';
			r.at++;
		}
	}
}
