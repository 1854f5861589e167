/* SPDX-License-Identifier: Apache-2.0 */
/* opt.c - see opt.h. getopt_long finds the words, the tables say what they mean. */
#include "analyzer/opt.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/err.h"

#define OPTS_MAX    32
#define FIRST_LONG  256 /* getopt's value of the first row: beyond all letters */
#define COLUMN_HELP 26

static int take_format(struct options *o, const char *value)
{
	for (const char *const *f = out_formats; *f; f++) {
		if (!strcmp(*f, value)) {
			o->format = *f;
			return 0;
		}
	}
	return -EINVAL;
}

static int take_output(struct options *o, const char *value)
{
	o->output = value;
	return *value ? 0 : -EINVAL;
}

static int take_quiet(struct options *o, const char *value)
{
	(void)value;
	o->quiet = true;
	return 0;
}

static int take_help(struct options *o, const char *value)
{
	(void)value;
	o->help = true;
	return 0;
}

static int take_version(struct options *o, const char *value)
{
	(void)value;
	o->version = true;
	return 0;
}

/* strtoull takes a sign and blanks, which a number here has not. */
static int take_number(const char *value, int base, uint64_t *to)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	char *end;

	if (!*value || strspn(value, digits) != strlen(value))
		return -EINVAL;
	errno = 0;
	*to = strtoull(value, &end, base);
	return *end || errno ? -EINVAL : 0;
}

static int take_slowest(struct options *o, const char *value)
{
	o->tree.has_slowest = true;
	return take_number(value, 10, &o->tree.slowest);
}

static int take_cid(struct options *o, const char *value)
{
	o->tree.has_cid = true;
	return take_number(value, 16, &o->tree.cid);
}

static int take_operation(struct options *o, const char *value)
{
	o->tree.operation = value;
	return *value ? 0 : -EINVAL;
}

static int take_clock(struct options *o, const char *value)
{
	o->model.raw_clock = !strcmp(value, "raw");
	return o->model.raw_clock || !strcmp(value, "aligned") ? 0 : -EINVAL;
}

static int take_timings(struct options *o, const char *value)
{
	(void)value;
	o->model.timings = true;
	return 0;
}

static int take_clocks(struct options *o, const char *value)
{
	(void)value;
	o->info.clocks = true;
	return 0;
}

static int take_joins(struct options *o, const char *value)
{
	(void)value;
	o->info.joins = true;
	return 0;
}

static int take_all(struct options *o, const char *value)
{
	(void)value;
	o->info.all = true;
	return 0;
}

