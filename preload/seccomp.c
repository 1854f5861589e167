/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.c - see seccomp.h. The filter is classic BPF with forward jumps only, so running it ends.
 *
 * What follows from it: calls of the program's threads forbidden, or those of our running thread when the
 * filter is set for all threads: the dump ends before the filter holds. Only the start forbidden: started
 * now, if the process will plausibly be traced, and never again after (a fork's child is not traced).
 */
#include "preload/seccomp.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "preload/process.h"
#include "preload/real.h"
#include "preload/say.h"
#include "preload/serves.h"
#include "preload/sys.h"

static uint32_t forbidden; /* enum seccomp_class; by all filters so far */

static const struct kernel_row {
	uint32_t number;
	uint32_t class;
	uint64_t a[3];
} rows[] = {
#define KERNEL(name, class, a0, a1, a2)                                                                      \
	{SYS_##name, SECCOMP_##class, {(uint64_t)(a0), (uint64_t)(a1), (uint64_t)(a2)}},
#include "preload/kernel.def"
};

bool seccomp_allows(uint32_t classes)
{
	return (__atomic_load_n(&forbidden, __ATOMIC_RELAXED) & classes) == 0;
}

/* ---- one filter, one call ---- */

struct machine {
	uint32_t a, x;
	uint32_t memory[BPF_MEMWORDS];
};

static uint32_t compute(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return b == 0 ? 0 : a / b;
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return b > 31 ? 0 : a << b;
	case BPF_RSH:
		return b > 31 ? 0 : a >> b;
	default: /* BPF_NEG */
		return -a;
	}
}

static bool compare(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	default: /* BPF_JSET */
		return (a & b) != 0;
	}
}

static void load(struct machine *m, const struct sock_filter *s, const struct seccomp_data *data)
{
	uint32_t value = s->k;

	if (BPF_MODE(s->code) == BPF_ABS)
		memcpy(&value, (const char *)data + (s->k > sizeof *data - 4 ? 0 : s->k), sizeof value);
	else if (BPF_MODE(s->code) == BPF_LEN)
		value = sizeof *data;
	else if (BPF_MODE(s->code) == BPF_MEM)
		value = m->memory[s->k % BPF_MEMWORDS];
	if (BPF_CLASS(s->code) == BPF_LD)
		m->a = value;
	else
		m->x = value;
}

/* What the filter returns; what the kernel would refuse to install says "kill", and is not installed. */
static uint32_t answer(const struct sock_fprog *program, const struct seccomp_data *data)
{
	struct machine m = {0};

	for (uint32_t at = 0; at < program->len; at++) {
		const struct sock_filter *s = &program->filter[at];
		uint32_t b = BPF_SRC(s->code) == BPF_X ? m.x : s->k;

		switch (BPF_CLASS(s->code)) {
		case BPF_LD:
		case BPF_LDX:
			load(&m, s, data);
			break;
		case BPF_ST:
			m.memory[s->k % BPF_MEMWORDS] = m.a;
			break;
		case BPF_STX:
			m.memory[s->k % BPF_MEMWORDS] = m.x;
			break;
		case BPF_ALU:
			m.a = compute(s->code, m.a, b);
			break;
		case BPF_JMP:
			if (BPF_OP(s->code) == BPF_JA)
				at += s->k < program->len ? s->k : program->len;
			else
				at += compare(s->code, m.a, b) ? s->jt : s->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(s->code) == BPF_A ? m.a : s->k;
		default:
			if (BPF_MISCOP(s->code) == BPF_TAX)
				m.x = m.a;
			else
				m.a = m.x;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}

uint32_t seccomp_forbidden(const struct sock_fprog *program)
{
	uint32_t classes = 0;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct seccomp_data data = {.nr = (int)rows[i].number, .arch = AUDIT_ARCH_X86_64};
		uint32_t action;

		for (int n = 0; n < 3; n++)
			data.args[n] = rows[i].a[n];
		action = answer(program, &data) & SECCOMP_RET_ACTION_FULL;
		if (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG)
			classes |= rows[i].class;
	}
	return classes;
}

/* ---- what follows ---- */

/* May we look there? The kernel will refuse what is not readable; we would crash. */
static bool is_readable(const void *at, size_t bytes)
{
	struct timespec now = {0};
	uintptr_t end = (uintptr_t)at + bytes;

	for (uintptr_t page = (uintptr_t)at & ~(uintptr_t)3; page < end; page = (page | 4095) + 1)
		if (sys_call(SYS_futex, page, FUTEX_WAIT_PRIVATE, 0, &now) == -EFAULT)
			return false;
	return true;
}

static void leave(void)
{
	if (!process_traced())
		process_off();
	else
		process_leave(
		    "seccomp",
		    "not traced from here on: a seccomp filter of the program leaves no room for it");
}

static bool is_ours(void)
{
	return process_check() && !process_is_vfork_child();
}

void seccomp_before(long operation, long flags, const void *at)
{
	const struct sock_fprog *program = at;
	uint32_t now, start = SECCOMP_BEGIN | SECCOMP_OURS;

	if (operation == SECCOMP_SET_MODE_STRICT && is_ours()) {
		leave();
		say_mute();
	}
	if (operation != SECCOMP_SET_MODE_FILTER || !is_ours())
		return;
	if (!is_readable(program, sizeof *program) || program->len == 0 || program->len > BPF_MAXINSNS ||
	    !is_readable(program->filter, program->len * sizeof *program->filter))
		return;
	now = seccomp_forbidden(program);
	if (!process_traced() && !(now & SECCOMP_PROGRAM) && (now & start) && seccomp_allows(start) &&
	    serves_look())
		process_start();
	if ((now & SECCOMP_PROGRAM) ||
	    (process_traced() && (flags & SECCOMP_FILTER_FLAG_TSYNC) && (now & SECCOMP_OURS)))
		leave();
	__atomic_fetch_or(&forbidden, now, __ATOMIC_RELAXED);
	if (now & (SECCOMP_SAY | SECCOMP_PROGRAM))
		say_mute();
}

void seccomp_before_prctl(long option, long mode, const void *program)
{
	if (option != PR_SET_SECCOMP)
		return;
	if (mode == SECCOMP_MODE_STRICT)
		seccomp_before(SECCOMP_SET_MODE_STRICT, 0, NULL);
	else if (mode == SECCOMP_MODE_FILTER)
		seccomp_before(SECCOMP_SET_MODE_FILTER, 0, program);
}

EXPORT int prctl(int option, ...)
{
	unsigned long a[4];
	va_list list;

	va_start(list, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(list, unsigned long);
	va_end(list);
	seccomp_before_prctl(option, (long)a[0], (const void *)a[1]);
	return REAL(prctl)(option, a[0], a[1], a[2], a[3]);
}
