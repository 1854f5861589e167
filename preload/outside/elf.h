/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf.h - what a program's file says about itself, as far as it decides whether the library can be loaded
 * into it and what will be seen. Bytes in, facts out: opens nothing, runs nothing.
 */
#ifndef DPROF_ELF_H
#define DPROF_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_NEEDED_MAX 96
#define ELF_NAME_BYTES 256

struct elf_facts {
	unsigned int bits;		    /* 32 or 64 */
	uint16_t machine;		    /* EM_... */
	uint16_t type;			    /* ET_EXEC, ET_DYN, ... */
	char interpreter[ELF_NAME_BYTES];   /* "": none, so no LD_PRELOAD */
	char runpath[4 * ELF_NAME_BYTES];   /* DT_RUNPATH or DT_RPATH */
	const char *needed[ELF_NEEDED_MAX]; /* in the bytes */
	size_t needed_count;
	bool is_go;
	char go_version[32]; /* "" if the file does not tell */
	const char *tls;     /* a TLS library that is linked in, NULL if none shows */
};

/* 0; -ENOEXEC: not an ELF file; -EBADMSG: one whose headers are cut short or point outside of it. What was
 * found up to there is in the facts. Facts beyond the first page are read of 64-bit little-endian files only.
 */
int elf_read(const void *bytes, size_t size, struct elf_facts *facts);

#endif
