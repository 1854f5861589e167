/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opt.h - the command line. One table of commands and one of options give the parser, --help, and what
 * tests/unit/opt_test.c compares the man page with.
 */
#ifndef DPROF_OPT_H
#define DPROF_OPT_H

#include <stdio.h>

#include "analyzer/view/view.h"

/* What a command looks at. */
enum opt_needs { OPT_NEEDS_STAMPS, OPT_NEEDS_MODEL };

struct options {
	const char *format;
	const char *output; /* NULL: stdout */
	bool quiet, help, version;
	struct tree_options tree;
	struct info_options info;
	struct map_options map;
	struct model_options model;
	const struct opt_command *command;
	char **paths; /* into argv */
	size_t path_count;
};

struct opt_command {
	const char *name;
	const char *text;
	enum opt_needs needs;
	bool draws; /* a graph or trees: what a format that draws can print */
	int (*run)(const struct model *m, const struct options *o, struct out *out);
};

struct opt {
	const char *name;
	char letter;	     /* 0: none */
	const char *value;   /* what stands for its value in the help; NULL: it has none */
	const char *command; /* it belongs to; NULL: all */
	const char *text;
	int (*take)(struct options *o, const char *value); /* 0 or -EINVAL */
};

/* Both end with a row without a name. The first command is the default. */
extern const struct opt_command opt_commands[]; /* command.c */
extern const struct opt opts[];

/* Reads the command line. 0, or -EINVAL after it has said on stderr what is wrong. */
int opt_parse(struct options *o, int argc, char **argv);

/* What --help says; NULL: all commands. */
void opt_help(FILE *to, const struct opt_command *command);

#endif
