/* SPDX-License-Identifier: Apache-2.0 */
/*
 * damage.c - what is said about a file that is not as it should be: what is wrong, and how much is missing,
 * in one line. Analyzer, one thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/err.h"
#include "analyzer/loader.h"

/* Why a file gave no header. */
int damage_refuse(struct reading *r, int fd)
{
	const struct frames_damage *d = frames_damage(r->frames);
	struct loader *l = r->loader;
	uint8_t head[4] = {0};
	int err;

	l->store->files_skipped++;
	if (r->other_major != UINT64_MAX) {
		bool newer = r->other_major > DUMP_MAJOR;

		err = load_note(
		    l, r->path, "format %" PRIu64 ".%" PRIu64 " is %s than this program's %d.%d: not read",
		    r->other_major, r->other_minor, newer ? "newer" : "older", DUMP_MAJOR, DUMP_MINOR);
		err_hint("use the dprof-analyze of the dprof that %s",
			 newer ? "wrote it" : "wrote it, or record again");
		return err;
	}
	if (d->read_err && !r->objects)
		return load_note(l, r->path, "%s: not read", strerror(-d->read_err));
	if (pread(fd, head, sizeof(head), 0) < 0)
		return load_note(l, r->path, "%s: not read", strerror(errno));
	if (!memcmp(head, "\x1f\x8b", 2))
		return load_note(l, r->path, "a gzip file, not a dump: not read");
	if (memcmp(head, "\x28\xb5\x2f\xfd", 4) && !r->objects)
		return load_note(l, r->path, "not a dump: not read");
	if (r->objects && r->rejected == r->objects && !d->places && !d->cut)
		return load_note(l, r->path, "a zstd file, but not a dump: not read");
	if (d->cut && !d->cut_at)
		return load_note(l, r->path, "cut at byte %" PRIu64 ", inside its header: not read", r->size);
	if (!r->objects)
		return load_note(l, r->path, "its first frame, the header, cannot be unpacked: not read");
	return load_note(l, r->path,
			 "its header is damaged, without which %" PRIu64
			 " readable frames mean nothing: not read",
			 r->objects);
}

/* ---- what is said about a damaged file ---- */

static void say_what(FILE *text, const struct reading *r)
{
	const struct frames_damage *d = frames_damage(r->frames);
	const char *separator = "";

	if (d->places) {
		fprintf(text, "%" PRIu64 " bytes cannot be read, %s byte %" PRIu64, d->bytes,
			d->places > 1 ? "the first at" : "from", d->first_at);
		separator = ", ";
	}
	if (r->rejected) {
		fprintf(text, "%s%" PRIu64 " frames break the rules of the format", separator, r->rejected);
		separator = ", ";
	}
	if (d->gave_up) {
		fprintf(text, "%snothing more was looked for, as too much was wrong", separator);
		separator = ", ";
	}
	if (d->read_err) {
		fprintf(text, "%sread error behind byte %" PRIu64 " (%s)", separator,
			frames_bytes_read(r->frames), strerror(-d->read_err));
		separator = ", ";
	}
	if (d->cut) {
		fprintf(text, "%scut at byte %" PRIu64 " inside the frame that begins at byte %" PRIu64,
			separator, r->size, d->cut_at);
		separator = ", ";
	}
	if (!*separator)
		fputs(r->unended ? "no end: killed and not salvaged, still running, or cut"
				 : "it has fewer records than it says",
		      text);
}

static void say_missing(FILE *text, const struct reading *r)
{
	uint64_t missing = r->end_records > r->records ? r->end_records - r->records : 0;

	if (r->gaps > missing)
		missing = r->gaps;
	if (r->unended && missing)
		fprintf(text,
			": at least %" PRIu64 " records are missing, %" PRIu64
			" were read, how many more followed is unknown",
			missing, r->records);
	else if (r->unended)
		fprintf(text, ": %" PRIu64 " records were read, how many more followed is unknown",
			r->records);
	else if (missing)
		fprintf(text, ": %" PRIu64 " of %" PRIu64 " records are missing", missing,
			r->records + missing);
	else
		fprintf(text, ": none of its %" PRIu64 " records is missing", r->records);
}

int damage_report(struct reading *r)
{
	const struct frames_damage *d = frames_damage(r->frames);
	bool damaged = d->places || d->cut || d->read_err || r->rejected;
	char *text = NULL;
	size_t len;
	FILE *stream;
	int err;

	for (size_t i = r->loader->parts.count; i-- && r->loader->parts.items[i].input == r->input;)
		r->loader->drafts.items[r->loader->parts.items[i].draft].process.damaged |= damaged;
	if (!damaged && !r->unended && !r->gaps && r->end_records <= r->records)
		return 0;
	stream = open_memstream(&text, &len);
	if (!stream)
		return -ENOMEM;
	say_what(stream, r);
	say_missing(stream, r);
	if (fclose(stream))
		err = -ENOMEM;
	else
		err = load_note(r->loader, r->path, "%s", text);
	if (!damaged && r->unended)
		err_hint("dprof salvage recovers what a killed program had recorded");
	free(text);
	return err;
}
