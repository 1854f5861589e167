// SPDX-License-Identifier: Apache-2.0
/*
 * Programs started with an environment of their own are traced (each leaves its records), find nothing in it
 * that they were not given, and pass it on to programs of their own. COVERAGE traps 2 and 9.
 */
#include <spawn.h>

#include "expect.h"

extern char **environ;

static char *expected; /* the path in $EXPECT: children get it as an argument */

static void print_environment(void)
{
	for (char **e = environ; *e != NULL; e++)
		if (strncmp(*e, "PWD=", 4) != 0 &&
		    strncmp(*e, "LD_PRELOAD=/", 12) !=
			0) /* a shell sets it, and the two runs have a directory each */
			printf("  %s\n", *e);
	fflush(stdout);
}

/* What each started program does. */
static void be_child(char *name)
{
	int fd[2];

	if (expected[0] != '-')
		setenv("EXPECT", expected, 1);
	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	must("write", write(fd[0], name, strlen(name)) > 0);
	expect(name, "open conn=%s-a flags=seen", name);
	expect(name, "out conn=%s-a len=%zu head=%s", name, strlen(name), name);
	expect(name, "close conn=%s-a flags=exit", name);
	unsetenv("EXPECT");
}

static void finish(pid_t child)
{
	int status;

	must("wait", waitpid(child, &status, 0) == child);
	said("status", status);
}

static void spawn(char *name, char **env)
{
	char *argv[] = {"/proc/self/exe", name, expected, NULL};
	pid_t child;

	printf("%s\n", name);
	fflush(stdout);
	must("spawn", posix_spawn(&child, argv[0], NULL, NULL, argv, env) == 0);
	finish(child);
}

/* A child of ours replaces itself in one of the many ways. */
static void execute(char *name, char **env)
{
	char *argv[] = {"/proc/self/exe", name, expected, NULL};
	pid_t child;

	printf("%s\n", name);
	fflush(stdout);
	child = strcmp(name, "vfork") == 0 ? vfork() : fork();
	if (child == 0) {
		if (strcmp(name, "fexecve") == 0)
			fexecve(open(argv[0], O_RDONLY), argv, env);
		else if (strcmp(name, "execveat") == 0)
			execveat(AT_FDCWD, argv[0], argv, env, 0);
		else if (strcmp(name, "execle") == 0)
			execle(argv[0], argv[0], argv[1], argv[2], NULL, env);
		else if (strcmp(name, "execvpe") == 0)
			execvpe(argv[0], argv, env);
		else
			execve(argv[0], argv, env);
		_exit(98);
	}
	finish(child);
}

static void execute_environ(char *name)
{
	char *argv[] = {"/proc/self/exe", name, expected, NULL};
	pid_t child = fork();

	if (child == 0) {
		if (strcmp(name, "execv") == 0)
			execv(argv[0], argv);
		else if (strcmp(name, "execvp") == 0)
			execvp(argv[0], argv);
		else if (strcmp(name, "execl") == 0)
			execl(argv[0], argv[0], argv[1], argv[2], NULL);
		else
			execlp(argv[0], argv[0], argv[1], argv[2], NULL);
		_exit(98);
	}
	finish(child);
}

static void command(char *name)
{
	char text[600], line[100];
	FILE *out;

	snprintf(text, sizeof text, "exec /proc/%d/exe %s %s", getpid(), name, expected);
	if (strcmp(name, "system") == 0) {
		said(name, system(text));
		return;
	}
	out = popen(text, "r");
	while (fgets(line, sizeof line, out) != NULL)
		fputs(line, stdout);
	said(name, pclose(out));
}

int main(int argc, char **argv, char **env)
{
	char preload[4096], *library[] = {preload, NULL}; /* keeps it, and loses the settings */
	char *nothing[] = {NULL}, *some[] = {"A=b", "LD_PRELOAD=libm.so.6", "PATH=/bin", NULL};

	if (argc == 3) {
		expected = argv[2];
		must("the environment of main", env == environ);
		print_environment();
		if (strcmp(argv[1], "middle") == 0) {
			spawn("grandchild", environ);
			command("system");
			command("popen");
			return 0;
		}
		be_child(argv[1]);
		return 0;
	}
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s",
		 getenv("LD_PRELOAD") == NULL ? "/none" : getenv("LD_PRELOAD"));
	if (getenv("LD_PRELOAD") == NULL)
		library[0] = NULL;
	expected = getenv("EXPECT") == NULL ? "-" : getenv("EXPECT");
	spawn("empty", nothing);
	spawn("other", some);
	spawn("settings", library);
	spawn("middle", nothing);
	execute("execve", nothing);
	execute("vfork", some);
	execute("fexecve", nothing);
	execute("execveat", nothing);
	execute("execle", some);
	execute("execvpe", nothing);
	clearenv();
	setenv("FRESH", "1", 1);
	execute_environ("execv");
	execute_environ("execvp");
	execute_environ("execl");
	execute_environ("execlp");
	return 0;
}
