/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_elf.c - what a program's file says about how it will be traced. Single-threaded.
 *
 * Invariant: says only what the file shows; what cannot be read is said to be unread.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "preload/outside/doctor.h"
#include "preload/outside/program.h"

#define LIBRARIES_MAX 400

/* Each library that the program loads at its start, once. */
struct libraries {
	char *names[LIBRARIES_MAX];
	size_t count;
};

bool doctor_interposes(const char *call)
{
#define CALL(name, kind, need) #name,
	static const char *const calls[] = {
#include "preload/calls.def"
	};
#undef CALL

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		if (strcmp(calls[i], call) == 0)
			return true;
	return false;
}

static void remember(struct libraries *all, const char *name)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->names[i], name) == 0)
			return;
	if (all->count < LIBRARIES_MAX && (all->names[all->count] = strdup(name)) != NULL)
		all->count++;
}

/* What the program needs, and what that needs. */
static void collect(struct libraries *all, const struct elf_facts *program, const char *path)
{
	char origin[PATH_MAX], found[PATH_MAX];
	struct program_file file;
	struct elf_facts f;

	snprintf(origin, sizeof origin, "%.*s", (int)(program_base(path) - path), path);
	for (size_t i = 0; i < program->needed_count; i++)
		remember(all, program->needed[i]);
	for (size_t i = 0; i < all->count; i++) {
		if (program_find_library(all->names[i], program->runpath, origin, found) < 0 ||
		    program_open(found, &file) < 0)
			continue;
		elf_read(file.bytes, file.size, &f);
		for (size_t n = 0; n < f.needed_count; n++)
			remember(all, f.needed[n]);
		program_close(&file);
	}
}

static const char *library_like(const struct libraries *all, const char *prefix)
{
	for (size_t i = 0; i < all->count; i++)
		if (strncmp(all->names[i], prefix, strlen(prefix)) == 0)
			return all->names[i];
	return NULL;
}

static void say_tls(struct findings *out, const struct libraries *all, const struct elf_facts *f)
{
	static const char *const others[] = {"libnss3.so",	"libmbedtls.so", "libwolfssl.so",
					     "libboringssl.so", "libs2n.so",	 "libbearssl.so"};
	const char *name = library_like(all, "libssl.so");
	const char *call = "SSL_read";

	if (name == NULL) {
		name = library_like(all, "libgnutls.so");
		call = "gnutls_record_recv";
	}
	if (name != NULL && doctor_interposes(call))
		finding_add(out, FINDING_OK, "tls", NULL, "TLS through %s: its plaintext is seen", name);
	else if (name != NULL)
		finding_add(out, FINDING_NOTE, "tls", NULL,
			    "TLS through %s: seen as ciphertext, timed and joined", name);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		const char *other = library_like(all, others[i]);

		if (other != NULL)
			finding_add(out, FINDING_NOTE, "tls", NULL,
				    "TLS through %s: seen as ciphertext, timed and joined", other);
	}
	if (name == NULL && f->tls != NULL)
		finding_add(out, FINDING_NOTE, "tls", "end TLS in a proxy before it to see what is inside",
			    "%s is linked in: TLS is seen as ciphertext, timed and joined", f->tls);
}

static void say_libraries(struct findings *out, const struct elf_facts *f, const char *path)
{
	struct libraries all = {.count = 0};
	const char *uring;

	collect(&all, f, path);
	say_tls(out, &all, f);
	uring = library_like(&all, "liburing.so");
	if (uring != NULL)
		finding_add(out, FINDING_WARN, "io_uring",
			    "DPROF_IO_URING=refuse makes it use calls that can be seen, if it has them",
			    "linked with %s: what goes through io_uring is not seen", uring);
	for (size_t i = 0; i < all.count; i++)
		free(all.names[i]);
}

static const char *machine_name(uint16_t machine)
{
	switch (machine) {
	case EM_X86_64:
		return "x86-64";
	case EM_386:
		return "32-bit x86";
	case EM_AARCH64:
		return "arm64";
	case EM_ARM:
		return "32-bit arm";
	case EM_RISCV:
		return "RISC-V";
	case EM_PPC64:
		return "POWER";
	case EM_S390:
		return "s390";
	default:
		return "another machine";
	}
}

static bool right_machine(struct findings *out, const struct elf_facts *f)
{
	if (f->machine == EM_X86_64 && f->bits == 64)
		return true;
	finding_add(out, FINDING_FAIL, "machine", "run a 64-bit x86 build of it",
		    "a %u-bit program for %s: the library is for 64-bit x86-64, the loader leaves it out "
		    "with a message",
		    f->bits, f->machine == EM_X86_64 ? "x32" : machine_name(f->machine));
	return false;
}

