/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_system.c - what this system offers a traced program: the library itself, memory, disk, clock,
 * kernel, environment, limits; and a trial. Single-threaded.
 *
 * Invariant: leaves nothing behind, and says only what it has tried or read here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "preload/config.h"
#include "preload/outside/doctor.h"
#include "preload/outside/program.h"
#include "preload/outside/trial.h"
#include "preload/region.h"

#define MIB	     (1ull << 20)
#define LEAST_DISK   (64 * MIB)
#define LEAST_MEMORY (64 * MIB)
#define LEAST_FILES  32
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

extern char **environ;

/* First line of a small file, "" if there is none. */
static void read_line(const char *path, char *to, size_t cap)
{
	FILE *in = fopen(path, "re");

	to[0] = '\0';
	if (in == NULL)
		return;
	if (fgets(to, (int)cap, in) != NULL)
		to[strcspn(to, "\n")] = '\0';
	fclose(in);
}

static void say_library(struct findings *out, const char *library)
{
	char said[512] = "";
	int r;

	if (access(library, R_OK) < 0) {
		finding_add(out, FINDING_FAIL, "library",
			    "make, or make install; every user must be able to read it", "%s: %s", library,
			    strerror(errno));
		return;
	}
	if (strpbrk(library, ": ") != NULL) {
		finding_add(out, FINDING_FAIL, "library", "install it elsewhere",
			    "%s: LD_PRELOAD cannot hold a path with a blank or a colon", library);
		return;
	}
	finding_add(out, FINDING_OK, "library", NULL, "%s", library);
	r = trial_run(library, said, sizeof said);
	if (r == 0)
		finding_add(out, FINDING_OK, "trial", NULL,
			    "a small program was started with it: traced, its dump is there");
	else if (r == TRIAL_NOT_MADE)
		finding_add(out, FINDING_NOTE, "trial", NULL, "could not be made: %s", said);
	else
		finding_add(out, FINDING_FAIL, "trial",
			    "the other lines here may say why; else please report it",
			    "a small program was started with it, and was not traced%s%s",
			    said[0] != '\0' ? ": " : "", said);
}

static void say_shm(struct findings *out)
{
	uint64_t ring = config_get()->ring_bytes, half, room;
	struct statvfs fs;

	if (statvfs(REGION_DIR, &fs) < 0) {
		finding_add(out, FINDING_WARN, "shm", "mount a tmpfs at " REGION_DIR,
			    REGION_DIR ": %s: traced, but kill -9 loses the last moments", strerror(errno));
		return;
	}
	if (access(REGION_DIR, W_OK | X_OK) < 0 || (fs.f_flag & ST_RDONLY)) {
		finding_add(out, FINDING_WARN, "shm", "chmod 1777 " REGION_DIR,
			    REGION_DIR ": not writable: traced, but kill -9 loses the last moments");
		return;
	}
	half = (uint64_t)fs.f_blocks * fs.f_frsize / 2;
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	room = room > half ? room - half : 0;
	if (room < ring + REGION_FIRST_RING_AT)
		finding_add(out, FINDING_WARN, "shm",
			    "make it larger (docker run --shm-size=256m), or DPROF_RING smaller",
			    REGION_DIR ": no room for one ring in the half that dprof uses (%llu MiB of %llu "
				       "left): kill -9 loses the last moments",
			    (unsigned long long)(room / MIB), (unsigned long long)(half / MIB));
	else if (room / ring < 32)
		finding_add(
		    out, FINDING_NOTE, "shm", "docker run --shm-size=256m, or DPROF_RING smaller",
		    REGION_DIR
		    ": room for the rings of %llu threads; what kill -9 leaves of more than these is lost",
		    (unsigned long long)(room / ring));
	else
		finding_add(out, FINDING_OK, "shm", NULL, REGION_DIR ": room for the rings of %llu threads",
			    (unsigned long long)(room / ring));
}

/* The directory, or the nearest one above it that is there. */
static const char *existing(const char *dir, char to[PATH_MAX])
{
	struct stat st;

	snprintf(to, PATH_MAX, "%s", dir);
	while (stat(to, &st) < 0 && errno == ENOENT && strrchr(to, '/') != NULL) {
		char *slash = strrchr(to, '/');

		slash[slash == to] = '\0';
	}
	return to;
}

