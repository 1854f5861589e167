/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames.c - see frames.h. Analyzer, one thread per file.
 *
 * Invariants: [base, base + len) of the file is in the window; memory is bounded by the window and one object
 * whatever the file says; time is bounded by the file's size and a number of failed attempts.
 */
#include "analyzer/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_BYTES (24u << 20)

/* A frame that unpacks to DUMP_OBJECT_BYTES_MAX is never larger than this. */
#define FRAME_BYTES_MAX ZSTD_COMPRESSBOUND((size_t)DUMP_OBJECT_BYTES_MAX)

/* After so many failed attempts at a frame (more by one for each good frame), and after so many bytes without
 * a good one, the rest of a file is not looked at. */
#define ATTEMPTS_MAX 1000u
#define SEARCH_MAX   ((uint64_t)256 << 20)

/* A file may unpack to so many times its size. Real dumps reach 100, made-up ones 1500. */
#define EXPANSION_MAX  2048u
#define EXPANSION_FREE ((uint64_t)64 << 20)

#define NOWHERE UINT64_MAX

static const uint8_t magic[4] = {0x28, 0xb5, 0x2f, 0xfd};

struct frames {
	int fd;
	uint64_t size; /* of the file, when it was opened */
	uint8_t *window;
	size_t window_cap;
	size_t len, at;
	uint64_t base;
	uint64_t object_at;
	uint64_t damaged_from; /* NOWHERE: not inside a damaged place */
	bool cut;	       /* the damaged place begins with a frame that wants more than the file has */
	uint64_t failed, good;
	uint64_t unpacked_bytes;
	ZSTD_DCtx *zstd;
	struct frames_damage damage;
};

struct frames *frames_open(int fd, uint64_t size_bytes)
{
	struct frames *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->fd = fd;
	f->size = size_bytes;
	f->window_cap = size_bytes < WINDOW_BYTES ? (size_t)size_bytes + 1 : WINDOW_BYTES;
	f->damaged_from = NOWHERE;
	f->window = malloc(f->window_cap);
	f->zstd = ZSTD_createDCtx();
	if (!f->window || !f->zstd) {
		frames_close(f);
		return NULL;
	}
	return f;
}

void frames_close(struct frames *f)
{
	ZSTD_freeDCtx(f->zstd);
	free(f->window);
	free(f);
}

uint64_t frames_offset(const struct frames *f)
{
	return f->object_at;
}

const struct frames_damage *frames_damage(const struct frames *f)
{
	return &f->damage;
}

uint64_t frames_bytes_read(const struct frames *f)
{
	return f->base + f->len;
}

/* ---- the window ---- */

static bool at_end_of_file(const struct frames *f)
{
	return f->base + f->len >= f->size;
}

/* Ends the file here, because more cannot be read. */
static void end_here(struct frames *f)
{
	f->size = f->base + f->len;
}

/* Makes the bytes of the largest frame available behind `at`, as far as the file has them. */
static void fill_window(struct frames *f)
{
	if (at_end_of_file(f) || f->len - f->at >= FRAME_BYTES_MAX)
		return;
	memmove(f->window, f->window + f->at, f->len - f->at);
	f->base += f->at;
	f->len -= f->at;
	f->at = 0;
	while (!at_end_of_file(f) && f->len < f->window_cap) {
		uint64_t left = f->size - f->base - f->len;
		size_t room = f->window_cap - f->len;
		ssize_t n = read(f->fd, f->window + f->len, left < room ? (size_t)left : room);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			f->damage.read_err = -errno;
		if (n <= 0)
			end_here(f);
		else
			f->len += (size_t)n;
	}
}

/* ---- one frame ---- */

enum attempt { ATTEMPT_GOOD, ATTEMPT_SKIP, ATTEMPT_BAD, ATTEMPT_CUT, ATTEMPT_EXPANDS, ATTEMPT_NO_MEMORY };

/* The room for what a frame unpacks to; 0: the frame is none of ours. */
static size_t object_room(const uint8_t *frame, size_t frame_len)
{
	unsigned long long size = ZSTD_getFrameContentSize(frame, frame_len);

	if (size == ZSTD_CONTENTSIZE_UNKNOWN)
		return DUMP_OBJECT_BYTES_MAX;
	if (size == ZSTD_CONTENTSIZE_ERROR || size > DUMP_OBJECT_BYTES_MAX)
		return 0;
	return (size_t)size;
}

static enum attempt unpack(struct frames *f, size_t frame_len, struct slice *object)
{
	const uint8_t *frame = f->window + f->at;
	size_t room = object_room(frame, frame_len), n;
	uint8_t *bytes;

