/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_config_test - the DPROF_* settings: what is read, what is refused and how that is said, and that
 * the man page tells the same as the table.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/config.h"

#define LINES 4096

static char output[2][LINES]; /* stdout and stderr of the last run */

/* The child: what was understood, and what is complained of. */
static int show(void)
{
	const struct config *c = config_get();

	printf("disable=%d verbose=%d head=%llu request=%llu ring=%llu flush=%llu\n", c->disable, c->verbose,
	       (unsigned long long)c->head_bytes, (unsigned long long)c->head_request_bytes,
	       (unsigned long long)c->ring_bytes, (unsigned long long)c->flush_ms);
	printf("tls=%d io_uring=%d follow=%d\n", c->tls, c->io_uring, c->follow);
	printf("dir=%s\nhost=%s\nservice=%s\nprogram=%s\nexe=%s\n", c->dir, c->host, c->service, c->program,
	       c->exe);
	for (const char *const *s = config_settings(); *s != NULL; s += 2)
		printf("%s=%s\n", s[0], s[1]);
	fflush(stdout);
	config_complain();
	config_complain();
	return 0;
}

static void run(char *const settings[])
{
	char *argv[] = {"/proc/self/exe", "show", NULL};
	int pipes[2][2], status;
	pid_t pid;

	memset(output, 0, sizeof output);
	assert_int_equal(pipe(pipes[0]) | pipe(pipes[1]), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipes[0][1], 1);
		dup2(pipes[1][1], 2);
		if (chdir("/usr/lib") == 0)
			execve(argv[0], argv, settings);
		_exit(99);
	}
	for (int i = 0; i < 2; i++) {
		size_t len = 0;
		ssize_t n;

		close(pipes[i][1]);
		while ((n = read(pipes[i][0], output[i] + len, LINES - 1 - len)) > 0)
			len += (size_t)n;
		close(pipes[i][0]);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void has(const char *line)
{
	if (strstr(output[0], line) == NULL)
		fail_msg("no %s in:\n%s", line, output[0]);
}

static void standard(void **state)
{
	char *none[] = {NULL}, text[300], *base;
	char exe[PATH_MAX] = "";
	struct utsname names;

	(void)state;
	run(none);
	assert_true(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
	base = strrchr(exe, '/') + 1;
	has("disable=0 verbose=0 head=256 request=1024 ring=4194304 flush=1000\n");
	has("tls=0 io_uring=0 follow=1\n");
	has("DPROF_TLS=on\n");
	has("dir=/usr/lib/dumps\n");
	uname(&names);
	snprintf(text, sizeof text, "host=%s\n", names.nodename);
	has(text);
	snprintf(text, sizeof text, "program=%s\n", base);
	has(text);
	snprintf(text, sizeof text, "service=%s\n", base);
	has(text);
	has("DPROF_RING=4194304\n");
	assert_string_equal(output[1], "");
}

static void given(void **state)
{
	char *all[] = {"DPROF_DISABLE=1",
		       "DPROF_DIR=./a/b",
		       "DPROF_HOST=left",
		       "DPROF_SERVICE=shop",
		       "DPROF_CAPTURE=off",
		       "DPROF_RING=100k",
		       "DPROF_FLUSH_MS=10",
		       "DPROF_TLS=off",
		       "DPROF_IO_URING=refuse",
		       "DPROF_FOLLOW=0",
		       "DPROF_VERBOSE=1",
		       "OTEL_SERVICE_NAME=other",
		       NULL};
	char *few[] = {"OTEL_SERVICE_NAME=other", "DPROF_DIR=/x/y", "DPROF_RING=1G", "DPROF_HOST=", NULL};

	(void)state;
	run(all);
	has("disable=1 verbose=1 head=0 request=0 ring=131072 flush=10\n"); /* up to a power of two */
	has("tls=1 io_uring=1 follow=0\n");
	has("dir=/usr/lib/a/b\n");
	has("host=left\n");
	has("service=shop\n");
	assert_string_equal(output[1], "");
	run(few);
	assert_non_null(strstr(output[1], "DPROF_RING=1G"));
	few[2] = "DPROF_CAPTURE=7/256";
	few[3] = "DPROF_RING=256M";
	run(few);
	has("head=256 request=7 ring=268435456 ");
	has("dir=/x/y\n");
	has("service=other\n");
	assert_string_equal(output[1], "");
}

/* One line each, with name, value, what is allowed, what holds; said once. */
static void refused(void **state)
{
	static const char *const bad[] = {
	    "DPROF_CAPTURE=-1", "DPROF_CAPTURE=16385", "DPROF_CAPTURE=1/",
	    "DPROF_RING=1",	"DPROF_RING=257M",     "DPROF_RING=99999999999999999999",
	    "DPROF_FLUSH_MS=9", "DPROF_FLUSH_MS=1s",   "DPROF_DISABLE=yes",
	    "DPROF_VERBOSE=2",	"DPROF_CAPTURE=5/17k", "DPROF_RING=64KB",
	    "DPROF_TLS=1",	"DPROF_IO_URING=no"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char setting[64], name[64], want[300], *settings[] = {setting, NULL}, *line;
		const struct config_row *row = config_rows;

		snprintf(setting, sizeof setting, "%s", bad[i]);
		snprintf(name, sizeof name, "%.*s", (int)strcspn(bad[i], "="), bad[i]);
		while (strcmp(row->name, name) != 0)
			row++;
		run(settings);
		has("disable=0 verbose=0 head=256 request=1024 ring=4194304 flush=1000\n");
		line = strstr(output[1], "]: ");
		assert_non_null(line);
		snprintf(want, sizeof want, "]: %s is not valid: must be %s; using %s\n", bad[i],
			 row->allowed, row->standard);
		assert_string_equal(line, want);
	}
}

/* Between the marks of the man page: exactly the rows of the table; below: their help. */
static void man_page(void **state)
{
	static char page[64 << 10];
	FILE *in = fopen("preload/dprof.1", "r");
	const char *at;
	char want[600];

	(void)state;
	assert_non_null(in); /* tests are started in the top directory */
	assert_true(fread(page, 1, sizeof page - 1, in) > 0);
	fclose(in);
	at = strstr(page, ".\\\" settings begin\n");
	assert_non_null(at);
	at = strchr(at, '\n') + 1;
	for (const struct config_row *row = config_rows; row->name != NULL; row++) {
		snprintf(want, sizeof want, "%s|%s|%s\n", row->name, row->allowed, row->standard);
		if (strncmp(at, want, strlen(want)) != 0)
			fail_msg("preload/dprof.1 must say: %s", want);
		at += strlen(want);
	}
	assert_int_equal(strncmp(at, ".\\\" settings end\n", 17), 0);
	for (const struct config_row *row = config_rows; row->name != NULL; row++) {
		snprintf(want, sizeof want, ".TP\n.B %s\n%s\n", row->name, row->help);
		if (strstr(at, want) == NULL)
			fail_msg("preload/dprof.1 must say: %s", want);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(standard),
	    cmocka_unit_test(given),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(man_page),
	};

	if (argc == 2 && strcmp(argv[1], "show") == 0)
		return show();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
