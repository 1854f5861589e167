// SPDX-License-Identifier: Apache-2.0
/*
 * endpoint.c - what a descriptor is, and who is at both ends of a socket. App's threads, cold: one raw
 * syscall for a file, half a dozen for a socket, once per descriptor. No libc call, so errno stays the
 * program's.
 *
 * Invariant: addresses come out in one form, whatever family the program used: an IPv4 address is
 * IPv4 also when it came mapped into IPv6 (JVM, gRPC), so both ends of a connection agree.
 */
#include "preload/endpoint.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "preload/conn.h"
#include "preload/seccomp.h"
#include "preload/sys.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_storage room;
};

static int option_read(int fd, int name, int *value)
{
	socklen_t len = sizeof *value;

	return (int)sys_call(SYS_getsockopt, fd, SOL_SOCKET, name, value, &len);
}

uint64_t endpoint_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof cookie;

	return sys_call(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Takes one internet address apart; true if it is IPv4. */
static bool internet_read(const union address *a, uint8_t addr[16], uint16_t *port)
{
	memset(addr, 0, 16);
	if (a->any.sa_family == AF_INET) {
		memcpy(addr, &a->in.sin_addr, 4);
		*port = __builtin_bswap16(a->in.sin_port);
		return true;
	}
	*port = __builtin_bswap16(a->in6.sin6_port);
	if (memcmp(&a->in6.sin6_addr, mapped_prefix, sizeof mapped_prefix) == 0) {
		memcpy(addr, (const uint8_t *)&a->in6.sin6_addr + 12, 4);
		return true;
	}
	memcpy(addr, &a->in6.sin6_addr, 16);
	return false;
}

/* An IPv4 address in the form it has among IPv6 addresses. */
static void map_address(uint8_t addr[16])
{
	uint8_t plain[4];

	memcpy(plain, addr, 4);
	memcpy(addr, mapped_prefix, 12);
	memcpy(addr + 12, plain, 4);
}

static void internet_ends(struct sight *s, const union address *local, const union address *remote,
			  bool connected)
{
	static const uint8_t nowhere[16];
	struct endpoint *e = &s->end;
	bool local4 = internet_read(local, e->local_addr, &e->local_port);
	bool remote4 = internet_read(remote, e->remote_addr, &e->remote_port);

	/* connect to 0.0.0.0 or :: means this host; the kernel picked the local address for that way */
	if (connected && memcmp(e->remote_addr, nowhere, 16) == 0) {
		memcpy(e->remote_addr, e->local_addr, 16);
		remote4 = local4;
	}
	if (!connected)
		remote4 = local4;
	if (local4 && !remote4)
		map_address(e->local_addr);
	if (remote4 && !local4)
		map_address(e->remote_addr);
	e->family = local4 && remote4 ? ENDPOINT_IPV4 : ENDPOINT_IPV6;
}

/* The path that names a unix socket; abstract names keep their leading NUL. 0 if it has none. */
static uint32_t unix_path(const union address *a, uint32_t bytes, char path[ENDPOINT_PATH_BYTES])
{
	uint32_t len;

	if (bytes <= offsetof(struct sockaddr_un, sun_path))
		return 0;
	len = bytes - (uint32_t)offsetof(struct sockaddr_un, sun_path);
	if (len > ENDPOINT_PATH_BYTES)
		len = ENDPOINT_PATH_BYTES;
	while (len > 0 && a->un.sun_path[0] != '\0' && a->un.sun_path[len - 1] == '\0')
		len--;
	memcpy(path, a->un.sun_path, len);
	return len;
}

static void unix_ends(int fd, struct sight *s, const union address *local, uint32_t local_bytes,
		      const union address *remote, uint32_t remote_bytes)
{
	struct ucred peer = {0};
	socklen_t len = sizeof peer;

	s->end.family = ENDPOINT_UNIX;
	s->end.path_bytes = unix_path(remote, remote_bytes, s->path);
	if (s->end.path_bytes == 0)
		s->end.path_bytes = unix_path(local, local_bytes, s->path);
	if (sys_call(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid > 0)
		s->end.peer_pid = (uint32_t)peer.pid;
}

uint64_t endpoint_pipe(int fd)
{
	struct stat st;

	return sys_call(SYS_fstat, fd, &st) == 0 && S_ISFIFO(st.st_mode) ? st.st_ino : 0;
}

bool endpoint_is_tcp(int fd)
{
	struct stat st;
	struct sight s;

	return sys_call(SYS_fstat, fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       endpoint_read(fd, NULL, 0, &s) == 0 && s.counted;
}

void endpoint_event(struct sight *s)
{
	*s = (struct sight){.end = {.family = ENDPOINT_EVENT}, .type = CONN_WAKE};
}

bool endpoint_is_nameless(int fd)
{
	struct stat st;

	return sys_call(SYS_fstat, fd, &st) == 0 && (st.st_mode & S_IFMT) == 0;
}

/* Is it a socket of a kind that we trace? `type` is SOCK_*. */
static int socket_check(int fd, int type, sa_family_t family, struct sight *s)
{
	int protocol = 0;

	s->type = type == SOCK_STREAM ? CONN_STREAM : type == SOCK_DGRAM ? CONN_DATAGRAM : CONN_SEQPACKET;
	s->end.type = s->type;
	if (family == AF_UNIX)
		return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET ? 0 : -EPROTOTYPE;
	if ((family != AF_INET && family != AF_INET6) || (type != SOCK_STREAM && type != SOCK_DGRAM))
		return -EPROTOTYPE;
	if (option_read(fd, SO_PROTOCOL, &protocol) < 0)
		protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
	s->counted = protocol == IPPROTO_TCP;
	return protocol == (type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP) || protocol == IPPROTO_MPTCP
		   ? 0
		   : -EPROTOTYPE;
}

static bool network_left;

void endpoint_leave_network(void)
{
	__atomic_store_n(&network_left, true, __ATOMIC_RELAXED);
}

/* The network that this thread is in, and so what it opens or accepts; 0: that of the dump's header. */
static uint64_t network_of_thread(void)
{
	struct stat st;

	if (!__atomic_load_n(&network_left, __ATOMIC_RELAXED) || !seccomp_allows(SECCOMP_PAUSE) ||
	    sys_call(SYS_stat, "/proc/thread-self/ns/net", &st) < 0)
		return 0;
	return st.st_ino;
}

/* Also of a connection that was reset before we looked, which has no peer any more for getpeername: what it
 * received is still there to be read. */
static int peer_read(int fd, const union address *local, union address *remote, socklen_t *bytes)
{
	int r = (int)sys_call(SYS_getpeername, fd, remote, bytes);

	if (r != -ENOTCONN || local->any.sa_family == AF_UNIX)
		return r;
	*bytes = local->any.sa_family == AF_INET ? sizeof remote->in : sizeof remote->in6;
	return (int)sys_call(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERNAME, remote, bytes);
}

static int socket_read(int fd, const struct sockaddr *to, uint32_t to_bytes, struct sight *s)
{
	union address local = {0}, remote = {0};
	socklen_t local_bytes = sizeof local, remote_bytes = sizeof remote;
	int type, r;

	r = option_read(fd, SO_TYPE, &type);
	if (r == 0)
		r = (int)sys_call(SYS_getsockname, fd, &local, &local_bytes);
	if (r == 0)
		r = socket_check(fd, type, local.any.sa_family, s);
	if (r < 0)
		return r;
	r = peer_read(fd, &local, &remote, &remote_bytes);
	if (r < 0 && to != NULL && to_bytes <= sizeof remote) {
		memcpy(&remote, to, to_bytes);
		remote_bytes = to_bytes;
	} else if (r < 0 && s->type == CONN_DATAGRAM) {
		remote.any.sa_family = local.any.sa_family; /* each has its own address */
		remote_bytes = 0;
	} else if (r < 0) {
		return -ENOTCONN;
	}
	if (local.any.sa_family == AF_UNIX)
		unix_ends(fd, s, &local, local_bytes, &remote, remote_bytes);
	else
		internet_ends(s, &local, &remote, remote_bytes > 0);
	if (local.any.sa_family != AF_UNIX)
		s->end.netns = network_of_thread();
	s->key = s->end.cookie = endpoint_cookie(fd);
	return 0;
}

int endpoint_read(int fd, const struct sockaddr *to, uint32_t to_bytes, struct sight *s)
{
	struct stat st;
	int r;

	memset(&s->end, 0, sizeof s->end);
	s->counted = false;
	s->key = 0;
	r = (int)sys_call(SYS_fstat, fd, &st);
	if (r < 0)
		return r;
	s->end.inode = st.st_ino;
	if (S_ISSOCK(st.st_mode))
		return socket_read(fd, to, to_bytes, s);
	if (!S_ISFIFO(st.st_mode))
		return -ENOTSOCK;
	s->end.family = ENDPOINT_PIPE;
	s->end.cookie = st.st_dev;
	s->key = st.st_ino;
	s->type = CONN_WAKE;
	return 0;
}

/* FNV-1a: what a path is known by where there is no room for it. 0: it has none. */
static uint64_t unix_hash(const union address *a, uint32_t bytes)
{
	char path[ENDPOINT_PATH_BYTES];
	uint32_t n = unix_path(a, bytes, path);
	uint64_t hash = 0xcbf29ce484222325u;

	for (uint32_t i = 0; i < n; i++)
		hash = (hash ^ (uint8_t)path[i]) * 0x100000001b3u;
	return n > 0 ? hash : 0;
}

void endpoint_name(const void *address, uint32_t bytes, struct datagram *to)
{
	const union address *a = address;
	uint64_t hash;

	memset(to, 0, sizeof *to);
	if (address == NULL || bytes < sizeof a->any.sa_family)
		return;
	if (a->any.sa_family == AF_UNIX) {
		to->family = ENDPOINT_UNIX;
		hash = unix_hash(a, bytes);
		memcpy(to->addr, &hash, sizeof hash);
	} else if ((a->any.sa_family == AF_INET && bytes >= offsetof(struct sockaddr_in, sin_zero)) ||
		   (a->any.sa_family == AF_INET6 && bytes >= offsetof(struct sockaddr_in6, sin6_scope_id))) {
		to->family = internet_read(a, to->addr, &to->port) ? ENDPOINT_IPV4 : ENDPOINT_IPV6;
	}
}
