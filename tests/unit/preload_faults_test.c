/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_faults_test - the library where it cannot have what it needs: disk, memory, descriptors, threads,
 * rights. Each time the program's result, status and stderr but for one line of ours must be those of the
 * bare run, and what dump there is must be whole. Mounts are made in a mount namespace of our own.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/unit/preload_traffic.h"

#define LONELY 1234567

static char top[200];
static char dir[256];
static bool may_mount, shm_mounted;
static int board_fd;

/* ---- running it ---- */

struct outcome {
	int status;
	uint32_t result;
	uint32_t traced;
	int lines;	 /* of ours */
	char said[2000]; /* stderr */
};

static struct outcome run(enum how how, char *setting, void (*before)(void))
{
	char how_text[8], fd_text[8], where[300];
	char *argv[] = {"/proc/self/exe", "traffic", fd_text, how_text, NULL};
	/* its leak checker is one more thread, and has a look at ours */
	char *env[] = {where, "ASAN_OPTIONS=detect_leaks=0", setting, NULL};
	struct outcome o = {0};
	int err[2];
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	snprintf(how_text, sizeof how_text, "%d", how);
	snprintf(fd_text, sizeof fd_text, "%d", board_fd);
	snprintf(where, sizeof where, "DPROF_DIR=%s", dir);
	memset(board, 0, sizeof *board);
	assert_int_equal(pipe(err), 0);
	pid = fork();
	if (pid == 0) {
		dup2(err[1], 2);
		close(err[0]);
		close(err[1]);
		if (chdir(top) < 0)
			_exit(95);
		if (before != NULL)
			before();
		execve(argv[0], argv, env);
		_exit(99);
	}
	close(err[1]);
	while ((n = read(err[0], o.said + len, sizeof o.said - 1 - len)) > 0)
		len += (size_t)n;
	close(err[0]);
	assert_int_equal(waitpid(pid, &o.status, 0), pid);
	assert_int_equal(dump_regions(pid), 0); /* a region of an ended process is litter */
	o.result = board->result;
	o.traced = board->traced;
	for (const char *s = o.said; (s = strstr(s, "dprof[")) != NULL; s++)
		o.lines++;
	return o;
}

/* As the bare run in all but our lines; stderr has nothing else. */
static void check_same(const struct outcome *o, const struct outcome *bare, int lines, const char *words)
{
	assert_int_equal(o->status, bare->status);
	assert_int_equal(o->result, bare->result);
	if (o->lines != lines || (words != NULL && strstr(o->said, words) == NULL))
		fail_msg("said: %s", o->said);
	if (lines == 0)
		assert_string_equal(o->said, bare->said);
}

static void check_fault(enum how how, char *setting, void (*before)(void), int lines, const char *words)
{
	struct outcome bare = run(how, "DPROF_DISABLE=1", before), o = run(how, setting, before);

	assert_int_equal(bare.lines, 0);
	assert_true(bare.result != 0);
	check_same(&o, &bare, lines, words);
}

/* The dump is whole and tells of all that was moved. */
static void check_whole(uint64_t at_least)
{
	static struct dump_facts f;

	dump_facts_of(dump_only(dir), &f, false);
	assert_int_equal(f.ends, 1);
	assert_string_equal(f.reason, "exit");
	assert_int_equal(f.records, f.end_records);
	assert_true(f.records >= at_least || f.dropped > 0);
	dump_dir_remove(dir);
}

static void no_dir(void)
{
	struct stat st;

	assert_int_equal(stat(dir, &st), -1);
}

static bool skipped(void)
{
	if (!may_mount)
		print_message("needs root and a mount namespace\n");
	return !may_mount;
}

/* ---- nothing is wrong ---- */

static void ends(void **state)
{
	static const enum how hows[] = {EXIT,	   QUICK_EXIT, MAIN_THREAD_ENDS, LAST_THREAD_ENDS,
					CLOSE_ALL, PIPE};

	(void)state;
	for (size_t i = 0; i < sizeof hows / sizeof hows[0]; i++) {
		/* a sanitizer's flusher is a thread of libc's, which keeps the process alive */
		if (BY_HAND && (hows[i] == MAIN_THREAD_ENDS || hows[i] == LAST_THREAD_ENDS))
			continue;
		check_fault(hows[i], NULL, NULL, 0, NULL);
		assert_true(board->traced);
		check_whole(2 * ROUNDS);
	}
}

