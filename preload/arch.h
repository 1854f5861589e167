/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arch.h - everything that knows the processor: raw system calls, the time stamp counter, the thread
 * pointer, and starting a thread that libc does not know. Any thread; calls nothing.
 *
 * To port: give these six a body for the new processor.
 */
#ifndef DPROF_ARCH_H
#define DPROF_ARCH_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__) || defined(__ILP32__)
#error "dprof knows x86-64 only: write the bodies in preload/arch.h for this processor"
#endif

/* The result, or -errno; errno itself is not touched. */
static inline long arch_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* The time stamp counter: of one rate on all cores where Linux uses it as clock source. */
static inline uint64_t arch_ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* The thread control block; thread-local variables lie below it. */
static inline char *arch_thread_pointer(void)
{
	char *pointer;

	__asm__("mov %%fs:0, %0" : "=r"(pointer));
	return pointer;
}

/* *at += n in one instruction; what was there before. A signal handler of this thread does not come in
 * between; another thread does. */
static inline uint64_t arch_add(uint64_t *at, uint64_t n)
{
	__asm__ volatile("xaddq %0, %1" : "+r"(n), "+m"(*at) : : "cc");
	return n;
}

#define ARCH_TCB_BYTES 4096u /* more than glibc's struct pthread, zeros for whoever looks */

/* Fills a zeroed control block at `tcb` with what compiled code looks for: the block's own address, and the
 * guards against smashed stacks and pointers (those of the calling thread). */
static inline void arch_fill_tcb(char *tcb)
{
	const uintptr_t *mine = (const uintptr_t *)arch_thread_pointer();
	uintptr_t *made = (uintptr_t *)tcb;

	made[0] = (uintptr_t)tcb;
	made[2] = (uintptr_t)tcb;
	made[5] = mine[5];
	made[6] = mine[6];
}

/*
 * clone(flags) with its own stack and thread pointer, running run(arg), then ending that thread alone. The
 * thread's id, or -errno. The child never returns here, so it does not share this frame.
 */
static inline long arch_spawn(unsigned long flags, char *stack_top, char *tcb, void (*run)(void *), void *arg)
{
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = (long)tcb;
	register void (*entry)(void *) __asm__("r12") = run;
	register void *with __asm__("r13") = arg;
	long result;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r13, %%rdi\n\t"
			 "call *%%r12\n\t"
			 "xor %%edi, %%edi\n\t"
			 "mov $60, %%eax\n\t" /* exit: this thread only */
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(result)
			 : "a"(56L), "D"(flags), "S"(stack_top), "d"(0L), "r"(r10), "r"(r8), "r"(entry),
			   "r"(with)
			 : "rcx", "r11", "memory");
	return result;
}

#endif
