// SPDX-License-Identifier: Apache-2.0
/*
 * exec.c - the calls that start another program. App's threads and vfork children, cold: nothing of libc but
 * the real call.
 *
 * A program that replaces itself ends its dump first, reason "exec", and goes on in a new one if the real
 * call comes back. With more than one thread its rings stay as they are, for salvage to finish: the other
 * threads go on if the call fails. Invariant: the arguments are the program's own; the environment has what
 * follow.h adds.
 */
#include "preload/exec.h"

#include <string.h>

#include "preload/call.h"
#include "preload/follow.h"
#include "preload/seccomp.h"
#include "preload/sys.h"

extern char **environ;

/* Before the real call. Where there is no such file, it will fail: programs search their PATH like that. */
static bool exec_begin(const char *path)
{
	if (!process_traced() || !seccomp_allows(SECCOMP_PAUSE))
		return false;
	if (path != NULL && sys_call(SYS_access, path, X_OK) < 0)
		return false;
	return process_pause("exec");
}

/* It came back: it failed. */
static int exec_failed(bool paused, int r)
{
	if (paused)
		process_resume();
	return r;
}

/* A file that is looked for along PATH. */
static const char *exec_certain(const char *file)
{
	for (const char *s = file; *s != '\0'; s++)
		if (*s == '/')
			return file;
	return NULL;
}

long exec_by_number(long number, const long arguments[6])
{
	long a[6];
	int env = number == SYS_execve ? 2 : 3;
	bool paused;

	memcpy(a, arguments, sizeof a);
	a[env] = (long)FOLLOW((char **)a[env]);
	paused = exec_begin(number == SYS_execve ? (const char *)a[0] : NULL);
	return exec_failed(paused, (int)arch_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
	char **all = FOLLOW(env);
	bool paused = exec_begin(path);

	return exec_failed(paused, REAL(execve)(path, argv, all));
}

EXPORT int execv(const char *path, char *const argv[])
{
	char **all = FOLLOW(environ);
	bool paused = exec_begin(path);

	return exec_failed(paused, REAL(execve)(path, argv, all));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const env[])
{
	char **all = FOLLOW(env);
	bool paused = exec_begin(exec_certain(file));

	return exec_failed(paused, REAL(execvpe)(file, argv, all));
}

EXPORT int execvp(const char *file, char *const argv[])
{
	char **all = FOLLOW(environ);
	bool paused = exec_begin(exec_certain(file));

	return exec_failed(paused, REAL(execvpe)(file, argv, all));
}

EXPORT int fexecve(int fd, char *const argv[], char *const env[])
{
	char **all = FOLLOW(env);
	bool paused = exec_begin(NULL);

	return exec_failed(paused, REAL(fexecve)(fd, argv, all));
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const env[], int flags)
{
	char **all = FOLLOW(env);
	bool paused = exec_begin(NULL);

	return exec_failed(paused, REAL(execveat)(dir, path, argv, all, flags));
}

/* ---- with the arguments in a row ---- */

static size_t exec_count(const char *first, va_list list)
{
	size_t n = 0;

	for (const char *s = first; s != NULL; s = va_arg(list, char *))
		n++;
	return n;
}

/* The list from its first argument to its NULL, on the caller's stack as libc has it, too. */
#define EXEC_ARGUMENTS(argv, first, list)                                                                    \
	va_start(list, first);                                                                               \
	argv = __builtin_alloca((exec_count(first, list) + 1) * sizeof *argv);                               \
	va_end(list);                                                                                        \
	va_start(list, first);                                                                               \
	argv[0] = (char *)(first);                                                                           \
	for (size_t exec_i = 0; argv[exec_i] != NULL;)                                                       \
	argv[++exec_i] = va_arg(list, char *)

EXPORT int execl(const char *path, const char *first, ...)
{
	char **argv;
	va_list list;

	EXEC_ARGUMENTS(argv, first, list);
	va_end(list);
	return execv(path, argv);
}

EXPORT int execlp(const char *file, const char *first, ...)
{
	char **argv;
	va_list list;

	EXEC_ARGUMENTS(argv, first, list);
	va_end(list);
	return execvp(file, argv);
}

EXPORT int execle(const char *path, const char *first, ...)
{
	char **argv, *const *env;
	va_list list;

	EXEC_ARGUMENTS(argv, first, list);
	env = va_arg(list, char *const *);
	va_end(list);
	return execve(path, argv, env);
}

/* ---- beside us ---- */

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
	return REAL(posix_spawn)(pid, path, actions, attributes, argv, FOLLOW(env));
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
	return REAL(posix_spawnp)(pid, file, actions, attributes, argv, FOLLOW(env));
}

/*
 * These take libc's own environ. The program's is put aside for the call where nobody else can be looking at
 * it: in a program with more threads the command is traced only if its environment says so already.
 */
static char **exec_lend(char **all)
{
	char **own = environ;

	if (all != own && !CONN_GET(thread_many))
		environ = all;
	return own;
}

static void exec_take_back(char **all, char **own)
{
	if (environ == all)
		environ = own;
}

EXPORT int system(const char *command)
{
	char **all = FOLLOW(environ), **own = exec_lend(all);
	int r = REAL(system)(command);

	exec_take_back(all, own);
	return r;
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	char **all = FOLLOW(environ), **own = exec_lend(all);
	FILE *r = REAL(popen)(command, mode);

	exec_take_back(all, own);
	return r;
}
