// SPDX-License-Identifier: Apache-2.0
/*
 * conn.c - the table of descriptors, and the lives of conns: open, dup, close, fork, exit.
 * App's threads, cold (the lookup is in conn.h). Raw syscalls only; no lock, because a signal handler
 * may close a socket while its thread is in here.
 *
 * Invariant: an entry of the table owns one reference; who takes an entry out with an atomic exchange
 * owns that reference and drops it. The descriptors of a vfork child are not ours to follow: it
 * shares this memory, but not the table of descriptors.
 */
#include "preload/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "preload/conn_tell.h"
#include "preload/endpoint.h"
#include "preload/kept.h"
#include "preload/process.h"
#include "preload/real.h"
#include "preload/slab.h"
#include "preload/stamp.h"
#include "preload/sys.h"
#include "preload/thread.h"
#include "preload/truth.h"

#define EXIT_CHECKS 16384 /* at most so many questions to the kernel while the process waits to end */

struct conn conn_none;
struct conn conn_closing;
struct conn conn_pipe = {.type = CONN_WAKE, .family = ENDPOINT_PIPE};
struct conn conn_event = {.type = CONN_WAKE, .family = ENDPOINT_EVENT};
struct conn *conn_near[CONN_NEAR_FDS];
struct conn **conn_far[CONN_FAR_FDS / CONN_FAR_CHUNK];

static uint32_t last_id;
static uint32_t fd_limit;   /* above the largest descriptor that the table ever held */
static uint32_t last_event; /* number given to an eventfd */
static uint64_t untraced;

uint64_t conn_untraced(void)
{
	return __atomic_load_n(&untraced, __ATOMIC_RELAXED);
}

void conn_count_untraced(void)
{
	__atomic_fetch_add(&untraced, 1, __ATOMIC_RELAXED);
}

uint32_t conn_number(void)
{
	return __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
}

/* ---- the table ---- */

/* The place of fd in the table; NULL if it has none and `make` is false, or it is too large. */
static struct conn **entry(unsigned int fd, bool make)
{
	struct conn **chunk;

	if (fd < CONN_NEAR_FDS)
		return &conn_near[fd];
	if (fd >= CONN_FAR_FDS)
		return NULL;
	chunk = __atomic_load_n(&conn_far[fd / CONN_FAR_CHUNK], __ATOMIC_ACQUIRE);
	if (chunk == NULL && make)
		chunk = slab_place(&conn_far[fd / CONN_FAR_CHUNK], CONN_FAR_CHUNK * sizeof *chunk);
	return chunk == NULL ? NULL : &chunk[fd % CONN_FAR_CHUNK];
}

static bool is_conn(const struct conn *conn)
{
	return conn != NULL && conn != &conn_none && conn != &conn_closing && conn != &conn_pipe &&
	       conn != &conn_event;
}

/* Nobody records what this descriptor wakes. */
static bool is_asleep(const struct conn *conn)
{
	return conn == &conn_pipe || conn == &conn_event;
}

static void limit_raise(uint32_t fd)
{
	uint32_t limit = __atomic_load_n(&fd_limit, __ATOMIC_RELAXED);

	while (limit <= fd && !__atomic_compare_exchange_n(&fd_limit, &limit, fd + 1, true, __ATOMIC_RELAXED,
							   __ATOMIC_RELAXED))
		;
}

void conn_mark_partial(int fd, uint8_t call)
{
	struct conn *conn = conn_of(fd);

	if (is_conn(conn) && CONN_GET(conn->type) == CONN_STREAM && CONN_GET(conn->id) != 0 &&
	    thread_has_ring())
		conn_tell_again(conn, fd, call, RECORD_FLAG_SEEN | RECORD_FLAG_PARTIAL);
}

/* ---- lives ---- */

static void set_off(struct conn *conn, uint64_t out, uint64_t in)
{
	CONN_SET(conn->off[CONN_OUT], out);
	CONN_SET(conn->off[CONN_IN], in);
}

