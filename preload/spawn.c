/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.c - see spawn.h. spawn_thread runs on the program's thread, cold.
 *
 * A raw clone, because a thread of libc's is felt: libc leaves its single-threaded fast paths (35 ns a
 * blocking call, malloc, stdio), pthread_exit of the last real thread would no longer end the process.
 * Without CLONE_FS and CLONE_SYSVSEM: the program may still setns(2), chroot, change directory. The
 * descriptor table is shared for the first moments only, then unshared empty: so the kernel's own fast path
 * for unshared tables comes back, nothing of the program is held open, and its numbers are all its own.
 *
 * Such a thread has no libc behind it. What compiled code may touch through the thread pointer is there as
 * zeros: errno, our own thread-local variables, the guards. It must call nothing that locks, allocates or
 * prints.
 */
#include "preload/spawn.h"

#include <sched.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif
#include <string.h>

#include "preload/real.h"
#include "preload/sys.h"
#include "preload/text.h"
#include "preload/thread.h"

#define SPAWN_STACK_BYTES (256u << 10)
#define SPAWN_GUARD_BYTES 4096u
#define SPAWN_BELOW_BYTES 4096u /* spare, below the lowest thread-local variable we know of */

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif

#define SPAWN_OVER_NS 1000000000ull

/* The last thread, and its memory: used again by the next one. */
static char *spawn_memory;
static uint32_t spawn_pid, spawn_tid;

#ifdef __SANITIZE_THREAD__
/* TSan keeps data per libc thread. */
static void *spawn_start(void *run)
{
	((void (*)(void))run)();
	return NULL;
}

int spawn_thread(void (*run)(void))
{
	pthread_t thread;
	uint64_t old = sys_hold_signals();
	int r;

	r = REAL(pthread_create)(&thread, NULL, spawn_start, (void *)run);
	sys_release_signals(old);
	if (r == 0)
		pthread_detach(thread);
	return -r;
}

bool spawn_is_over(void)
{
	return true;
}
#else
/* How far below the thread pointer the variables lie that our code, or libc's on our behalf, may touch. */
static size_t spawn_tls_bytes(void)
{
	char *top = arch_thread_pointer(), *lowest = (char *)&thread_self, *other = (char *)&errno;

	if (other < lowest)
		lowest = other;
	return ((size_t)(top - lowest) + SPAWN_BELOW_BYTES + 4095) & ~(size_t)4095;
}

static void spawn_start(void *run)
{
	((void (*)(void))run)();
}

/* ASan remembers what the last stack at this place left. */
static void spawn_clean(char *memory, size_t bytes)
{
#ifdef __SANITIZE_ADDRESS__
	__asan_unpoison_memory_region(memory, bytes);
#else
	(void)memory;
	(void)bytes;
#endif
}

static bool spawn_is_gone(void)
{
	return spawn_tid == 0 || sys_call(SYS_tgkill, spawn_pid, spawn_tid, 0) == -ESRCH;
}

bool spawn_is_over(void)
{
	uint64_t deadline_ns = sys_clock_ns(CLOCK_MONOTONIC) + SPAWN_OVER_NS;
	uint32_t never = 0;

	while (!spawn_is_gone()) {
		if (sys_clock_ns(CLOCK_MONOTONIC) >= deadline_ns)
			return false;
		sys_futex_wait(&never, 0, sys_clock_ns(CLOCK_MONOTONIC) + 20000);
	}
	return true;
}

static char *spawn_take_memory(size_t bytes)
{
	char *memory = spawn_memory;

	if (memory != NULL && spawn_is_gone()) {
		memset(memory + SPAWN_GUARD_BYTES + SPAWN_STACK_BYTES, 0,
		       bytes - SPAWN_GUARD_BYTES - SPAWN_STACK_BYTES);
		return memory;
	}
	memory = sys_map(bytes);
	if (memory == NULL)
		return NULL;
	sys_call(SYS_madvise, memory, bytes, MADV_DONTFORK);
	sys_call(SYS_mprotect, memory, SPAWN_GUARD_BYTES, PROT_NONE);
	spawn_memory = memory;
	spawn_tid = 0;
	return memory;
}

int spawn_thread(void (*run)(void))
{
	unsigned long flags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FILES | CLONE_SETTLS;
	size_t tls = spawn_tls_bytes(), all = SPAWN_GUARD_BYTES + SPAWN_STACK_BYTES + tls + ARCH_TCB_BYTES;
	uint64_t blocked = ~0ull, old;
	char *memory = spawn_take_memory(all), *stack_top, *tcb;
	long r;

	if (memory == NULL)
		return -ENOMEM;
	stack_top = memory + SPAWN_GUARD_BYTES + SPAWN_STACK_BYTES;
	tcb = stack_top + tls;
	spawn_clean(memory, all);
	arch_fill_tcb(tcb);
	/* it takes over the mask: no signal of the program is ever handled there */
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, &old, 8);
	r = arch_spawn(flags, stack_top, tcb, spawn_start, (void *)run);
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
	if (r < 0)
		return (int)r;
	spawn_pid = (uint32_t)sys_call(SYS_getpid);
	spawn_tid = (uint32_t)r;
	return 0;
}
#endif

void spawn_after_fork(void)
{
	if (spawn_pid == (uint32_t)sys_call(SYS_getpid))
		return; /* only begun anew in the same process */
	spawn_memory = NULL;
	spawn_tid = 0;
}

struct entry {
	uint64_t inode;
	int64_t offset;
	uint16_t bytes;
	uint8_t kind;
	char name[];
};

/* Closes what the listed descriptors are; false if the system does not list them. */
static bool close_listed(void)
{
	char list[2048] __attribute__((aligned(8)));
	int dir = sys_open("/proc/thread-self/fd", O_RDONLY | O_DIRECTORY, 0);
	long n;

	if (dir < 0)
		return false;
	while ((n = sys_call(SYS_getdents64, dir, list, sizeof list)) > 0) {
		for (long at = 0; at < n;) {
			struct entry *e = (struct entry *)(list + at);
			uint64_t fd = text_number(e->name, NULL);

			if (fd != UINT64_MAX && fd != (uint64_t)dir)
				sys_close((int)fd);
			at += e->bytes;
		}
	}
	sys_close(dir);
	return true;
}

int spawn_own_files(void)
{
	/* unshares without copying: what lies in the range is left behind */
	long r = sys_call(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE);

	if (r == 0)
		return 0;
	r = sys_call(SYS_unshare, CLONE_FILES); /* before Linux 5.9 */
	if (r < 0)
		return (int)r;
	if (!close_listed())
		for (int fd = 0; fd < 65536; fd++)
			sys_close(fd);
	return 0;
}
