// SPDX-License-Identifier: Apache-2.0
/*
 * rights.c - the calls by which a program gives up rights or leaves for another root or namespace. App's
 * threads, cold.
 *
 * What tracing needs is opened before, if the process will plausibly be traced: afterwards the dump's
 * directory may not be writable, or not be there. Once the rights are gone for good, our thread gives up
 * its own before the call returns. Invariant: the result is that of a process without our thread.
 */
#include <grp.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/stat.h>

#include "preload/call.h"
#include "preload/config.h"
#include "preload/endpoint.h"
#include "preload/flush.h"
#include "preload/seccomp.h"
#include "preload/serves.h"
#include "preload/sys.h"

/* Could this user make a dump by himself? */
static bool rights_suffice(uint32_t uid)
{
	struct stat st;

	if (sys_call(SYS_stat, config_get()->dir, &st) < 0)
		return false; /* it will be made, for us alone */
	return st.st_uid == uid || (st.st_mode & 03) == 03;
}

static bool rights_are_ours(void)
{
	return process_check() && seccomp_allows(SECCOMP_PROGRAM | SECCOMP_PAUSE) &&
	       !process_is_vfork_child();
}

/* Before the call; uid is what the effective user will be, (uid_t)-1: as it is. */
static void rights_leave(uid_t uid)
{
	if (uid == 0 || uid == (uid_t)-1 || !rights_are_ours() || sys_call(SYS_geteuid) != 0)
		return;
	if (!process_traced() && !rights_suffice(uid) && serves_look())
		process_start();
}

/* After it. While one of the three is still root, the program can be root again; so can we. */
static int rights_left(int r)
{
	uint32_t real, effective, saved;

	if (r < 0 || !process_traced() || !rights_are_ours() || !seccomp_allows(SECCOMP_RIGHTS))
		return r;
	if (sys_call(SYS_getresuid, &real, &effective, &saved) == 0 && real != 0 && effective != 0 &&
	    saved != 0)
		flush_follow_user(effective, (uint32_t)sys_call(SYS_getegid));
	return r;
}

EXPORT int setuid(uid_t uid)
{
	rights_leave(uid);
	return rights_left(REAL(setuid)(uid));
}

EXPORT int seteuid(uid_t uid)
{
	rights_leave(uid);
	return rights_left(REAL(seteuid)(uid));
}

EXPORT int setreuid(uid_t real, uid_t effective)
{
	rights_leave(effective);
	return rights_left(REAL(setreuid)(real, effective));
}

EXPORT int setresuid(uid_t real, uid_t effective, uid_t saved)
{
	rights_leave(effective);
	return rights_left(REAL(setresuid)(real, effective, saved));
}

EXPORT int chroot(const char *path)
{
	if (rights_are_ours() && !process_traced() && serves_look())
		process_start();
	return REAL(chroot)(path);
}

/* ---- what a process with a second thread may not do ---- */

#define ALONE (CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)

EXPORT int unshare(int flags)
{
	bool paused = (flags & ALONE) != 0 && process_pause("unshare");
	int r = REAL(unshare)(flags);

	if (r == 0 && (flags & CLONE_NEWNET))
		endpoint_leave_network();
	if (paused)
		process_resume();
	return r;
}

EXPORT int setns(int fd, int type)
{
	bool user = (type & CLONE_NEWUSER) != 0 || (process_traced() && rights_are_ours() &&
						    sys_call(SYS_ioctl, fd, NS_GET_NSTYPE) == CLONE_NEWUSER);
	bool paused = user && process_pause("setns");
	int r = REAL(setns)(fd, type);

	if (r == 0 && (type == 0 || (type & CLONE_NEWNET)))
		endpoint_leave_network();
	if (paused)
		process_resume();
	return r;
}
