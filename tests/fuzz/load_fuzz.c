/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_fuzz.c - any bytes as a dump: loading, every pass and every view must neither crash nor hang. An entry
 *for libFuzzer; without it (no DPROF_LIBFUZZER) a main() that mutates dumps by itself, the same way every
 *time:
 *
 *	load_fuzz SECONDS DUMP...	mutates one of these at a time, and reads the others with it
 *	load_fuzz @N DUMP...		mutation N again
 *
 * The input is msgpack objects, each behind its length (4 bytes, little-endian): the frames are made here, so
 *that mutations reach behind the checksums. Every fifth mutation is of the compressed file instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "analyzer/err.h"
#include "analyzer/frames.h"
#include "analyzer/opt.h"
#include "analyzer/vec.h"

#define DUMPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In builds with a sanitizer: what it calls before it ends the program. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

struct bytes {
	uint8_t *items;
	size_t count, cap;
};

static uint64_t round_now;

static void say_round(void)
{
	fprintf(stderr, "in mutation %llu: run load_fuzz @%llu with the same dumps\n",
		(unsigned long long)round_now, (unsigned long long)round_now);
}

static void check(bool fine)
{
	if (fine)
		return;
	say_round();
	abort();
}

/* ---- what is tested ---- */

static FILE *null_stream(void)
{
	static FILE *to;

	if (!to)
		to = fopen("/dev/null", "w");
	check(to);
	return to;
}

/* The dump, and others as they are. */
static void run_file(const struct bytes *dump, char **others, size_t other_count)
{
	char path[64];
	char *paths[1 + DUMPS_MAX] = {path};
	int fd = memfd_create("dump", MFD_CLOEXEC);
	struct model m = {0};
	int err;

	check(fd >= 0 && write(fd, dump->items, dump->count) == (ssize_t)dump->count);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memcpy(paths + 1, others, other_count * sizeof(*paths));
	err = model_build(&m, &(struct model_options){0}, paths, 1 + other_count);
	check(!err || err == -ENODATA);
	for (const struct opt_command *c = opt_commands; !err && c->name; c++) {
		const struct options options = {.command = c, .map.peers = 2};

		for (const char *const *format = out_formats; *format; format++) {
			struct out *out = out_open(*format, null_stream());

			if (out_draws(*format) && strcmp(*format, "dot")) { /* the same, through a program */
				check(!out_close(out));
				continue;
			}
			check(out && !c->run(&m, &options, out) && !out_close(out));
		}
	}
	model_free(&m);
	close(fd);
}

static void add_frame(struct bytes *to, const uint8_t *object, size_t len)
{
	static ZSTD_CCtx *zstd;
	size_t n;

	if (!zstd) {
		zstd = ZSTD_createCCtx();
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, 1);
	}
	check(!vec_reserve(to, to->count + ZSTD_compressBound(len)));
	n = ZSTD_compress2(zstd, to->items + to->count, to->cap - to->count, object, len);
	check(!ZSTD_isError(n));
	to->count += n;
}

/* Objects behind their lengths, as frames. */
static void pack_objects(struct bytes *to, const uint8_t *data, size_t size)
{
	uint32_t len;

	while (size > sizeof(len)) {
		memcpy(&len, data, sizeof(len));
		data += sizeof(len);
		size -= sizeof(len);
		len = len < size ? len : (uint32_t)size;
		add_frame(to, data, len);
		data += len;
		size -= len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes dump = {0};

	err_be_quiet();
	pack_objects(&dump, data, size);
	run_file(&dump, NULL, 0);
	vec_free(&dump);
	return 0;
}

#ifndef DPROF_LIBFUZZER

/* ---- mutations ---- */

static uint64_t seed = 1;

static uint64_t dice(uint64_t sides)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % sides;
}

static void read_whole(const char *path, struct bytes *to)
{
	uint8_t part[65536];
	FILE *from = fopen(path, "rb");
	size_t n;

	check(from);
	while ((n = fread(part, 1, sizeof(part), from)) > 0)
		check(!vec_append(to, part, n));
	fclose(from);
}

/* The objects of a dump, each behind its length. */
static void unpack_objects(const char *path, struct bytes *to)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct frames *f = frames_open(fd, (uint64_t)lseek(fd, 0, SEEK_END));
	struct slice object;

	check(fd >= 0 && f && lseek(fd, 0, SEEK_SET) == 0);
	while (frames_next(f, &object) > 0) {
		uint32_t len = (uint32_t)object.len;

		check(!vec_append(to, (const uint8_t *)&len, sizeof(len)) &&
		      !vec_append(to, object.bytes, object.len));
		free((void *)object.bytes);
	}
	frames_close(f);
	close(fd);
}

/* Numbers that have meanings somewhere: msgpack's tags, edges of widths, kinds, flags. */
static uint8_t odd_byte(void)
{
	static const uint8_t odd[] = {0,    1,	  2,	3,    4,    8,	  0x7f, 0x80, 0x90, 0x9f, 0xa0, 0xc0,
				      0xc4, 0xc6, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd3, 0xdc, 0xdd, 0xdf, 0xff};

	return dice(3) ? odd[dice(sizeof(odd))] : (uint8_t)dice(256);
}

static void mutate(struct bytes *b)
{
	for (uint64_t n = 1 + dice(8); n && b->count > 16; n--) {
		size_t at = (size_t)dice(b->count - 8), len = (size_t)(1 + dice(8));

		switch (dice(6)) {
		case 0: /* a bit */
			b->items[at] ^= (uint8_t)(1u << dice(8));
			break;
		case 1: /* a number of eight bytes */
			memset(b->items + at, dice(2) ? 0xff : 0, len);
			break;
		case 2: /* bytes gone */
			memmove(b->items + at, b->items + at + len, b->count - at - len);
			b->count -= len;
			break;
		case 3: /* bytes twice */
			check(!vec_reserve(b, b->count + len));
			memmove(b->items + at + len, b->items + at, b->count - at);
			b->count += len;
			break;
		default:
			b->items[at] = odd_byte();
		}
	}
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One mutation of one dump, with the others beside it. */
static void run_mutation(char **paths, size_t count, uint64_t round)
{
	struct bytes objects = {0}, dump = {0};
	double begun = now_s();
	char *path = paths[round % count], *others[DUMPS_MAX];

	round_now = round;
	memcpy(others, paths, count * sizeof(*paths));
	others[round % count] = others[count - 1];
	seed = round + 1;
	if (round % 5) {
		unpack_objects(path, &objects);
		mutate(&objects);
		pack_objects(&dump, objects.items, objects.count);
	} else {
		read_whole(path, &dump);
		mutate(&dump);
	}
	run_file(&dump, others, count - 1);
	check(now_s() - begun < 10); /* it takes milliseconds: more is a loop */
	vec_free(&objects);
	vec_free(&dump);
}

int main(int argc, char **argv)
{
	double seconds = argc > 2 ? atof(argv[1]) : 0, begun = now_s();
	uint64_t round = 0;

	if (argc < 3 || argc - 2 > DUMPS_MAX) {
		fprintf(stderr, "usage: load_fuzz SECONDS|@N DUMP...\n");
		return 2;
	}
	err_be_quiet();
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(say_round);
	if (*argv[1] == '@') {
		run_mutation(argv + 2, (size_t)argc - 2, strtoull(argv[1] + 1, NULL, 10));
		return 0;
	}
	for (; now_s() - begun < seconds; round++)
		run_mutation(argv + 2, (size_t)argc - 2, round);
	printf("%llu mutations, no crash\n", (unsigned long long)round);
	return 0;
}
#endif
