/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_salvage_test - kill -9 at random moments under load: what the rings held is in the dump, each
 * record once; also if salvage itself is killed. A region that lies does no harm.
 */
#include <sched.h>
#include <sys/mount.h>

#include "preload/region.h"
#include "preload/salvage.h"
#include "preload/say.h"
#include "tests/unit/preload_producer.h"

#define KILLS 50

static char top[200];
static struct encoder encoder;

struct seen {
	int done, failed, alive, elsewhere, removed, error;
	uint64_t records;
	int breaths_left; /* then die; 0: never */
};

static void see(void *to, const struct salvage_report *r)
{
	struct seen *seen = to;

	seen->done += r->result == SALVAGE_DONE;
	seen->failed += r->result == SALVAGE_FAILED;
	seen->alive += r->result == SALVAGE_ALIVE;
	seen->elsewhere += r->result == SALVAGE_ELSEWHERE;
	seen->removed += r->result == SALVAGE_REMOVED;
	if (r->result == SALVAGE_DONE)
		seen->records += r->records;
	if (r->result == SALVAGE_FAILED)
		seen->error = r->error;
}

static bool breathe(void *to)
{
	struct seen *seen = to;

	if (seen->breaths_left > 0 && --seen->breaths_left == 0)
		kill(getpid(), SIGKILL);
	return true;
}

static struct seen salvage(const char *dir, int breaths)
{
	struct seen seen = {.breaths_left = breaths};
	struct salvage s = {.encoder = &encoder,
			    .dir = dir,
			    .uid = geteuid(),
			    .dropped = geteuid() == 0,
			    .breathe = breathe,
			    .report = see,
			    .to = &seen};

	salvage_all(&s);
	return seen;
}

static const char *fresh_dir(const char *name)
{
	static char dir[256];

	snprintf(dir, sizeof dir, "%s/%s", top, name);
	dump_dir_remove(dir);
	return dir;
}

static bool all_began(const struct producer_board *b)
{
	for (uint32_t i = 0; i < b->threads_n; i++)
		if (__atomic_load_n(&b->threads[i].kept, __ATOMIC_ACQUIRE) == 0)
			return false;
	return true;
}

/* Runs until `progress` records and kills it. `lazy`: all threads have begun, and the dump has none of it
 * yet. */
static pid_t run_and_kill(struct producer_board *b, int fd, const char *dir, uint64_t progress, bool lazy)
{
	static char *eager_settings[] = {"DPROF_RING=256K", "DPROF_FLUSH_MS=20", NULL};
	static char *lazy_settings[] = {"DPROF_RING=64M", "DPROF_FLUSH_MS=60000", NULL};
	pid_t pid;
	int status;

	memset(b->threads, 0, sizeof b->threads);
	pid = producer_start(fd, dir, lazy ? lazy_settings : eager_settings, NULL);
	while (producer_progress(b) < progress || (lazy && !all_began(b)))
		if (waitpid(pid, &status, WNOHANG) == pid)
			fail_msg("the producer ended by itself: %d", status);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return pid;
}

/* The dump against what the producer counted: whole, each record once. One record may have been under way. */
static void check_dump(const struct producer_board *b, const char *dir, const char *reason)
{
	static struct dump_facts f;
	uint64_t kept = 0, out = 0;

	dump_facts_of(dump_only(dir), &f, true);
	assert_int_equal(f.headers, 1);
	assert_int_equal(f.ends, 1);
	assert_string_equal(f.reason, reason);
	assert_int_equal(f.records, f.end_records);
	for (uint32_t i = 0; i < b->threads_n; i++) {
		const struct producer_thread *t = &b->threads[i];

		kept += t->kept;
		out += f.out[t->serial];
		if (t->serial == 0)
			continue;
		assert_true(f.out[t->serial] >= t->kept);
		assert_true(f.out[t->serial] <= t->kept + 1);
	}
	assert_true(out >= kept && out <= kept + b->threads_n);
}

