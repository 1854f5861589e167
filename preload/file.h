/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.h - a dump file: whole frames, one after another. Flusher and salvage; raw system calls.
 *
 * Invariant: `bytes` is where the last whole frame ends; what a failed write left behind it is cut away.
 */
#ifndef DPROF_FILE_H
#define DPROF_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/encoder.h"

#define FILE_PATH_BYTES 4096u

struct dump_file {
	int fd; /* in the flusher's own table */
	uint64_t bytes;
	bool ending; /* what comes now are the last frames: they may use what is reserved */
	char path[FILE_PATH_BYTES];
};

/* Makes the directory `dir` (0700), with what is missing above it. */
int file_make_dir(const char *dir);

/* A new dump `<dir>/<host>.<program>.<pid>.<start>.zst`, 0600; 0 or -errno. */
int file_create(struct dump_file *f, const char *dir, const struct dump_header *h);

/* A dump that exists: cut at `bytes`, where its last whole frame ends. Only if it belongs to `uid`. `root`:
 * its directory may be one that this user cannot enter. */
int file_reopen(struct dump_file *f, uint32_t uid, uint64_t bytes, bool root);

/* Appends the encoder's object as one frame. 0 or -errno; then the file is as before. */
int file_append(struct dump_file *f, struct encoder *e);

void file_close(struct dump_file *f);

#endif
