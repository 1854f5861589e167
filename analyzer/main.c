/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - `dprof-analyze`: the commands, and what happens around each: load, pass, view, print. Exit status
 * 0, or 2 if there is no result.
 */
#include <errno.h>
#include <string.h>

#include "analyzer/err.h"
#include "analyzer/opt.h"

#define EXIT_TROUBLE 2

static int trouble(const char *subject, int err)
{
	if (err == -ENODATA)
		err_fail(subject, "no usable dump was given: there is no result");
	else if (err == -ENOMEM)
		err_fail(subject, "not enough memory: there is no result");
	else if (err)
		err_fail(subject, "%s: there is no result", strerror(-err));
	return EXIT_TROUBLE;
}

/* Prints the command's document. */
static int print(const struct model *m, const struct options *o)
{
	const char *name = o->output ? o->output : "standard output";
	FILE *to = o->output ? fopen(o->output, "w") : stdout;
	struct out *out = to ? out_open(o->format, to) : NULL;
	int err, view_err;

	if (!to)
		return trouble(name, -errno);
	if (!out)
		return trouble(NULL, -ENOMEM);
	view_err = o->command->run(m, o, out);
	err = out_close(out);
	if (fclose(to) && !err)
		err = -errno;
	if (view_err)
		return view_err == -ENOENT ? EXIT_TROUBLE : trouble(NULL, view_err);
	return err ? trouble(name, err) : 0;
}

/* What --quiet kept back is said after all, if it is why there is nothing. */
static int no_result(const struct model *m, const struct options *o, int err)
{
	for (uint32_t i = 0; o->quiet && err == -ENODATA && i < m->store.note_count; i++)
		err_fail(m->store.notes[i].path, "%s", m->store.notes[i].text);
	return trouble(NULL, err);
}

/* For a command that shows the records as they are. */
static int run_on_records(const struct options *o)
{
	struct model model = {0};
	int err = store_load_stamps(&model.store, o->paths, o->path_count);
	int status = err ? no_result(&model, o, err) : print(&model, o);

	store_free(&model.store);
	return status;
}

static int run(const struct options *o)
{
	struct model model = {0};
	int err, status;

	if (o->command->needs == OPT_NEEDS_STAMPS)
		return run_on_records(o);
	err = model_build(&model, &o->model, o->paths, o->path_count);
	status = err ? no_result(&model, o, err) : print(&model, o);
	model_free(&model);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;

	if (opt_parse(&options, argc, argv))
		return EXIT_TROUBLE;
	if (options.help) {
		opt_help(stdout, options.command);
	} else if (options.version) {
		printf("dprof-analyze %s\n", DPROF_VERSION);
	} else {
		if (options.quiet)
			err_be_quiet();
		return run(&options);
	}
	return fflush(stdout) ? trouble("standard output", -errno) : 0;
}