static void say_go(struct findings *out, const struct elf_facts *f)
{
	finding_add(
	    out, FINDING_FAIL, "go",
	    "trace what it talks to: those ends see its requests, as of a peer that is not traced",
	    "a Go program (%s), %s: its system calls do not pass through libc, no socket of it is seen",
	    f->go_version[0] != '\0' ? f->go_version : "before Go 1.18",
	    f->interpreter[0] != '\0' ? "dynamic" : "static");
}

static void say_static(struct findings *out, const struct elf_facts *f)
{
	finding_add(out, FINDING_FAIL, "static",
		    "link it dynamically (without -static, -static-pie; Rust: a -gnu target); until then "
		    "trace what it talks to",
		    "%s: there is no loader that could load the library, LD_PRELOAD is ignored in silence",
		    f->type == ET_DYN ? "a static PIE program" : "a static program");
}

/* False: no use in looking further. */
static bool right_loader(struct findings *out, const struct elf_facts *f)
{
	const char *name = program_base(f->interpreter);

	if (strncmp(name, "ld-musl", 7) == 0) {
		finding_add(
		    out, FINDING_FAIL, "libc",
		    "use a build for glibc (image: debian instead of alpine; Rust: a -gnu target)",
		    "built for musl (%s): the library needs glibc, the program may not even start with it",
		    f->interpreter);
		return false;
	}
	if (strncmp(name, "ld-linux-x86-64", 15) != 0) {
		finding_add(out, FINDING_FAIL, "libc", "use a build for glibc",
			    "its loader is %s, not glibc's", f->interpreter);
		return false;
	}
	if (access(f->interpreter, X_OK) < 0) {
		finding_add(out, FINDING_FAIL, "libc", "install that libc, or run it where it was built",
			    "its loader %s is not there: it cannot start here", f->interpreter);
		return false;
	}
	if (strncmp(f->interpreter, "/lib", 4) != 0 && strncmp(f->interpreter, "/usr/lib", 8) != 0)
		finding_add(
		    out, FINDING_NOTE, "libc", NULL,
		    "brings its own glibc (%s): it must be no older than the one dprof was built with",
		    f->interpreter);
	return true;
}

void doctor_elf(struct findings *out, const void *bytes, size_t size, const char *path)
{
	struct elf_facts f;
	int r = elf_read(bytes, size, &f);

	if (r == -ENOEXEC) {
		finding_trouble(out, "file", NULL, "neither a program nor a script");
		return;
	}
	if (r < 0) {
		finding_trouble(out, "file", "copy or build it again",
				"its ELF headers are damaged or cut short");
		return;
	}
	if (f.type != ET_EXEC && f.type != ET_DYN) {
		finding_trouble(out, "file", NULL, "an ELF file, but no program (a core file or an object)");
		return;
	}
	if (!right_machine(out, &f))
		return;
	if (f.is_go) {
		say_go(out, &f);
		return;
	}
	if (f.interpreter[0] == '\0') {
		say_static(out, &f);
		return;
	}
	if (!right_loader(out, &f))
		return;
	finding_add(out, FINDING_OK, "program", NULL,
		    "a dynamic program of x86-64 with glibc: the library is loaded into it");
	say_libraries(out, &f, path);
}

/* Does an exec of it by us give up rights that LD_PRELOAD needs? */
static bool gives_rights(const struct stat *st, const char *path, const char **what)
{
	char capabilities[64];

	if (getxattr(path, "security.capability", capabilities, sizeof capabilities) > 0)
		*what = "file capabilities";
	else if (st->st_mode & S_ISUID)
		*what = "the setuid bit";
	else if ((st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		*what = "the setgid bit";
	else
		return false;
	return true;
}

/* Whether the kernel will mark an exec by us as secure (AT_SECURE), as cap_bprm_creds_from_file decides. */
static bool is_secure_for_us(const struct stat *st, const char *path, const char *what)
{
	struct statvfs fs;

	if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID))
		return false;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false;
	if (strcmp(what, "file capabilities") == 0)
		return getuid() != 0;
	if (st->st_mode & S_ISUID)
		return st->st_uid != getuid();
	return st->st_gid != getgid();
}

void doctor_rights(struct findings *out, const char *path, const struct stat *st)
{
	const char *what;
	bool capabilities;

	if (!gives_rights(st, path, &what))
		return;
	capabilities = strcmp(what, "file capabilities") == 0;
	if (is_secure_for_us(st, path, what))
		finding_add(
		    out, FINDING_FAIL, "rights",
		    capabilities
			? "trace a copy without them (setcap -r); a service gets them from its unit instead, "
			  "AmbientCapabilities=, which leaves LD_PRELOAD alone"
			: "run a copy without the bit, as the user that it becomes",
		    "has %s: the loader ignores LD_PRELOAD in it (AT_SECURE) and takes it from what it "
		    "starts",
		    what);
	else
		finding_add(out, FINDING_NOTE, "rights", NULL,
			    "has %s: traced when started by this user from here, not by others", what);
}
