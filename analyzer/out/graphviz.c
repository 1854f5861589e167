// SPDX-License-Identifier: Apache-2.0
/*
 * graphviz.c - graphs as pictures: what dot.c prints goes through Graphviz's program dot, if that is
 * installed (out_lacks). Analyzer, one thread; the only place that starts a program.
 *
 * Invariant: dot reads a file in memory that is whole before it starts, so that neither waits for the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analyzer/out/dot.h"

#define PROGRAM "dot"

static int graphviz_open(struct out *o)
{
	int fd = memfd_create("graph", MFD_CLOEXEC);
	FILE *graph = fd < 0 ? NULL : fdopen(fd, "w");

	if (!graph || dot_open(o)) {
		if (graph)
			fclose(graph);
		else if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	((struct dot *)o->state)->picture = o->to;
	o->to = graph;
	return 0;
}

static int start(const char *name, int from, int to, pid_t *pid)
{
	char option[32], quiet[] = "-q", program[] = PROGRAM;
	char *words[] = {program, quiet, option, NULL};
	posix_spawn_file_actions_t actions;
	int err = posix_spawn_file_actions_init(&actions);

	if (err)
		return -err;
	snprintf(option, sizeof(option), "-T%s", name);
	err = posix_spawn_file_actions_adddup2(&actions, from, STDIN_FILENO);
	err = err ? err : posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
	err = err ? err : posix_spawnp(pid, program, &actions, NULL, words, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

static void copy(int from, FILE *to)
{
	char bytes[16384];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			fwrite(bytes, 1, (size_t)n, to);
}

/* 0 or -errno; -EIO: dot has said on stderr what it does not like. */
static int draw(const char *name, int graph, FILE *to)
{
	int ends[2], status = 0, err;
	pid_t pid = 0;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	err = start(name, graph, ends[1], &pid);
	close(ends[1]);
	if (!err)
		copy(ends[0], to);
	close(ends[0]);
	while (!err && waitpid(pid, &status, 0) < 0)
		err = errno == EINTR ? 0 : -errno;
	return err ? err : status ? -EIO : 0;
}

static void graphviz_close(struct out *o)
{
	FILE *graph = o->to, *picture = ((struct dot *)o->state)->picture;
	bool any;

	dot_close(o);
	any = ftello(graph) > 0;
	o->to = picture;
	if (fflush(graph) || ferror(graph) || lseek(fileno(graph), 0, SEEK_SET) < 0)
		out_fail(o, -ENOMEM);
	else if (!o->err && any)
		out_fail(o, draw(o->format->name, fileno(graph), o->to));
	fclose(graph);
}

#define PICTURE                                                                                              \
	.drawing = &dot_drawing, .program = PROGRAM, .open = graphviz_open, .close = graphviz_close,         \
	DOT_DOCUMENT

const struct out_format out_format_svg = {.name = "svg", PICTURE};
const struct out_format out_format_png = {.name = "png", .binary = true, PICTURE};
