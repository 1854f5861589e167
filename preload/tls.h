/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.h - sessions of TLS, and what passes through them as plaintext. App's threads. A session is a conn of
 * its own: it has a number, and plaintext offsets each way from the handshake on. What carries it is seen as
 * ciphertext by the wrappers of the socket calls, as ever.
 *
 * A session is known by its client random: 32 bytes that both ends have and that the ClientHello shows on the
 * wire. So neither a descriptor nor a BIO has to be asked: memory BIOs, custom ones and TLS inside TLS are
 * found by the analyzer like the rest. Invariant: an offset is right, or the session is not recorded.
 */
#ifndef DPROF_TLS_H
#define DPROF_TLS_H

#include "preload/conn.h"
#include "preload/tls_find.h"

struct tls_call {
	const struct tls_library *library; /* NULL: there is none; the call cannot be made */
	const void *session;
	uint64_t t0;
	uint8_t name; /* enum call_name; 0: leave this call alone */
	uint8_t way;  /* enum conn_way */
};

/* Before the real call. Libraries call some of their own functions by these names: that is no call of the
 * program, and left alone. */
struct tls_call tls_begin(enum tls_function function, enum call_name name, const void *session,
			  enum conn_way way, const void *caller);

#define TLS_BEGIN(name, session, way)                                                                        \
	tls_begin(TLS_##name, CALL_##name, session, way, __builtin_return_address(0))

/* n bytes of plaintext were moved, which are at `bytes` (NULL: not in the program's memory). */
void tls_done(const struct tls_call *c, ssize_t n, const void *bytes);

/* The session is about to be freed, or to be used again from the start. */
void tls_over(enum call_name name, const void *session);

/* What a wrapper returns that has nothing to call. */
long tls_missing(void);

#endif
