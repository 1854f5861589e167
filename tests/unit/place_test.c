// SPDX-License-Identifier: Apache-2.0
/* place_test.c - offsets of sockets that several processes hold: each begins where it knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzer/pass/place.h"
#include "tests/unit/story.h"

#define IN  RECORD_IN
#define OUT RECORD_OUT

static struct placing run(struct story *s)
{
	struct placing out;

	assert_int_equal(place_run(&s->store, &out), 0);
	return out;
}

static uint64_t off_of(const struct story *s, uint32_t process, uint32_t record)
{
	return s->processes[process].records[record].off;
}

/* A holder of the socket with cookie 7: TCP, or with a path unix. */
static void hold(struct story *s, uint32_t process, const char *path, uint64_t off_in, uint64_t off_out,
		 uint64_t t)
{
	struct story_end end = {.process = process,
				.conn = 1,
				.flags = RECORD_FLAG_SEEN,
				.cookie = 7,
				.path = path,
				.local_host = 1,
				.local_port = 80,
				.remote_host = 2,
				.remote_port = 40000,
				.off_in = off_in,
				.off_out = off_out};

	story_open(s, &end, t, t + 1);
}

static uint32_t move(struct story *s, uint8_t kind, uint32_t process, uint64_t off, uint32_t len, uint64_t t)
{
	return story_move(s, kind, process, 1, off, NULL, len, 0, t, t + 1);
}

/* A socket passed on, used by the next one, and passed back. */
static void test_unix_passed(void **state)
{
	struct story *s = story_new();
	uint32_t front = story_process(s, 0, 100, 1), next = story_process(s, 0, 101, 1), a, b, c, d;
	struct placing out;

	(void)state;
	hold(s, front, "/run/x", 0, 0, 10);
	move(s, IN, front, 0, 8, 20);
	a = move(s, IN, front, 8, 92, 30);
	hold(s, next, "/run/x", 0, 0, 40);
	b = move(s, IN, next, 0, 50, 50);
	c = move(s, IN, next, 50, 25, 60);
	d = move(s, IN, front, 100, 5, 70);
	out = run(s);
	assert_int_equal(off_of(s, front, a), 8);
	assert_int_equal(off_of(s, next, b), 100);
	assert_int_equal(off_of(s, next, c), 150);
	assert_int_equal(off_of(s, front, d), 175);
	assert_int_equal(out.sockets, 1);
	assert_int_equal(out.records, 3);
	assert_int_equal(out.races, 0);
	story_free(s);
}

/* What the next one moved and has no record of leaves a hole where it was. */
static void test_unix_loss(void **state)
{
	struct story *s = story_new();
	uint32_t front = story_process(s, 0, 100, 1), next = story_process(s, 0, 101, 1), a, b;

	(void)state;
	hold(s, front, "/run/x", 0, 0, 10);
	move(s, OUT, front, 0, 100, 20);
	hold(s, next, "/run/x", 0, 0, 30);
	a = move(s, OUT, next, 30, 20, 40); /* [0, 30) was dropped */
	b = move(s, OUT, next, 60, 20, 50);
	run(s);
	assert_int_equal(off_of(s, next, a), 130);
	assert_int_equal(off_of(s, next, b), 160);
	story_free(s);
}

/* The child had not looked at the kernel's counters since the parent used the socket; then it does. */
static void test_tcp_turns(void **state)
{
	struct story *s = story_new();
	uint32_t parent = story_process(s, 0, 100, 1), child = story_process(s, 0, 101, 100), a, b, c;
	struct counts looked = {.out_seen = 60, .in_seen = 0, .out_kernel = 110, .in_kernel = 0};

	(void)state;
	hold(s, parent, NULL, 0, 0, 10);
	hold(s, child, NULL, 0, 0, 11);
	move(s, OUT, parent, 0, 20, 20);
	a = move(s, OUT, child, 20, 30, 30);
	b = move(s, OUT, parent, 20, 40, 40); /* does not know of the child's 30 */
	story_counts(s, RECORD_RESYNC, parent, 1, 0, looked, 45);
	c = move(s, OUT, parent, 110, 10, 50); /* 20 were moved by nobody we know */
	run(s);
	assert_int_equal(off_of(s, child, a), 20);
	assert_int_equal(off_of(s, parent, b), 50);
	assert_int_equal(off_of(s, parent, c), 110);
	story_free(s);
}

