/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf_fuzz.c - hostile program files and scripts for what doctor reads them with. As a test
 * (tests/fuzz/elf_test) it changes the files that it is given for some rounds, always the same; for longer:
 *   clang -DFUZZ -fsanitize=fuzzer,address -I. -D_GNU_SOURCE tests/fuzz/elf_fuzz.c preload/outside/elf.c \
 *     preload/outside/script.c
 *
 * Checked: no read outside of the bytes (each input lies in memory of its own, exactly as long), the facts
 * are strings that end, what is pointed at lies within the bytes, and the same bytes give the same facts.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/outside/elf.h"
#include "preload/outside/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void see(void *to, const struct script_command *c)
{
	size_t *commands = to;

	assert(c->count > 0 && c->count <= SCRIPT_WORDS_MAX && c->line > 0);
	for (size_t i = 0; i < c->count; i++)
		assert(memchr(c->words[i], '\0', SCRIPT_WORD_BYTES) != NULL);
	++*commands;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char interpreter[SCRIPT_WORD_BYTES], argument[SCRIPT_WORD_BYTES];
	struct elf_facts f, again;
	size_t commands = 0;
	int r = elf_read(bytes, size, &f);

	assert(memchr(f.interpreter, '\0', sizeof f.interpreter) != NULL);
	assert(memchr(f.runpath, '\0', sizeof f.runpath) != NULL);
	assert(memchr(f.go_version, '\0', sizeof f.go_version) != NULL);
	assert(f.needed_count <= ELF_NEEDED_MAX);
	for (size_t i = 0; i < f.needed_count; i++) {
		const char *end = (const char *)bytes + size;

		assert(f.needed[i] >= (const char *)bytes && f.needed[i] < end);
		assert(memchr(f.needed[i], '\0', (size_t)(end - f.needed[i])) != NULL);
	}
	assert(elf_read(bytes, size, &again) == r && again.needed_count == f.needed_count);
	script_interpreter((const char *)bytes, size, interpreter, argument);
	script_read((const char *)bytes, size, see, &commands);
	assert(commands <= size);
	return 0;
}

#ifdef FUZZ_MAIN
#define INPUT_BYTES (64u << 10)

static uint64_t state = 1;

static uint32_t next(uint32_t below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return below == 0 ? 0 : (uint32_t)((state >> 33) % below);
}

/* A few bytes of the headers, where it matters most, or anywhere. */
static void change(uint8_t *bytes, size_t size)
{
	static const uint64_t odd[] = {0,	   1,	  0x7f,	      0xff,	  0xffff, 0x7fffffff,
				       0xffffffff, ~0ull, ~0ull - 63, 1ull << 63, 64};

	for (uint32_t i = 0, n = 1 + next(6); i < n && size > 0; i++) {
		size_t at = next((uint32_t)(next(2) ? (size < 1024 ? size : 1024) : size));
		uint64_t v = odd[next(sizeof odd / sizeof odd[0])];
		size_t len = (size_t)1 << next(4);

		memcpy(bytes + at, &v, len < size - at ? len : size - at);
	}
}

static void try_file(const char *path, uint32_t rounds)
{
	static uint8_t seed[INPUT_BYTES];
	FILE *in = fopen(path, "rb");
	size_t size = in == NULL ? 0 : fread(seed, 1, sizeof seed, in);

	if (in != NULL)
		fclose(in);
	for (uint32_t i = 0; i < rounds; i++) {
		size_t len = next(3) == 0 ? next((uint32_t)size + 1) : size;
		uint8_t *bytes = malloc(len > 0 ? len : 1);

		assert(bytes != NULL);
		memcpy(bytes, seed, len);
		change(bytes, i == 0 ? 0 : len);
		LLVMFuzzerTestOneInput(bytes, len);
		free(bytes);
	}
}

int main(int argc, char **argv)
{
	uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 0;

	if (argc < 3 || rounds == 0) {
		fputs("usage: elf_fuzz ROUNDS FILE...\n", stderr);
		return 2;
	}
	for (int i = 2; i < argc; i++)
		try_file(argv[i], rounds);
	printf("%d files, %u rounds each\n", argc - 2, rounds);
	return 0;
}
#endif