static void say_dir(struct findings *out)
{
	const char *dir = config_get()->dir;
	char there[PATH_MAX];
	struct statvfs fs;
	struct stat st;

	existing(dir, there);
	if (stat(there, &st) < 0 || !S_ISDIR(st.st_mode)) {
		finding_add(out, FINDING_FAIL, "dir", "set DPROF_DIR to a directory",
			    "DPROF_DIR %s: %s is no directory", dir, there);
		return;
	}
	if (access(there, W_OK | X_OK) < 0) {
		finding_add(out, FINDING_FAIL, "dir",
			    "set DPROF_DIR to a directory that the program's user may write to",
			    "DPROF_DIR %s: %s: %s", dir, there, strerror(errno));
		return;
	}
	if (statvfs(there, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < LEAST_DISK)
		finding_add(out, FINDING_WARN, "dir", "make room, or set DPROF_DIR",
			    "DPROF_DIR %s: only %llu MiB are free: records are dropped when it is full", dir,
			    (unsigned long long)fs.f_bavail * fs.f_frsize / MIB);
	else if (strcmp(there, dir) != 0)
		finding_add(out, FINDING_OK, "dir", NULL, "DPROF_DIR %s: will be made, mode 0700", dir);
	else if ((st.st_mode & 077) != 0)
		finding_add(out, FINDING_NOTE, "dir",
			    "chmod 700, if the names of hosts and programs are nobody's business",
			    "DPROF_DIR %s: others can list it (mode %o); each dump is 0600", dir,
			    st.st_mode & 07777);
	else
		finding_add(out, FINDING_OK, "dir", NULL, "DPROF_DIR %s: writable", dir);
}

static void say_clock(struct findings *out)
{
	char name[64];

	read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", name, sizeof name);
	if (strcmp(name, "tsc") == 0)
		finding_add(out, FINDING_OK, "clock", NULL, "tsc: a time stamp costs some 10 ns");
	else
		finding_add(out, FINDING_NOTE, "clock", NULL,
			    "%s: time stamps are the kernel's, some 10 ns slower each or more",
			    name[0] != '\0' ? name : "clock source not known");
}

static void say_kernel(struct findings *out)
{
	struct utsname names;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool wipe = page != MAP_FAILED && madvise(page, 4096, MADV_WIPEONFORK) == 0;
	bool range = syscall(SYS_close_range, ~0u - 1, ~0u - 1, 0) == 0;

	if (page != MAP_FAILED)
		munmap(page, 4096);
	uname(&names);
	if (wipe && range)
		finding_add(out, FINDING_OK, "kernel", NULL, "%s: has all that is used", names.release);
	else
		finding_add(out, FINDING_NOTE, "kernel", NULL, "%s has no%s%s%s: slower ways are used",
			    names.release, wipe ? "" : " MADV_WIPEONFORK", !wipe && !range ? ", no" : "",
			    range ? "" : " close_range");
}

/* Libraries that want a word about being loaded together with ours. */
static void say_neighbour(struct findings *out, const char *path)
{
	const char *base = program_base(path);

	if (strncmp(base, "libdprof", 8) == 0)
		finding_add(out, FINDING_NOTE, "preload", NULL,
			    "LD_PRELOAD already names %s: whatever is started is traced, this shell's "
			    "commands as well",
			    path);
	else if (strncmp(base, "libasan", 7) == 0 || strncmp(base, "libtsan", 7) == 0)
		finding_add(out, FINDING_NOTE, "preload", "keep it first",
			    "LD_PRELOAD names %s: a sanitizer must stay before libdprof.so, dprof record "
			    "leaves it there",
			    path);
	else if (strchr(path, '/') != NULL && access(path, R_OK) < 0)
		finding_add(out, FINDING_NOTE, "preload", "correct LD_PRELOAD",
			    "LD_PRELOAD names %s, which is not there: the loader says so at every start",
			    path);
	else
		finding_add(out, FINDING_NOTE, "preload", NULL,
			    "LD_PRELOAD already names %s: it stays, before libdprof.so", path);
}

static void say_preload(struct findings *out)
{
	const char *list = getenv("LD_PRELOAD");
	char line[PATH_MAX];

	for (const char *at = list; at != NULL && *at != '\0';) {
		size_t len = strcspn(at, ": ");

		if (len > 0) {
			snprintf(line, sizeof line, "%.*s", (int)len, at);
			say_neighbour(out, line);
		}
		at += len + (at[len] != '\0');
	}
	read_line("/etc/ld.so.preload", line, sizeof line);
	if (line[0] != '\0')
		finding_add(out, FINDING_NOTE, "preload", NULL,
			    "/etc/ld.so.preload names %s: it is loaded into every program, after LD_PRELOAD",
			    line);
	if (getenv("LD_AUDIT") != NULL)
		finding_add(out, FINDING_NOTE, "preload", NULL,
			    "LD_AUDIT is set: its library may see or change what is loaded");
}

/* A name that is like one of the settings, for a typing error. */
static bool is_setting(const char *name, size_t len)
{
	for (const struct config_row *row = config_rows; row->name != NULL; row++)
		if (strlen(row->name) == len && strncmp(row->name, name, len) == 0)
			return true;
	return false;
}

static void say_settings(struct findings *out)
{
	bool wrong = false;

	for (size_t i = 0; config_rows[i].name != NULL; i++) {
		const char *bad = config_bad_value(i);

		if (bad == NULL)
			continue;
		wrong = true;
		finding_add(out, FINDING_WARN, "settings", "correct or unset it",
			    "%s=%s is not valid: must be %s; %s holds", config_rows[i].name, bad,
			    config_rows[i].allowed, config_rows[i].standard);
	}
	for (char **e = environ; *e != NULL; e++) {
		size_t len = strcspn(*e, "=");

		if (strncmp(*e, "DPROF_", 6) != 0 || is_setting(*e, len))
			continue;
		wrong = true;
		finding_add(out, FINDING_WARN, "settings", "man dprof lists the settings",
			    "%.*s is no setting: it has no effect", (int)len, *e);
	}
	if (config_get()->disable) {
		wrong = true;
		finding_add(out, FINDING_FAIL, "settings", "unset DPROF_DISABLE",
			    "DPROF_DISABLE=1: the library does nothing");
	}
	if (!wrong)
		finding_add(out, FINDING_OK, "settings", NULL, "no DPROF_ variable is wrong");
}

static void say_limit(struct findings *out, int resource, const char *name, uint64_t least, const char *what)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < least)
		finding_add(out, FINDING_WARN, "limits", "raise it for traced programs", "%s is %llu: %s",
			    name, (unsigned long long)limit.rlim_cur, what);
}