/* Two that read at once, and look each time: the later bytes may be told first. */
static void test_tcp_exact(void **state)
{
	struct story *s = story_new();
	uint32_t one = story_process(s, 0, 100, 1), other = story_process(s, 0, 101, 100), a, b;
	struct placing out;

	(void)state;
	hold(s, one, NULL, 0, 0, 10);
	hold(s, other, NULL, 0, 0, 11);
	a = move(s, IN, one, 100, 50, 20);
	b = move(s, IN, other, 0, 100, 30);
	out = run(s);
	assert_int_equal(off_of(s, one, a), 100);
	assert_int_equal(off_of(s, other, b), 0);
	assert_int_equal(out.records, 0);
	story_free(s);
}

/* Other sockets, other kernels, other conns: nobody's business. */
static void test_not_shared(void **state)
{
	struct story *s = story_new();
	uint32_t here = story_process(s, 0, 100, 1), there = story_process(s, 1, 100, 1), a;
	struct placing out;

	(void)state;
	hold(s, here, "/run/x", 0, 0, 10);
	hold(s, there, "/run/x", 0, 0, 10);
	move(s, OUT, here, 0, 100, 20);
	a = move(s, OUT, there, 0, 100, 30);
	out = run(s);
	assert_int_equal(off_of(s, there, a), 0);
	assert_int_equal(out.sockets, 0);
	story_free(s);
}

/* Calls of two holders at one time are in the order of their return, and that is said. */
static void test_race(void **state)
{
	struct story *s = story_new();
	uint32_t one = story_process(s, 0, 100, 1), other = story_process(s, 0, 101, 100), a, b;
	struct placing out;

	(void)state;
	hold(s, one, "/run/x", 0, 0, 10);
	hold(s, other, "/run/x", 0, 0, 11);
	a = story_move(s, OUT, one, 1, 0, NULL, 10, 0, 20, 40);
	b = story_move(s, OUT, other, 1, 0, NULL, 10, 0, 25, 35);
	out = run(s);
	assert_int_equal(off_of(s, other, b), 0);
	assert_int_equal(off_of(s, one, a), 10);
	assert_int_equal(out.races, 1);
	assert_true(s->processes[one].records[a].flags & RECORD_FLAG_RACE);
	assert_true(s->processes[other].records[b].flags & RECORD_FLAG_RACE);
	story_free(s);
}

static void test_hostile(void **state)
{
	struct story *s = story_new();
	uint32_t one = story_process(s, 0, 100, 1), other = story_process(s, 0, 101, 100);

	(void)state;
	hold(s, one, "/run/x", UINT64_MAX - 3, UINT64_MAX, 10);
	hold(s, other, NULL, UINT64_MAX, 0, 11);
	move(s, IN, one, UINT64_MAX - 2, UINT32_MAX, 20);
	move(s, IN, other, UINT64_MAX, UINT32_MAX, 21);
	move(s, IN, other, 5, UINT32_MAX, 22);
	story_counts(s, RECORD_RESYNC, other, 1, 0,
		     (struct counts){UINT64_MAX, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 1}, 30);
	move(s, IN, one, 0, 1, 40);
	run(s);
	story_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unix_passed), cmocka_unit_test(test_unix_loss),
	    cmocka_unit_test(test_tcp_turns),	cmocka_unit_test(test_tcp_exact),
	    cmocka_unit_test(test_not_shared),	cmocka_unit_test(test_race),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
