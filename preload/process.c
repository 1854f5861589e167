/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - the life of a traced process: off, wanted, traced, forked, finished. App's threads, cold; raw
 * system calls, no lock: whoever comes while another thread decides gets "not now".
 */
#include "preload/process.h"

#include "preload/config.h"
#include "preload/conn.h"
#include "preload/flush.h"
#include "preload/follow.h"
#include "preload/say.h"
#include "preload/seccomp.h"
#include "preload/stamp.h"
#include "preload/sys.h"
#include "preload/thread.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct process_mark process_mark;

enum { STATE_UNKNOWN, STATE_DECIDING, STATE_ON, STATE_OFF };

static uint32_t process_state;
static uint32_t pid;
static uint32_t first_pid; /* that ran the constructors */
static uint32_t finishing;

static bool state_change(uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&process_state, &from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

static void mark(void)
{
	process_mark.original = 1;
	__atomic_store_n(&process_mark.wanted, 1, __ATOMIC_RELEASE);
}

static void process_begin(void)
{
	follow_keep();
	if (config_get()->disable) {
		__atomic_store_n(&process_state, STATE_OFF, __ATOMIC_RELEASE);
		return;
	}
	pid = first_pid = (uint32_t)sys_call(SYS_getpid);
	stamp_choose(); /* now: the call that begins the trace is stamped before anything is started */
	thread_born(0, 0);
	/* where the kernel has no such thing, the wrapper of fork does it: process_forked() */
	sys_call(SYS_madvise, &process_mark, sizeof process_mark, MADV_WIPEONFORK);
	mark();
	__atomic_store_n(&process_state, STATE_ON, __ATOMIC_RELEASE);
}

/* We are the child of a fork: what we have is our parent's. */
static void process_renew(void)
{
	bool clean =
	    !thread_self.busy; /* else a handler forked, and the record it interrupted will be written to */

	pid = (uint32_t)sys_call(SYS_getpid);
	finishing = 0;
	thread_after_fork();
	thread_born(0, 0);
	flush_after_fork(clean);
	conn_after_fork();
	mark();
	__atomic_store_n(&process_state, STATE_ON, __ATOMIC_RELEASE);
}

bool process_look(void)
{
	uint64_t held = 0;
	bool holds;

	if (__atomic_load_n(&process_state, __ATOMIC_ACQUIRE) == STATE_OFF)
		return false;
	if (__atomic_load_n(&process_mark.wanted, __ATOMIC_ACQUIRE))
		return true;
	holds = seccomp_allows(SECCOMP_BEGIN); /* a handler that jumps out of this would leave it undecided */
	if (holds)
		held = sys_hold_signals();
	if (state_change(STATE_UNKNOWN, STATE_DECIDING))
		process_begin();
	else if (process_mark.original == 0 && state_change(STATE_ON, STATE_DECIDING))
		process_renew();
	if (holds)
		sys_release_signals(held);
	return __atomic_load_n(&process_mark.wanted, __ATOMIC_ACQUIRE) != 0;
}

__attribute__((constructor(101))) static void process_construct(void)
{
	process_look(); /* while the environment is as the user wrote it */
	follow_clean();
}

bool process_start(void)
{
	int r;

	if (process_traced())
		return true;
	if (!seccomp_allows(SECCOMP_BEGIN | SECCOMP_OURS)) {
		SAY("not traced: a seccomp filter of the program leaves no room for it");
		process_off();
		return false;
	}
	config_complain();
	r = flush_start();
	say_pending();
	if (r == 0)
		__atomic_store_n(&process_mark.traced, 1, __ATOMIC_RELEASE);
	else if (r != -EAGAIN)
		process_off();
	return r == 0;
}

void process_off(void)
{
	__atomic_store_n(&process_mark.traced, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&process_mark.wanted, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&process_state, STATE_OFF, __ATOMIC_RELEASE);
}

bool process_is_vfork_child(void)
{
	return process_mark.original != 0 && (uint32_t)sys_call(SYS_getpid) != pid;
}

bool process_is_forked(void)
{
	return pid != first_pid;
}

void process_forked(void)
{
	if (__atomic_load_n(&process_state, __ATOMIC_ACQUIRE) == STATE_OFF)
		return;
	if ((uint32_t)sys_call(SYS_getpid) != pid && process_mark.original != 0)
		process_mark = (struct process_mark){0};
	process_check();
}

void process_finish(const char *reason)
{
	/* while the flusher is about to start, some calls were not recorded: the dump shall say so */
	if ((!process_traced() && !finishing && !flush_is_starting()) || process_is_vfork_child())
		return;
	if (!__atomic_exchange_n(&finishing, 1, __ATOMIC_ACQ_REL)) {
		conn_close_all();
		thread_gone();
		process_off();
	}
	flush_finish(reason); /* a second thread that ends the process waits as well */
	say_pending();
}

void process_leave(const char *reason, const char *words)
{
	process_finish(reason);
	flush_is_over();
	finishing = 0; /* an exit has nothing to wait for */
	SAY(words);
}

bool process_pause(const char *reason)
{
	if (!seccomp_allows(SECCOMP_BEGIN | SECCOMP_OURS | SECCOMP_PAUSE))
		return false;
	if (!process_traced() || thread_self.busy || thread_many || process_is_vfork_child())
		return false;
	if (__atomic_exchange_n(&finishing, 1, __ATOMIC_ACQ_REL))
		return false;
	conn_close_all();
	thread_gone();
	__atomic_store_n(&process_mark.traced, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&process_mark.wanted, 0, __ATOMIC_RELEASE);
	flush_finish(reason);
	say_pending();
	finishing = 0;
	if (flush_is_over())
		return true;
	process_off();
	return false;
}

void process_resume(void)
{
	process_mark.original = 0; /* as after a fork: everything is made anew */
	process_look();
}

__attribute__((destructor(101))) static void process_end(void)
{
	process_finish("exit");
}

uint32_t process_pid(void)
{
	return pid;
}
