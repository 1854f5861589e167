/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script.h - reads scripts as far as it can be done without running them: the #! line, and the words of the
 * commands in a shell script. Bytes in, words out; opens nothing.
 */
#ifndef DPROF_SCRIPT_H
#define DPROF_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#define SCRIPT_WORDS_MAX  24
#define SCRIPT_WORD_BYTES 256

/* The words of one command. */
struct script_command {
	unsigned int line;
	bool is_exec; /* the shell becomes it */
	size_t count;
	char words[SCRIPT_WORDS_MAX][SCRIPT_WORD_BYTES]; /* without quotes; more than fit are left out */
};

/* The interpreter of a #! line and its one argument ("" if none). False: there is no such line. */
bool script_interpreter(const char *bytes, size_t size, char interpreter[SCRIPT_WORD_BYTES],
			char argument[SCRIPT_WORD_BYTES]);

/* Calls `see` for each command of a shell script, in its order. */
void script_read(const char *bytes, size_t size, void (*see)(void *to, const struct script_command *c),
		 void *to);

/* Known before the script runs: no variable and no substitution in it. */
bool script_is_plain(const char *word);

#endif
