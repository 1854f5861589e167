/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding.c - see finding.h. Single-threaded.
 *
 * Invariant: a row always has its text; without memory the program ends with status 2 and says so.
 */
#include "preload/outside/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_words[] = {"ok", "note", "warn", "fail"};

static void *checked(void *p)
{
	if (p == NULL) {
		fputs("dprof doctor: not enough memory\n", stderr);
		exit(2);
	}
	return p;
}

static void add(struct findings *all, enum finding_level level, const char *check, const char *hint,
		const char *format, va_list arguments)
{
	struct finding *f;
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	checked(text);
	for (size_t i = 0; i < all->count; i++) {
		struct finding *old = &all->rows[i];

		if (strcmp(old->text, text) == 0 && strcmp(old->about, all->about) == 0) {
			free(text);
			return;
		}
	}
	all->rows = checked(reallocarray(all->rows, all->count + 1, sizeof *f));
	f = &all->rows[all->count++];
	*f = (struct finding){.level = level, .check = check, .text = text};
	f->about = checked(strdup(all->about));
	f->hint = hint != NULL ? checked(strdup(hint)) : NULL;
}

void finding_add(struct findings *all, enum finding_level level, const char *check, const char *hint,
		 const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(all, level, check, hint, format, arguments);
	va_end(arguments);
}

void finding_trouble(struct findings *all, const char *check, const char *hint, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(all, FINDING_FAIL, check, hint, format, arguments);
	va_end(arguments);
	all->trouble = true;
}

int finding_status(const struct findings *all)
{
	if (all->trouble)
		return 2;
	for (size_t i = 0; i < all->count; i++)
		if (all->rows[i].level >= FINDING_WARN)
			return 1;
	return 0;
}

/* Names of files hold what their owner liked: no control character reaches the terminal. */
static void print_plain(const char *s)
{
	for (; *s != '\0'; s++)
		putchar((unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s);
}

void finding_print_text(const struct findings *all, const char *verdict)
{
	const char *about = "";

	for (size_t i = 0; i < all->count; i++) {
		const struct finding *f = &all->rows[i];

		if (strcmp(about, f->about) != 0) {
			about = f->about;
			print_plain(about);
			putchar('\n');
		}
		printf("  %-4s  %-11s ", level_words[f->level], f->check);
		print_plain(f->text);
		putchar('\n');
		if (f->hint != NULL) {
			printf("        %-11s hint: ", "");
			print_plain(f->hint);
			putchar('\n');
		}
	}
	print_plain(verdict);
	putchar('\n');
}

/* How many bytes of UTF-8 begin here; 0: none, names of files need not be text. */
static size_t utf8_len(const unsigned char *s)
{
	size_t len = *s < 0x80		       ? 1
		     : *s >= 0xc2 && *s < 0xe0 ? 2
		     : *s >= 0xe0 && *s < 0xf0 ? 3
		     : *s >= 0xf0 && *s < 0xf5 ? 4
					       : 0;

	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

static void print_json_string(const char *s)
{
	putchar('"');
	while (*s != '\0') {
		const unsigned char *c = (const unsigned char *)s;
		size_t len = utf8_len(c);

		if (*c == '"' || *c == '\\')
			printf("\\%c", *c);
		else if (*c < ' ' || *c == 0x7f || len == 0)
			printf("\\u%04x", *c);
		else
			fwrite(s, 1, len, stdout);
		s += len > 0 ? len : 1;
	}
	putchar('"');
}

static void print_json_field(const char *key, const char *value)
{
	printf(", \"%s\": ", key);
	if (value == NULL)
		fputs("null", stdout);
	else
		print_json_string(value);
}

void finding_print_json(const struct findings *all, const char *verdict)
{
	printf("{\"schema\": \"dprof.doctor/1\", \"status\": %d", finding_status(all));
	print_json_field("verdict", verdict);
	fputs(", \"findings\": [", stdout);
	for (size_t i = 0; i < all->count; i++) {
		const struct finding *f = &all->rows[i];

		printf("%s\n  {\"level\": \"%s\"", i > 0 ? "," : "", level_words[f->level]);
		print_json_field("check", f->check);
		print_json_field("about", f->about);
		print_json_field("text", f->text);
		print_json_field("hint", f->hint);
		putchar('}');
	}
	fputs("\n]}\n", stdout);
}

void finding_free(struct findings *all)
{
	for (size_t i = 0; i < all->count; i++) {
		free(all->rows[i].about);
		free(all->rows[i].text);
		free(all->rows[i].hint);
	}
	free(all->rows);
}
