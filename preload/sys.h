/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sys.h - raw system calls: sys_call(SYS_name, arguments...) gives the result or -errno. Any thread. Not a
 * cancellation point, never touches errno, is not seen by our own wrappers or anybody else's.
 */
#ifndef DPROF_SYS_H
#define DPROF_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "preload/arch.h"

/* Arguments that are left out are 0. */
#define sys_call(...) sys_call_filled(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define sys_call_filled(number, a, b, c, d, e, f, ...)                                                       \
	arch_syscall((long)(number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline bool sys_failed(long result)
{
	return (unsigned long)result > -4096ul;
}

/* Holds off all signals of the calling thread, cancellation too; gives what sys_release_signals() takes. */
static inline uint64_t sys_hold_signals(void)
{
	uint64_t all = ~0ull, old = 0;

	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, 8);
	return old;
}

static inline void sys_release_signals(uint64_t old)
{
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
}

static inline int sys_open(const char *path, int flags, unsigned int mode)
{
	long fd;

	do
		fd = sys_call(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
	while (fd == -EINTR);
	return (int)fd;
}

static inline void sys_close(int fd)
{
	sys_call(SYS_close, fd);
}

/* Reads until `len` bytes or the end; how many, or -errno. */
static inline long sys_read_at(int fd, void *to, size_t len, uint64_t at)
{
	size_t got = 0;

	while (got < len) {
		long n = sys_call(SYS_pread64, fd, (char *)to + got, len - got, at + got);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (long)got;
}

/* 0 or -errno; what was written before an error stays. */
static inline int sys_write_at(int fd, const void *from, size_t len, uint64_t at)
{
	size_t put = 0;

	while (put < len) {
		long n = sys_call(SYS_pwrite64, fd, (const char *)from + put, len - put, at + put);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		put += (size_t)n;
	}
	return 0;
}

/* Memory of zeros, NULL if there is none. */
static inline void *sys_map(size_t bytes)
{
	long p = sys_call(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return sys_failed(p) ? NULL : (void *)p;
}

static inline void sys_unmap(void *memory, size_t bytes)
{
	sys_call(SYS_munmap, memory, bytes);
}

static inline uint64_t sys_clock_ns(clockid_t clock)
{
	struct timespec t = {0};

	clock_gettime(clock, &t); /* the vdso: no system call where the clock source allows it */
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Sleeps while *word is `value`, at most until `deadline_ns` (CLOCK_MONOTONIC; 0: for ever). May wake early.
 */
static inline void sys_futex_wait(const uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	struct timespec until = {(time_t)(deadline_ns / 1000000000u), (long)(deadline_ns % 1000000000u)};

	sys_call(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, deadline_ns ? &until : NULL, NULL,
		 FUTEX_BITSET_MATCH_ANY);
}

static inline void sys_futex_wake(const uint32_t *word)
{
	sys_call(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fffffff);
}

#endif
