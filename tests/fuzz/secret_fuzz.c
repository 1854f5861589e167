/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_fuzz.c - masking against chance. An entry for libFuzzer:
 *
 *   clang -I. -D_GNU_SOURCE -g -fsanitize=fuzzer,address,undefined \
 *         tests/fuzz/secret_fuzz.c preload/secret*.c
 *
 * or, with -DFUZZ_MAIN and no "fuzzer", a program of its own, also with gcc: `secret_fuzz [RUNS]` takes the
 * ways of secret_samples.def with other secrets of the same lengths, cuts them into random records, drops
 * some, and also shows them damaged; the same each time. `secret_fuzz 0 FILE...` shows the files once.
 *
 * Checked: no four bytes of a secret are seen, whatever was cut or dropped; masking a second time, cut the
 * same, changes nothing if nothing was dropped; a byte is left, or becomes '*', '0' in a statement's number,
 * or (HTTP/2) loses bits; nothing outside is touched. Of damaged bytes: the last two.
 */
#include "tests/unit/secret_ways.h"

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct secrets *table;
static uint32_t conn;

/* In memory of its own size, so that a byte too far is found. */
static void mask(uint64_t off, const uint8_t *bytes, size_t n, bool burst, uint8_t *out)
{
	struct record *r = malloc(sizeof *r + n);

	CHECK(r);
	*r = (struct record){.size_bytes = (uint32_t)(sizeof *r + n),
			     .kind = RECORD_OUT,
			     .flags = burst ? RECORD_FLAG_BURST : 0,
			     .conn = conn,
			     .len = (uint32_t)n,
			     .off = off};
	if (n)
		memcpy(r + 1, bytes, n);
	secrets_mask(table, 0, r);
	for (size_t i = 0; i < n; i++) {
		uint8_t now = ((uint8_t *)(r + 1))[i];

		CHECK(now == bytes[i] || now == '*' || now == '0' || (now & bytes[i]) == now);
	}
	if (n)
		memcpy(out, r + 1, n);
	free(r);
}

/* Input: records of [flags, length, bytes]. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[256];
	uint64_t off = 0;

	if (!table)
		table = calloc(1, secrets_bytes());
	CHECK(table);
	conn++;
	for (size_t at = 0; at + 2 < size;) {
		size_t n = data[at + 1];
		bool burst = data[at] & 1;

		off += data[at] & 2 ? data[at] : 0; /* a hole */
		at += 2;
		if (n > size - at)
			n = size - at;
		mask(off, data + at, n, burst, out);
		off += n;
		at += n;
	}
	return 0;
}

#ifdef FUZZ_MAIN

#define RUNS 100000
#define CUTS 512

static uint64_t chance = 1;

/* xorshift64*: the same numbers everywhere. */
static size_t pick(size_t below)
{
	chance ^= chance >> 12;
	chance ^= chance << 25;
	chance ^= chance >> 27;
	return (size_t)((chance * 0x2545f4914f6cdd1dULL) >> 33) % (below ? below : 1);
}

static char secrets[8][32];

#define SECRETS (sizeof way_secrets / sizeof way_secrets[0])

/* Other secrets; Huffman's code cannot be any bytes, so that one stays. */
static void secrets_choose(uint8_t *bytes, size_t n)
{
	static const char letters[] = "QXZVKJWYB379";

	for (size_t i = 0; i < SECRETS; i++) {
		size_t len = way_secrets[i].len;
		uint8_t *at = bytes;

		memcpy(secrets[i], way_secrets[i].bytes, len);
		for (size_t k = 0; k < len && i + 1 < SECRETS; k++)
			secrets[i][k] = letters[pick(sizeof letters - 1)];
		for (; (at = memmem(at, n - (size_t)(at - bytes), way_secrets[i].bytes, len)) != NULL;
		     at += len)
			memcpy(at, secrets[i], len);
	}
}

static bool leaks(const uint8_t *out, size_t n)
{
	for (size_t i = 0; i < SECRETS; i++)
		for (size_t at = 0; at + WAY_LEAK <= way_secrets[i].len; at++)
			if (memmem(out, n, secrets[i] + at, WAY_LEAK) != NULL)
				return true;
	return false;
}

/* How a way is cut, so that it can be cut the same again. */
static struct cut {
	size_t len;
	bool drop, burst;
} cuts[CUTS];

