/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_file_test - nobody else can read a dump, whatever the umask, and no name that lies there already is
 * followed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/file.h"
#include "preload/region.h"

static char top[200];
static const struct dump_header header = {.host = "h", .program = "p", .pid = 7, .start_ns = 5000000};

static unsigned int mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static int begin(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(top, sizeof top, "%s/file.XXXXXX", base != NULL ? base : "/tmp");
	return mkdtemp(top) == NULL;
}

static int end(void **state)
{
	char command[300];

	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", top);
	return system(command);
}

static void modes(void **state)
{
	static const mode_t masks[] = {0, 022, 077, 0277};
	static struct dump_file f;

	(void)state;
	for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
		char dir[320], outer[300];
		mode_t before = umask(masks[i]);

		snprintf(outer, sizeof outer, "%s/%zu", top, i);
		snprintf(dir, sizeof dir, "%s/in", outer);
		assert_int_equal(file_make_dir(dir), 0);
		assert_int_equal(file_create(&f, dir, &header), 0);
		umask(before);
		assert_int_equal(mode_of(outer), 0700 & ~masks[i]);
		assert_int_equal(mode_of(dir), 0700 & ~masks[i]);
		assert_int_equal(mode_of(f.path), 0600);
		file_close(&f);
	}
}

/* A directory that is there stays as it is. */
static void left_alone(void **state)
{
	char dir[300];

	(void)state;
	snprintf(dir, sizeof dir, "%s/shared", top);
	assert_int_equal(mkdir(dir, 0700) | chmod(dir, 01777), 0);
	assert_int_equal(file_make_dir(dir), 0);
	assert_int_equal(mode_of(dir), 01777);
}

/* The name of the dump is taken by a link to somebody's file: another name is, and the file is as it was. */
static void link_not_followed(void **state)
{
	static struct dump_file f;
	char dir[300], name[400], victim[400];
	struct stat st;

	(void)state;
	snprintf(dir, sizeof dir, "%s/trap", top);
	snprintf(name, sizeof name, "%s/h.p.7.5.zst", dir);
	snprintf(victim, sizeof victim, "%s/victim", dir);
	assert_int_equal(mkdir(dir, 0700) | symlink(victim, name), 0);
	assert_int_equal(file_create(&f, dir, &header), 0);
	assert_string_not_equal(f.path, name);
	assert_int_equal(lstat(victim, &st), -1);
	file_close(&f);
}

static void region_mode(void **state)
{
	static struct region r;
	mode_t before = umask(0777);
	int error = region_create(&r, geteuid(), (uint32_t)getpid(), 1);

	(void)state;
	umask(before);
	if (error < 0)
		skip(); /* no room in /dev/shm */
	assert_int_equal(mode_of(r.path), 0600);
	region_remove(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(modes),
	    cmocka_unit_test(left_alone),
	    cmocka_unit_test(link_not_followed),
	    cmocka_unit_test(region_mode),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
