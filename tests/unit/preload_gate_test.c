// SPDX-License-Identifier: Apache-2.0
/*
 * preload_gate_test - records are gated, position is not: what a dump knows of connections and threads whose
 * calls the gate passed over. The child is this program, traced, which moves the gate itself.
 */
#include <sys/socket.h>

#include "preload/gate.h"
#include "tests/unit/preload_dump.h"

#define SHUT_ROUNDS 7

static char dir[256];

static void rounds(const int fd[2], int n)
{
	char buf[16];

	for (int i = 0; i < n; i++)
		if (write(fd[0], "ask", 3) != 3 || read(fd[1], buf, 16) != 3 ||
		    write(fd[1], "answer", 6) != 6 || read(fd[0], buf, 16) != 6)
			_exit(90);
}

/* What the child does, by name. */
static int child(const char *what)
{
	int fd[2], other[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return 91;
	rounds(fd, 2);
	if (strcmp(what, "window") == 0) {
		gate_set(false);
		rounds(fd, SHUT_ROUNDS);
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, other) < 0)
			return 91;
		rounds(other, 1);
		close(other[0]);
		close(other[1]);
		gate_set(true);
		rounds(fd, 3);
	} else if (strcmp(what, "segment") == 0) {
		gate_forget();
		rounds(fd, 1);
	}
	close(fd[0]);
	return 0;
}

/* ---- what the dump says ---- */

struct told {
	uint64_t kind[RECORD_KINDS];
	uint64_t gated;	    /* sum of the GATED records */
	uint64_t again[2];  /* off_in and off_out of the last OPEN with flag SEEN that was of conn 1 */
	uint64_t first_out; /* off of the first OUT after it */
	bool after;
};

static int take(void *to, const struct record *r, struct slice data)
{
	struct told *t = to;
	struct endpoint e;

	t->kind[r->kind]++;
	if (r->kind == RECORD_GATED)
		t->gated += r->off;
	if (r->kind == RECORD_OPEN && (r->flags & RECORD_FLAG_SEEN) && r->conn == 1) {
		memcpy(&e, data.bytes, sizeof e);
		t->again[0] = e.off_in;
		t->again[1] = e.off_out;
		t->after = true;
	}
	if (r->kind == RECORD_OUT && r->conn == 1 && t->after) {
		t->first_out = r->off;
		t->after = false;
	}
	return 0;
}

static struct told run(const char *what)
{
	char where[300], name[16];
	char *argv[] = {"/proc/self/exe", name, NULL},
	     *env[] = {where, "ASAN_OPTIONS=detect_leaks=0", NULL, NULL};
	struct dump_facts facts;
	struct told told = {0};
	int status;
	pid_t pid;

	snprintf(where, sizeof where, "DPROF_DIR=%s", dir);
	if (strcmp(what, "shut") == 0)
		env[2] = "DPROF_WINDOW=1ms/24h,margin=0";
	snprintf(name, sizeof name, "%s", what);
	pid = fork();
	if (pid == 0) {
		execve(argv[0], argv, env);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	dump_facts_of(dump_only(dir), &facts, false);
	assert_int_equal(facts.dropped, 0);
	assert_int_equal(facts.ends, 1);
	dump_records_of(dump_only(dir), take, &told);
	dump_dir_remove(dir);
	return told;
}

static void passed_over(void **state)
{
	struct told t = run("window");

	(void)state;
	assert_int_equal(t.kind[RECORD_OUT], 2 * 5);
	assert_int_equal(t.kind[RECORD_IN], 2 * 5);
	assert_int_equal(t.kind[RECORD_GATED], 1);
	assert_int_equal(t.gated, 4 * (SHUT_ROUNDS + 1) + 4); /* and two OPENs, two PEERs */
	/* both ends again; nothing at all of the pair that came and went */
	assert_int_equal(t.kind[RECORD_OPEN], 4);
	assert_int_equal(t.kind[RECORD_CLOSE], 2);
	assert_int_equal(t.kind[RECORD_RESYNC], 0);
	assert_int_equal(t.again[0], (2 + SHUT_ROUNDS) * 6);
	assert_int_equal(t.again[1], (2 + SHUT_ROUNDS) * 3);
	assert_int_equal(t.first_out, t.again[1]);
}

static void never_open(void **state)
{
	struct told t = run("shut");

	(void)state;
	for (int kind = 0; kind < RECORD_KINDS; kind++)
		assert_int_equal(t.kind[kind], 0);
}

/* In a new file everything is told again, and nothing is missing. */
static void forgotten(void **state)
{
	struct told t = run("segment");

	(void)state;
	assert_int_equal(t.kind[RECORD_OPEN], 4);
	assert_int_equal(t.kind[RECORD_OUT], 2 * 3);
	assert_int_equal(t.kind[RECORD_GATED], 0);
	assert_int_equal(t.kind[RECORD_CLOSE], 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(passed_over), cmocka_unit_test(never_open),
					   cmocka_unit_test(forgotten)};

	if (argc > 1)
		return child(argv[1]);
	if (dump_top(dir, sizeof dir, "gate") < 0)
		return 1;
	setenv("DPROF_DISABLE", "1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
