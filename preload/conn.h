/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.h - from a descriptor to its connection: identity, and how many bytes went each way. App's
 * threads. The lookup and the counters are hot; opening, closing and checking are cold (raw syscalls).
 *
 * The table holds a pointer per descriptor; dup makes two descriptors point to one conn. Conns live in
 * a slab and are never unmapped, so a call that outlives its conn reads old memory, not lost memory.
 *
 * Invariants: `version` changes whenever the id or the counters are set anew, so a call that finds
 * another version than at its entry was overtaken. Offsets are claimed after the call returned:
 * when two threads move bytes the same way at once, the order is that of return, and the one that finds
 * the counter moved says so (RACE). A close retires the conn before the real call.
 */
#ifndef DPROF_CONN_H
#define DPROF_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

enum conn_way { CONN_OUT, CONN_IN, CONN_NO_WAY };

/* What a descriptor is to us; the first three as in enum endpoint_type. All but streams take the cold way of
 * packet.c, which costs streams nothing: see CONN_ALWAYS. */
enum conn_type { CONN_STREAM, CONN_DATAGRAM, CONN_SEQPACKET, CONN_WAKE };

struct conn {
	union {
		struct {
			uint32_t
			    id; /* of records; 0: this process has not told of it (fresh, inherited, freed) */
			uint32_t version; /* odd while the counters are set; never set back, not even for
					     the slab's next user */
		};
		uint64_t now; /* both: the hot path compares them at once */
	};
	uint64_t off[2];     /* by enum conn_way: bytes moved by the holders of the socket */
	uint64_t checked_at; /* stamp of the last look at the kernel's counters; 0: look at the next call */
	uint32_t
	    burst_left;	 /* bytes of this burst still to be copied; no stream: when packet.c looked last */
	uint32_t refs;	 /* descriptors */
	uint64_t cookie; /* tells a stale entry from what took its number: see struct sight */
	uint32_t number; /* place in the slab */
	union {
		uint32_t next_free;
		uint32_t told; /* opening of the gate in which its OPEN record was made (gate.h); 0: none */
	};
	uint8_t way;	     /* of the last bytes */
	uint8_t family;	     /* enum endpoint_family */
	uint8_t counted;     /* the kernel's counters are those of the program: TCP with no codec on top */
	uint8_t checks_left; /* calls that must look, because somebody else moves bytes too */
	uint8_t connecting;  /* connect said EINPROGRESS */
	uint8_t eof_told;
	uint8_t asks; /* enum conn_way of what goes to the side that accepted */
	uint8_t type; /* enum conn_type */
	/* cold: by way, what the last resync skipped: bytes that a call under way may yet tell of */
	uint64_t hole_begin[2] __attribute__((aligned(64)));
	uint64_t hole_end[2];
	uint8_t racing[2]; /* by way: threads move bytes at once, so the kernel is ahead of us for no other
			      reason */
	uint8_t shared;	   /* others were given the socket: look more often */
};

_Static_assert(offsetof(struct conn, hole_begin) == 64, "what is hot of a conn is one cache line");

#define CONN_ALWAYS                                                                                          \
	(1ull << 63) /* checked_at of what is no stream: always due, so no call takes the hot way */

#define CONN_NEAR_FDS  4096u
#define CONN_FAR_FDS   (1u << 20)
#define CONN_FAR_CHUNK 4096u

/* Found without a detour over the table of global offsets. */
#define HIDDEN __attribute__((visibility("hidden")))

/* What the table holds beside conns. NULL: not looked at yet. */
extern struct conn conn_none HIDDEN;	/* nothing that we record */
extern struct conn conn_closing HIDDEN; /* between retirement and the real close */
/* Pipes and eventfds of a process that was not recorded when they were met. */
extern struct conn conn_pipe HIDDEN;
extern struct conn conn_event HIDDEN;

extern struct conn *conn_near[CONN_NEAR_FDS] HIDDEN;
extern struct conn **conn_far[CONN_FAR_FDS / CONN_FAR_CHUNK] HIDDEN;

/* Fields that threads share without an order between them: a stale head length is none the worse. */
#define CONN_GET(field)	       __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define CONN_SET(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELAXED)

static inline struct conn *conn_of(int fd)
{
	struct conn **chunk;

	if (__builtin_expect((unsigned int)fd < CONN_NEAR_FDS, 1))
		return __atomic_load_n(&conn_near[fd], __ATOMIC_ACQUIRE);
	if ((unsigned int)fd >= CONN_FAR_FDS)
		return NULL;
	chunk = __atomic_load_n(&conn_far[(unsigned int)fd / CONN_FAR_CHUNK], __ATOMIC_ACQUIRE);
	return chunk == NULL ? NULL
			     : __atomic_load_n(&chunk[(unsigned int)fd % CONN_FAR_CHUNK], __ATOMIC_ACQUIRE);
}

/* The conn to account a call on fd to, told of in this thread's ring; NULL: none. */
struct conn *conn_enter(int fd, uint8_t call);

/* A connection appeared on fd by `call`: flags is RECORD_FLAG_CONNECT, ACCEPT or PAIR. `to` is what connect
 * was given. NULL if it is none that we trace, or one that only its first use makes worth recording. */
struct conn *conn_open(int fd, uint8_t call, uint16_t flags, const struct sockaddr *to, uint32_t to_bytes,
		       uint64_t t0, uint64_t t1);

/* socketpair made two ends of one connection. */
void conn_open_pair(const int fds[2], uint8_t call, uint64_t t0, uint64_t t1);

/* fd is about to be closed; then: it was. Between the two the number belongs to nobody. */
void conn_retire(int fd, uint8_t call);
void conn_closed(int fd);
void conn_retire_range(unsigned int first, unsigned int last, uint8_t call);

/* A call yielded fd: whatever the table still says of that number is stale. */
void conn_forget(int fd, uint8_t call);

/* `to` is now a second number for what `from` is. */
void conn_copy(int from, int to, uint8_t call);

/* The socket stays, its connection is over (connect to AF_UNSPEC, a failed connect). */
void conn_over(int fd, uint8_t call);

/* The program forked: this process holds its sockets together with another one. */
void conn_share(void);

/* The program sent fd to another process. */
void conn_share_one(int fd);
void conn_after_fork(void); /* the same, in the child */

/* The process ends: a CLOSE record with flag EXIT for each open conn. */
void conn_close_all(void);

/* Connections that could not be traced because there was no place for them. */
uint64_t conn_untraced(void);
void conn_count_untraced(void);

/* The number of a new conn, for records; for what is a connection and no descriptor (tls.c). */
uint32_t conn_number(void);

/* eventfd() made it. Nothing but the call tells an eventfd from other nameless files; if the process is
 * recorded it gets its number now, before a fork shares it. */
void conn_open_event(int fd, uint8_t call);

/* stdio holds the socket too, and its reads and writes pass us by. */
void conn_mark_partial(int fd, uint8_t call);

/* Tells of the conn again: its OPEN record was dropped, or made before the gate was shut, or there
 * is more to say. */
void conn_tell_again(struct conn *conn, int fd, uint8_t call, uint16_t flags);

#endif