static void check_fork(enum how how)
{
	DIR *d;
	struct dirent *e;
	int found = 0;
	char path[600];

	check_fault(how, NULL, NULL, 0, NULL);
	d = opendir(dir);
	while ((e = readdir(d)) != NULL) {
		static struct dump_facts f;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		dump_facts_of(path, &f, false);
		assert_int_equal(f.ends, 1);
		assert_true(f.records >= 2 * ROUNDS);
		found++;
	}
	closedir(d);
	assert_int_equal(found, 2);
	dump_dir_remove(dir);
}

static void forks(void **state)
{
	(void)state;
	check_fork(FORK);
	check_fork(RAW_FORK);
}

static void disabled(void **state)
{
	(void)state;
	check_fault(EXIT, "DPROF_DISABLE=1", NULL, 0, NULL);
	assert_false(board->traced);
	no_dir();
}

/* ---- the disk ---- */

static void unwritable(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/proc/no/such");
	check_fault(EXIT, NULL, NULL, 1, "hint");
	snprintf(dir, sizeof dir, "/dev/null");
	check_fault(EXIT, NULL, NULL, 1, "Not a directory");
	snprintf(dir, sizeof dir, "%s/dumps", top);
	check_fault(EXIT, "DPROF_DIR=", NULL, 0, NULL); /* no value: the first one holds */
	check_whole(2 * ROUNDS);
}

static void become_nobody(void)
{
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		_exit(94);
}

static void no_rights(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(top, 0755), 0);
	check_fault(EXIT, NULL, become_nobody, 1, "Permission denied");
	no_dir();
}

/* The flusher does not keep the rights that the program gave up, and yet finishes. */
static void rights_dropped(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid() != 0 || BY_HAND) /* libc tells a sanitizer's flusher at once */
		skip();
	check_fault(DROP, "DPROF_FLUSH_MS=10", NULL, 0, NULL);
	assert_int_equal(stat(dump_only(dir), &st), 0);
	assert_int_equal(st.st_uid, NOBODY);
	check_whole(4 * ROUNDS);
}

static void disk_full(void **state)
{
	static struct dump_facts f;

	(void)state;
	if (skipped())
		skip();
	mkdir(dir, 0700);
	assert_int_equal(mount("none", dir, "tmpfs", 0, "size=16k"), 0);
	check_fault(EXIT, "DPROF_FLUSH_MS=10", NULL, 1, "No space left");
	dump_facts_of(dump_only(dir), &f, false); /* strict: nothing half written */
	assert_int_equal(f.headers, 1);
	assert_int_equal(umount(dir), 0);
	rmdir(dir);
}

static void limit_file_size(void)
{
	struct rlimit limit = {16384, 16384};

	setrlimit(RLIMIT_FSIZE, &limit);
}

static void file_size_limit(void **state)
{
	static struct dump_facts f;

	(void)state;
	check_fault(EXIT, NULL, limit_file_size, 1, "File too large");
	dump_facts_of(dump_only(dir), &f, false);
	dump_dir_remove(dir);
}

/* ---- /dev/shm ---- */

static void shm_trouble(const char *options, unsigned long flags, const char *words)
{
	assert_int_equal(mount("none", "/dev/shm", "tmpfs", flags, options), 0);
	shm_mounted = true;
	check_fault(EXIT, NULL, NULL, 1, words);
	assert_int_equal(umount("/dev/shm"), 0);
	shm_mounted = false;
	check_whole(2 * ROUNDS);
}

static void shm_full(void **state)
{
	(void)state;
	if (skipped())
		skip();
	shm_trouble("size=16k", 0, "No space left");
	shm_trouble("size=4m", 0, "No space left");   /* half of it is not ours */
	shm_trouble("size=512k", 0, "No space left"); /* the head fits, the ring does not */
}

static void shm_missing(void **state)
{
	(void)state;
	if (skipped())
		skip();
	shm_trouble("size=4m", MS_RDONLY, "Read-only file system");
	shm_trouble("size=4m,nr_inodes=1", 0, "No space left");
}

/* ---- limits and rights ---- */

static void limit_files(void)
{
	struct rlimit limit = {16, 16};

	setrlimit(RLIMIT_NOFILE, &limit);
	while (dup(0) >= 0 || dup(2) >= 0)
		;
	for (int fd = 10; fd < 16; fd++)
		if (fd != board_fd)
			close(fd);
}