static void say_limits(struct findings *out)
{
	size_t before = out->count;

	say_limit(out, RLIMIT_AS, "ulimit -v (address space, bytes)", LEAST_MEMORY + config_get()->ring_bytes,
		  "too little for rings beside the program; it may not be traced");
	say_limit(out, RLIMIT_FSIZE, "ulimit -f (file size, bytes)", LEAST_DISK,
		  "a dump that reaches it pauses, records are dropped and counted");
	say_limit(out, RLIMIT_NOFILE, "ulimit -n (open files)", LEAST_FILES,
		  "dprof needs six that the program does not see");
	if (out->count == before)
		finding_add(out, FINDING_OK, "limits", NULL, "none is in the way");
}

static void say_surroundings(struct findings *out)
{
	char line[128], *at;
	FILE *in = fopen("/proc/self/status", "re");

	while (in != NULL && fgets(line, sizeof line, in) != NULL) {
		if (strncmp(line, "Seccomp:", 8) != 0)
			continue;
		at = line + 8 + strspn(line + 8, " \t");
		if (*at == '2')
			finding_add(
			    out, FINDING_NOTE, "seccomp",
			    "if programs are not traced here, allow what systemd's @system-service allows",
			    "a filter that cannot be read is active here: dprof needs no call beyond an "
			    "ordinary service's");
	}
	if (in != NULL)
		fclose(in);
	if (access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0 ||
	    getenv("KUBERNETES_SERVICE_HOST") != NULL)
		finding_add(out, FINDING_NOTE, "container",
			    "mount a volume at DPROF_DIR; see man dprof, RECIPES",
			    "this is a container: its dumps and " REGION_DIR " go when it goes");
	finding_add(out, FINDING_OK, "rights", NULL,
		    "uid %u is enough: neither root nor ptrace nor a kernel module is used", geteuid());
}

void doctor_system(struct findings *out, const char *library)
{
	out->about = "system";
	say_library(out, library);
	say_preload(out);
	say_settings(out);
	say_dir(out);
	say_shm(out);
	say_limits(out);
	say_clock(out);
	say_kernel(out);
	say_surroundings(out);
}
