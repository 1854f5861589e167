/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.h - what load.c, intake.c and damage.c share while dumps are read; nobody else includes it.
 * load.c chooses the files and puts the store together, intake.c reads one file, damage.c says what is wrong
 * with it.
 */
#ifndef DPROF_LOADER_H
#define DPROF_LOADER_H

#include <sys/types.h>

#include "analyzer/draft.h"
#include "analyzer/frames.h"
#include "analyzer/hash.h"

/* A file that was opened. */
struct input {
	char *path;
	dev_t device;
	ino_t inode;
};

/* The objects from one header to the next: one process's dump. A file has one, unless files were put
 * together. */
struct part {
	uint32_t input;
	uint32_t draft;
	uint64_t records;
};

struct boot {
	char *id;
	struct clock clock;
	uint32_t parts; /* clocks that its dumps turned out to have; 0: one */
};

struct loader {
	struct store *store;
	bool keep_stamps;
	VEC(char *) paths; /* that were given, or are in directories that were; in order of reading */
	VEC(struct input) inputs;
	VEC(struct part) parts;
	VEC(struct draft) drafts;
	struct hash drafts_by_name;
	VEC(struct boot) boots;
};

/* One file on its way in. */
struct reading {
	struct loader *loader;
	const char *path;
	uint32_t input;
	uint64_t size;
	struct frames *frames;
	struct draft *draft; /* of the part that is read, NULL after its end */
	uint32_t part;
	uint64_t part_segment;
	size_t part_first; /* its first block in the draft */
	bool part_ended;
	uint64_t part_end_records;
	/* Of the whole file: */
	uint64_t objects;
	uint64_t rejected; /* objects that break the rules of the format */
	uint64_t headers;
	uint64_t other_major; /* the first header is of this major version: not read. UINT64_MAX: no */
	uint64_t other_minor;
	uint64_t records;     /* that were read */
	uint64_t gaps;	      /* missing before those that were read */
	uint64_t end_records; /* that the ends speak of */
	bool unended;	      /* a part has no end */
};

/* Says it now, and keeps it for `info`. 0 or -ENOMEM. */
int load_note(struct loader *l, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads a file of `size` bytes. 0 whatever it holds, or -ENOMEM. */
int intake_file(struct loader *l, uint32_t input, int fd, uint64_t size);

/* Fits the clocks and enters them; a draft may get another one than that of its boot. 0 or -ENOMEM. */
int clocks_build(struct loader *l);

/* Say what is not as it should be with the clock of one dump, and with the clocks. 0 or -ENOMEM. */
int clocks_tell_process(struct loader *l, const struct draft_clock *d, const struct store_process *p);
int clocks_tell(struct loader *l);

/* Says why a file gave nothing; says what of a file is missing, if anything is. 0 or -ENOMEM. */
int damage_refuse(struct reading *r, int fd);
int damage_report(struct reading *r);

#endif
