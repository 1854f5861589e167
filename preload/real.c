// SPDX-License-Identifier: Apache-2.0
/*
 * real.c - finds the next definitions of the interposed calls. Runs in our constructor, or in the first
 * hooked call if another constructor makes one earlier; the only place with dlsym.
 *
 * Invariant: after real_resolve() no pointer is NULL: what libc does not have answers ENOSYS. Results
 * are the same whoever resolves, so racing threads may both do it.
 */
#include "preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

struct real real_calls;
bool real_known;

const char *const real_names[] = {
    "none",
#define CALL(name, kind, need) #name,
#include "preload/calls.def"
    NULL,
};

enum real_need { REAL_required, REAL_optional, REAL_foreign };

struct real_row {
	const char *name;
	size_t at;
	enum real_need need;
};

static const struct real_row rows[] = {
#define TLS_CALL(name, kind)   /* tls_find.c */
#define CALL(name, kind, need) {#name, offsetof(struct real, name), REAL_##need},
#include "preload/calls.def"
};

static long real_missing(void)
{
	errno = ENOSYS;
	return -1;
}

void real_resolve(void)
{
	int kept = errno;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		void *__attribute__((may_alias)) *slot = (void *)((char *)&real_calls + rows[i].at);
		void *next;

		if (__atomic_load_n(slot, __ATOMIC_RELAXED) != NULL)
			continue;
		/* where it fails dlsym allocates, and a foreign allocator may come back here to read a file
		 */
		if (rows[i].need != REAL_required)
			__atomic_store_n(slot, (void *)real_missing, __ATOMIC_RELAXED);
		if (rows[i].need == REAL_foreign)
			continue;
		next = dlsym(RTLD_NEXT, rows[i].name);
		__atomic_store_n(slot, next != NULL ? next : (void *)real_missing, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&real_known, true, __ATOMIC_RELEASE);
	errno = kept;
}

/* Early among constructors; those of libraries that we do not depend on may still be earlier. */
__attribute__((constructor(101))) static void real_start(void)
{
	real_resolve();
}
