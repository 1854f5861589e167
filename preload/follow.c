// SPDX-License-Identifier: Apache-2.0
/*
 * follow.c - see follow.h. The settings are those of our own start, not of `environ`: servers overwrite that.
 *
 * Left alone: an environment that says DPROF_DISABLE=1, one with more entries than a small stack has room
 * for, and a library that cannot be read where the program is now (chroot, other user): the loader would
 * complain on stderr.
 */
#include "preload/follow.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include "preload/config.h"
#include "preload/seccomp.h"
#include "preload/sys.h"
#include "preload/text.h"

#define KEPT_MAX      30u
#define KEPT_BYTES    8192u
#define LIBRARY_BYTES 4096u
#define ENTRIES_MAX   1024u /* 8 KiB of the caller's stack */
#define PRELOAD_BYTES 3072u /* of somebody else's LD_PRELOAD */
#define ADDED	      "DPROF_ADDED"

extern char **environ;

static char kept_bytes[KEPT_BYTES]; /* NAME=VALUE, each with its NUL */
static char *kept[KEPT_MAX];
static uint32_t kept_count;
static char library[sizeof "LD_PRELOAD=" + LIBRARY_BYTES]; /* the whole entry; "": we are not there by it */
static bool follow_on;
static bool dir_given; /* DPROF_DIR is the user's */

/* What an environment lacks. */
struct plan {
	size_t entries;
	const char *preload; /* its own LD_PRELOAD=..., NULL: none */
	size_t preload_at;
	uint32_t missing; /* of kept, a bit each */
	bool library_missing;
};

static const char *base_name(const char *path)
{
	const char *base = path;

	for (; *path != '\0'; path++)
		if (*path == '/')
			base = path + 1;
	return base;
}

static bool is_between(char c)
{
	return c == ':' || c == ' ' || c == '\0';
}

/* Does this list of LD_PRELOAD have us? By the file's name: there are many ways to one file. */
static bool has_library(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; (at = strstr(at, name)) != NULL; at++)
		if ((at == list || at[-1] == '/' || is_between(at[-1])) && is_between(at[len]))
			return true;
	return false;
}

static bool same_name(const char *entry, const char *other)
{
	while (*entry == *other && *entry != '=' && *entry != '\0') {
		entry++;
		other++;
	}
	return *entry == '=' && (*other == '=' || *other == '\0');
}

/* ---- at our own start ---- */

static void keep(struct text *t, const char *name, const char *value)
{
	char *at = kept_bytes + t->len;

	if (kept_count == KEPT_MAX)
		return;
	text_add(t, name);
	text_add(t, value);
	text_add_len(t, "", 1);
	if (!t->full)
		kept[kept_count++] = at;
}

static void keep_library(const char *preload)
{
	struct text t;
	Dl_info us;
	char here[LIBRARY_BYTES];

	if (preload == NULL || dladdr((void *)follow_keep, &us) == 0 ||
	    !has_library(preload, base_name(us.dli_fname)))
		return; /* by /etc/ld.so.preload, or linked: it will be so again */
	text_start(&t, library, sizeof library);
	text_add(&t, "LD_PRELOAD=");
	if (us.dli_fname[0] != '/' && sys_call(SYS_getcwd, here, sizeof here) > 0) {
		text_add(&t, here);
		text_add(&t, "/");
	}
	text_add(&t, us.dli_fname);
	if (t.full)
		library[0] = '\0';
}

void follow_keep(void)
{
	const char *preload = NULL;
	struct text t;

	if (!config_get()->follow || config_get()->disable)
		return;
	text_start(&t, kept_bytes, sizeof kept_bytes);
	keep(&t, "DPROF_DIR=", config_get()->dir); /* the absolute one */
	for (char **e = environ; e != NULL && *e != NULL; e++) {
		if (same_name(*e, "LD_PRELOAD"))
			preload = *e + strlen("LD_PRELOAD=");
		else if (same_name(*e, "DPROF_DIR"))
			dir_given = true;
		else if (same_name(*e, "OTEL_SERVICE_NAME") ||
			 (text_after(*e, "DPROF_") != NULL && !same_name(*e, ADDED)))
			keep(&t, *e, "");
	}
	keep_library(preload);
	follow_on = true;
}

