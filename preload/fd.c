// SPDX-License-Identifier: Apache-2.0
/*
 * fd.c - the calls that copy descriptors and give them up. App's threads, cold; on a descriptor that is no
 * stream socket they cost a look into the table.
 *
 * Invariants: a conn is retired before the real close, while the kernel can still be asked for its
 * counters; a descriptor that a call yields has no history. A vfork child changes its own table of
 * descriptors in our memory: conn.c leaves ours as it is there.
 */
#include "preload/fd.h"

#include <errno.h>
#include <linux/close_range.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/syscall.h>

#include "preload/call.h"
#include "preload/endpoint.h"
#include "preload/sys.h"
#include "preload/truth.h"

/* ---- give up ---- */

EXPORT int close(int fd)
{
	int r;

	conn_retire(fd, CALL_close);
	r = REAL(close)(fd);
	conn_closed(fd);
	return r;
}

EXPORT int __close(int fd)
{
	int r;

	conn_retire(fd, CALL___close);
	r = REAL(__close)(fd);
	conn_closed(fd);
	return r;
}

void fd_retire_range(unsigned int first, unsigned int last, int flags, uint8_t call)
{
	/* with UNSHARE the other threads keep theirs */
	if (!(flags & CLOSE_RANGE_CLOEXEC) && (!(flags & CLOSE_RANGE_UNSHARE) || !CONN_GET(thread_many)))
		conn_retire_range(first, last, call);
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	fd_retire_range(first, last, flags, CALL_close_range);
	return REAL(close_range)(first, last, flags);
}

EXPORT void closefrom(int first)
{
	conn_retire_range(first < 0 ? 0 : (unsigned int)first, ~0u, CALL_closefrom);
	REAL(closefrom)(first);
}

/* The descriptor of a stdio stream that is about to close; its buffer goes out first, so that the kernel's
 * counters are final when we ask. libc would flush it next anyway. */
static int file_retire(FILE *file, uint8_t call)
{
	int kept = errno, fd = fileno(file);
	const struct conn *conn = conn_of(fd);

	if (conn != NULL && CONN_GET(conn->counted))
		fflush(file);
	conn_retire(fd, call);
	errno = kept;
	return fd;
}

EXPORT int fclose(FILE *file)
{
	int fd = file_retire(file, CALL_fclose);
	int r = REAL(fclose)(file);

	conn_closed(fd);
	return r;
}

EXPORT FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict file)
{
	int fd = file_retire(file, CALL_freopen);
	FILE *r = REAL(freopen)(path, mode, file);

	conn_closed(fd);
	return r;
}

EXPORT FILE *freopen64(const char *restrict path, const char *restrict mode, FILE *restrict file)
{
	int fd = file_retire(file, CALL_freopen64);
	FILE *r = REAL(freopen64)(path, mode, file);

	conn_closed(fd);
	return r;
}

/* ---- copy ---- */

EXPORT int dup(int from)
{
	int to = REAL(dup)(from);

	if (to >= 0)
		conn_copy(from, to, CALL_dup);
	return to;
}

bool fd_replace_begin(int from, int to, uint8_t call)
{
	struct conn *conn = conn_of(to);

	if (from == to)
		return false;
	if (conn != NULL && CONN_GET(conn->id) != 0 && process_check() &&
	    sys_call(SYS_fcntl, from, F_GETFD) < 0)
		return false;
	conn_retire(to, call);
	return true;
}

void fd_replace_end(int from, int to, uint8_t call, int r)
{
	conn_closed(to);
	if (r >= 0)
		conn_copy(from, to, call);
}

EXPORT int dup2(int from, int to)
{
	bool replaces = fd_replace_begin(from, to, CALL_dup2);
	int r = REAL(dup2)(from, to);

	if (replaces)
		fd_replace_end(from, to, CALL_dup2, r);
	return r;
}

EXPORT int __dup2(int from, int to)
{
	bool replaces = fd_replace_begin(from, to, CALL___dup2);
	int r = REAL(__dup2)(from, to);

	if (replaces)
		fd_replace_end(from, to, CALL___dup2, r);
	return r;
}

EXPORT int dup3(int from, int to, int flags)
{
	bool replaces = fd_replace_begin(from, to, CALL_dup3);
	int r = REAL(dup3)(from, to, flags);

	if (replaces)
		fd_replace_end(from, to, CALL_dup3, r);
	return r;
}

static void fd_controlled(int fd, int op, int r, uint8_t call)
{
	if (r >= 0 && (op == F_DUPFD || op == F_DUPFD_CLOEXEC))
		conn_copy(fd, r, call);
}