/* What it is: before anybody finds it in the table. */
static void describe(struct conn *conn, struct sight *sight)
{
	if (sight->end.family == ENDPOINT_EVENT) {
		if (CONN_GET(conn->cookie) == 0)
			CONN_SET(conn->cookie, (uint64_t)process_pid() << 32 |
						   __atomic_add_fetch(&last_event, 1, __ATOMIC_RELAXED));
		sight->key = sight->end.cookie = CONN_GET(conn->cookie);
	}
	CONN_SET(conn->cookie, sight->key);
	CONN_SET(conn->type, sight->type);
	CONN_SET(conn->family, sight->end.family);
	CONN_SET(conn->counted, sight->counted);
}

/* Is what it moved known to nobody but us? */
static bool is_uncounted(const struct conn *conn)
{
	return CONN_GET(conn->type) == CONN_STREAM && CONN_GET(conn->family) == ENDPOINT_UNIX;
}

/* Is its OPEN better told at its first use? A datagram socket gets its port when it sends first. */
static bool is_early(const struct sight *sight)
{
	return sight->type == CONN_DATAGRAM && sight->end.family != ENDPOINT_UNIX &&
	       sight->end.local_port == 0;
}

/* Gives conn an id and tells of it. */
static void begin(struct conn *conn, int fd, uint8_t call, uint16_t flags, struct sight *sight, uint64_t t0,
		  uint64_t t1)
{
	uint32_t none = 0, id = conn_number();
	uint64_t kernel[2], ours[2] = {CONN_GET(conn->off[0]), CONN_GET(conn->off[1])};

	describe(conn, sight);
	if (flags & (RECORD_FLAG_CONNECT | RECORD_FLAG_ACCEPT))
		CONN_SET(conn->asks, flags & RECORD_FLAG_CONNECT ? CONN_OUT : CONN_IN);
	CONN_SET(conn->checked_at, CONN_GET(conn->type) != CONN_STREAM ? CONN_ALWAYS
				   : CONN_GET(conn->checks_left)       ? 0
								       : t1);
	if ((flags & RECORD_FLAG_SEEN) && sight->counted && truth_read(fd, ours, kernel))
		set_off(conn, kernel[CONN_OUT], kernel[CONN_IN]);
	if ((flags & RECORD_FLAG_SEEN) && is_uncounted(conn) && ours[0] + ours[1] == 0 &&
	    kept_get(sight->key, ours))
		set_off(conn, ours[CONN_OUT], ours[CONN_IN]);
	/* what was there before the program is used through stdin, stdout and stderr as well */
	if ((flags & RECORD_FLAG_SEEN) && CONN_GET(conn->type) == CONN_STREAM && fd <= STDERR_FILENO)
		flags |= RECORD_FLAG_PARTIAL;
	/* another thread may be telling of the same inherited conn: one of us does */
	if (!__atomic_compare_exchange_n(&conn->id, &none, id, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return;
	__atomic_fetch_add(&conn->version, 2, __ATOMIC_RELAXED);
	if (is_early(sight))
		CONN_SET(conn->told, 0);
	else
		conn_tell_open(conn, fd, call, flags, sight, t0, t1);
}

/* A stream's end is worth telling also if its OPEN found no room. */
static bool is_told(const struct conn *conn)
{
	return CONN_GET(conn->id) != 0 && (CONN_GET(conn->type) == CONN_STREAM || CONN_GET(conn->told) != 0);
}

/* Drops the reference that an entry of the table held. */
static void drop(struct conn *conn, int fd, uint8_t call, uint16_t flags, bool readable)
{
	if (__atomic_sub_fetch(&conn->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (is_told(conn) && process_traced())
		conn_tell_close(conn, fd, call, flags, readable);
	if (is_uncounted(conn))
		kept_put(CONN_GET(conn->cookie),
			 (uint64_t[2]){CONN_GET(conn->off[0]), CONN_GET(conn->off[1])});
	__atomic_store_n(&conn->id, 0, __ATOMIC_RELAXED);
	__atomic_fetch_add(&conn->version, 2, __ATOMIC_RELEASE);
	slab_push(conn);
}

/* Changes are for the process that owns the table of descriptors. */
static bool may_change(void)
{
	return process_check() && !process_is_vfork_child();
}

/* Takes the conn out of the entry of fd and drops it; the entry is left at `mark`. */
static void take_out(int fd, struct conn *mark, uint8_t call, bool readable)
{
	struct conn **at = entry((unsigned int)fd, false);
	struct conn *conn = at == NULL ? NULL : __atomic_load_n(at, __ATOMIC_ACQUIRE);

	if (conn == NULL)
		return;
	if (!is_conn(conn)) {
		__atomic_store_n(at, NULL, __ATOMIC_RELAXED);
		return;
	}
	if (!may_change())
		return;
	if (__atomic_compare_exchange_n(at, &conn, mark, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		drop(conn, fd, call, 0, readable);
}

void conn_retire(int fd, uint8_t call)
{
	take_out(fd, &conn_closing, call, true);
}

void conn_over(int fd, uint8_t call)
{
	take_out(fd, NULL, call, true);
}

void conn_forget(int fd, uint8_t call)
{
	take_out(fd, NULL, call, false);
}

void conn_closed(int fd)
{
	struct conn **at = entry((unsigned int)fd, false), *mark = &conn_closing;

	if (at != NULL && __atomic_load_n(at, __ATOMIC_RELAXED) == mark)
		__atomic_compare_exchange_n(at, &mark, NULL, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

void conn_retire_range(unsigned int first, unsigned int last, uint8_t call)
{
	uint32_t limit = __atomic_load_n(&fd_limit, __ATOMIC_RELAXED);

	if (limit == 0 || !may_change())
		return;
	for (unsigned int fd = first; fd < limit && fd <= last; fd++)
		take_out((int)fd, NULL, call, true);
}

/* Puts a new conn into the entry of fd and tells of it. */
static struct conn *settle_in(int fd, uint8_t call, uint16_t flags, struct sight *sight, uint64_t t0,
			      uint64_t t1)
{
	struct conn **at = entry((unsigned int)fd, true), *none = NULL,
		    *conn = at == NULL ? NULL : slab_take();

	thread_ready();
	if (conn == NULL) {
		conn_count_untraced();
		return NULL;
	}
	describe(conn, sight);
	limit_raise((uint32_t)fd);
	if (!__atomic_compare_exchange_n(at, &none, conn, false, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE)) {
		drop(conn, fd, call, 0, false);
		return is_conn(none) ? none : NULL;
	}
	begin(conn, fd, call, flags, sight, t0, t1);
	return conn;
}

/* The entry of fd says what it is from now on; the reference is the entry's. */
static struct conn *enter_as(int fd, struct conn *conn, uint8_t call)
{
	struct conn **at = entry((unsigned int)fd, true), *none = NULL;

	if (at == NULL ||
	    !__atomic_compare_exchange_n(at, &none, conn, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
		if (is_conn(conn))
			drop(conn, fd, call, 0, false);
		return NULL;
	}
	limit_raise((uint32_t)fd);
	return is_conn(conn) ? conn : NULL;
}

struct conn *conn_open(int fd, uint8_t call, uint16_t flags, const struct sockaddr *to, uint32_t to_bytes,
		       uint64_t t0, uint64_t t1)
{
	struct sight sight;

	if (!may_change())
		return NULL;
	conn_forget(fd, call);
	if (endpoint_read(fd, to, to_bytes, &sight) < 0)
		return NULL;
	/* programs connect datagram sockets only to learn their address: its first use tells of it */
	if (sight.type == CONN_DATAGRAM && !thread_has_ring())
		return NULL;
	return settle_in(fd, call, flags, &sight, t0, t1);
}

void conn_open_event(int fd, uint8_t call)
{
	struct sight sight;
	uint64_t now;

	conn_forget(fd, call);
	if (fd < 0 || !may_change())
		return;
	if (!process_traced()) {
		enter_as(fd, &conn_event, call);
		return;
	}
	now = stamp_now();
	endpoint_event(&sight);
	settle_in(fd, call, 0, &sight, now, now);
}

void conn_open_pair(const int fds[2], uint8_t call, uint64_t t0, uint64_t t1)
{
	struct conn *conns[2] = {NULL, NULL};
	struct sight sights[2];

	for (int i = 0; i < 2; i++) {
		conn_forget(fds[i], call);
		/* a pair that is never used is no reason to record: its first use tells of it */
		if (thread_has_ring() && may_change() && endpoint_read(fds[i], NULL, 0, &sights[i]) == 0)
			conns[i] = settle_in(fds[i], call, RECORD_FLAG_PAIR, &sights[i], t0, t1);
	}
	if (conns[0] == NULL || conns[1] == NULL)
		return;
	conn_tell_peer(conns[0], call, sights[1].end.inode);
	conn_tell_peer(conns[1], call, sights[0].end.inode);
}

/* Another descriptor of the same socket, copied before we looked at either; with a reference for the
 * caller.
 */
static struct conn *find_copy(uint64_t cookie)
{
	uint32_t limit = __atomic_load_n(&fd_limit, __ATOMIC_RELAXED);

	for (uint32_t fd = 0; cookie != 0 && fd < limit; fd++) {
		struct conn *conn = conn_of((int)fd);
		uint32_t refs =
		    is_conn(conn) && CONN_GET(conn->type) != CONN_WAKE && CONN_GET(conn->cookie) == cookie
			? __atomic_load_n(&conn->refs, __ATOMIC_RELAXED)
			: 0;

		while (refs > 0)
			if (__atomic_compare_exchange_n(&conn->refs, &refs, refs + 1, false, __ATOMIC_ACQ_REL,
							__ATOMIC_RELAXED)) {
				if (CONN_GET(conn->cookie) == cookie)
					return conn;
				drop(conn, (int)fd, 0, 0, false); /* it went, and the next one came */
				break;
			}
	}
	return NULL;
}

/* fd was never looked at; or, as `before` says, when nobody recorded what it wakes. */
static struct conn *discover(int fd, const struct conn *before, uint8_t call)
{
	struct conn *conn;
	struct sight sight;
	uint64_t now;
	int r = conn_look(fd, before, &sight);

	if (r == -ENOTSOCK || r == -EPROTOTYPE)
		return enter_as(fd, &conn_none, call);
	if (r < 0 || process_is_vfork_child())
		return NULL;
	/* a pipe alone is no reason to record */
	if (sight.type == CONN_WAKE && !process_traced())
		return enter_as(fd, &conn_pipe, call);
	conn = sight.type == CONN_WAKE ? NULL : find_copy(sight.key);
	if (conn != NULL)
		return enter_as(fd, conn, call);
	now = stamp_now();
	return settle_in(fd, call, RECORD_FLAG_SEEN, &sight, now, now);
}

/* The process is recorded by now: what was asleep is looked at anew. */
static struct conn *wake_up(int fd, struct conn *asleep, uint8_t call)
{
	struct conn **at = entry((unsigned int)fd, false), *was = asleep;

	if (!process_traced() || at == NULL)
		return NULL;
	__atomic_compare_exchange_n(at, &was, NULL, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return discover(fd, asleep, call);
}

static __attribute__((noinline)) struct conn *enter(int fd, uint8_t call)
{
	struct conn *conn;
	struct sight sight;
	uint64_t now;

	if (__builtin_expect(!real_known, 0))
		real_resolve();
	if ((unsigned int)fd >= CONN_FAR_FDS || !process_check())
		return NULL;
	conn = conn_of(fd);
	if (conn == NULL)
		conn = discover(fd, NULL, call);
	else if (is_asleep(conn))
		conn = wake_up(fd, conn, call);
	if (!is_conn(conn) || (CONN_GET(conn->type) == CONN_WAKE && !process_traced()))
		return NULL;
	thread_ready();
	if (__atomic_load_n(&conn->id, __ATOMIC_ACQUIRE) != 0)
		return conn;
	/* inherited over fork: this process has a view of its own */
	if (conn_look(fd, conn, &sight) < 0 || process_is_vfork_child())
		return NULL;
	if (sight.end.family != ENDPOINT_EVENT && CONN_GET(conn->cookie) != sight.key)
		set_off(conn, 0, 0);
	now = stamp_now();
	begin(conn, fd, call, RECORD_FLAG_SEEN, &sight, now, now);
	return conn;
}

/* A pipeline that nobody records turns back here, before anything is saved. */
struct conn *conn_enter(int fd, uint8_t call)
{
	if (is_asleep(conn_of(fd)) && !process_traced())
		return NULL;
	return enter(fd, call);
}

void conn_copy(int from, int to, uint8_t call)
{
	struct conn *conn = conn_of(from), *none = NULL, **at;

	conn_forget(to, call);
	if (is_asleep(conn) && may_change())
		enter_as(to, conn, call);
	if (!is_conn(conn) || !may_change())
		return;
	at = entry((unsigned int)to, true);
	if (at == NULL)
		return;
	__atomic_fetch_add(&conn->refs, 1, __ATOMIC_RELAXED);
	limit_raise((uint32_t)to);
	if (!__atomic_compare_exchange_n(at, &none, conn, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		drop(conn, to, call, 0, false);
	else if (to <= STDERR_FILENO)
		conn_mark_partial(to, call);
}

/* ---- fork and exit ---- */

void conn_share_one(int fd)
{
	struct conn *conn = conn_of(fd);

	if (!is_conn(conn) || CONN_GET(conn->type) != CONN_STREAM)
		return;
	CONN_SET(conn->shared, 1);
	CONN_SET(conn->checks_left, TRUTH_SHARED_CHECKS);
	CONN_SET(conn->checked_at, 0);
}

void conn_share(void)
{
	uint32_t limit = __atomic_load_n(&fd_limit, __ATOMIC_RELAXED);

	for (uint32_t fd = 0; fd < limit; fd++)
		conn_share_one((int)fd);
}

void conn_after_fork(void)
{
	uint32_t limit = fd_limit;

	conn_share();
	for (uint32_t fd = 0; fd < limit; fd++) {
		struct conn *conn = conn_of((int)fd);

		/* a thread that is not here was about to close it; here it stays open */
		if (conn == &conn_closing)
			conn_closed((int)fd);
		if (!is_conn(conn))
			continue;
		CONN_SET(conn->id, 0);
		CONN_SET(conn->version, (conn->version | 1) + 1);
		CONN_SET(conn->way, CONN_NO_WAY);
		CONN_SET(conn->eof_told, 0);
		CONN_SET(conn->told, 0);
	}
}

void conn_close_all(void)
{
	uint32_t limit = __atomic_load_n(&fd_limit, __ATOMIC_RELAXED), asked = 0;

	for (uint32_t fd = 0; fd < limit; fd++) {
		struct conn *conn = conn_of((int)fd);

		/* a second descriptor of the same socket finds the id gone */
		if (!is_conn(conn) || !is_told(conn))
			continue;
		conn_tell_close(conn, (int)fd, 0, RECORD_FLAG_EXIT, asked++ < EXIT_CHECKS);
		__atomic_store_n(&conn->id, 0, __ATOMIC_RELAXED);
		__atomic_fetch_add(&conn->version, 2, __ATOMIC_RELEASE);
	}
}