static void kills(void **state)
{
	int fd;
	struct producer_board *b = producer_board_make(&fd);

	(void)state;
	srand(7);
	for (int i = 0; i < KILLS; i++) {
		const char *dir = fresh_dir("kills");
		struct seen seen;
		pid_t pid;

		b->threads_n = 1 + (uint32_t)(rand() % PRODUCER_THREADS);
		b->data_bytes = (uint32_t)(rand() % 300);
		b->pause_every = rand() % 2 ? 0 : 100;
		/* now and then more than a block can hold */
		pid = run_and_kill(b, fd, dir, 1 + (uint64_t)(rand() % 60000), i % 8 == 7);
		assert_int_equal(dump_regions(pid), 1);
		seen = salvage(dir, 0);
		assert_int_equal(seen.done, 1);
		assert_int_equal(seen.failed, 0);
		assert_int_equal(dump_regions(pid), 0);
		check_dump(b, dir, "salvaged");
	}
	munmap(b, sizeof *b);
	close(fd);
}

/* Salvage is killed after each ring in turn; the next one goes on. */
static void killed_salvage(void **state)
{
	int fd;
	struct producer_board *b = producer_board_make(&fd);
	const char *dir = fresh_dir("killed_salvage");
	int rounds = 0;

	(void)state;
	b->threads_n = PRODUCER_THREADS;
	b->pause_every = 10;
	run_and_kill(b, fd, dir, 5000, true);
	for (int status = -1; status != 0; rounds++) {
		pid_t pid = fork();

		if (pid == 0) { /* the encoder's memory is not inherited */
			if (encoder_open(&encoder) < 0)
				_exit(2);
			_exit(salvage(dir, 1).done == 1 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(status == 0 || WIFSIGNALED(status));
		assert_true(rounds < 100);
	}
	assert_true(rounds > PRODUCER_THREADS);
	check_dump(b, dir, "salvaged");
	munmap(b, sizeof *b);
	close(fd);
}

/* The path of the only region of pid. */
static const char *region_of(pid_t pid)
{
	static char path[400];
	DIR *d = opendir(REGION_DIR);
	struct dirent *e;
	unsigned int uid, owner;

	path[0] = '\0';
	while ((e = readdir(d)) != NULL)
		if (sscanf(e->d_name, "dprof.%u.%u.", &uid, &owner) == 2 && owner == (unsigned int)pid)
			snprintf(path, sizeof path, "%s/%s", REGION_DIR, e->d_name);
	closedir(d);
	return path;
}

/* Killed between the commit and the ring's own tail: what the dump has is not taken from the ring again. */
static void commit_alone(void **state)
{
	int fd, region;
	struct producer_board *b = producer_board_make(&fd);
	const char *dir = fresh_dir("commit_alone");
	static struct dump_facts f;
	struct region_head head;
	struct ring ring;
	uint64_t zero[2] = {0};
	struct stat st;

	(void)state;
	b->threads_n = 1;
	b->pause_every = 1;
	/* less than a lap, so that the tail can be put back to 0; until the dump has some of it */
	do {
		fresh_dir("commit_alone");
		region = open(region_of(run_and_kill(b, fd, dir, 2000, false)), O_RDWR);
		assert_int_equal(pread(region, &ring, sizeof ring, REGION_FIRST_RING_AT), sizeof ring);
		if (ring.tail == 0 || ring.head > ring.bytes) {
			close(region);
			assert_int_equal(salvage(dir, 0).done, 1);
		}
	} while (ring.tail == 0 || ring.head > ring.bytes);
	assert_int_equal(stat(dump_only(dir), &st), 0);
	assert_int_equal(pread(region, &head, sizeof head, 0), sizeof head);
	dump_facts_of(dump_only(dir), &f, true);
	head.commit_at = !head.commit_at;
	head.commits[head.commit_at] = (struct region_commit){.dump_bytes = (uint64_t)st.st_size,
							      .records = f.records,
							      .tail = ring.tail,
							      .seq = ring.seq,
							      .ring = 0,
							      .serial = ring.serial};
	assert_int_equal(pwrite(region, &head, sizeof head, 0), sizeof head);
	assert_int_equal(
	    pwrite(region, zero, sizeof zero, REGION_FIRST_RING_AT + offsetof(struct ring, tail)),
	    sizeof zero);
	close(region);
	assert_int_equal(salvage(dir, 0).done, 1);
	check_dump(b, dir, "salvaged");
	munmap(b, sizeof *b);
	close(fd);
}

/* A frame half written, as by a kill in the middle of write(2), is cut away. */
static void half_frame(void **state)
{
	int fd;
	struct producer_board *b = producer_board_make(&fd);
	const char *dir = fresh_dir("half_frame");
	FILE *dump;

	(void)state;
	b->threads_n = 2;
	run_and_kill(b, fd, dir, 20000, false);
	dump = fopen(dump_only(dir), "ab");
	for (int i = 0; i < 100000; i++) /* more than salvage will write over */
		fputs("\x28\xb5\x2f\xfd and the rest never came", dump);
	fclose(dump);
	assert_int_equal(salvage(dir, 0).done, 1);
	check_dump(b, dir, "salvaged");
	munmap(b, sizeof *b);
	close(fd);
}

/* A child that does nothing has inherited the rings: its parent is dead all the same. */
static void child_lives(void **state)
{
	int fd;
	struct producer_board *b = producer_board_make(&fd);
	const char *dir = fresh_dir("child_lives");

	(void)state;
	b->threads_n = 1;
	b->leave_child = 1;
	run_and_kill(b, fd, dir, 5000, false);
	assert_int_equal(salvage(dir, 0).done, 1);
	check_dump(b, dir, "salvaged");
	assert_int_equal(kill(b->child, SIGKILL), 0);
	munmap(b, sizeof *b);
	close(fd);
}

/* The user has taken the dump away: what the rings hold makes a new one, with the header. */
static void dump_gone(void **state)
{
	static struct dump_facts f;
	int fd;
	struct producer_board *b = producer_board_make(&fd);
	const char *dir = fresh_dir("dump_gone");

	(void)state;
	b->threads_n = 1;
	b->pause_every = 1; /* its dump is to hold no record yet, however late we see that it runs */
	run_and_kill(b, fd, dir, 100, true);
	assert_int_equal(unlink(dump_only(dir)), 0);
	assert_int_equal(salvage(dir, 0).done, 1);
	dump_facts_of(dump_only(dir), &f, true);
	assert_int_equal(f.headers, 1);
	assert_int_equal(f.ends, 1);
	munmap(b, sizeof *b);
	close(fd);
}

static void alive_or_elsewhere(void **state)
{
	int fd, status;
	struct producer_board *b = producer_board_make(&fd);
	const char *dir = fresh_dir("alive");
	struct seen seen;
	pid_t pid;

	(void)state;
	b->threads_n = 1;
	b->pause_every = 1;
	pid = producer_start(fd, dir, NULL, NULL);
	while (producer_progress(b) < 10)
		sched_yield();
	seen = salvage(dir, 0);
	assert_int_equal(seen.done + seen.failed, 0);
	assert_true(seen.alive >= 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	seen = salvage("/usr/lib", 0);
	assert_int_equal(seen.done, 0);
	assert_true(seen.elsewhere >= 1);
	seen = salvage(top, 0); /* above it will do */
	assert_int_equal(seen.done, 1);
	munmap(b, sizeof *b);
	close(fd);
}

/* Random bytes in every part of the region: salvage ends, and what it writes is a dump. */
static void lies(void **state)
{
	int fd;
	struct producer_board *b = producer_board_make(&fd);
	static struct dump_facts f;

	(void)state;
	srand(11);
	b->threads_n = 2;
	b->data_bytes = 20;
	for (int i = 0; i < 20; i++) {
		const char *dir = fresh_dir("lies");
		pid_t pid = run_and_kill(b, fd, dir, 5000, false);
		int region = open(region_of(pid), O_RDWR);
		struct seen seen;

		for (int n = 0; n < 40; n++) {
			uint8_t byte = (uint8_t)rand();
			off_t areas[] = {8 + rand() % 400, REGION_TABLE_AT + rand() % 32,
					 REGION_FIRST_RING_AT + rand() % 256,
					 REGION_FIRST_RING_AT + RING_CONTROL_BYTES + rand() % 4000};

			assert_int_equal(pwrite(region, &byte, 1, areas[i % 4]), 1);
		}
		if (i % 5 == 4)
			assert_int_equal(ftruncate(region, REGION_FIRST_RING_AT + rand() % 8192), 0);
		close(region);
		seen = salvage(dir, 0);
		assert_int_equal(seen.done + seen.failed, 1);
		if (seen.failed)
			unlink(region_of(pid));
		if (seen.done && i % 4 == 3) {
			/* records may be nonsense now: the strict reader is for the frames */
			struct stat st;

			assert_int_equal(stat(dump_only(dir), &st), 0);
			assert_true(st.st_size > 0);
		}
	}
	(void)f;
	munmap(b, sizeof *b);
	close(fd);
}

/* The dump's path names somebody else's file: it stays as it is. */
static void foreign_dump(void **state)
{
	int fd, region;
	struct producer_board *b = producer_board_make(&fd);
	const char *dir = fresh_dir("foreign");
	char victim[FILE_PATH_BYTES] = "";
	struct seen seen;
	struct stat st;
	FILE *out;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("must be root to own files of two users\n");
		skip();
	}
	b->threads_n = 1;
	pid = run_and_kill(b, fd, dir, 5000, false);
	snprintf(victim, sizeof victim, "%s/victim", top);
	out = fopen(victim, "w");
	fputs("precious", out);
	fclose(out);
	assert_int_equal(chown(victim, 65534, 65534), 0);
	region = open(region_of(pid), O_RDWR);
	assert_int_equal(pwrite(region, victim, sizeof victim, REGION_PATH_AT), sizeof victim);
	close(region);
	seen = salvage(top, 0);
	assert_int_equal(seen.failed, 1);
	assert_int_equal(seen.error, -EPERM);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 8);
	unlink(region_of(pid));
	unlink(victim);
	munmap(b, sizeof *b);
	close(fd);
}

/* A service gave up root; its dump lies where only root can go: root finishes it all the same. */
static void dropped_root(void **state)
{
	int fd;
	struct producer_board *b = producer_board_make(&fd);
	const char *dir = fresh_dir("dropped");
	struct stat st;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	b->threads_n = 1;
	pid = run_and_kill(b, fd, dir, 5000, false);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(chown(region_of(pid), 65534, 65534), 0);
	assert_int_equal(chown(dump_only(dir), 65534, 65534), 0);
	assert_int_equal(salvage(dir, 0).done, 1);
	assert_int_equal(stat(dump_only(dir), &st), 0);
	assert_int_equal(st.st_uid, 65534);
	check_dump(b, dir, "salvaged");
	munmap(b, sizeof *b);
	close(fd);
}

/* The dump's directory was removed: after a day so are the records. */
static void orphan(void **state)
{
	int fd, region;
	struct producer_board *b = producer_board_make(&fd);
	const char *dir = fresh_dir("orphan");
	struct region_head head;
	struct seen seen;
	pid_t pid;

	(void)state;
	b->threads_n = 1;
	pid = run_and_kill(b, fd, dir, 5000, false);
	dump_dir_remove(dir);
	seen = salvage("/usr/lib", 0);
	assert_int_equal(seen.removed, 0);
	assert_int_equal(dump_regions(pid), 1);
	region = open(region_of(pid), O_RDWR);
	assert_int_equal(pread(region, &head, sizeof head, 0), sizeof head);
	head.anchors[head.anchor_at].real_ns -= 2 * 86400ull * 1000000000ull;
	assert_int_equal(pwrite(region, &head, sizeof head, 0), sizeof head);
	close(region);
	seen = salvage("/usr/lib", 0);
	assert_int_equal(seen.removed, 1);
	assert_int_equal(dump_regions(pid), 0);
	munmap(b, sizeof *b);
	close(fd);
}

/* A /dev/shm of our own, where that is allowed: other people's regions are no part of this. */
static void stand_alone(void)
{
	if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", "/dev/shm", "tmpfs", 0, "size=2g") < 0)
		print_message("uses the system's /dev/shm\n");
}

static int set_up(void **state)
{
	(void)state;
	stand_alone();
	return dump_top(top, sizeof top, "preload_salvage") < 0 || encoder_open(&encoder) < 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"kills",	    "killed_salvage", "half_frame", "child_lives",
					    "commit_alone", "dump_gone",      "alive",	    "lies",
					    "foreign",	    "dropped"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		dump_dir_remove(fresh_dir(names[i]));
	rmdir(top);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kills),
	    cmocka_unit_test(killed_salvage),
	    cmocka_unit_test(half_frame),
	    cmocka_unit_test(child_lives),
	    cmocka_unit_test(commit_alone),
	    cmocka_unit_test(dump_gone),
	    cmocka_unit_test(alive_or_elsewhere),
	    cmocka_unit_test(lies),
	    cmocka_unit_test(foreign_dump),
	    cmocka_unit_test(dropped_root),
	    cmocka_unit_test(orphan),
	};

	if (argc == 3 && strcmp(argv[1], "producer") == 0)
		return producer_main(argv);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
