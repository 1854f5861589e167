/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf.c - reads ELF headers that anybody may have written. Pure; called by doctor and record, fuzzed by
 * tests/fuzz/elf_fuzz.c.
 *
 * Invariant: no byte outside of [bytes, bytes + size) is read, whatever the headers say; nothing is read
 * through a pointer that may be unaligned.
 */
#include "preload/outside/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#define SEGMENTS_MAX   512
#define DYNAMIC_MAX    4096
#define SCAN_BYTES     (256u << 20) /* of the file, in search of words */
#define GO_MAGIC_BYTES 14
#define GO_INLINE      2 /* flag: the version follows, not a pointer to it */

struct image {
	const unsigned char *bytes;
	size_t size;
	Elf64_Ehdr header;
};

/* Copies `len` bytes at `at`; false if they are not all there. */
static bool take(const struct image *i, uint64_t at, void *to, size_t len)
{
	if (at > i->size || len > i->size - at)
		return false;
	memcpy(to, i->bytes + at, len);
	return true;
}

/* The string at `at`, NULL if it does not end in the file. */
static const char *string_at(const struct image *i, uint64_t at)
{
	if (at >= i->size || memchr(i->bytes + at, '\0', i->size - at) == NULL)
		return NULL;
	return (const char *)i->bytes + at;
}

static bool segment(const struct image *i, size_t n, Elf64_Phdr *p)
{
	return take(i, i->header.e_phoff + n * i->header.e_phentsize, p, sizeof *p);
}

static size_t segments(const struct image *i)
{
	size_t n = i->header.e_phentsize < sizeof(Elf64_Phdr) ? 0 : i->header.e_phnum;

	return n > SEGMENTS_MAX ? SEGMENTS_MAX : n;
}

/* Where in the file an address is. */
static bool file_place(const struct image *i, uint64_t address, uint64_t *place)
{
	Elf64_Phdr p;

	for (size_t n = 0; n < segments(i) && segment(i, n, &p); n++) {
		if (p.p_type != PT_LOAD || address < p.p_vaddr || address - p.p_vaddr >= p.p_filesz)
			continue;
		*place = p.p_offset + (address - p.p_vaddr);
		return *place < i->size;
	}
	return false;
}

static void copy_text(char *to, size_t cap, const char *from)
{
	size_t len = from == NULL ? 0 : strnlen(from, cap - 1);

	if (len > 0)
		memcpy(to, from, len);
	to[len] = '\0';
}

static int read_needed(const struct image *i, const Elf64_Phdr *dynamic, uint64_t strings,
		       struct elf_facts *f)
{
	Elf64_Dyn d;

	for (size_t n = 0; n < DYNAMIC_MAX && (n + 1) * sizeof d <= dynamic->p_filesz; n++) {
		const char *text;

		if (!take(i, dynamic->p_offset + n * sizeof d, &d, sizeof d))
			return -EBADMSG;
		if (d.d_tag == DT_NULL)
			return 0;
		if (d.d_tag != DT_NEEDED && d.d_tag != DT_RUNPATH && d.d_tag != DT_RPATH)
			continue;
		text = d.d_un.d_val > i->size ? NULL : string_at(i, strings + d.d_un.d_val);
		if (text == NULL)
			return -EBADMSG;
		if (d.d_tag != DT_NEEDED)
			copy_text(f->runpath, sizeof f->runpath, text);
		else if (f->needed_count < ELF_NEEDED_MAX)
			f->needed[f->needed_count++] = text;
	}
	return 0;
}

static int read_dynamic(const struct image *i, const Elf64_Phdr *dynamic, struct elf_facts *f)
{
	uint64_t strings = 0;
	Elf64_Dyn d;

	for (size_t n = 0; n < DYNAMIC_MAX && (n + 1) * sizeof d <= dynamic->p_filesz; n++) {
		if (!take(i, dynamic->p_offset + n * sizeof d, &d, sizeof d))
			return -EBADMSG;
		if (d.d_tag == DT_NULL)
			break;
		if (d.d_tag == DT_STRTAB && !file_place(i, d.d_un.d_ptr, &strings))
			return -EBADMSG;
	}
	return strings == 0 ? 0 : read_needed(i, dynamic, strings, f);
}

