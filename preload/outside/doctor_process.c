/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_process.c - is this running process traced, and if not, why not? Reads /proc and the process's
 * region; touches nothing. Single-threaded.
 *
 * Invariant: a region's bytes are somebody else's: what is read of it is bounded and checked.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "preload/outside/doctor.h"
#include "preload/outside/program.h"
#include "preload/region.h"

struct process {
	int pid;
	char *environment; /* as it was at its start; strings, one after the other */
	size_t environment_len;
	uint64_t start; /* since boot, in clock ticks */
	unsigned int uid;
	int inner_pid; /* in its own namespace */
	bool filtered; /* has a seccomp filter */
	bool secure;
	bool mapped, mapped_deleted;
	char library[PATH_MAX]; /* as mapped */
};

/* A file of /proc/PID, whole; NULL and errno. */
static char *read_all(int pid, const char *name, size_t *len)
{
	char path[64], *text = NULL;
	size_t have = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	do {
		char *more = realloc(text, have + 65537);

		if (more == NULL)
			break;
		text = more;
		n = read(fd, text + have, 65536);
		have += n > 0 ? (size_t)n : 0;
		text[have] = '\0';
	} while (n > 0);
	close(fd);
	*len = have;
	return text;
}

/* The value of a variable that the process was started with. */
static const char *started_with(const struct process *p, const char *name)
{
	size_t len = strlen(name);

	for (size_t at = 0; p->environment != NULL && at < p->environment_len;
	     at += strlen(p->environment + at) + 1)
		if (strncmp(p->environment + at, name, len) == 0 && p->environment[at + len] == '=')
			return p->environment + at + len + 1;
	return NULL;
}

static void read_status(struct process *p)
{
	size_t len;
	char *text = read_all(p->pid, "status", &len), *at;

	if (text == NULL)
		return;
	at = strstr(text, "\nUid:\t");
	p->uid = at != NULL
		     ? (unsigned int)strtoul(strchr(at + 6, '\t') ? strchr(at + 6, '\t') : at + 6, NULL, 10)
		     : 0;
	at = strstr(text, "\nSeccomp:\t");
	p->filtered = at != NULL && at[10] != '0';
	p->inner_pid = p->pid;
	at = strstr(text, "\nNSpid:\t");
	if (at != NULL) {
		char *end = strchr(at + 1, '\n');

		if (end != NULL)
			*end = '\0';
		p->inner_pid = atoi(strrchr(at, '\t') + 1);
	}
	free(text);
}

static void read_start(struct process *p)
{
	size_t len;
	char *text = read_all(p->pid, "stat", &len), *at = text != NULL ? strrchr(text, ')') : NULL;

	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	p->start = at != NULL ? strtoull(at + 1, NULL, 10) : 0;
	free(text);
}

static void read_secure(struct process *p)
{
	size_t len = 0;
	char *text = read_all(p->pid, "auxv", &len);
	Elf64_auxv_t a;

	for (size_t at = 0; text != NULL && at + sizeof a <= len; at += sizeof a) {
		memcpy(&a, text + at, sizeof a);
		if (a.a_type == AT_SECURE)
			p->secure = a.a_un.a_val != 0;
	}
	free(text);
}

/* False: may not be read. */
static bool read_maps(struct process *p)
{
	size_t len;
	char *text = read_all(p->pid, "maps", &len), *rest = text;

	if (text == NULL)
		return false;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		char *path = strchr(line, '/');

		if (path == NULL || strstr(path, "/libdprof.so") == NULL)
			continue;
		p->mapped = true;
		p->mapped_deleted = strstr(path, " (deleted)") != NULL;
		snprintf(p->library, sizeof p->library, "%s", path);
	}
	free(text);
	return true;
}

static bool other_namespace(int pid, const char *which)
{
	char mine[64], path[64], theirs[64];
	ssize_t m, t;

	snprintf(path, sizeof path, "/proc/self/ns/%s", which);
	m = readlink(path, mine, sizeof mine);
	snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, which);
	t = readlink(path, theirs, sizeof theirs);
	return m > 0 && t > 0 && (m != t || memcmp(mine, theirs, (size_t)m) != 0);
}

