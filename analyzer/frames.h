/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames.h - a file of zstd frames, one unpacked object after another, past all damage (FORMAT.md 7). Reads
 * the file through a window, so that its size costs nothing; refuses what unpacks to too much.
 */
#ifndef DPROF_FRAMES_H
#define DPROF_FRAMES_H

#include "common/dump.h"

struct frames;

/* What was passed over so far. A place is a run of bytes from where a frame failed to the next good one. */
struct frames_damage {
	uint64_t places;
	uint64_t bytes;	   /* in these places */
	uint64_t first_at; /* where the first one begins */
	bool cut;	   /* the file ends inside a frame, */
	uint64_t cut_at;   /* which begins here */
	bool gave_up; /* the rest of the file was not looked at: too much damage, or it unpacks to too much */
	int read_err; /* -errno of a read that failed; what follows is unknown */
};

/* `size_bytes` of the file are read, from the start. NULL: no memory. Does not close fd. */
struct frames *frames_open(int fd, uint64_t size_bytes);

/* 1 and the next object, which the caller frees; 0 at the end; -ENOMEM. */
int frames_next(struct frames *f, struct slice *object);

/* Where the frame of the last object began. */
uint64_t frames_offset(const struct frames *f);

const struct frames_damage *frames_damage(const struct frames *f);

/* Bytes that were read from the file. */
uint64_t frames_bytes_read(const struct frames *f);

void frames_close(struct frames *f);

#endif
