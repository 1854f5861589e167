/* SPDX-License-Identifier: Apache-2.0 */
/*
 * salvage.h - finishes the dumps of processes that died without a word: what their rings still hold, and the
 * end object. Runs on the flusher of the next traced process, and in dprof-salvage.
 */
#ifndef DPROF_SALVAGE_H
#define DPROF_SALVAGE_H

#include <stdint.h>

#include "preload/encoder.h"

#define SALVAGE_ALL_USERS UINT32_MAX

enum salvage_result {
	SALVAGE_DONE,	   /* the dump is finished */
	SALVAGE_REMOVED,   /* its dump's directory is gone since long: nobody wants it */
	SALVAGE_ELSEWHERE, /* its dump lies in another directory */
	SALVAGE_ALIVE,	   /* the process lives, or somebody else is at it */
	SALVAGE_FAILED,	   /* `error` says why; the region stays */
};

/* What became of one region. */
struct salvage_report {
	enum salvage_result result;
	const char *region; /* path */
	const char *dump;   /* path, "" if unknown */
	uint64_t records;   /* that were in the rings */
	int error;
};

struct salvage {
	struct encoder *encoder;
	const char *dir; /* only dumps under it; NULL: all */
	uint32_t uid;	 /* only regions of this user, or SALVAGE_ALL_USERS */
	bool dropped;	 /* and those that began as this user's: root's, of services that gave it up */
	bool (*breathe)(
	    void *to); /* called between blocks, and while waiting; false: stop here; may be NULL */
	bool stopped;  /* breathe said so */
	void (*report)(void *to, const struct salvage_report *report); /* may be NULL */
	void *to;
};

/* All regions of dead processes. 0, or -errno if there are none to be seen. */
int salvage_all(struct salvage *s);

#endif
