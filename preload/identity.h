/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.h - who this process is, for the header of its dump. Flusher only: it reads files.
 */
#ifndef DPROF_IDENTITY_H
#define DPROF_IDENTITY_H

#include <stdbool.h>

#include "common/dump.h"

struct identity {
	char boot_id[40];
	uint32_t uid;
	uint64_t boot_start;
};

/* Fills both; what the system does not tell is 0 or "". */
void identity_read(struct identity *id, struct dump_header *h);

/* Start of process `pid` (0: ours) in ticks since boot; 0: there is none, or it is dead and waits for its
 * parent. */
uint64_t identity_boot_start(uint32_t pid);

/* Are we the last thread of this process that lives? Then what its first one said with exit(2). */
bool identity_alone(uint32_t *status);

/* The effective user and group of the program's main thread; false if the system does not tell, or while the
 * program can be root again. */
bool identity_program_user(uint32_t *uid, uint32_t *gid);

/* A seccomp filter holds, or nobody can tell. */
bool identity_is_filtered(void);

#endif
