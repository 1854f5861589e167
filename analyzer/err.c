/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - see err.h. A message is one write, so that messages of several processes do not mix. */
#include "analyzer/err.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "analyzer/out/utf8.h"

#define TEXT_BYTES 2048

static bool quiet;

static void say(const char *prefix, const char *subject, const char *format, va_list arguments)
{
	char text[TEXT_BYTES], shown[TEXT_BYTES], shown_subject[TEXT_BYTES];

	vsnprintf(text, sizeof(text), format, arguments);
	utf8_escape(shown, sizeof(shown), text);
	utf8_escape(shown_subject, sizeof(shown_subject), subject ? subject : "");
	fprintf(stderr, "%s%s%s%s\n", prefix, shown_subject, subject ? ": " : "", shown);
}

void err_note(const char *subject, const char *format, ...)
{
	va_list arguments;

	if (quiet)
		return;
	va_start(arguments, format);
	say("dprof-analyze: ", subject, format, arguments);
	va_end(arguments);
}

void err_hint(const char *format, ...)
{
	va_list arguments;

	if (quiet)
		return;
	va_start(arguments, format);
	say("hint: ", NULL, format, arguments);
	va_end(arguments);
}

void err_fail(const char *subject, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("dprof-analyze: ", subject, format, arguments);
	va_end(arguments);
}

void err_be_quiet(void)
{
	quiet = true;
}
