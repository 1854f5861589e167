// SPDX-License-Identifier: Apache-2.0
/*
 * strings.c - see strings.h. Analyzer, one thread. Texts live in blocks that never move, so what strings_get
 * returned stays good until strings_free.
 *
 * Invariant: number 0 is "" from the start; without memory strings_add says 0, which for a text that is not
 * empty nobody can mistake for its number.
 */
#include "analyzer/strings.h"

#include "analyzer/hash.h"
#include "analyzer/vec.h"

#define BLOCK_BYTES (64u << 10)

struct entry {
	char *text;
	size_t len;
};

struct strings {
	VEC(struct entry) entries;
	VEC(char *) blocks;
	char *free_at; /* in the last block */
	size_t left;
	struct hash index;
};

static bool entry_equal(const void *items, uint32_t index, const void *key)
{
	const struct entry *e = &((const struct entry *)items)[index], *wanted = key;

	return e->len == wanted->len && memcmp(e->text, wanted->text, e->len) == 0;
}

/* Makes room for a text of `need` bytes, its NUL included. */
static int make_room(struct strings *s, size_t need)
{
	size_t bytes = need > BLOCK_BYTES ? need : BLOCK_BYTES;
	char *block;

	if (s->left >= need)
		return 0;
	block = malloc(bytes);
	if (!block)
		return -ENOMEM;
	if (vec_push(&s->blocks, block)) {
		free(block);
		return -ENOMEM;
	}
	s->free_at = block;
	s->left = bytes;
	return 0;
}

uint32_t strings_add(struct strings *s, const char *text, size_t len)
{
	struct entry wanted = {.text = (char *)(uintptr_t)text, .len = len};
	uint64_t hash;
	uint32_t number;

	if (len == 0)
		return 0;
	hash = hash_bytes(text, len, 0);
	number = hash_find(&s->index, hash, entry_equal, s->entries.items, &wanted);
	if (number != HASH_NONE)
		return number;
	number = (uint32_t)s->entries.count;
	if (number == UINT32_MAX || vec_reserve(&s->entries, s->entries.count + 1) || make_room(s, len + 1) ||
	    hash_add(&s->index, hash, number))
		return 0;
	wanted.text = s->free_at;
	memcpy(wanted.text, text, len);
	wanted.text[len] = '\0';
	s->free_at += len + 1;
	s->left -= len + 1;
	s->entries.items[s->entries.count++] = wanted;
	return number;
}

struct strings *strings_new(void)
{
	static char empty[1];
	struct strings *s = calloc(1, sizeof(*s));

	if (s && vec_push(&s->entries, (struct entry){.text = empty})) {
		free(s);
		return NULL;
	}
	return s;
}

void strings_free(struct strings *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->blocks.count; i++)
		free(s->blocks.items[i]);
	vec_free(&s->blocks);
	vec_free(&s->entries);
	hash_free(&s->index);
	free(s);
}

const char *strings_get(const struct strings *s, uint32_t number)
{
	return number < s->entries.count ? s->entries.items[number].text : "";
}

uint32_t strings_count(const struct strings *s)
{
	return (uint32_t)s->entries.count;
}