/* Prints what is in a region; false if the file is none that is whole. */
static bool say_region(struct findings *out, const struct process *p, const char *path)
{
	struct region_head head;
	char dump[PATH_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool good, dead;

	if (fd < 0)
		return false;
	good = pread(fd, &head, sizeof head, 0) == sizeof head &&
	       pread(fd, dump, sizeof dump, REGION_PATH_AT) == sizeof dump && head.magic == REGION_MAGIC &&
	       memchr(dump, '\0', sizeof dump) != NULL;
	dead = flock(fd, LOCK_SH | LOCK_NB) == 0;
	close(fd);
	if (!good)
		return false;
	if (dead) {
		finding_add(out, FINDING_WARN, "region", "look at its stderr",
			    "its thread that writes the dump has ended; what follows is not traced");
		return true;
	}
	finding_add(out, FINDING_OK, "region", NULL, "is traced now: %u rings, %llu records are in its dump",
		    head.ring_count, (unsigned long long)head.commits[head.commit_at & 1].records);
	if (other_namespace(p->pid, "mnt"))
		finding_add(out, FINDING_NOTE, "dump", NULL, "/proc/%d/root%s, seen from here", p->pid, dump);
	else
		finding_add(out, FINDING_OK, "dump", NULL, "%s", dump);
	return true;
}

/* dprof.UID.PID.START in its /dev/shm. The user may have changed since. */
static bool find_region(struct findings *out, const struct process *p)
{
	char dir[64], mark[64], path[PATH_MAX];
	bool found = false;
	DIR *d;

	snprintf(dir, sizeof dir, "/proc/%d/root" REGION_DIR, p->pid);
	snprintf(mark, sizeof mark, ".%d.%llu", p->inner_pid, (unsigned long long)p->start);
	d = opendir(dir);
	for (struct dirent *e; d != NULL && !found && (e = readdir(d)) != NULL;) {
		const char *user = e->d_name + strlen(REGION_PREFIX);

		if (strncmp(e->d_name, REGION_PREFIX, strlen(REGION_PREFIX)) != 0)
			continue;
		user += strspn(user, "0123456789");
		if (strncmp(user, mark, strlen(mark)) == 0 &&
		    snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < (int)sizeof path)
			found = say_region(out, p, path);
	}
	if (d != NULL)
		closedir(d);
	return found;
}

static void say_traced(struct findings *out, const struct process *p)
{
	const char *disabled = started_with(p, "DPROF_DISABLE");

	finding_add(out, FINDING_OK, "library", NULL, "%s is in it", p->library);
	if (p->mapped_deleted)
		finding_add(out, FINDING_NOTE, "library", "restart it to use the new one",
			    "its library was replaced on disk since");
	if (disabled != NULL && strcmp(disabled, "1") == 0)
		finding_add(out, FINDING_FAIL, "settings", "start it without DPROF_DISABLE",
			    "DPROF_DISABLE=1: the library does nothing");
	else if (!find_region(out, p))
		finding_add(
		    out, FINDING_NOTE, "region",
		    "use it once and look again; if it used sockets, its stderr says what was in the way",
		    "no records yet that can be seen from here: it has used no stream socket, could not be "
		    "traced, or has no /dev/shm");
}

static void say_untraced(struct findings *out, const struct process *p)
{
	const char *preload = started_with(p, "LD_PRELOAD");
	static const char restart[] = "start it anew: dprof record -- COMMAND, or with LD_PRELOAD and "
				      "DPROF_DIR in its unit; a running process "
				      "cannot be joined";

	if (p->secure)
		finding_add(out, FINDING_FAIL, "rights", "dprof doctor -- COMMAND says what to do",
			    "was started with more rights than its user's (AT_SECURE): the loader ignored "
			    "LD_PRELOAD");
	else if (p->environment == NULL)
		finding_add(out, FINDING_FAIL, "library", restart, "libdprof.so is not in it");
	else if (preload == NULL || strstr(preload, "libdprof.so") == NULL)
		finding_add(out, FINDING_FAIL, "environment", restart,
			    "libdprof.so is not in it: it was started without LD_PRELOAD%s",
			    preload != NULL ? " of it" : "");
	else
		finding_add(out, FINDING_FAIL, "library",
			    "is the path the same there, readable for its user, and the program dynamic?",
			    "libdprof.so is not in it, although it was started with LD_PRELOAD=%s", preload);
}

static void say_surroundings(struct findings *out, const struct process *p)
{
	if (other_namespace(p->pid, "mnt"))
		finding_add(out, FINDING_NOTE, "container", NULL,
			    "has another file system than this shell: DPROF_DIR and " REGION_DIR
			    " are its own");
	if (other_namespace(p->pid, "net"))
		finding_add(out, FINDING_NOTE, "container", NULL,
			    "has a network of its own: its peers need tracing there");
	if (p->filtered)
		finding_add(out, FINDING_NOTE, "seccomp", NULL, "has a seccomp filter");
}

static void examine_file(struct findings *out, int pid, const char *about)
{
	char link[64], exe[PATH_MAX];
	struct program_file file;
	ssize_t n;

	snprintf(link, sizeof link, "/proc/%d/exe", pid);
	n = readlink(link, exe, sizeof exe - 1);
	if (n <= 0 || program_open(link, &file) < 0)
		return;
	exe[n] = '\0';
	finding_add(out, FINDING_OK, "file", NULL, "%s", exe);
	doctor_elf(out, file.bytes, file.size, exe);
	program_close(&file);
	out->about = about;
}

void doctor_process(struct findings *out, const char *library, int pid)
{
	struct process p = {.pid = pid};
	char about[32], path[64];

	(void)library;
	snprintf(about, sizeof about, "process %d", pid);
	snprintf(path, sizeof path, "/proc/%d", pid);
	out->about = about;
	if (access(path, F_OK) < 0) {
		finding_trouble(out, "process", NULL, "no process has this number");
		return;
	}
	if (!read_maps(&p)) {
		finding_trouble(out, "process", "sudo dprof doctor -p PID",
				"may not be looked at by this user: %s", strerror(errno));
		return;
	}
	p.environment = read_all(pid, "environ", &p.environment_len);
	read_status(&p);
	read_start(&p);
	read_secure(&p);
	if (p.mapped)
		say_traced(out, &p);
	else
		say_untraced(out, &p);
	say_surroundings(out, &p);
	examine_file(out, pid, about);
	free(p.environment);
}
