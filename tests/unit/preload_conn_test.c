// SPDX-License-Identifier: Apache-2.0
/*
 * preload_conn_test - the table of descriptors, and the kernel's counters in every state of a TCP connection.
 * The library's objects are linked in, so the calls of this program are the wrapped ones.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/conn.h"
#include "preload/endpoint.h"
#include "preload/real.h"
#include "preload/sys.h"
#include "preload/truth.h"

/* Names that a sanitizer's library does not have: they bring the wrappers in, which then come before it. */
void *const preload_conn_test_wrappers[] = {__write, __close, __connect};

static void pair_make(int fd[2])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd[0], (struct sockaddr *)&at, len), 0);
	fd[1] = accept(listener, NULL, NULL);
	assert_true(fd[1] >= 0);
	close(listener);
}

/* Bytes that the wrappers do not see. */
static void move(int from, int to, size_t len)
{
	char buf[4096] = {0};

	assert_int_equal(sys_call(SYS_sendto, from, buf, len, 0, NULL, 0), (long)len);
	if (to >= 0)
		assert_int_equal(sys_call(SYS_recvfrom, to, buf, len, MSG_WAITALL, NULL, NULL), (long)len);
}

static void truth_is(int fd, uint64_t out, uint64_t in)
{
	uint64_t expected[2] = {[CONN_IN] = in, [CONN_OUT] = out}, kernel[2];

	assert_true(truth_read(fd, expected, kernel));
	assert_int_equal(kernel[CONN_OUT], out);
	assert_int_equal(kernel[CONN_IN], in);
}

static void truth_in_every_state(void **state)
{
	int fd[2];

	(void)state;
	pair_make(fd);
	truth_is(fd[0], 0, 0);
	move(fd[0], fd[1], 100);
	move(fd[0], -1, 7); /* unread */
	truth_is(fd[0], 107, 0);
	truth_is(fd[1], 0, 100);
	shutdown(fd[0], SHUT_WR); /* FIN_WAIT2, CLOSE_WAIT */
	truth_is(fd[0], 107, 0);
	truth_is(fd[1], 0, 100);
	move(fd[1], fd[0], 5);
	shutdown(fd[1], SHUT_WR); /* both CLOSE */
	truth_is(fd[0], 107, 5);
	truth_is(fd[1], 5, 100);
	close(fd[0]);
	close(fd[1]);
}

static void truth_with_a_fin_that_waits(void **state)
{
	uint64_t sent = 0;
	char buf[65536] = {0};
	int fd[2];
	long n;

	(void)state;
	pair_make(fd);
	while ((n = sys_call(SYS_sendto, fd[0], buf, sizeof buf, MSG_DONTWAIT, NULL, 0)) > 0)
		sent += (uint64_t)n;
	truth_is(fd[0], sent, 0);
	shutdown(fd[0], SHUT_WR); /* FIN_WAIT1, the FIN behind unsent bytes */
	truth_is(fd[0], sent, 0);
	truth_is(fd[1], 0, 0);
	close(fd[1]); /* a reset, for bytes were unread */
	truth_is(fd[0], sent, 0);
	close(fd[0]);
}

static void truth_of_no_stream(void **state)
{
	uint64_t expected[2] = {0}, kernel[2];
	int fd[2], listener = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	assert_false(truth_read(listener, expected, kernel));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_false(truth_read(fd[0], expected, kernel));
	assert_false(truth_read(-1, expected, kernel));
	close(fd[0]);
	close(fd[1]);
	close(listener);
}

static void conn_follows_its_descriptors(void **state)
{
	struct conn *conn;
	int fd[2], copy;
	uint32_t id, version;

	(void)state;
	pair_make(fd);
	conn = conn_of(fd[0]);
	assert_non_null(conn);
	id = conn->id;
	assert_int_not_equal(id, 0);
	copy = dup(fd[0]);
	assert_ptr_equal(conn_of(copy), conn);
	assert_int_equal(write(copy, "abc", 3), 3);
	assert_int_equal(conn->off[CONN_OUT], 3);
	close(fd[0]);
	assert_null(conn_of(fd[0]));
	assert_int_equal(conn->id, id);
	version = conn->version;
	close(copy);
	assert_int_equal(conn->id, 0);
	assert_int_not_equal(conn->version, version);
	close(fd[1]);
}

static void conn_far_away(void **state)
{
	struct rlimit limit;
	int fd[2];

	(void)state;
	pair_make(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < CONN_NEAR_FDS + 100)
		skip();
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(dup2(fd[0], CONN_NEAR_FDS + 50), CONN_NEAR_FDS + 50);
	assert_ptr_equal(conn_of(CONN_NEAR_FDS + 50), conn_of(fd[0]));
	assert_null(conn_of((int)CONN_FAR_FDS));
	assert_null(conn_of(-1));
	assert_int_equal(write(-1, "a", 1), -1);
	close(fd[0]);
	assert_int_equal(write(CONN_NEAR_FDS + 50, "a", 1), 1);
	assert_int_equal(conn_of(CONN_NEAR_FDS + 50)->off[CONN_OUT], 1);
	close(CONN_NEAR_FDS + 50);
	assert_null(conn_of(CONN_NEAR_FDS + 50));
	close(fd[1]);
}

