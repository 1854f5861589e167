/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding.h - what doctor found, one row each: collected, then printed as text or JSON. An ordinary program's
 * code: may allocate, prints on stdout only in finding_print.
 */
#ifndef DPROF_FINDING_H
#define DPROF_FINDING_H

#include <stdbool.h>
#include <stddef.h>

enum finding_level {
	FINDING_OK,
	FINDING_NOTE, /* worth knowing; all is traced */
	FINDING_WARN, /* something will not be traced, or is lost in trouble */
	FINDING_FAIL, /* nothing will be traced */
};

struct finding {
	enum finding_level level;
	const char *check; /* a word, for programs */
	char *about;	   /* the file, process or "system" */
	char *text;
	char *hint; /* what to do; NULL: nothing */
};

struct findings {
	struct finding *rows;
	size_t count;
	const char *about; /* of the next ones */
	bool trouble;	   /* something could not be looked at */
};

/* The text is a printf format with its arguments. The hint is not. */
void finding_add(struct findings *all, enum finding_level level, const char *check, const char *hint,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));

/* What could not be looked at: exit status 2. */
void finding_trouble(struct findings *all, const char *check, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The exit status: 0 fine, 1 something will not be traced, 2 trouble. */
int finding_status(const struct findings *all);

void finding_print_text(const struct findings *all, const char *verdict);
void finding_print_json(const struct findings *all, const char *verdict);

void finding_free(struct findings *all);

#endif
