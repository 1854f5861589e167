// SPDX-License-Identifier: Apache-2.0
/*
 * tls.c - see tls.h. App's threads; only programs with TLS come here. No lock, no allocation but one mapping;
 * of the TLS library nothing is called but three functions that only read the session.
 *
 * The table is found by the session's address; who is there is decided by the random. A slot is taken by
 * compare-and-swap and given back when the session is freed; a session that is used again after that (it had
 * a second reference) finds its counters as they were.
 */
#include "preload/tls.h"

#include <errno.h>
#include <string.h>

#include "common/record.h"
#include "preload/config.h"
#include "preload/emit.h"
#include "preload/gate.h"
#include "preload/process.h"
#include "preload/stamp.h"
#include "preload/sys.h"
#include "preload/thread.h"

#define TLS_SLOTS	(1u << 15) /* a power of two: slot_first() shifts */
#define TLS_REACH	64u	   /* slots that are looked at from where the hash says */
#define TLS_DTLS_GNUTLS 200	   /* versions of DTLS begin there */

struct session {
	uintptr_t key; /* address of the library's object; 0: never used */
	uint64_t
	    teller; /* who told of it: pid in the high half, number of the conn in the low one; 0: nobody */
	uint64_t off[2]; /* by enum conn_way: plaintext moved */
	union {
		uint8_t random[TLS_RANDOM_BYTES];
		uint64_t random_words[TLS_RANDOM_BYTES / 8];
	};
	uint32_t burst_left;
	uint32_t opening; /* of the gate, in which it was told of */
	uint8_t freed;	  /* the slot may be given to another */
	uint8_t way;	  /* of the last bytes */
	uint8_t server;	  /* 1, 0; 2: the library does not say */
	uint8_t told;	  /* once at least, by this process or its parent */
	uint8_t zero[4];
};

_Static_assert(sizeof(struct session) == 80, "a session has no padding");

static struct session *table;
static bool tls_full; /* a session had no place, so a new one may not be new: it is left alone, too */

long tls_missing(void)
{
	errno = ENOSYS;
	return -1;
}

/* ---- the table ---- */

static struct session *table_get(void)
{
	struct session *have = __atomic_load_n(&table, __ATOMIC_ACQUIRE), *fresh;