static int take_by(struct options *o, const char *value)
{
	static const char *const names[] = {
	    [MAP_BY_SERVICE] = "service", [MAP_BY_HOST] = "host", [MAP_BY_PROCESS] = "process"};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(names[i], value)) {
			o->map.by = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int take_peers(struct options *o, const char *value)
{
	uint64_t peers;
	int err = take_number(value, 10, &peers);

	o->map.peers = peers < UINT32_MAX ? (uint32_t)peers : UINT32_MAX;
	return err;
}

const struct opt opts[] = {
    {"format", 0, "FORMAT", NULL, "how to print it: text (default) or json; a graph: dot, svg or png",
     take_format},
    {"output", 'o', "FILE", NULL, "print to FILE instead of standard output", take_output},
    {"quiet", 'q', NULL, NULL, "say nothing on standard error but why there is no result", take_quiet},
    {"clock", 0, "CLOCK", NULL,
     "times of different hosts: aligned (default) by what went between them, or raw", take_clock},
    {"timings", 0, NULL, NULL, "say on standard error how long each step took", take_timings},
    {"clocks", 0, NULL, "info", "the clocks: offset, drift, bound and what each was aligned by", take_clocks},
    {"joins", 0, NULL, "info", "the connections: which class joined how many, between which hosts",
     take_joins},
    {"all", 0, NULL, "info", "with --clocks every knot, with --joins every connection", take_all},
    {"slowest", 0, "N", "tree", "only the N traces that took longest, the longest first", take_slowest},
    {"cid", 0, "HEX", "tree", "only the traces that hold the message with this correlation ID", take_cid},
    {"op", 0, "NAME", "tree", "only the traces that hold an operation of this name", take_operation},
    {"by", 0, "WHAT", "map", "a node for each service of a host (default), host or process", take_by},
    {"peers", 0, "N", "map", "how many peers that were not traced have a node of their own (default 20)",
     take_peers},
    {"help", 'h', NULL, NULL, "print this help; after a command: of that command", take_help},
    {"version", 'V', NULL, NULL, "print the version", take_version},
    {0}};

/* ---- parsing ---- */

static const struct opt_command *find_command(const char *name)
{
	for (const struct opt_command *c = opt_commands; c->name; c++) {
		if (!strcmp(c->name, name))
			return c;
	}
	return NULL;
}

static const struct opt *find_opt(int value)
{
	if (value >= FIRST_LONG)
		return &opts[value - FIRST_LONG];
	for (const struct opt *o = opts; o->name; o++) {
		if (o->letter == value)
			return o;
	}
	return NULL;
}

static int usage_error(void)
{
	err_hint("dprof-analyze --help lists commands and options");
	return -EINVAL;
}

/* Takes the options; the other words are moved to the end of argv. `given` remembers which were there. */
static int parse_opts(struct options *options, int argc, char **argv, bool *given)
{
	struct option longs[OPTS_MAX] = {{0}};
	char letters[2 * OPTS_MAX + 2] = ":";
	size_t letter = 1;
	int value;

	for (int i = 0; opts[i].name; i++) {
		longs[i] = (struct option){opts[i].name, opts[i].value ? required_argument : no_argument,
					   NULL, FIRST_LONG + i};
		if (!opts[i].letter)
			continue;
		letters[letter++] = opts[i].letter;
		if (opts[i].value)
			letters[letter++] = ':';
	}
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	while ((value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct opt *o = value == '?' || value == ':' ? NULL : find_opt(value);

		if (value == ':') {
			err_fail(argv[optind - 1], "needs a value");
			return usage_error();
		}
		if (!o) {
			err_fail(argv[optind - 1], "no such option");
			return usage_error();
		}
		given[o - opts] = true;
		if (o->take(options, optarg ? optarg : "")) {
			err_fail(NULL, "--%s=%s: not a %s", o->name, optarg, o->value);
			return usage_error();
		}
	}
	return 0;
}

/* Is an option given that the command does not have? */
static int check_opts(const struct options *options, const bool *given)
{
	for (int i = 0; opts[i].name; i++) {
		if (given[i] && opts[i].command && strcmp(opts[i].command, options->command->name)) {
			err_fail(NULL, "--%s: belongs to the command %s, not to %s", opts[i].name,
				 opts[i].command, options->command->name);
			return usage_error();
		}
	}
	return 0;
}

/* Can it be printed that way, here? Said before all the work. */
static int check_format(const struct options *options)
{
	const char *program = out_lacks(options->format);

	if (out_draws(options->format) && !options->command->draws) {
		err_fail(NULL, "--format=%s: is for graphs, and %s has none", options->format,
			 options->command->name);
		return usage_error();
	}
	if (program) {
		err_fail(NULL, "--format=%s: needs the program %s, which is not installed", options->format,
			 program);
		err_hint("install graphviz, or use --format=dot and draw it elsewhere");
		return -EINVAL;
	}
	if (out_binary(options->format) && !options->output && isatty(STDOUT_FILENO)) {
		err_fail(NULL, "--format=%s: is nothing for a terminal", options->format);
		err_hint("-o FILE prints to a file");
		return -EINVAL;
	}
	return 0;
}

static int check_paths(const struct options *options)
{
	struct stat s;

	if (!options->path_count) {
		err_fail(NULL, "no DUMP or DIR given");
		if (!stat(options->command->name, &s))
			err_hint("%s is taken as the command; for the file write ./%s",
				 options->command->name, options->command->name);
		return usage_error();
	}
	for (size_t i = 0; i < options->path_count; i++) {
		const char *path = options->paths[i];

		if (find_command(path)) {
			err_fail(path, "is the name of a command, and %s is the command already",
				 options->command->name);
			err_hint("for a file or directory of this name write ./%s", path);
			return -EINVAL;
		}
	}
	return 0;
}

int opt_parse(struct options *options, int argc, char **argv)
{
	bool given[OPTS_MAX] = {false};
	const struct opt_command *command;
	int err;

	*options = (struct options){
	    .format = out_formats[0], .command = &opt_commands[0], .map.peers = MAP_PEERS_DEFAULT};
	err = parse_opts(options, argc, argv, given);
	if (err)
		return err;
	command = optind < argc ? find_command(argv[optind]) : NULL;
	if (command) {
		options->command = command;
		optind++;
	} else if (options->help) {
		options->command = NULL;
	}
	options->paths = argv + optind;
	options->path_count = (size_t)(argc - optind);
	if (options->help || options->version)
		return 0;
	err = check_opts(options, given);
	err = err ? err : check_format(options);
	return err ? err : check_paths(options);
}

/* ---- help ---- */

static void put_opt(FILE *to, const struct opt *o)
{
	int width = 0;

	if (o->letter)
		width = fprintf(to, "  -%c, --%s%s%s", o->letter, o->name, o->value ? "=" : "",
				o->value ? o->value : "");
	else
		width = fprintf(to, "      --%s%s%s", o->name, o->value ? "=" : "", o->value ? o->value : "");
	fprintf(to, "%*s%s\n", width < COLUMN_HELP ? COLUMN_HELP - width : 1, "", o->text);
}

static void put_opts(FILE *to, const char *command)
{
	for (const struct opt *o = opts; o->name; o++) {
		if (!o->command == !command && (!command || !strcmp(command, o->command)))
			put_opt(to, o);
	}
}

static bool has_opts(const struct opt_command *c)
{
	for (const struct opt *o = opts; o->name; o++) {
		if (o->command && !strcmp(o->command, c->name))
			return true;
	}
	return false;
}

void opt_help(FILE *to, const struct opt_command *command)
{
	fprintf(to, "usage: dprof-analyze %s [OPTIONS] DUMP|DIR...\n\n",
		command ? command->name : "[COMMAND]");
	if (command)
		fprintf(to, "%s: %s\n", command->name, command->text);
	else
		fprintf(to, "Commands (without one: %s)\n", opt_commands[0].name);
	for (const struct opt_command *c = opt_commands; !command && c->name; c++)
		fprintf(to, "  %-*s%s\n", COLUMN_HELP - 2, c->name, c->text);
	for (const struct opt_command *c = opt_commands; c->name; c++) {
		if (has_opts(c) && (!command || command == c)) {
			fprintf(to, "\nOptions of %s\n", c->name);
			put_opts(to, c->name);
		}
	}
	fprintf(to, "\nOptions\n");
	put_opts(to, NULL);
	fprintf(to, "\nExit status: 0, or 2 if there is no result (usage, no usable input, cannot write).\n");
}
