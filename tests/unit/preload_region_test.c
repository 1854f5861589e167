/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_region_test - the file that outlives the process, and the dump's own file: names, rights, rings
 * taken and given back, one store that commits, nothing half written.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "preload/region.h"
#include "tests/unit/preload_dump.h"

#define PID   4000000000u /* nobody's */
#define START 12345

static struct region region;

static int make(void **state)
{
	(void)state;
	return region_create(&region, 7, PID, START);
}

static int drop(void **state)
{
	(void)state;
	region_remove(&region);
	region_drop_inherited(&region, true);
	return 0;
}

static void file_is_ours(void **state)
{
	struct region second;
	struct stat st;
	int other;

	(void)state;
	assert_string_equal(region.path, "/dev/shm/dprof.7.4000000000.12345");
	assert_int_equal(stat(region.path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	other = open(region.path, O_RDWR);
	assert_true(flock(other, LOCK_EX | LOCK_NB) < 0); /* alive */
	assert_int_equal(region_create(&second, 7, PID, START), 0);
	assert_string_equal(second.path, "/dev/shm/dprof.7.4000000000.12345.1");
	region_remove(&second);
	region_drop_inherited(&second, true);
	region_remove(&region);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(stat("/dev/shm/dprof.7.4000000000.12345", &st), -1);
	close(other);
}

static void rings(void **state)
{
	struct ring *first, *second;

	(void)state;
	assert_null(region_take(&region));
	assert_int_equal(region_add_ring(&region, 128u << 10), 0);
	assert_int_equal(region_add_ring(&region, 128u << 10), 0);
	assert_int_equal(region_spares(&region), 2);
	first = region_take(&region);
	second = region_take(&region);
	assert_true(first != NULL && second != NULL && first != second);
	assert_null(region_take(&region));
	assert_int_equal(first->bytes, 128u << 10);
	memset(ring_bytes(first), 0xff, first->bytes); /* all of it is there */
	first->serial = 3;
	first->dropped = 5;
	first->head = first->tail = 800;
	first->seq = 10;
	region_recycle(&region, first);
	assert_int_equal(region.head->dropped, 5);
	assert_ptr_equal(region_take(&region), first);
	assert_int_equal(first->head + first->tail + first->seq + first->serial + first->dropped, 0);
}

/* A new ring has memory for its first part, and gets more before its thread comes to the end of that. */
static void rings_grow(void **state)
{
	struct ring *ring;
	struct stat st;
	int error = 0;

	(void)state;
	assert_int_equal(region_add_ring(&region, 4u << 20), 0);
	ring = region_take(&region);
	assert_int_equal(ring_ready(ring), RING_FIRST_BYTES);
	assert_int_equal(stat(region.path, &st), 0);
	assert_in_range(st.st_blocks * 512, RING_FIRST_BYTES, 2 * RING_FIRST_BYTES);
	region_grow(&region, &error);
	assert_int_equal(ring_ready(ring), RING_FIRST_BYTES);
	ring->head = RING_FIRST_BYTES / 2;
	region_grow(&region, &error);
	assert_int_equal(ring_ready(ring), 2 * RING_FIRST_BYTES);
	memset(ring_bytes(ring), 0xff, 2 * RING_FIRST_BYTES);
	assert_int_equal(ring_grow(ring, 3 << 20), 0); /* its thread was faster */
	assert_int_equal(ring_ready(ring), 4 << 20);
	assert_int_equal(ring_bytes(ring)[2 * RING_FIRST_BYTES - 1], 0xff);
	assert_int_equal(ring_bytes(ring)[2 * RING_FIRST_BYTES], 0);
	assert_int_equal(error, 0);
}

/* No room for the rest: other memory lies behind it, and what was written stays. */
static void rings_grow_elsewhere(void **state)
{
	struct ring *ring;
	int error = 0;

	(void)state;
	assert_int_equal(region_add_ring(&region, 4u << 20), 0);
	ring = region_take(&region);
	ring->head = RING_FIRST_BYTES;
	ring_bytes(ring)[RING_FIRST_BYTES - 1] = 7;
	/* no file: no memory of it */
	assert_int_equal(ftruncate(region.fd, (off_t)region.file_bytes - (4 << 20) + RING_FIRST_BYTES), 0);
	assert_true(ring_grow(ring, RING_FIRST_BYTES + 1) < 0);
	assert_int_equal(ring_ready(ring), RING_FIRST_BYTES);
	region_grow(&region, &error);
	assert_true(error < 0);
	assert_int_equal(ring_ready(ring), 4 << 20);
	memset(ring_bytes(ring) + RING_FIRST_BYTES, 1, (4 << 20) - RING_FIRST_BYTES);
}

/* Many threads do less each: their rings are smaller. */
static void many_rings(void **state)
{
	(void)state;
	for (int i = 0; i < 70; i++)
		assert_int_equal(region_add_ring(&region, 1u << 20), 0);
	assert_int_equal(region.rings[0]->bytes, 1u << 20);
	assert_int_equal(region.rings[15]->bytes, 1u << 20);
	assert_int_equal(region.rings[16]->bytes, 128u << 10);
	assert_int_equal(region.rings[69]->bytes, RING_BYTES_MIN);
}

static void commits(void **state)
{
	struct region_commit c = {
	    .dump_bytes = 100, .records = 4, .tail = 160, .seq = 4, .ring = 0, .serial = 1};
	struct region_head copy;
	struct ring *ring;

	(void)state;
	assert_int_equal(region_add_ring(&region, 64u << 10), 0);
	ring = region_take(&region);
	for (int i = 0; i < 3; i++) {
		region_commit(&region, &c);
		copy = *region.head;
		assert_memory_equal(&copy.commits[copy.commit_at], &c, sizeof c);
		if (i > 0) /* the one before is whole, should the next be cut short */
			assert_int_equal(copy.commits[!copy.commit_at].dump_bytes, c.dump_bytes - 100);
		assert_int_equal(ring->tail, c.tail);
		assert_int_equal(ring->seq, c.seq);
		c.dump_bytes += 100;
		c.tail += 80;
		c.seq += 2;
	}
}

/* ---- dump files ---- */

static struct dump_header header = {
    .host = "a/b:c", .program = ".hidden name", .pid = 42, .start_ns = 1234567000000};

static void dump_names(void **state)
{
	struct dump_file first, second;
	char top[200], dir[256], want[400];
	struct stat st;
	mode_t mask = umask(077);

	(void)state;
	assert_int_equal(dump_top(top, sizeof top, "preload_region"), 0);
	snprintf(dir, sizeof dir, "%s/x/y", top);
	assert_int_equal(file_make_dir(dir), 0);
	assert_int_equal(file_make_dir(dir), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	umask(0777);
	assert_int_equal(file_create(&first, dir, &header), 0);
	umask(mask);
	assert_int_equal(file_create(&second, dir, &header), 0);
	snprintf(want, sizeof want, "%s/a_b_c._hidden_name.42.1234567.zst", dir);
	assert_string_equal(first.path, want);
	snprintf(want, sizeof want, "%s/a_b_c._hidden_name.42.1234567.1.zst", dir);
	assert_string_equal(second.path, want);
	assert_int_equal(stat(first.path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	file_close(&first);
	file_close(&second);
	dump_dir_remove(dir);
	snprintf(dir, sizeof dir, "%s/x", top);
	rmdir(dir);
	rmdir(top);
}

/* What does not fit any more is cut away; the file goes on when there is room. */
static void half_written(void **state)
{
	struct rlimit before, limit;
	struct encoder e;
	struct dump_file f;
	struct stat st;
	uint64_t whole;
	uint8_t noise[5000];
	char dir[200];

	(void)state;
	assert_int_equal(dump_top(dir, sizeof dir, "preload_region"), 0);
	assert_int_equal(encoder_open(&e), 0);
	assert_int_equal(file_create(&f, dir, &header), 0);
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (uint8_t)rand();
	pack_bin(encoder_start(&e), noise, sizeof noise);
	assert_int_equal(file_append(&f, &e), 0);
	whole = f.bytes;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = (struct rlimit){whole + 1000, before.rlim_max};
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(file_append(&f, &e), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_size, whole);
	assert_int_equal(file_append(&f, &e), 0);
	assert_int_equal(f.bytes, 2 * whole);
	encoder_start(&e)->full = true; /* did not fit: never written in part */
	assert_int_equal(file_append(&f, &e), -EMSGSIZE);
	assert_int_equal(f.bytes, 2 * whole);
	file_close(&f);
	assert_int_equal(file_reopen(&f, geteuid(), whole, false), 0);
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_size, whole);
	file_close(&f);
	assert_int_equal(file_reopen(&f, geteuid() + 1, whole, false), -EPERM);
	encoder_close(&e);
	dump_dir_remove(dir);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
	const struct CMUnitTest tests[] = {
	    TEST(file_is_ours),
	    TEST(rings),
	    TEST(many_rings),
	    TEST(rings_grow),
	    TEST(rings_grow_elsewhere),
	    TEST(commits),
	    cmocka_unit_test(dump_names),
	    cmocka_unit_test(half_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
