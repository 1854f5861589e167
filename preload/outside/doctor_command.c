/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_command.c - follows a command as the kernel and shells would, without running any of it: PATH, #!
 * lines, runners, what shell scripts exec; and examines each file on the way. Single-threaded.
 *
 * Invariant: the way is finite: at most STEPS_MAX files are looked at, DEPTH_MAX deep.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/outside/doctor.h"
#include "preload/outside/program.h"
#include "preload/outside/script.h"

#define STEPS_MAX 24
#define DEPTH_MAX 8

struct walk {
	struct findings *out;
	const char *script; /* whose commands are read now */
	unsigned int depth;
	unsigned int steps;
	bool unknown; /* said that only a run can tell */
};

static void follow(struct walk *w, char **argv);

static bool is_shell(const char *name)
{
	static const char *const shells[] = {"sh", "bash", "dash", "ash", "ksh", "zsh", "mksh", "busybox"};

	for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++)
		if (strcmp(shells[i], name) == 0)
			return true;
	return false;
}

/* A command of a script: what it becomes, or starts by path, is followed; the rest is looked at by name. */
static void see_command(void *to, const struct script_command *c)
{
	char *argv[SCRIPT_WORDS_MAX + 1];
	struct walk *w = to;
	const char *name = program_base(c->words[0]);
	const char *script = w->script;
	size_t i;

	for (i = 0; i < c->count; i++)
		argv[i] = (char *)c->words[i];
	argv[i] = NULL;
	w->out->about = script;
	if (!c->is_exec && (strchr(c->words[0], '/') == NULL || !script_is_plain(c->words[0]))) {
		doctor_runner(w->out, name, argv, c->line);
		return;
	}
	if (script_is_plain(c->words[0])) {
		follow(w, argv);
	} else if (!w->unknown) {
		w->unknown = true;
		finding_add(w->out, FINDING_NOTE, "script", "start it, then: dprof doctor -p PID",
			    "line %u: becomes %s: only a run tells what that is", c->line, c->words[0]);
	}
	w->script = script;
}

static void read_shell(struct walk *w, const char *path, const char *bytes, size_t size)
{
	const char *before = w->script;

	w->script = path;
	script_read(bytes, size, see_command, w);
	w->script = before;
}

/* #!INTERPRETER ARGUMENT: the kernel starts it with the argument and the script's path. env -S splits. */
static void follow_interpreter(struct walk *w, const char *interpreter, char *argument, const char *path)
{
	char *argv[SCRIPT_WORDS_MAX + 3] = {(char *)interpreter};
	size_t n = 1;

	if (strcmp(program_base(interpreter), "env") == 0) {
		char *rest = argument;

		for (char *word; n < SCRIPT_WORDS_MAX && (word = strtok_r(rest, " \t", &rest)) != NULL;)
			if (strcmp(word, "-S") != 0)
				argv[n++] = word;
	} else if (*argument != '\0') {
		argv[n++] = argument;
	}
	argv[n] = (char *)path;
	finding_add(w->out, FINDING_OK, "script", NULL, "a script of %s", interpreter);
	follow(w, argv);
}

static void look_at_file(struct walk *w, const char *path, const struct program_file *file)
{
	char interpreter[SCRIPT_WORD_BYTES], argument[SCRIPT_WORD_BYTES];

	if (script_interpreter(file->bytes, file->size, interpreter, argument)) {
		follow_interpreter(w, interpreter, argument, path);
	} else if (file->size >= 4 && memcmp(file->bytes, "\177ELF", 4) == 0) {
		doctor_rights(w->out, path, &file->st);
		doctor_elf(w->out, file->bytes, file->size, path);
		doctor_known(w->out, program_base(path));
	} else if (file->size > 0 && memchr(file->bytes, '\0', file->size < 512 ? file->size : 512) == NULL) {
		finding_add(w->out, FINDING_OK, "script", NULL,
			    "a script without a #! line: the shell runs it");
		read_shell(w, path, file->bytes, file->size);
	} else {
		finding_trouble(w->out, "file", NULL, "neither a program nor a script");
	}
}

static bool find_command(struct walk *w, const char *name, char path[PATH_MAX])
{
	int r = program_find(name, path);

	if (r == 0)
		return true;
	if (w->depth == 0)
		w->out->about = name;
	if (w->depth > 0 && w->script != NULL)
		return false; /* a word of the shell, or a branch that is not taken here */
	if (r == -ENOENT)
		finding_trouble(w->out, "command", strchr(name, '/') != NULL ? NULL : "is it in PATH?",
				"%s: not found", name);
	else if (r == -EISDIR)
		finding_trouble(w->out, "command", NULL, "%s: is a directory", name);
	else
		finding_trouble(w->out, "command", "chmod +x, or another user?",
				"%s: may not be started by this user", name);
	return false;
}

/* What a shell is told to run: -c TEXT, or a file. */
static void follow_shell(struct walk *w, char **argv)
{
	for (size_t i = 1; argv[i] != NULL; i++) {
		if (argv[i][0] == '-' && argv[i][1] != '-' && strchr(argv[i], 'c') != NULL &&
		    argv[i + 1] != NULL) {
			read_shell(w, "sh -c", argv[i + 1], strlen(argv[i + 1]));
			return;
		}
		if (argv[i][0] != '-') {
			struct program_file file;

			if (program_open(argv[i], &file) == 0) {
				read_shell(w, argv[i], file.bytes, file.size);
				program_close(&file);
			}
			return;
		}
	}
}

static void examine(struct walk *w, char **argv, const char *path)
{
	struct program_file file;
	const char *name = program_base(argv[0]);
	char real[PATH_MAX];
	size_t at;
	int r = program_open(path, &file);

	w->out->about = path;
	if (r == -EACCES) {
		finding_add(w->out, FINDING_WARN, "file",
			    "run doctor as a user who may read it, or: dprof doctor -p PID",
			    "may be started but not read: what it is cannot be told");
		return;
	}
	if (r < 0) {
		finding_trouble(w->out, "file", NULL, "cannot be read: %s", strerror(-r));
		return;
	}
	look_at_file(w, path, &file);
	program_close(&file);
	w->out->about = path;
	if (realpath(path, real) != NULL && strcmp(program_base(real), "snap") == 0)
		name = "snap";
	at = doctor_runner(w->out, name, argv, 0);
	if (at > 0)
		follow(w, argv + at);
	else if (is_shell(name))
		follow_shell(w, argv);
	w->out->about = path;
}

static void follow(struct walk *w, char **argv)
{
	char path[PATH_MAX];

	if (w->steps == STEPS_MAX || w->depth == DEPTH_MAX || !find_command(w, argv[0], path))
		return;
	w->steps++;
	w->depth++;
	examine(w, argv, path);
	w->depth--;
}

void doctor_command(struct findings *out, char **argv)
{
	struct walk w = {.out = out};

	follow(&w, argv);
}
