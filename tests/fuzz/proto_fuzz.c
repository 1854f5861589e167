/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto_fuzz.c - hostile bytes for every grammar. An entry for libFuzzer:
 *
 *   clang -I. -D_GNU_SOURCE -g -fsanitize=fuzzer,address,undefined \
 *         tests/fuzz/proto_fuzz.c analyzer/proto/[a-z]*.c
 *
 * or, with -DFUZZ_MAIN and no "fuzzer", a program of its own, also with gcc: `proto_fuzz [RUNS]` mutates
 * the talks of proto_samples.def, the same each time; `proto_fuzz 0 FILE...` shows the files once.
 *
 * Input: messages of [direction and flags, length, bytes]. Each is shown in a copy of its own size.
 * Checked: the edge is a length of at least 1, MORE or LOST, does not touch the state, and a length found
 * in a prefix is the length or not believed when more is seen; labels are text; sniffing gives 0 to 100.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/proto/proto.h"

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

#define ALL_FLAGS 0x7fu
#define DIR_BIT	  1
#define FULL_BIT  2
#define LONG_BIT  4 /* the length has two bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *copy(const uint8_t *bytes, size_t len)
{
	uint8_t *c = malloc(len ? len : 1);

	CHECK(c);
	if (len)
		memcpy(c, bytes, len);
	return c;
}

/* Valid UTF-8 without control characters, ended within its array. */
static void check_text(const char *text, size_t cap)
{
	const unsigned char *c = (const unsigned char *)text;

	CHECK(memchr(text, 0, cap));
	while (*c) {
		unsigned int v = *c++, n = v < 0x80 ? 0 : v < 0xe0 ? 1 : v < 0xf0 ? 2 : 3, least = 0;

		CHECK(v >= ' ' && v != 0x7f && (v < 0x80 || v >= 0xc2) && v < 0xf5);
		if (n)
			v &= 0x3fu >> n;
		least = n == 1 ? 0x80 : n == 2 ? 0x800 : n == 3 ? 0x10000 : 0;
		for (; n; n--) {
			CHECK((*c & 0xc0) == 0x80);
			v = v << 6 | (*c++ & 0x3fu);
		}
		CHECK(v >= least && v <= 0x10ffff && !(v >= 0xd800 && v <= 0xdfff) &&
		      !(v >= 0x80 && v < 0xa0));
	}
}

static int64_t edge(const struct proto *p, const void *state, enum proto_dir dir, const uint8_t *bytes,
		    size_t len)
{
	unsigned char before[PROTO_STATE_BYTES];
	uint8_t *c = copy(bytes, len);

	if (p->state_bytes)
		memcpy(before, state, p->state_bytes);
	int64_t n = p->edge(state, dir, c, len);

	CHECK(n >= 1 || n == PROTO_MORE || n == PROTO_LOST);
	CHECK(!p->state_bytes || !memcmp(before, state, p->state_bytes));
	free(c);
	return n;
}

static void label(const struct proto *p, void *state, enum proto_dir dir, const uint8_t *bytes, size_t len,
		  int full)
{
	uint8_t *c = copy(bytes, len);
	struct label *out = calloc(1, sizeof(*out));

	CHECK(out);
	p->label(state, dir, c, len, full, out);
	check_text(out->operation, sizeof(out->operation));
	check_text(out->target, sizeof(out->target));
	check_text(out->status, sizeof(out->status));
	CHECK(!(out->flags & ~ALL_FLAGS));
	free(out);
	free(c);
}

/* A burst, walked as the engine does. `fresh`: the state has seen nothing, so answers depend on the bytes
 * only. */
static void show(const struct proto *p, void *state, enum proto_dir dir, const uint8_t *bytes, size_t len,
		 bool full, bool *fresh)
{
	size_t at = 0;

	do {
		int64_t n = edge(p, state, dir, bytes + at, len - at);

		if (*fresh && len - at > 1) {
			size_t part = 1 + (len * 7 + bytes[at]) % (len - at - 1 ? len - at - 1 : 1);
			int64_t m = edge(p, state, dir, bytes + at, part);

			CHECK(m < 1 || m == n || n == PROTO_LOST);
		}
		if (n == PROTO_LOST)
			return;
		size_t seen = n > 0 && (uint64_t)n < len - at ? (size_t)n : len - at;

		label(p, state, dir, bytes + at, seen, full || (n > 0 && (uint64_t)n <= len - at));
		*fresh = false;
		at += seen;
	} while (at < len);
}

