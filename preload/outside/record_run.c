/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_run.c - starts the command and waits for it. The command is a child in our process group and
 * session, with our terminal, descriptors, limits, mask and ignored signals; we hold all signals off and take
 * them one by one.
 *
 * What reaches us:                         what we do:
 *   a signal to us alone                   pass it on, with its value if it has one
 *   a signal to the group, or by a key     nothing: the command has it, too
 *   the command stopped, on a terminal     stop in the same way, so that the shell sees it
 *   the command ended                      return
 * Killed by SIGKILL, we take the command along (PR_SET_PDEATHSIG), as that would have hit it without us.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/outside/record.h"

struct run {
	pid_t child;
	int *exec_error; /* shared with the child */
	sigset_t mask;	 /* as it was before */
	struct sigaction on_child;
	struct group *group;
	bool has_terminal;
};

static void set_default(int signal, struct sigaction *before)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};

	sigaction(signal, &standard, before);
}

/* In the child. */
static _Noreturn void become(struct run *r, char **argv, char **environment, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		raise(SIGKILL);
	sigaction(SIGCHLD, &r->on_child, NULL);
	sigprocmask(SIG_SETMASK, &r->mask, NULL);
	execvpe(argv[0], argv, environment);
	*r->exec_error = errno;
	_exit(127);
}

/* Without job control nobody looks, and nobody would continue us. */
static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* A continue takes back a stop that is still held off: so none that comes before we stop is lost. */
static void stop_like(pid_t child, int signal)
{
	sigset_t one;
	int status;

	if (signal != SIGTSTP && signal != SIGTTIN && signal != SIGTTOU)
		signal = SIGTSTP; /* STOP cannot be held off */
	set_default(signal, NULL);
	raise(signal);
	if (waitpid(child, &status, WNOHANG | WCONTINUED) > 0) { /* its continue came before our stop */
		raise(SIGCONT);
		return;
	}
	sigemptyset(&one);
	sigaddset(&one, signal);
	sigprocmask(SIG_UNBLOCK, &one, NULL); /* here we stop */
	sigprocmask(SIG_BLOCK, &one, NULL);
}

/* True: it has ended. */
static bool look_after(struct run *r, int *status)
{
	pid_t pid;

	while ((pid = waitpid(r->child, status, WNOHANG | WUNTRACED)) > 0) {
		if (!WIFSTOPPED(*status))
			return true;
		if (r->has_terminal)
			stop_like(r->child, WSTOPSIG(*status));
	}
	return pid < 0 && errno != EINTR;
}

static void pass_on(struct run *r, siginfo_t *info)
{
	if (info->si_code > 0) /* by the kernel: a key, a lost terminal; the whole group has it */
		return;
	if (group_had(r->group, info->si_signo))
		return;
	if (info->si_code == SI_QUEUE && syscall(SYS_rt_sigqueueinfo, r->child, info->si_signo, info) == 0)
		return;
	kill(r->child, info->si_signo);
}

static int wait_for(struct run *r)
{
	siginfo_t info;
	sigset_t all;
	int status = 0;

	sigfillset(&all);
	while (!look_after(r, &status)) {
		if (sigwaitinfo(&all, &info) > 0 && info.si_signo != SIGCHLD)
			pass_on(r, &info);
	}
	return status;
}

/* Somebody may wait for the end of what they are connected to. */
static void close_all_but_stderr(void)
{
	struct rlimit files;

	if (syscall(SYS_close_range, 3u, ~0u, 0u) < 0 && getrlimit(RLIMIT_NOFILE, &files) == 0)
		for (unsigned int fd = 3; fd < files.rlim_cur && fd < 65536; fd++)
			close((int)fd);
	close(0);
	close(1);
}

int record_run(char **argv, char **environment, struct record_end *end)
{
	struct run r = {.has_terminal = has_terminal()};
	pid_t parent = getpid();
	sigset_t all;

	*end = (struct record_end){0};
	r.exec_error =
	    mmap(NULL, sizeof *r.exec_error, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r.exec_error == MAP_FAILED)
		return -errno;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &r.mask);
	set_default(SIGCHLD, &r.on_child); /* ignored, it would take the status away */
	r.group = group_watch();
	r.child = fork();
	if (r.child == 0)
		become(&r, argv, environment, parent);
	if (r.child < 0) {
		end->exec_error = errno;
		group_end(r.group);
		sigaction(SIGCHLD, &r.on_child, NULL);
		sigprocmask(SIG_SETMASK, &r.mask, NULL);
		return -end->exec_error;
	}
	close_all_but_stderr();
	end->status = wait_for(&r);
	end->exec_error = *r.exec_error;
	group_end(r.group);
	munmap(r.exec_error, sizeof *r.exec_error);
	return 0;
}

void record_end_like(const struct record_end *end)
{
	struct rlimit none = {0};
	sigset_t all;
	int signal;

	if (end->exec_error != 0)
		_exit(end->exec_error == ENOENT ? 127 : 126);
	if (WIFEXITED(end->status))
		_exit(WEXITSTATUS(end->status));
	signal = WTERMSIG(end->status);
	setrlimit(RLIMIT_CORE, &none); /* the command has left its own core */
	set_default(signal, NULL);
	sigfillset(&all);
	raise(signal);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	_exit(128 + signal);
}