/* What a message means was said by one before the turn: without that nothing tells it from data. */
static bool needs_all(const struct way *w)
{
	static const char *const names[] = {"smtp", "a turn", "mysql", "form", "socks"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (!strncmp(w->name, names[i], strlen(names[i])))
			return true;
	return false;
}

static size_t way_cut(const struct way *w)
{
	size_t count = 0, longest = 1 + pick(80), drops = pick(3) || needs_all(w) ? 0 : 8;

	for (size_t i = 0; i < w->messages; i++) {
		for (size_t at = 0; at < w->len[i] && count < CUTS; count++) {
			size_t n = 1 + pick(pick(4) ? longest : w->len[i]);

			if (n > w->len[i] - at || count + 1 == CUTS)
				n = w->len[i] - at;
			cuts[count] = (struct cut){n, drops && count > 0 && !pick(drops), at == 0};
			at += n;
		}
	}
	return count;
}

static void run_cuts(size_t count, const uint8_t *bytes, uint8_t *out)
{
	size_t at = 0;

	conn++;
	for (size_t i = 0; i < count; i++) {
		if (cuts[i].drop)
			memset(out + at, 0, cuts[i].len);
		else
			mask(at, bytes + at, cuts[i].len, cuts[i].burst, out + at);
		at += cuts[i].len;
	}
}

static void show_cuts(size_t count, const uint8_t *bytes)
{
	for (size_t i = 0, at = 0; i < count; at += cuts[i++].len) {
		printf("%s%s", cuts[i].burst ? "\n>" : "|", cuts[i].drop ? "(dropped)" : "");
		for (size_t k = 0; k < cuts[i].len; k++)
			printf(bytes[at + k] >= ' ' && bytes[at + k] < 0x7f ? "%c" : "\\x%02x",
			       bytes[at + k]);
	}
	printf("\n");
}

static void fail_cuts(const struct way *w, size_t count, const uint8_t *bytes, const char *why)
{
	show_cuts(count, bytes);
	printf("%s: %s\n", w->name, why);
	fflush(stdout);
	abort();
}

static void run_way(const struct way *w)
{
	static uint8_t bytes[WAY_BYTES], once[WAY_BYTES], twice[WAY_BYTES];
	bool dropped = false;
	size_t count;

	memcpy(bytes, w->bytes, w->total);
	secrets_choose(bytes, w->total);
	count = way_cut(w);
	run_cuts(count, bytes, once);
	if (leaks(once, w->total))
		fail_cuts(w, count, once, "a secret is seen");
	run_cuts(count, once, twice);
	/* what is done where something is missing depends on what is seen */
	for (size_t i = 0; i < count; i++)
		dropped |= cuts[i].drop;
	if (!dropped && memcmp(once, twice, w->total) != 0) {
		show_cuts(count, once);
		fail_cuts(w, count, twice, "masking twice is not masking once");
	}
}

/* Damaged: flags and lengths as the entry wants them. */
static void run_damaged(const struct way *w)
{
	static const uint8_t edges[] = {0, 0xff, '\n', '\r', ':', '=', '"', '\'', '%', '*', '$', '-'};
	static uint8_t in[2 * WAY_BYTES];
	size_t len = 0;

	for (size_t at = 0; at < w->total;) {
		size_t n = 1 + pick(200);

		if (n > w->total - at)
			n = w->total - at;
		in[len++] = (uint8_t)pick(4);
		in[len++] = (uint8_t)n;
		memcpy(in + len, w->bytes + at, n);
		len += n;
		at += n;
	}
	for (size_t n = 1 + pick(8); n > 0; n--)
		in[pick(len)] = pick(2) ? (uint8_t)pick(256) : edges[pick(sizeof edges)];
	LLVMFuzzerTestOneInput(in, len);
}

static void run_file(const char *name)
{
	static uint8_t bytes[1 << 20];
	FILE *f = fopen(name, "rb");

	if (!f) {
		perror(name);
		exit(1);
	}
	LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof bytes, f));
	fclose(f);
}

int main(int argc, char **argv)
{
	unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : RUNS;

	table = calloc(1, secrets_bytes());
	CHECK(table);
	for (int i = 2; i < argc; i++)
		run_file(argv[i]);
	for (unsigned long run = 0; argc < 3 && run < runs; run++) {
		const struct way *w = (ways_count(), way_get(pick(ways_count())));

		if (run % 4 == 3)
			run_damaged(w);
		else
			run_way(w);
	}
	free(table);
	return 0;
}

#endif