static void show_all(const struct proto *p, const uint8_t *data, size_t size)
{
	void *state = calloc(1, p->state_bytes ? p->state_bytes : 1);
	bool fresh = true;

	CHECK(state);
	for (size_t at = 0; at + 2 < size;) {
		uint8_t flags = data[at];
		size_t len = data[at + 1];

		at += 2;
		if (flags & LONG_BIT)
			len |= (size_t)data[at++] << 8;
		if (len > size - at)
			len = size - at;
		show(p, state, flags & DIR_BIT ? PROTO_TO_CLIENT : PROTO_TO_SERVER, data + at, len,
		     flags & FULL_BIT, &fresh);
		at += len;
	}
	free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t half = size ? data[0] % (size + 1) : 0;
	uint8_t *a = copy(data, half), *b = copy(data + half, size - half);

	CHECK(proto_guess(a, half, b, size - half, 80));
	for (const struct proto *const *p = proto_table; *p; p++) {
		for (int dir = 0; dir < 2; dir++) {
			int sure = (*p)->sniff(dir, b, size - half);

			CHECK(sure >= 0 && sure <= 100);
		}
		show_all(*p, data, size);
	}
	free(a);
	free(b);
	return 0;
}

#ifdef FUZZ_MAIN

#define INPUT_MAX 8192
#define RUNS	  100000

static const struct seed {
	const char *talk; /* begins one */
	int dir;
	const char *bytes;
	size_t len;
} seeds[] = {
#define TALK(grammar, name)					{name, 0, NULL, 0},
#define SAY(dir, bytes, edge, operation, target, status, flags) {NULL, dir, bytes, sizeof(bytes) - 1},
#define TO_SERVER						0
#define TO_CLIENT						DIR_BIT
#include "tests/unit/proto_samples.def"
};

#define SEEDS (sizeof(seeds) / sizeof(seeds[0]))

static uint64_t chance = 1;

/* xorshift64*: the same numbers everywhere. */
static size_t pick(size_t below)
{
	chance ^= chance >> 12;
	chance ^= chance << 25;
	chance ^= chance >> 27;
	return (size_t)((chance * 0x2545f4914f6cdd1dULL) >> 33) % (below ? below : 1);
}

/* A talk as input. */
static size_t seed_input(uint8_t *in, size_t from)
{
	size_t len = 0;

	for (size_t i = from + 1; i < SEEDS && !seeds[i].talk; i++) {
		if (len + 3 + seeds[i].len > INPUT_MAX)
			break;
		in[len++] = (uint8_t)(seeds[i].dir | FULL_BIT | LONG_BIT);
		in[len++] = (uint8_t)seeds[i].len;
		in[len++] = (uint8_t)(seeds[i].len >> 8);
		memcpy(in + len, seeds[i].bytes, seeds[i].len);
		len += seeds[i].len;
	}
	return len;
}

static size_t mutate(uint8_t *in, size_t len)
{
	static const uint8_t edges[] = {0,   1,	  0x7f, 0x80, 0xff, '\r', '\n',
					'*', '$', '\'', ' ',  0xfe, 0xe2, ':'};
	size_t at = pick(len), n = 1 + pick(16), from = pick(len);

	if (n > len - at)
		n = len - at;
	switch (pick(5)) {
	case 0:
		in[at] ^= (uint8_t)(1u << pick(8));
		break;
	case 1:
		in[at] = edges[pick(sizeof(edges))];
		break;
	case 2: /* drop */
		memmove(in + at, in + at + n, len - at - n);
		return len - n;
	case 3: /* repeat another place */
		if (n > len - from)
			n = len - from;
		memmove(in + at, in + from, n < len - at ? n : len - at);
		break;
	default: /* insert */
		if (len + n > INPUT_MAX)
			break;
		memmove(in + at + n, in + at, len - at);
		memset(in + at, (int)pick(256), n);
		return len + n;
	}
	return len;
}

static void run_file(const char *name)
{
	static uint8_t bytes[1 << 20];
	FILE *f = fopen(name, "rb");

	if (!f) {
		perror(name);
		exit(1);
	}
	LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof(bytes), f));
	fclose(f);
}

int main(int argc, char **argv)
{
	unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : RUNS;
	static uint8_t in[INPUT_MAX];

	for (int i = 2; i < argc; i++)
		run_file(argv[i]);
	for (unsigned long run = 0; argc < 3 && run < runs; run++) {
		size_t from = pick(SEEDS), len;

		while (!seeds[from].talk)
			from--;
		len = seed_input(in, from);
		for (size_t n = run < SEEDS ? 0 : 1 + pick(8); n && len; n--)
			len = mutate(in, len);
		LLVMFuzzerTestOneInput(in, len);
	}
	return 0;
}

#endif