static void few_descriptors(void **state)
{
	(void)state;
	check_fault(EXIT, NULL, limit_files, 0, NULL);
	check_whole(2 * ROUNDS);
}

static void limit_memory(void)
{
	struct rlimit limit = {24u << 20, 24u << 20};

	setrlimit(RLIMIT_AS, &limit);
}

static void little_memory(void **state)
{
	(void)state;
#ifdef DPROF_SANITIZED
	skip(); /* sanitizers need terabytes of it */
#endif
	check_fault(EXIT, NULL, limit_memory, 1, "Cannot allocate memory");
	no_dir();
}

static void limit_threads(void)
{
	struct rlimit limit = {1, 1};

	setrlimit(RLIMIT_NPROC, &limit);
	if (setuid(LONELY) < 0) /* who has no other process */
		_exit(94);
}

static void no_threads(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	check_fault(EXIT, NULL, limit_threads, 1, "cannot start a thread");
	no_dir();
}

/* Kills who asks for a scheduling class, as systemd's @resources does. */
static void forbid_scheduling(void)
{
	static const int forbidden[] = {SYS_sched_setscheduler, SYS_sched_setparam,    SYS_sched_setattr,
					SYS_setpriority,	SYS_sched_setaffinity, SYS_ioprio_set};
	struct sock_filter code[2 + 2 * sizeof forbidden / sizeof forbidden[0]];
	struct sock_fprog program = {.filter = code};

	code[program.len++] =
	    (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
		code[program.len++] =
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)forbidden[i], 0, 1);
		code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	}
	code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(93);
}

static void seccomp(void **state)
{
	(void)state;
	check_fault(EXIT, NULL, forbid_scheduling, 0, NULL);
	check_whole(2 * ROUNDS);
}

/* ---- stderr ---- */

static void close_stderr(void)
{
	close(2);
}

static void stderr_without_reader(void)
{
	int fd[2];

	if (pipe(fd) < 0)
		_exit(92);
	close(fd[0]);
	dup2(fd[1], 2);
	close(fd[1]);
}

/* A message that cannot be said does not kill, block or go elsewhere. */
static void unheard(void **state)
{
	char data[256];
	struct stat st;

	(void)state;
	snprintf(dir, sizeof dir, "/proc/no/such");
	check_fault(EXIT, NULL, close_stderr, 0, NULL);
	check_fault(EXIT, NULL, stderr_without_reader, 0, NULL);
	check_fault(DAEMON, NULL, NULL, 0, NULL);
	snprintf(data, sizeof data, "%s/data", top);
	assert_int_equal(stat(data, &st), 0);
	assert_int_equal(st.st_size, 0);
	unlink(data);
}

static void bad_value(void **state)
{
	(void)state;
	check_fault(EXIT, "DPROF_RING=12", NULL, 1,
		    "DPROF_RING=12 is not valid: must be bytes, 64K to 256M; using 4M");
	check_whole(2 * ROUNDS);
}

static int set_up(void **state)
{
	(void)state;
	board = producer_board_make(&board_fd);
	may_mount = unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return dump_top(top, sizeof top, "preload_faults") < 0;
}

static int each(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "%s/dumps", top);
	/* what a failed test left */
	while (may_mount &&
	       (umount2(dir, MNT_DETACH) == 0 || (shm_mounted && umount2("/dev/shm", MNT_DETACH) == 0)))
		shm_mounted = false;
	dump_dir_remove(dir);
	return 0;
}

static int tear_down(void **state)
{
	each(state);
	dump_dir_remove(dir);
	dump_dir_remove(top);
	return 0;
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup(name, each)
	const struct CMUnitTest tests[] = {
	    TEST(ends),	      TEST(forks),	    TEST(disabled),	   TEST(unwritable),
	    TEST(no_rights),  TEST(rights_dropped), TEST(disk_full),	   TEST(file_size_limit),
	    TEST(shm_full),   TEST(shm_missing),    TEST(few_descriptors), TEST(little_memory),
	    TEST(no_threads), TEST(seccomp),	    TEST(unheard),	   TEST(bad_value),
	};

#ifdef __SANITIZE_THREAD__
	puts("ThreadSanitizer has threads and needs memory of its own: nothing can be limited");
	return 77;
#endif
	if (argc == 4 && strcmp(argv[1], "traffic") == 0)
		return traffic_main(argv);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
