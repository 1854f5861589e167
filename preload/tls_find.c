// SPDX-License-Identifier: Apache-2.0
/*
 * tls_find.c - see tls_find.h. App's threads. Hot where the library is known: a few loads and one question
 * to the dynamic linker that takes no lock; cold the first time: dl_iterate_phdr and the symbol tables as
 * they lie in memory, because dlsym allocates, sets dlerror and waits for other threads' constructors.
 *
 * Invariant: what tls_find() gives is loaded now: a library that was unloaded is never called again.
 */
#include "preload/tls_find.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#define LIBRARIES_MAX 16 /* that came in the life of the process */
#define OWNER_WORDS   8	 /* of a session: one of the first points to its methods, in the library */

static struct tls_library libraries[LIBRARIES_MAX];
static uint32_t library_count; /* places given out */
static __typeof__(&_dl_find_object) find_object;

static const char *const names[TLS_FUNCTIONS] = {
#define TLS_CALL(name, kind) #name,
#include "preload/calls.def"
#define TLS_NAME(name) #name,
    TLS_HELPERS(TLS_NAME)};

/* ---- symbols of one object ---- */

struct symbols {
	uintptr_t base;
	const ElfW(Sym) * table;
	const char *texts;
	const uint32_t *hash; /* DT_GNU_HASH */
};

/* The dynamic linker has made most of these addresses absolute. */
static const void *absolute(uintptr_t base, ElfW(Addr) address)
{
	return (const void *)(address < base ? base + address : address);
}

static bool symbols_of(const struct dl_phdr_info *object, struct symbols *s)
{
	const ElfW(Dyn) *d = NULL;

	*s = (struct symbols){.base = object->dlpi_addr};
	for (unsigned int i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
			d = (const ElfW(Dyn) *)(s->base + object->dlpi_phdr[i].p_vaddr);
	for (; d != NULL && d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_SYMTAB)
			s->table = absolute(s->base, d->d_un.d_ptr);
		else if (d->d_tag == DT_STRTAB)
			s->texts = absolute(s->base, d->d_un.d_ptr);
		else if (d->d_tag == DT_GNU_HASH)
			s->hash = absolute(s->base, d->d_un.d_ptr);
	}
	return s->table != NULL && s->texts != NULL && s->hash != NULL;
}