static int read_segments(const struct image *i, struct elf_facts *f)
{
	Elf64_Phdr p;
	int r = 0;

	if (i->header.e_phnum > 0 && segments(i) == 0)
		return -EBADMSG;
	for (size_t n = 0; n < segments(i); n++) {
		if (!segment(i, n, &p))
			return -EBADMSG;
		if (p.p_type == PT_INTERP) {
			const char *text = string_at(i, p.p_offset);

			if (text == NULL || *text == '\0')
				return -EBADMSG;
			copy_text(f->interpreter, sizeof f->interpreter, text);
		} else if (p.p_type == PT_DYNAMIC && r == 0) {
			r = read_dynamic(i, &p, f);
		}
	}
	return r;
}

static const unsigned char *find(const struct image *i, size_t from, const char *word, size_t len)
{
	size_t end = i->size < SCAN_BYTES ? i->size : SCAN_BYTES;

	return from >= end ? NULL : memmem(i->bytes + from, end - from, word, len);
}

/* "\xff Go buildinf:" at 16, the size of a pointer, flags; since Go 1.18 the version at 32, its length first.
 */
static void read_go(const struct image *i, struct elf_facts *f)
{
	char magic[GO_MAGIC_BYTES];
	size_t at = 0;

	/* put together here: in this program's own file it must not be found */
	memcpy(magic, "\xff Go ", 5);
	memcpy(magic + 5, "buildinf:", 9);
	for (;;) {
		const unsigned char *hit = find(i, at, magic, sizeof magic);
		unsigned char head[34];

		if (hit == NULL)
			return;
		at = (size_t)(hit - i->bytes);
		if (at % 16 == 0 && take(i, at, head, sizeof head)) {
			size_t len = head[32];

			if ((head[15] & GO_INLINE) && len >= 3 && len < sizeof f->go_version &&
			    take(i, at + 33, f->go_version, len)) {
				f->is_go = strncmp(f->go_version, "go", 2) == 0 ||
					   strncmp(f->go_version, "devel", 5) == 0;
				f->go_version[f->is_go ? strcspn(f->go_version, " ") : 0] = '\0';
			} else if (head[15] <= 1 && (head[14] == 8 || head[14] == 4)) {
				f->is_go = true;
			}
			if (f->is_go)
				return;
		}
		at++;
	}
}

/* Words that only the source of a TLS library leaves in a program. */
static void read_tls(const struct image *i, struct elf_facts *f)
{
	static const struct {
		const char *word, *name;
	} marks[] = {
	    {"ssl/ssl_lib.c", "OpenSSL"},
	    {"ssl/statem/statem.c", "OpenSSL"},
	    {"ssl/ssl_privkey.cc", "BoringSSL"},
	    {"ssl/handshake_client.cc", "BoringSSL"},
	    {"/rustls-", "rustls"},
	};

	for (size_t n = 0; n < sizeof marks / sizeof marks[0] && f->tls == NULL; n++)
		if (find(i, 0, marks[n].word, strlen(marks[n].word)) != NULL)
			f->tls = marks[n].name;
}

int elf_read(const void *bytes, size_t size, struct elf_facts *facts)
{
	struct image i = {.bytes = bytes, .size = size};
	unsigned char ident[EI_NIDENT];
	int r;

	*facts = (struct elf_facts){0};
	if (!take(&i, 0, ident, sizeof ident))
		return size >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0 ? -EBADMSG : -ENOEXEC;
	if (memcmp(ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
		return -EBADMSG;
	facts->bits = ident[EI_CLASS] == ELFCLASS32 ? 32 : 64;
	/* type and machine are at the same place in both classes */
	if (!take(&i, EI_NIDENT, &facts->type, 2) || !take(&i, EI_NIDENT + 2, &facts->machine, 2))
		return -EBADMSG;
	if (ident[EI_DATA] == ELFDATA2MSB) {
		facts->type = (uint16_t)(facts->type << 8 | facts->type >> 8);
		facts->machine = (uint16_t)(facts->machine << 8 | facts->machine >> 8);
	}
	if (facts->bits != 64 || ident[EI_DATA] != ELFDATA2LSB)
		return 0;
	if (!take(&i, 0, &i.header, sizeof i.header))
		return -EBADMSG;
	r = read_segments(&i, facts);
	read_go(&i, facts);
	read_tls(&i, facts);
	return r;
}
