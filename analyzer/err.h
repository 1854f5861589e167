/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - what the analyzer says on stderr: `dprof-analyze: SUBJECT: fact: consequence`, and a hint where
 * there is something to do. One thread. Control characters in names and texts are escaped.
 */
#ifndef DPROF_ERR_H
#define DPROF_ERR_H

#include <stdbool.h>

/* A thing to know; the result is still good. Left out under --quiet. `subject`: usually a file; may be NULL.
 */
void err_note(const char *subject, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What can be done about the note or failure before. Left out under --quiet. */
void err_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Why there is no result. */
void err_fail(const char *subject, const char *format, ...) __attribute__((format(printf, 2, 3)));

void err_be_quiet(void);

#endif
