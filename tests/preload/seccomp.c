// SPDX-License-Identifier: Apache-2.0
/*
 * Programs that install a filter on themselves live on: where it leaves no room for us, the dump ends
 * before; where it only forbids to begin, we have begun; where it forbids what systemd's hardened services
 * may not do, nothing changes. Each filter kills. COVERAGE trap 12.
 *
 * stderr: seccomp filter of the program leaves no room
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "expect.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* All these numbers get `those`, all others the other action. */
static struct sock_fprog make(const int *numbers, size_t n, uint32_t those, uint32_t others)
{
	static struct sock_filter code[200];
	unsigned short len = 0;

	code[len++] =
	    (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n; i++) {
		code[len++] =
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i], 0, 1);
		code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, those);
	}
	code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, others);
	return (struct sock_fprog){len, code};
}

static void may(void)
{
	must("no new privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

static void move(int fd[2])
{
	char buf[8];

	if (write(fd[0], "ab", 2) != 2 || read(fd[1], buf, sizeof buf) != 2)
		syscall(SYS_exit_group, 97);
}

static void will_move(const char *name, const char *off, bool first)
{
	if (first)
		expect(name, "open conn=%s-a flags=seen", name);
	expect(name, "out conn=%s-a off=%s len=2", name, off);
	if (first)
		expect(name, "open conn=%s-b flags=seen", name);
	expect(name, "in conn=%s-b off=%s len=2", name, off);
}

static void will_end(const char *name)
{
	expect(name, "close conn=%s-a flags=exit", name);
	expect(name, "close conn=%s-b flags=exit", name);
}

static void narrow(int fd[2])
{
	static const int few[] = {SYS_read, SYS_write, SYS_close, SYS_exit_group};
	struct sock_fprog program = make(few, COUNT(few), SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);

	will_move("narrow", "0", true);
	will_end("narrow");
	move(fd);
	may();
	must("filter", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	move(fd);
	close(fd[0]);
	exit(3);
}

static void strict(int fd[2])
{
	will_move("strict", "0", true);
	will_end("strict");
	move(fd);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	move(fd);
	syscall(SYS_exit, 4);
}

static void no_beginning(int fd[2])
{
	static const int few[] = {SYS_clone, SYS_openat, SYS_fallocate, SYS_flock};
	struct sock_fprog program = make(few, COUNT(few), SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);

	will_move("begun", "0", true);
	will_end("begun");
	may();
	said("filter", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	move(fd);
	exit(0);
}

static void hardened(int fd[2])
{
	static const int those[] = {SYS_sched_setscheduler,
				    SYS_sched_setparam,
				    SYS_sched_setattr,
				    SYS_setpriority,
				    SYS_sched_setaffinity,
				    SYS_ioprio_set,
				    SYS_setrlimit,
				    SYS_mbind,
				    SYS_fchown,
				    SYS_setgroups,
				    SYS_setuid,
				    SYS_setresuid,
				    SYS_setfsuid,
				    SYS_chroot,
				    SYS_perf_event_open,
				    SYS_ptrace,
				    SYS_mount,
				    SYS_process_vm_readv};
	struct sock_fprog program = make(those, COUNT(those), SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);

	may();
	said("filter", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program));
	will_move("hardened", "0", true);
	move(fd);
	will_end("hardened");
	exit(0);
}

/* What is no filter is refused by the kernel, as without us. */
static void wrong(int fd[2])
{
	struct sock_fprog none = {3, (void *)16}, empty = {0, NULL};

	move(fd);
	will_move("wrong", "0", true);
	may();
	said("nowhere", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 16));
	said("no filter", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &none));
	said("empty", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &empty));
	said("mode", prctl(PR_SET_SECCOMP, 77));
	move(fd);
	will_move("wrong", "2", false);
	will_end("wrong");
	exit(0);
}

int main(void)
{
	void (*const runs[])(int *) = {narrow, strict, no_beginning, hardened, wrong};
	int fd[2], status;

	for (size_t i = 0; i < COUNT(runs); i++) {
		fflush(stdout);
		if (fork() == 0) {
			must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
			runs[i](fd);
		}
		wait(&status);
		said("status", status);
	}
	return 0;
}