/* The third argument is an int or a pointer, or is not there: a register either way, handed on as it is. */
EXPORT int fcntl(int fd, int op, ...)
{
	va_list args;
	void *arg;
	int r;

	va_start(args, op);
	arg = va_arg(args, void *);
	va_end(args);
	r = REAL(fcntl)(fd, op, arg);
	fd_controlled(fd, op, r, CALL_fcntl);
	return r;
}

EXPORT int fcntl64(int fd, int op, ...)
{
	va_list args;
	void *arg;
	int r;

	va_start(args, op);
	arg = va_arg(args, void *);
	va_end(args);
	r = REAL(fcntl64)(fd, op, arg);
	fd_controlled(fd, op, r, CALL_fcntl64);
	return r;
}

EXPORT int __fcntl(int fd, int op, ...)
{
	va_list args;
	void *arg;
	int r;

	va_start(args, op);
	arg = va_arg(args, void *);
	va_end(args);
	r = REAL(__fcntl)(fd, op, arg);
	fd_controlled(fd, op, r, CALL___fcntl);
	return r;
}

/* ---- yield ---- */

/* libc's stdout itself: the variable `stdout` is the program's. */
extern FILE _IO_2_1_stdout_;

/*
 * What a program has as stdin, stdout or stderr it may use through stdio alone, which passes us by. Where
 * that is TCP (inetd) it is a server: it is recorded from here on, and the kernel's counters say how much
 * there was.
 */
__attribute__((constructor(103))) static void fd_start(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (endpoint_is_tcp(fd) && process_check())
			conn_enter(fd, CALL_none);
}

/* What is in stdout's buffer goes out after our last word. */
__attribute__((destructor(103))) static void fd_end(void)
{
	size_t left = __fpending(&_IO_2_1_stdout_);
	int fd = left == 0 ? -1 : _IO_2_1_stdout_._fileno;
	struct conn *conn = conn_of(fd);

	if (conn != NULL && CONN_GET(conn->id) != 0 && thread_has_ring() && !process_is_vfork_child())
		truth_foretell(conn, fd, left, stamp_now());
}

/* stdio's own reads and writes pass us by: tell of the connection now, so that what the kernel counted
 * when it closes shows how much that was. */
EXPORT FILE *fdopen(int fd, const char *mode)
{
	FILE *file = REAL(fdopen)(fd, mode);

	if (file != NULL && conn_of(fd) != &conn_none && conn_enter(fd, CALL_fdopen) != NULL)
		conn_mark_partial(fd, CALL_fdopen);
	return file;
}

EXPORT int pipe(int ends[2])
{
	int r = REAL(pipe)(ends);

	if (r == 0) {
		conn_forget(ends[0], CALL_pipe);
		conn_forget(ends[1], CALL_pipe);
	}
	return r;
}

EXPORT int pipe2(int ends[2], int flags)
{
	int r = REAL(pipe2)(ends, flags);

	if (r == 0) {
		conn_forget(ends[0], CALL_pipe2);
		conn_forget(ends[1], CALL_pipe2);
	}
	return r;
}

EXPORT int eventfd(unsigned int value, int flags)
{
	int fd = REAL(eventfd)(value, flags);

	conn_open_event(fd, CALL_eventfd);
	return fd;
}

EXPORT int epoll_create(int size)
{
	int fd = REAL(epoll_create)(size);

	conn_forget(fd, CALL_epoll_create);
	return fd;
}

EXPORT int epoll_create1(int flags)
{
	int fd = REAL(epoll_create1)(flags);

	conn_forget(fd, CALL_epoll_create1);
	return fd;
}

/* Each descriptor in a message's SCM_RIGHTS. */
static void each_right(const struct msghdr *msg, uint8_t call, void (*tell)(int fd, uint8_t call))
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(msg); part != NULL;
	     part = CMSG_NXTHDR((struct msghdr *)msg, part)) {
		size_t bytes = part->cmsg_len - CMSG_LEN(0);
		int fd;

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS ||
		    part->cmsg_len < CMSG_LEN(0))
			continue;
		for (size_t i = 0; i + sizeof fd <= bytes; i += sizeof fd) {
			memcpy(&fd, CMSG_DATA(part) + i, sizeof fd);
			tell(fd, call);
		}
	}
}

void fd_passed(const struct msghdr *msg, uint8_t call)
{
	each_right(msg, call, conn_forget);
}

static void share(int fd, uint8_t call)
{
	(void)call;
	conn_share_one(fd);
}

void fd_given(const struct msghdr *msg)
{
	each_right(msg, CALL_none, share);
}
