// SPDX-License-Identifier: Apache-2.0
/*
 * uring.c - io_uring is seen where it begins: the system calls by number (raw.c) and liburing's functions
 * here. What a ring then moves never passes through libc. App's threads, cold.
 *
 * Invariant: where liburing is not loaded its functions answer -ENOSYS, as with a kernel without io_uring; it
 * may be loaded later than we are, and then out of sight of RTLD_NEXT.
 */
#include "preload/uring.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#include "preload/config.h"
#include "preload/process.h"
#include "preload/real.h"
#include "preload/say.h"

static uint64_t rings;
static uint32_t told;

bool uring_refused(void)
{
	return process_check() && config_get()->io_uring == CONFIG_IO_URING_REFUSE;
}

void uring_used(bool is_new)
{
	if (!process_check())
		return;
	if (is_new)
		__atomic_fetch_add(&rings, 1, __ATOMIC_RELAXED);
	if (!__atomic_exchange_n(&told, 1, __ATOMIC_RELAXED))
		SAY("io_uring in use: its I/O is not seen (hint: DPROF_IO_URING=refuse)");
}

uint64_t uring_rings(void)
{
	return __atomic_load_n(&rings, __ATOMIC_RELAXED);
}

/* liburing's own; NULL: it is not loaded. The caller is linked to it, so it is there by now if it is
 * anywhere: nothing is loaded here. What we asked in vain is no business of the program's dlerror(). */
static void *uring_find(const char *name)
{
	static const char *const libraries[] = {"liburing.so.2", "liburing.so.1", "liburing.so"};
	void *found = dlsym(RTLD_NEXT, name), *library;

	for (size_t i = 0; i < sizeof libraries / sizeof libraries[0] && found == NULL; i++) {
		library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
		if (library == NULL)
			continue;
		found = dlsym(library, name);
		dlclose(library);
	}
	if (found == NULL)
		dlerror();
	return found;
}

#define URING_FIND(name) ((__typeof__(&name))uring_find(#name))

/* liburing's functions call one another by name: the outermost counts. */
static __thread uint32_t uring_depth __attribute__((tls_model("initial-exec")));

static int uring_made(int r)
{
	if (--uring_depth == 0 && r >= 0)
		uring_used(true);
	return r;
}

/* One of liburing's functions, unless there is none or it is refused. */
#define URING_CALL(name, ...)                                                                                \
	do {                                                                                                 \
		__typeof__(&name) next = uring_refused() ? NULL : (__typeof__(&name))uring_find(#name);      \
		if (next == NULL)                                                                            \
			return -ENOSYS;                                                                      \
		uring_depth++;                                                                               \
		return uring_made(next(__VA_ARGS__));                                                        \
	} while (0)

EXPORT int io_uring_queue_init(unsigned int entries, struct io_uring *ring, unsigned int flags)
{
	URING_CALL(io_uring_queue_init, entries, ring, flags);
}

EXPORT int io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params)
{
	URING_CALL(io_uring_queue_init_params, entries, ring, params);
}

EXPORT int io_uring_queue_init_mem(unsigned int entries, struct io_uring *ring,
				   struct io_uring_params *params, void *memory, size_t bytes)
{
	URING_CALL(io_uring_queue_init_mem, entries, ring, params, memory, bytes);
}

EXPORT int io_uring_setup(unsigned int entries, struct io_uring_params *params)
{
	URING_CALL(io_uring_setup, entries, params);
}
