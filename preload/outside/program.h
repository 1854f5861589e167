/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.h - finds what a command name means, and opens files to look at them. Runs nothing. An ordinary
 * program's code.
 */
#ifndef DPROF_PROGRAM_H
#define DPROF_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* A file in memory, to be read only. */
struct program_file {
	const char *bytes;
	size_t size;
	struct stat st;
};

/* As execvp(3) would: 0 and the path, or -ENOENT, -EACCES (found, but may not be run), -EISDIR. */
int program_find(const char *name, char path[PATH_MAX]);

/* 0, -EACCES and the like. -EINVAL: no regular file. */
int program_open(const char *path, struct program_file *file);
void program_close(struct program_file *file);

/* Where a shared library would be found for a program in `origin` (a directory): 0 or -ENOENT. A search as
 * ld.so's, without its cache: the same directories. */
int program_find_library(const char *name, const char *runpath, const char *origin, char path[PATH_MAX]);

const char *program_base(const char *path);

#endif