static void conn_of_what_is_no_stream(void **state)
{
	int null = open("/dev/null", O_WRONLY), udp = socket(AF_INET, SOCK_DGRAM, 0);
	int routes = socket(AF_NETLINK, SOCK_RAW, 0), ends[2];

	(void)state;
	assert_int_equal(write(null, "x", 1), 1);
	assert_ptr_equal(conn_of(null), &conn_none);
	assert_int_equal(recv(udp, &null, 1, MSG_DONTWAIT), -1);
	assert_int_equal(conn_of(udp)->type, CONN_DATAGRAM);
	close(udp);
	assert_null(conn_of(udp));
	assert_int_equal(recv(routes, &null, 1, MSG_DONTWAIT), -1);
	assert_ptr_equal(conn_of(routes), &conn_none);
	close(routes);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(conn_of(ends[1])->type, CONN_WAKE);
	assert_int_equal(conn_of(ends[1])->off[CONN_OUT], 1);
	assert_int_equal(read(ends[0], (char[2]){0}, 2), 1);
	assert_int_equal(conn_of(ends[0])->off[CONN_IN], 1);
	close(ends[0]);
	close(ends[1]);
	close(null);
}

/* Unseen bytes are found: at the next look both counters are the kernel's again. */
static void counters_heal(void **state)
{
	struct conn *conn;
	int fd[2];

	(void)state;
	pair_make(fd);
	conn = conn_of(fd[0]);
	assert_int_equal(write(fd[0], "abc", 3), 3);
	move(fd[0], -1, 10);
	move(fd[1], fd[0], 4);
	conn->checked_at = 0;
	assert_int_equal(write(fd[0], "de", 2), 2);
	assert_int_equal(conn->off[CONN_OUT], 15);
	assert_int_equal(conn->off[CONN_IN], 4);
	assert_int_not_equal(conn->checks_left, 0);
	close(fd[0]);
	close(fd[1]);
}

/* A look in the middle of a call that moved several messages finds nothing missing. */
static void many_messages_agree(void **state)
{
	char out[3][8] = {"one", "two", "three"}, in[64];
	struct iovec parts[3];
	struct mmsghdr msgs[3] = {0};
	struct conn *conn;
	int fd[2];

	(void)state;
	pair_make(fd);
	conn = conn_of(fd[0]);
	for (int i = 0; i < 3; i++) {
		parts[i] = (struct iovec){out[i], strlen(out[i])};
		msgs[i].msg_hdr.msg_iov = &parts[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	conn->checked_at = 0;
	assert_int_equal(sendmmsg(fd[0], msgs, 3, 0), 3);
	assert_int_equal(conn->off[CONN_OUT], 11);
	assert_int_equal(conn->checks_left, 0);
	assert_int_not_equal(conn->checked_at, 0);
	assert_int_equal(recv(fd[1], in, 11, MSG_WAITALL), 11);
	close(fd[0]);
	close(fd[1]);
}

/* The number has become another socket behind our back. */
static void stale_entry_is_found(void **state)
{
	int fd[2], other[2];
	struct conn *conn;

	(void)state;
	pair_make(fd);
	pair_make(other);
	conn = conn_of(fd[0]);
	assert_int_equal(sys_call(SYS_dup2, other[0], fd[0]), fd[0]);
	conn->checked_at = 0;
	assert_int_equal(write(fd[0], "abc", 3), 3);
	assert_int_equal(conn->id, 0);
	assert_int_equal(write(fd[0], "d", 1), 1);
	assert_ptr_equal(conn_of(fd[0]), conn_of(other[0]));
	close(fd[0]);
	close(fd[1]);
	close(other[0]);
	close(other[1]);
}

enum { STORM_ROUNDS = 20000 };

static void *storm(void *from)
{
	int *fd = from;

	for (int i = 0; i < STORM_ROUNDS; i++)
		if (write(fd[0], "x", 1) != 1)
			abort();
	return NULL;
}

/* Two threads write to one connection: no byte is lost or counted twice. */
static void threads_share_a_counter(void **state)
{
	pthread_t thread[2];
	char buf[4096];
	long got = 0;
	int fd[2];

	(void)state;
	pair_make(fd);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, storm, fd), 0);
	while (got < 2 * STORM_ROUNDS)
		got += read(fd[1], buf, sizeof buf);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(conn_of(fd[0])->off[CONN_OUT], 2 * STORM_ROUNDS);
	assert_int_equal(conn_of(fd[1])->off[CONN_IN], 2 * STORM_ROUNDS);
	close(fd[0]);
	close(fd[1]);
}

/* The dump of this process is of no interest. Before the library's own constructors, which read the settings.
 */
__attribute__((constructor(101))) static void settings(void)
{
	setenv("DPROF_DIR", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(truth_in_every_state),    cmocka_unit_test(truth_with_a_fin_that_waits),
	    cmocka_unit_test(truth_of_no_stream),      cmocka_unit_test(conn_follows_its_descriptors),
	    cmocka_unit_test(conn_far_away),	       cmocka_unit_test(conn_of_what_is_no_stream),
	    cmocka_unit_test(counters_heal),	       cmocka_unit_test(stale_entry_is_found),
	    cmocka_unit_test(threads_share_a_counter), cmocka_unit_test(many_messages_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