/* Is the name of this entry in the list? Only what we add ourselves can be. */
static bool is_added(const char *entry, const char *list)
{
	if (text_after(entry, "DPROF_") == NULL && !same_name(entry, "LD_PRELOAD") &&
	    !same_name(entry, "OTEL_SERVICE_NAME"))
		return false;
	while (*list != '\0') {
		size_t n = strcspn(list, ",");

		if (strncmp(entry, list, n) == 0 && entry[n] == '=')
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

void follow_clean(void)
{
	const char *list = NULL;
	char **to = environ;

	for (char **e = environ; e != NULL && *e != NULL; e++)
		if (same_name(*e, ADDED))
			list = *e + strlen(ADDED "=");
	if (list == NULL)
		return;
	for (char **e = environ; *e != NULL; e++) {
		char *colon = same_name(*e, "LD_PRELOAD") ? strrchr(*e, ':') : NULL;

		if (same_name(*e, ADDED) || (colon == NULL && is_added(*e, list)))
			continue;
		if (colon != NULL && is_added(*e, list))
			*colon = '\0'; /* what is before it is the program's own */
		*to++ = *e;
	}
	while (*to != NULL)
		*to++ = NULL;
}

/* ---- at the start of another program ---- */

/* False: leave it as it is. */
static bool make_plan(char *const *env, struct plan *p)
{
	*p = (struct plan){.library_missing = library[0] != '\0', .missing = (1u << kept_count) - 1};
	if (!follow_on || env == NULL || !seccomp_allows(SECCOMP_PAUSE))
		return false;
	for (; env[p->entries] != NULL; p->entries++) {
		const char *entry = env[p->entries];

		if (p->entries == ENTRIES_MAX || strcmp(entry, "DPROF_DISABLE=1") == 0)
			return false;
		if (same_name(entry, "LD_PRELOAD") && p->preload == NULL) {
			p->preload = entry;
			p->preload_at = p->entries;
			if (library[0] != '\0' &&
			    has_library(entry + strlen("LD_PRELOAD="), base_name(library)))
				p->library_missing = false;
		}
		/* not a search per setting where nobody has any */
		if (entry[0] != 'D' && entry[0] != 'O')
			continue;
		for (uint32_t i = 0; i < kept_count; i++)
			if (same_name(entry, kept[i]))
				p->missing &= ~(1u << i);
	}
	if (!p->library_missing && !dir_given) /* the standard one: no reason for a copy */
		p->missing &= ~1u;
	if (p->preload != NULL && strlen(p->preload) > PRELOAD_BYTES)
		return false;
	if (p->library_missing && sys_call(SYS_access, library + strlen("LD_PRELOAD="), R_OK) < 0)
		return false;
	return p->library_missing || p->missing != 0;
}

/* Of LD_PRELOAD with us behind what is there, and of DPROF_ADDED. */
static size_t preload_bytes(const struct plan *p)
{
	return p->preload == NULL ? 0 : strlen(p->preload) + strlen(library) + 1;
}

static size_t added_bytes(const struct plan *p)
{
	size_t bytes = sizeof ADDED "=" + sizeof "LD_PRELOAD";

	for (uint32_t i = 0; i < kept_count; i++)
		if (p->missing & (1u << i))
			bytes += strcspn(kept[i], "=") + 1;
	return bytes;
}

size_t follow_bytes(char *const *env)
{
	struct plan p;

	if (!make_plan(env, &p))
		return 0;
	return (p.entries + KEPT_MAX + 3) * sizeof(char *) + preload_bytes(&p) + added_bytes(&p);
}

static void note_added(struct text *t, const char *entry)
{
	if (t->bytes[t->len - 1] != '=')
		text_add(t, ",");
	text_add_len(t, entry, strcspn(entry, "="));
}

char **follow_fill(char *const *env, void *memory)
{
	struct plan p;
	struct text joined, added;
	char **copy = memory, *texts;
	size_t n;

	if (!make_plan(env, &p))
		return (char **)env;
	n = p.entries;
	memcpy(copy, env, n * sizeof *copy);
	texts = (char *)(copy + n + KEPT_MAX + 3);
	text_start(&added, texts + preload_bytes(&p), added_bytes(&p));
	text_add(&added, ADDED "=");
	for (uint32_t i = 0; i < kept_count; i++) {
		if (!(p.missing & (1u << i)))
			continue;
		copy[n++] = kept[i];
		note_added(&added, kept[i]);
	}
	if (p.library_missing && p.preload != NULL) {
		text_start(&joined, texts, preload_bytes(&p));
		text_add(&joined, p.preload);
		text_add(&joined, ":");
		text_add(&joined, library + strlen("LD_PRELOAD="));
		copy[p.preload_at] = joined.bytes;
	} else if (p.library_missing) {
		copy[n++] = library;
	}
	if (p.library_missing)
		note_added(&added, library);
	copy[n++] = added.bytes;
	copy[n] = NULL;
	return copy;
}
