/* SPDX-License-Identifier: Apache-2.0 */
/*
 * real.h - the next definitions of the interposed calls: what a wrapper calls when it means the thing
 * itself. App's threads; hot. REAL(name) is one load and one test; it resolves everything when a
 * foreign constructor calls us before ours has run.
 *
 * Invariant: a signature is written once, as libc declares it; where no header declares it, here.
 */
#ifndef DPROF_REAL_H
#define DPROF_REAL_H

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

struct io_uring;
struct io_uring_params;

/* What programs built with _FORTIFY_SOURCE import, second names of libc's own, and what liburing has. */
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *addr,
		       socklen_t *addr_len);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list args);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
		size_t room);
ssize_t __read(int fd, void *buf, size_t len);
ssize_t __write(int fd, const void *buf, size_t len);
ssize_t __send(int fd, const void *buf, size_t len, int flags);
int __connect(int fd, const struct sockaddr *addr, socklen_t addr_len);
int __close(int fd);
int __dup2(int from, int to);
int __fcntl(int fd, int op, ...);
int __poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int io_uring_queue_init(unsigned int entries, struct io_uring *ring, unsigned int flags);
int io_uring_queue_init_params(unsigned int entries, struct io_uring *ring, struct io_uring_params *params);
int io_uring_queue_init_mem(unsigned int entries, struct io_uring *ring, struct io_uring_params *params,
			    void *memory, size_t bytes);
int io_uring_setup(unsigned int entries, struct io_uring_params *params);
int __select(int count, fd_set *in, fd_set *out, fd_set *odd, struct timeval *timeout);

struct real {
#define TLS_CALL(name, kind)
#define CALL(name, kind, need) __typeof__(&name) name;
#include "preload/calls.def"
};

/* The number of a call in records. 0 is none. */
enum call_name {
	CALL_none,
#define CALL(name, kind, need) CALL_##name,
#include "preload/calls.def"
	CALL_COUNT
};

extern struct real real_calls __attribute__((visibility("hidden")));

/* All of them are found. */
extern bool real_known __attribute__((visibility("hidden")));

/* Fills real_calls. Safe from any thread at any time, also inside itself; keeps errno. */
void real_resolve(void);

#define REAL(name)                                                                                           \
	(__builtin_expect(real_calls.name != NULL, 1) ? real_calls.name : (real_resolve(), real_calls.name))

/* The same where the table of descriptors or a ring was asked before: that comes after resolving. */
#define REAL_KNOWN(name) real_calls.name

/* Names of record.call from 0, NULL at the end: goes into the dump's header. */
extern const char *const real_names[];

#endif