/* No strcmp: the program may bring its own. */
static bool is_text(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* The function of that name which the object defines. */
static void *symbol_find(const struct symbols *s, const char *name)
{
	uint32_t buckets = s->hash[0], first = s->hash[1], bloom_words = s->hash[2];
	const uint32_t *bucket = (const uint32_t *)((const ElfW(Addr) *)(s->hash + 4) + bloom_words);
	const uint32_t *chain = bucket + buckets;
	uint32_t hash = 5381;

	for (const char *c = name; *c != '\0'; c++)
		hash = hash * 33 + (uint8_t)*c;
	if (buckets == 0 || bucket[hash % buckets] < first)
		return NULL;
	for (uint32_t i = bucket[hash % buckets];; i++) {
		const ElfW(Sym) *symbol = &s->table[i];

		if ((chain[i - first] | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF &&
		    ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && is_text(s->texts + symbol->st_name, name))
			return (void *)(s->base + symbol->st_value);
		if (chain[i - first] & 1)
			return NULL;
	}
}

/* ---- libraries ---- */

/* The dynamic linker's object at an address; NULL also where it cannot be asked (glibc before 2.35). */
static const void *map_at(uintptr_t address)
{
	__typeof__(&_dl_find_object) find = __atomic_load_n(&find_object, __ATOMIC_RELAXED);
	struct dl_find_object found;

	return find != NULL && find((void *)address, &found) == 0 ? found.dlfo_link_map : NULL;
}

/* The library at a place of the table, NULL if there is none, or none any more. */
static const struct tls_library *library_at(uint32_t place)
{
	const struct tls_library *l = &libraries[place];

	return __atomic_load_n(&l->ready, __ATOMIC_ACQUIRE) && map_at(l->code) == l->map ? l : NULL;
}

static uint32_t count_libraries(void)
{
	uint32_t count = __atomic_load_n(&library_count, __ATOMIC_RELAXED);

	return count < LIBRARIES_MAX ? count : LIBRARIES_MAX;
}

/* The library that a session points into. */
static const struct tls_library *find_owner(enum tls_function function, const void *session)
{
	const uintptr_t *words = session;

	for (int word = 0; words != NULL && word < OWNER_WORDS; word++) {
		for (uint32_t i = 0; i < count_libraries(); i++) {
			const struct tls_library *l = &libraries[i];

			if (words[word] - l->start < l->end - l->start && l->functions[function] != NULL &&
			    library_at(i) != NULL)
				return l;
		}
	}
	return NULL;
}

static const struct tls_library *find_first(enum tls_function function)
{
	for (uint32_t i = 0; i < count_libraries(); i++)
		if (library_at(i) != NULL && libraries[i].functions[function] != NULL)
			return &libraries[i];
	return NULL;
}

static bool is_known(uintptr_t code)
{
	for (uint32_t i = 0; i < count_libraries(); i++)
		if (library_at(i) != NULL && libraries[i].code == code)
			return true;
	return false;
}

/* Two threads may both note the same library, which is no harm. */
static void library_add(const struct dl_phdr_info *object, const struct symbols *s, uintptr_t code)
{
	struct tls_library *l;
	uint32_t place;

	if (is_known(code))
		return;
	place = __atomic_fetch_add(&library_count, 1, __ATOMIC_RELAXED);
	if (place >= LIBRARIES_MAX) {
		__atomic_store_n(&library_count, LIBRARIES_MAX, __ATOMIC_RELAXED);
		return;
	}
	l = &libraries[place];
	l->code = code;
	l->map = map_at(code);
	l->start = UINTPTR_MAX;
	for (unsigned int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];

		if (p->p_type != PT_LOAD)
			continue;
		if (s->base + p->p_vaddr < l->start)
			l->start = s->base + p->p_vaddr;
		if (s->base + p->p_vaddr + p->p_memsz > l->end)
			l->end = s->base + p->p_vaddr + p->p_memsz;
	}
	for (int i = 0; i < TLS_FUNCTIONS; i++)
		l->functions[i] = symbol_find(s, names[i]);
	__atomic_store_n(&l->ready, 1, __ATOMIC_RELEASE);
}

struct search {
	const char *name;
	unsigned int objects;
};

/* The first object is the program: what it defines itself nobody looks for in us. */
static int look_for_libraries(struct dl_phdr_info *object, size_t size, void *data)
{
	struct search *search = data;
	struct symbols s;
	void *code;

	(void)size;
	if (search->objects++ == 0 || !symbols_of(object, &s))
		return 0;
	code = symbol_find(&s, search->name);
	if (code != NULL && symbol_find(&s, names[TLS_SSL_read]) != (void *)SSL_read)
		library_add(object, &s, (uintptr_t)code);
	return 0;
}

static int look_for_linker(struct dl_phdr_info *object, size_t size, void *data)
{
	struct symbols s;
	void *find = symbols_of(object, &s) ? symbol_find(&s, "_dl_find_object") : NULL;

	(void)size;
	(void)data;
	if (find == NULL)
		return 0;
	__atomic_store_n(&find_object, (__typeof__(&_dl_find_object))find, __ATOMIC_RELAXED);
	return 1;
}

const struct tls_library *tls_find(enum tls_function function, const void *session)
{
	const struct tls_library *l = find_owner(function, session);
	struct search search = {.name = names[function]};

	if (__builtin_expect(l != NULL, 1))
		return l;
	/* one that came since, or a session that does not point to its library (NULL, or no handshake yet) */
	if (find_object == NULL)
		dl_iterate_phdr(look_for_linker, NULL);
	dl_iterate_phdr(look_for_libraries, &search);
	l = find_owner(function, session);
	return l != NULL ? l : find_first(function);
}
