/* SPDX-License-Identifier: Apache-2.0 */
/* preload_dir.h - for tests of the flusher and of salvage: a directory of dumps, and regions in /dev/shm. */
#ifndef DPROF_TESTS_PRELOAD_DIR_H
#define DPROF_TESTS_PRELOAD_DIR_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

/* A fresh directory for a test; 0 or -1. */
static inline int dump_top(char *path, size_t cap, const char *test)
{
	const char *where = getenv("TMPDIR");

	snprintf(path, cap, "%s/%s_XXXXXX", where != NULL ? where : "/tmp", test);
	return mkdtemp(path) == NULL ? -1 : 0;
}

/* The only dump in `dir`; its path. */
static inline const char *dump_only(const char *dir)
{
	static char path[600];
	DIR *d = opendir(dir);
	struct dirent *e;
	int found = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
			found++;
		}
	closedir(d);
	assert_int_equal(found, 1);
	return path;
}

static inline void dump_dir_remove(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[600];

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		unlink(path);
	}
	closedir(d);
	rmdir(dir);
}

/* How many regions of process `pid` there are. */
static inline int dump_regions(pid_t pid)
{
	DIR *d = opendir("/dev/shm");
	struct dirent *e;
	int found = 0;
	unsigned int uid, owner;

	while (d != NULL && (e = readdir(d)) != NULL)
		found += sscanf(e->d_name, "dprof.%u.%u.", &uid, &owner) == 2 && owner == (unsigned int)pid;
	if (d != NULL)
		closedir(d);
	return found;
}

#endif