	if (__builtin_expect(have != NULL, 1))
		return have;
	fresh = sys_map(TLS_SLOTS * sizeof *fresh);
	if (fresh == NULL)
		return NULL;
	if (__atomic_compare_exchange_n(&table, &have, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return fresh;
	sys_unmap(fresh, TLS_SLOTS * sizeof *fresh);
	return have;
}

static uint32_t slot_first(uintptr_t key)
{
	return (uint32_t)(key * 0x9e3779b97f4a7c15ull >> 49);
}

static struct session *slot_find(struct session *t, uintptr_t key)
{
	uint32_t first = slot_first(key);

	for (uint32_t i = 0; i < TLS_REACH; i++) {
		struct session *s = &t[(first + i) % TLS_SLOTS];
		uintptr_t found = __atomic_load_n(&s->key, __ATOMIC_ACQUIRE);

		if (found == key)
			return s;
		if (found == 0)
			return NULL;
	}
	return NULL;
}

/* A slot for a session that has none: a fresh one, or one whose session was freed. The same session may come
 * from a second thread at the same time: both look at the same slots in the same order. */
static struct session *slot_take(struct session *t, uintptr_t key)
{
	uint32_t first = slot_first(key);

	for (uint32_t i = 0; i < TLS_REACH; i++) {
		struct session *s = &t[(first + i) % TLS_SLOTS];
		uintptr_t found = __atomic_load_n(&s->key, __ATOMIC_ACQUIRE);

		if (found == key)
			return s;
		if (found != 0 && !__atomic_load_n(&s->freed, __ATOMIC_ACQUIRE))
			continue;
		if (__atomic_compare_exchange_n(&s->key, &found, key, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE)) {
			__atomic_store_n(&s->freed, 0, __ATOMIC_RELAXED);
			return s;
		}
		if (found == key)
			return s;
	}
	return NULL;
}

/* ---- who it is ---- */

/* The client random of a session over a stream; false for datagrams, and where there is none. */
static bool random_read(const struct tls_call *c, uint64_t random[TLS_RANDOM_BYTES / 8], uint8_t *server)
{
	const struct tls_library *l = c->library;
	struct tls_datum client = {NULL, 0}, other;

	if (c->name < CALL_gnutls_record_recv) {
		struct ssl_st *ssl = (struct ssl_st *)(uintptr_t)c->session;

		if (l->functions[TLS_SSL_get_client_random] == NULL ||
		    l->functions[TLS_SSL_is_server] == NULL || l->functions[TLS_SSL_is_dtls] == NULL ||
		    TLS_REAL(l, SSL_is_dtls)(ssl))
			return false;
		*server = TLS_REAL(l, SSL_is_server)(ssl) != 0;
		return TLS_REAL(l, SSL_get_client_random)(ssl, (unsigned char *)random, TLS_RANDOM_BYTES) ==
		       TLS_RANDOM_BYTES;
	}
	if (l->functions[TLS_gnutls_session_get_random] == NULL ||
	    l->functions[TLS_gnutls_protocol_get_version] == NULL ||
	    TLS_REAL(l, gnutls_protocol_get_version)((void *)(uintptr_t)c->session) >= TLS_DTLS_GNUTLS)
		return false;
	TLS_REAL(l, gnutls_session_get_random)((void *)(uintptr_t)c->session, &client, &other);
	if (client.data == NULL || client.size != TLS_RANDOM_BYTES)
		return false;
	memcpy(random, client.data, TLS_RANDOM_BYTES);
	*server = 2;
	return true;
}

static bool is_same(const struct session *s, const uint64_t random[TLS_RANDOM_BYTES / 8])
{
	uint64_t differs = 0;

	for (size_t i = 0; i < TLS_RANDOM_BYTES / 8; i++)
		differs |= s->random_words[i] ^ random[i];
	return differs == 0;
}

/* The session of a call that moved plaintext; NULL if it is not one that we record. */
static struct session *session_of(const struct tls_call *c)
{
	uint64_t random[TLS_RANDOM_BYTES / 8];
	struct session *t = table_get(), *s;
	uint8_t server = 0;

	if (t == NULL && !__atomic_exchange_n(&tls_full, true, __ATOMIC_RELAXED))
		conn_count_untraced();
	if (t == NULL || !random_read(c, random, &server))
		return NULL;
	s = slot_find(t, (uintptr_t)c->session);
	if (s == NULL && !__atomic_load_n(&tls_full, __ATOMIC_RELAXED)) {
		s = slot_take(t, (uintptr_t)c->session);
		if (s == NULL) {
			__atomic_store_n(&tls_full, true, __ATOMIC_RELAXED);
			conn_count_untraced();
		}
	}
	if (s == NULL)
		return NULL;
	if (!is_same(s, random)) {
		memcpy(s->random_words, random, TLS_RANDOM_BYTES);
		s->teller = 0;
		s->off[CONN_OUT] = s->off[CONN_IN] = 0;
		s->way = CONN_NO_WAY;
		s->server = server;
		s->told = 0;
	}
	__atomic_store_n(&s->freed, 0, __ATOMIC_RELAXED);
	return s;
}

/* ---- records ---- */

static uint32_t number_of(const struct session *s)
{
	uint64_t teller = __atomic_load_n(&s->teller, __ATOMIC_RELAXED);

	return teller >> 32 == process_pid() ? (uint32_t)teller : 0;
}

/* Gives the session a number in this process, if it has none, and tells of it; 0: not now. */
static uint32_t tell_session(struct session *s, const struct tls_call *c, uint64_t t1)
{
	uint64_t before = __atomic_load_n(&s->teller, __ATOMIC_RELAXED);
	uint32_t opening = gate_read();
	struct record *r = emit_begin(sizeof(struct tls_session));
	struct tls_session *data;

	if (r == NULL)
		return 0;
	/* a second thread may be telling of it, which is once too often but no lie */
	if (number_of(s) == 0)
		__atomic_compare_exchange_n(&s->teller, &before,
					    (uint64_t)process_pid() << 32 | conn_number(), false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	s->opening = opening;
	r->kind = RECORD_TLS;
	r->call = c->name;
	r->conn = number_of(s);
	r->t0 = c->t0;
	r->t1 = t1;
	if (s->server < 2)
		r->flags = s->server ? RECORD_FLAG_ACCEPT : RECORD_FLAG_CONNECT;
	if (s->told)
		r->flags |= RECORD_FLAG_SEEN;
	data = (struct tls_session *)(r + 1);
	memcpy(data->random, s->random, TLS_RANDOM_BYTES);
	data->off_in = s->off[CONN_IN];
	data->off_out = s->off[CONN_OUT];
	emit_commit(r);
	s->told = 1;
	return r->conn;
}

/* How much of n bytes is the head of a burst. */
static uint32_t take_head(struct session *s, const struct tls_call *c, size_t n, uint16_t *flags)
{
	uint32_t head;

	if (s->way != c->way) {
		bool asks = s->server < 2 && (c->way == CONN_OUT) == !s->server;

		s->way = c->way;
		s->burst_left = config_head_bytes[asks];
		*flags |= RECORD_FLAG_BURST;
	}
	head = n < s->burst_left ? (uint32_t)n : s->burst_left;
	s->burst_left -= head;
	return head;
}

void tls_done(const struct tls_call *c, ssize_t n, const void *bytes)
{
	struct session *s;
	struct record *r;
	uint16_t flags = 0;
	uint32_t head, number;
	uint64_t t1;

	if (c->name == CALL_none || n <= 0)
		return;
	t1 = stamp_now();
	s = session_of(c);
	if (s == NULL)
		return;
	head = take_head(s, c, (size_t)n, &flags);
	if (gate_is_shut()) { /* position is kept */
		emit_gated(c->t0);
		s->off[c->way] += (uint64_t)n;
		return;
	}
	if (bytes == NULL) {
		head = 0;
		flags |= RECORD_FLAG_NOCOPY;
	}
	/* plaintext alone does not begin a trace: it may have come from a file */
	number = process_traced() && thread_ready() ? number_of(s) : 0;
	if (thread_has_ring() && (number == 0 || !gate_knows(s->opening)))
		number = tell_session(s, c, t1);
	r = number != 0 ? emit_begin(head) : NULL;
	if (r != NULL) {
		r->kind = c->way == CONN_OUT ? RECORD_OUT : RECORD_IN;
		r->call = c->name;
		r->flags = flags;
		r->conn = number;
		r->len = (uint32_t)n;
		r->t0 = c->t0;
		r->t1 = t1;
		r->off = s->off[c->way];
		if (head > 0)
			memcpy(r + 1, bytes, head);
		emit_commit(r);
	}
	s->off[c->way] += (uint64_t)n;
}

extern const char __ehdr_start[] HIDDEN, _end[] HIDDEN; /* of this library; the linker's */

/* The library itself called, or left one of its functions for another by a jump: then it is called from a
 * wrapper. */
static bool is_inside(const struct tls_library *l, uintptr_t caller)
{
	return caller - l->start < l->end - l->start ||
	       caller - (uintptr_t)__ehdr_start < (uintptr_t)(_end - __ehdr_start);
}

struct tls_call tls_begin(enum tls_function function, enum call_name name, const void *session,
			  enum conn_way way, const void *caller)
{
	struct tls_call c = {.library = tls_find(function, session), .session = session};

	if (c.library == NULL || is_inside(c.library, (uintptr_t)caller) || !process_check() ||
	    config_get()->tls == CONFIG_TLS_OFF)
		return c;
	c.name = (uint8_t)name;
	c.way = (uint8_t)way;
	c.t0 = stamp_now();
	return c;
}

void tls_over(enum call_name name, const void *session)
{
	struct session *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
	struct session *s = t == NULL || session == NULL ? NULL : slot_find(t, (uintptr_t)session);
	struct counts *counts;
	struct record *r;

	if (s == NULL || __atomic_load_n(&s->freed, __ATOMIC_RELAXED) || !process_check())
		return;
	r = number_of(s) != 0 && gate_has_told(s->opening) && thread_has_ring() ? emit_begin(sizeof *counts)
										: NULL;
	if (r != NULL) {
		r->kind = RECORD_CLOSE;
		r->call = (uint8_t)name;
		r->conn = number_of(s);
		r->t0 = r->t1 = stamp_now();
		counts = (struct counts *)(r + 1);
		counts->out_seen = s->off[CONN_OUT];
		counts->in_seen = s->off[CONN_IN];
		counts->out_kernel = counts->in_kernel = COUNT_UNKNOWN;
		emit_commit(r);
	}
	__atomic_store_n(&s->teller, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&s->freed, 1, __ATOMIC_RELEASE);
}
