/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arch_dlopen.S - dlopen(3) without RTLD_DEEPBIND. A library opened with it (PHP does so with its extensions) would
 * find libc's calls before ours. The real dlopen looks at its caller's address to know whose RUNPATH holds, so this
 * is a jump and leaves no frame. App's threads, cold.
 */
#ifndef __x86_64__
#error "dprof runs on x86-64"
#endif

	.text
	.globl	dlopen
	.type	dlopen, @function
	.p2align 4
dlopen:
	.cfi_startproc
	endbr64
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	subq	$8, %rsp		/* aligned for the call */
	.cfi_adjust_cfa_offset 8
	call	proc_library		/* the real dlopen, and which flags may pass */
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	andl	%edx, %esi
	jmp	*%rax
	.cfi_endproc
	.size	dlopen, .-dlopen

	.section .note.GNU-stack, "", @progbits
