/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arch_syscall.S - syscall(2), the function. Some programs move and close sockets with it (libuv, runtimes of their
 * own), so the numbers that raw.c marks in raw_ours are ours; all others go to the kernel as libc's own does: no
 * frame, no look-ups (allocators call this while they initialise), all registers as libc leaves them. App's threads.
 *
 * The registers and the stack are already those of raw_call(number, a, b, c, d, e, f): it is jumped to.
 */
#ifndef __x86_64__
#error "dprof runs on x86-64"
#endif

#define NUMBERS 448			/* RAW_NUMBERS of raw.h */

	.text
	.globl	syscall
	.type	syscall, @function
	.p2align 4
syscall:
	.cfi_startproc
	endbr64
	cmpq	$NUMBERS, %rdi
	jae	1f
	leaq	raw_ours(%rip), %rax
	cmpb	$0, (%rax,%rdi)
	jne	2f
1:	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	%r8, %r10
	movq	%r9, %r8
	movq	8(%rsp), %r9
	syscall
	cmpq	$-4095, %rax
	jae	3f
	ret
2:	jmp	raw_call
3:	movq	%rax, %rdi
	jmp	raw_failed
	.cfi_endproc
	.size	syscall, .-syscall

	.section .note.GNU-stack, "", @progbits
