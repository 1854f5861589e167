/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arch_syscall.S - syscall(2), the function. libuv (Node, uvloop) closes sockets with it, so one number of it is
 * ours; all others go to the kernel as libc's own does: no frame, no look-ups (allocators call this while they
 * initialise), all registers as libc leaves them. App's threads.
 */
#ifndef __x86_64__
#error "dprof runs on x86-64"
#endif

	.text
	.globl	syscall
	.type	syscall, @function
	.p2align 4
syscall:
	.cfi_startproc
	endbr64
	cmpq	$3, %rdi		/* SYS_close */
	je	1f
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	%r8, %r10
	movq	%r9, %r8
	movq	8(%rsp), %r9
	syscall
	cmpq	$-4095, %rax
	jae	2f
	ret
1:	movl	%esi, %edi
	jmp	fd_syscall_close
2:	movq	%rax, %rdi
	jmp	fd_syscall_failed
	.cfi_endproc
	.size	syscall, .-syscall

	.section .note.GNU-stack, "", @progbits
