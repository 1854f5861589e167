// SPDX-License-Identifier: Apache-2.0
/*
 * execl and its like with many arguments, with none, and with an environment that leaves no room for more.
 * records: none
 */
#include "expect.h"

#define A(n) "a" n, "b" n, "c" n, "d" n, "e" n, "f" n, "g" n, "h" n
#define ALL  A("0"), A("1"), A("2"), A("3"), A("4"), A("5"), A("6"), A("7")
#define MANY 3000

static void finish(pid_t child)
{
	int status;

	must("wait", waitpid(child, &status, 0) > 0);
	said("status", status);
}

int main(int argc, char **argv)
{
	static char names[MANY][16];
	static char *env[MANY + 1];
	char *self = "/proc/self/exe";

	if (argc != 1) {
		printf("%d:", argc);
		for (int i = 0; i < argc; i++)
			printf(" %s", argv[i]);
		argc = 0;
		for (char **e = environ; *e != NULL; e++)
			argc++;
		printf("; first of environment %s, %d\n", environ[0] == NULL ? "none" : environ[0],
		       argc == MANY ? MANY : 0);
		return 3;
	}
	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "V%d=%d", i, i);
		env[i] = names[i];
	}
	if (fork() == 0)
		execle(self, "name", ALL, NULL, env);
	finish(-1);
	if (fork() == 0)
		execle(self, "name", "x", NULL, (char *[]){"ONE=1", NULL});
	finish(-1);
	setenv("A", "first", 1);
	if (fork() == 0) {
		clearenv();
		execl(self, "name", ALL, NULL);
	}
	finish(-1);
	if (fork() == 0)
		execlp("sh", "sh", "-c", "echo \"$1 $2\"", ALL, NULL);
	finish(-1);
	if (fork() == 0) {
		said("no such", execl("/no/such", "a", ALL, NULL));
		said("no such", execlp("no-such-program", "a", ALL, NULL));
		said("no rights", execl("/etc/passwd", "a", NULL));
		_exit(1);
	}
	finish(-1);
	return 0;
}
