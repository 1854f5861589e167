/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.h - what the parts of `dprof doctor` offer each other: three things can be examined, this system, a
 * command that is to be started, a process that runs.
 */
#ifndef DPROF_DOCTOR_H
#define DPROF_DOCTOR_H

#include <sys/stat.h>

#include "preload/outside/elf.h"
#include "preload/outside/finding.h"

/* Does this build of the library interpose the call? */
bool doctor_interposes(const char *call);

/* The system, as a program started from here finds it. `library` is the path of libdprof.so. */
void doctor_system(struct findings *out, const char *library);
/* What doctor_system starts to see whether tracing works at all: uses a socket, ends with 0. */
int doctor_trial(void);

/* The command: its files, interpreters, and what a runner among them starts. NULL-terminated. */
void doctor_command(struct findings *out, char **argv);

/* The running process. */
void doctor_process(struct findings *out, const char *library, int pid);

/* One ELF file in memory, as the program itself (not a library of it). */
void doctor_elf(struct findings *out, const void *bytes, size_t size, const char *path);
/* Rights that the file gives: then the loader ignores LD_PRELOAD. */
void doctor_rights(struct findings *out, const char *path, const struct stat *st);

/* What is known by name: a runner that starts something else (then where in argv that begins is the result,
 * else 0), a program that works elsewhere. `line` is where in a script it stands, 0: nowhere. */
size_t doctor_runner(struct findings *out, const char *name, char **argv, unsigned int line);

/* What is known of a program by its name, and does not show in its file. */
void doctor_known(struct findings *out, const char *name);

#endif
