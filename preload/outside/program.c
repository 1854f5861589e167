/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.c - see program.h. Single-threaded.
 *
 * Invariant: nothing is written and nothing is started; a name that is too long is not found.
 */
#include "preload/outside/program.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *program_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* May this be started? Found is found: execvp goes on after EACCES, but reports it in the end. */
static int look(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		return -EACCES;
	return 0;
}

/* Joins a piece of a colon-separated list (empty: here) with a name. */
static bool join(char to[PATH_MAX], const char *dir, size_t len, const char *name)
{
	int n = len == 0 ? snprintf(to, PATH_MAX, "./%s", name)
			 : snprintf(to, PATH_MAX, "%.*s/%s", (int)len, dir, name);

	return n > 0 && n < PATH_MAX;
}

int program_find(const char *name, char path[PATH_MAX])
{
	const char *dirs = getenv("PATH");
	int worst = -ENOENT;

	if (*name == '\0' || strlen(name) >= PATH_MAX)
		return -ENOENT;
	if (strchr(name, '/') != NULL) {
		strcpy(path, name);
		return look(path);
	}
	for (const char *d = dirs != NULL ? dirs : "/bin:/usr/bin";; d += strcspn(d, ":") + 1) {
		size_t len = strcspn(d, ":");
		int r = join(path, d, len, name) ? look(path) : -ENOENT;

		if (r == 0)
			return 0;
		if (r == -EACCES)
			worst = r;
		if (d[len] == '\0')
			return worst;
	}
}

int program_open(const char *path, struct program_file *file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	void *p = NULL;
	int r = 0;

	*file = (struct program_file){.bytes = ""};
	if (fd < 0)
		return -errno;
	if (fstat(fd, &file->st) < 0 || !S_ISREG(file->st.st_mode))
		r = -EINVAL;
	else if (file->st.st_size > 0)
		p = mmap(NULL, (size_t)file->st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		r = -errno;
	else if (p != NULL)
		*file = (struct program_file){.bytes = p, .size = (size_t)file->st.st_size, .st = file->st};
	close(fd);
	return r;
}

void program_close(struct program_file *file)
{
	if (file->size > 0)
		munmap((void *)file->bytes, file->size);
	file->size = 0;
}

/* $ORIGIN is the only word that programs use here. */
static bool expand(const char *piece, size_t len, const char *origin, char to[PATH_MAX])
{
	static const char *const words[] = {"$ORIGIN", "${ORIGIN}"};

	for (size_t i = 0; i < 2; i++) {
		size_t word = strlen(words[i]);

		if (len >= word && strncmp(piece, words[i], word) == 0)
			return snprintf(to, PATH_MAX, "%s%.*s", origin, (int)(len - word), piece + word) <
			       PATH_MAX;
	}
	return snprintf(to, PATH_MAX, "%.*s", (int)len, piece) < PATH_MAX;
}

static bool in_list(const char *list, const char *origin, const char *name, char path[PATH_MAX])
{
	char dir[PATH_MAX];

	for (const char *d = list; d != NULL && *d != '\0';) {
		size_t len = strcspn(d, ":");

		if (len > 0 && expand(d, len, origin, dir) && join(path, dir, strlen(dir), name) &&
		    access(path, R_OK) == 0)
			return true;
		d += len + (d[len] == ':');
	}
	return false;
}

/* The directories that the system's administrator added. */
static bool in_configured(const char *name, char path[PATH_MAX])
{
	bool found = false;
	char line[PATH_MAX];
	glob_t files;

	if (glob("/etc/ld.so.conf.d/*.conf", 0, NULL, &files) != 0)
		return false;
	for (size_t i = 0; i < files.gl_pathc && !found; i++) {
		FILE *in = fopen(files.gl_pathv[i], "re");

		while (in != NULL && !found && fgets(line, sizeof line, in) != NULL) {
			line[strcspn(line, "\n")] = '\0';
			found =
			    line[0] == '/' && join(path, line, strlen(line), name) && access(path, R_OK) == 0;
		}
		if (in != NULL)
			fclose(in);
	}
	globfree(&files);
	return found;
}

int program_find_library(const char *name, const char *runpath, const char *origin, char path[PATH_MAX])
{
	static const char standard[] =
	    "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:/usr/lib64:/lib:/usr/lib:"
	    "/usr/local/lib";

	if (strchr(name, '/') != NULL)
		return strlen(name) < PATH_MAX && access(strcpy(path, name), R_OK) == 0 ? 0 : -ENOENT;
	if (in_list(runpath, origin, name, path) || in_list(getenv("LD_LIBRARY_PATH"), origin, name, path) ||
	    in_configured(name, path) || in_list(standard, origin, name, path))
		return 0;
	return -ENOENT;
}
