/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_seccomp_test - what a filter will say of our system calls: known filters, the kernel's own answers
 * for each operation, and random programs.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "preload/seccomp.h"

#define EVERYTHING                                                                                           \
	(SECCOMP_PROGRAM | SECCOMP_BEGIN | SECCOMP_OURS | SECCOMP_PAUSE | SECCOMP_SAY | SECCOMP_RIGHTS |     \
	 SECCOMP_SETUP)
#define NUMBER		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ARGUMENT(n)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define RETURN(what)	BPF_STMT(BPF_RET | BPF_K, what)
#define IS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
#define FORBIDDEN(...)                                                                                       \
	forbidden((struct sock_filter[]){__VA_ARGS__},                                                       \
		  sizeof((struct sock_filter[]){__VA_ARGS__}) / sizeof(struct sock_filter))

static uint32_t forbidden(struct sock_filter *code, size_t n)
{
	struct sock_fprog program = {(unsigned short)n, code};

	return seccomp_forbidden(&program);
}

static void known(void **state)
{
	(void)state;
	assert_int_equal(FORBIDDEN(RETURN(SECCOMP_RET_ALLOW)), 0);
	assert_int_equal(FORBIDDEN(RETURN(SECCOMP_RET_LOG)), 0);
	assert_int_equal(FORBIDDEN(RETURN(SECCOMP_RET_KILL_THREAD)), EVERYTHING);
	assert_int_equal(FORBIDDEN(RETURN(SECCOMP_RET_ERRNO | 1)), EVERYTHING);
	assert_int_equal(
	    FORBIDDEN(NUMBER, IS(SYS_openat, 1), RETURN(SECCOMP_RET_TRAP), RETURN(SECCOMP_RET_ALLOW)),
	    SECCOMP_OURS);
	assert_int_equal(
	    FORBIDDEN(NUMBER, IS(SYS_getpid, 1), RETURN(SECCOMP_RET_TRACE), RETURN(SECCOMP_RET_ALLOW)),
	    SECCOMP_PROGRAM);
	assert_int_equal(FORBIDDEN(NUMBER, IS(SYS_nanosleep, 1), RETURN(SECCOMP_RET_KILL_THREAD),
				   RETURN(SECCOMP_RET_ALLOW)),
			 0);
	/* forks are no threads: only their flags tell */
	assert_int_equal(FORBIDDEN(NUMBER, IS(SYS_clone, 3), ARGUMENT(0),
				   BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x10000 /* CLONE_THREAD */, 1, 0),
				   RETURN(SECCOMP_RET_KILL_THREAD), RETURN(SECCOMP_RET_ALLOW)),
			 0);
	/* another architecture */
	assert_int_equal(FORBIDDEN(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
				   IS(AUDIT_ARCH_X86_64, 1), RETURN(SECCOMP_RET_ALLOW),
				   RETURN(SECCOMP_RET_KILL_THREAD)),
			 0);
}

/* Each operation once: the result is the number whose calls are forbidden. */
static void operations(void **state)
{
	static const struct {
		uint16_t op;
		uint32_t a, k, result;
	} table[] = {
	    {BPF_ADD, 5, 7, 12}, {BPF_SUB, 5, 7, (uint32_t)-2}, {BPF_MUL, 5, 7, 35},
	    {BPF_DIV, 35, 7, 5}, {BPF_OR, 5, 10, 15},		{BPF_AND, 6, 3, 2},
	    {BPF_XOR, 6, 3, 5},	 {BPF_LSH, 3, 4, 48},		{BPF_RSH, 48, 4, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		uint16_t alu = BPF_ALU | table[i].op;

		/* by a constant, then the same by X, through memory */
		assert_int_equal(FORBIDDEN(BPF_STMT(BPF_LD | BPF_IMM, table[i].a),
					   BPF_STMT(alu | BPF_K, table[i].k), IS(table[i].result, 1),
					   RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_KILL_THREAD)),
				 0);
		assert_int_equal(FORBIDDEN(BPF_STMT(BPF_LD | BPF_IMM, table[i].k), BPF_STMT(BPF_ST, 3),
					   BPF_STMT(BPF_LDX | BPF_MEM, 3),
					   BPF_STMT(BPF_LD | BPF_IMM, table[i].a), BPF_STMT(alu | BPF_X, 0),
					   IS(table[i].result, 1), RETURN(SECCOMP_RET_ALLOW),
					   RETURN(SECCOMP_RET_KILL_THREAD)),
				 0);
	}
	assert_int_equal(
	    FORBIDDEN(BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET | BPF_A, 0)), 0);
	assert_int_equal(FORBIDDEN(BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_MISC | BPF_TXA, 0),
				   IS(sizeof(struct seccomp_data), 1), RETURN(SECCOMP_RET_ALLOW), RETURN(0)),
			 0);
	assert_int_equal(FORBIDDEN(BPF_STMT(BPF_JMP | BPF_JA, 1), RETURN(0), RETURN(SECCOMP_RET_ALLOW)), 0);
}

/* Whatever it is, it ends, and reads nothing but its own memory (ASan looks). */
static void random_programs(void **state)
{
	struct sock_filter code[64];

	(void)state;
	srand(5);
	for (int n = 0; n < 20000; n++) {
		size_t len = 1 + (size_t)(rand() % 64);

		for (size_t i = 0; i < len; i++)
			code[i] =
			    (struct sock_filter){(uint16_t)rand(), (uint8_t)rand(), (uint8_t)rand(),
						 rand() % 2 ? (uint32_t)rand() : (uint32_t)(rand() % 80)};
		assert_int_equal(forbidden(code, len) & ~EVERYTHING, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known),
	    cmocka_unit_test(operations),
	    cmocka_unit_test(random_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