	if (!room)
		return ATTEMPT_BAD;
	if (f->unpacked_bytes + room > EXPANSION_FREE + (f->base + f->at + frame_len) * EXPANSION_MAX)
		return ATTEMPT_EXPANDS;
	bytes = malloc(room);
	if (!bytes)
		return ATTEMPT_NO_MEMORY;
	n = ZSTD_decompressDCtx(f->zstd, bytes, room, frame, frame_len);
	if (ZSTD_isError(n) || !n) {
		free(bytes);
		return ATTEMPT_BAD;
	}
	f->unpacked_bytes += n;
	if (n < room) { /* its size was not known before */
		uint8_t *fitted = realloc(bytes, n);

		bytes = fitted ? fitted : bytes;
	}
	*object = (struct slice){bytes, n};
	return ATTEMPT_GOOD;
}

/* Tries the frame at `at`; *frame_len if it is good or to be passed over. */
static enum attempt try_frame(struct frames *f, size_t *frame_len, struct slice *object)
{
	const uint8_t *frame = f->window + f->at;
	size_t left = f->len - f->at;
	bool skippable = left >= 4 && (frame[0] & 0xf0) == 0x50 && !memcmp(frame + 1, "\x2a\x4d\x18", 3);

	if (left < sizeof(magic))
		return memcmp(frame, magic, left) ? ATTEMPT_BAD : ATTEMPT_CUT;
	if (!skippable && memcmp(frame, magic, sizeof(magic)))
		return ATTEMPT_BAD;
	*frame_len = ZSTD_findFrameCompressedSize(frame, left < FRAME_BYTES_MAX ? left : FRAME_BYTES_MAX);
	if (ZSTD_isError(*frame_len)) {
		bool wants_more = ZSTD_getErrorCode(*frame_len) == ZSTD_error_srcSize_wrong;

		return wants_more && at_end_of_file(f) && left < FRAME_BYTES_MAX ? ATTEMPT_CUT : ATTEMPT_BAD;
	}
	if (skippable)
		return ATTEMPT_SKIP;
	/* Bit 2 of the descriptor: without a checksum nothing vouches for the bytes. */
	return frame[4] & 4 ? unpack(f, *frame_len, object) : ATTEMPT_BAD;
}

/* ---- past the damage ---- */

static void damage_begins(struct frames *f, bool cut)
{
	if (f->damaged_from != NOWHERE)
		return;
	f->damaged_from = f->base + f->at;
	f->cut = cut;
}

static void damage_ends(struct frames *f)
{
	struct frames_damage *d = &f->damage;
	uint64_t end = f->base + f->at;

	if (f->damaged_from == NOWHERE)
		return;
	if (end == f->size && f->cut) {
		d->cut = true;
		d->cut_at = f->damaged_from;
	} else {
		if (!d->places++)
			d->first_at = f->damaged_from;
		d->bytes += end - f->damaged_from;
	}
	f->damaged_from = NOWHERE;
}

static void give_up(struct frames *f)
{
	damage_begins(f, false);
	f->cut = false;
	f->damage.gave_up = true;
	f->damage.places++;
	if (f->damage.places == 1)
		f->damage.first_at = f->damaged_from;
	f->damage.bytes += f->size - f->damaged_from;
	f->damaged_from = NOWHERE;
	end_here(f);
	f->at = f->len;
}

/* Moves `at` to the next place where a frame may begin, or to the end. */
static void search_magic(struct frames *f)
{
	f->at++;
	for (;;) {
		const uint8_t *found = f->len - f->at >= sizeof(magic)
					   ? memmem(f->window + f->at, f->len - f->at, magic, sizeof(magic))
					   : NULL;

		if (found) {
			f->at = (size_t)(found - f->window);
			return;
		}
		if (at_end_of_file(f)) {
			f->at = f->len;
			return;
		}
		f->at = f->len - (sizeof(magic) - 1);
		fill_window(f);
		if (f->base + f->at - f->damaged_from > SEARCH_MAX) {
			give_up(f);
			return;
		}
	}
}

int frames_next(struct frames *f, struct slice *object)
{
	for (;;) {
		size_t frame_len = 0;
		enum attempt attempt;

		fill_window(f);
		if (f->at == f->len) {
			damage_ends(f);
			return 0;
		}
		attempt = try_frame(f, &frame_len, object);
		if (attempt == ATTEMPT_NO_MEMORY)
			return -ENOMEM;
		if (attempt == ATTEMPT_GOOD || attempt == ATTEMPT_SKIP) {
			damage_ends(f);
			f->object_at = f->base + f->at;
			f->at += frame_len;
			f->good++;
			if (attempt == ATTEMPT_GOOD)
				return 1;
			continue;
		}
		damage_begins(f, attempt == ATTEMPT_CUT);
		if (attempt == ATTEMPT_EXPANDS || ++f->failed > ATTEMPTS_MAX + f->good)
			give_up(f);
		else
			search_magic(f);
	}
}
