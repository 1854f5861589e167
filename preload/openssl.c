// SPDX-License-Identifier: Apache-2.0
/*
 * openssl.c - plaintext of OpenSSL 1.1 and 3, and of libraries with the same calls. App's threads; nothing
 * but wrappers. They are bound to only by programs that have a libssl of their own: see tls_find.h.
 *
 * No wrapper: SSL_peek (the bytes are still to come), early data (neither end counts it), BIO_read and
 * BIO_write on a BIO that is a session (libssl moves its bytes without these calls).
 * Invariant: one real call, its result and errno as they came, and the error queue untouched.
 */
#include "preload/tls.h"

EXPORT int SSL_read(struct ssl_st *ssl, void *buf, int len)
{
	struct tls_call c = TLS_BEGIN(SSL_read, ssl, CONN_IN);
	int n;

	if (c.library == NULL)
		return (int)tls_missing();
	n = TLS_REAL(c.library, SSL_read)(ssl, buf, len);
	tls_done(&c, n, buf);
	return n;
}

EXPORT int SSL_read_ex(struct ssl_st *ssl, void *buf, size_t len, size_t *moved)
{
	struct tls_call c = TLS_BEGIN(SSL_read_ex, ssl, CONN_IN);
	int right;

	if (c.library == NULL)
		return (int)tls_missing();
	right = TLS_REAL(c.library, SSL_read_ex)(ssl, buf, len, moved);
	if (right == 1)
		tls_done(&c, (ssize_t)*moved, buf);
	return right;
}

EXPORT int SSL_write(struct ssl_st *ssl, const void *buf, int len)
{
	struct tls_call c = TLS_BEGIN(SSL_write, ssl, CONN_OUT);
	int n;

	if (c.library == NULL)
		return (int)tls_missing();
	n = TLS_REAL(c.library, SSL_write)(ssl, buf, len);
	tls_done(&c, n, buf);
	return n;
}

EXPORT int SSL_write_ex(struct ssl_st *ssl, const void *buf, size_t len, size_t *moved)
{
	struct tls_call c = TLS_BEGIN(SSL_write_ex, ssl, CONN_OUT);
	int right;

	if (c.library == NULL)
		return (int)tls_missing();
	right = TLS_REAL(c.library, SSL_write_ex)(ssl, buf, len, moved);
	if (right == 1)
		tls_done(&c, (ssize_t)*moved, buf);
	return right;
}

/* Since OpenSSL 3.3. */
EXPORT int SSL_write_ex2(struct ssl_st *ssl, const void *buf, size_t len, uint64_t flags, size_t *moved)
{
	struct tls_call c = TLS_BEGIN(SSL_write_ex2, ssl, CONN_OUT);
	int right;

	if (c.library == NULL)
		return (int)tls_missing();
	right = TLS_REAL(c.library, SSL_write_ex2)(ssl, buf, len, flags, moved);
	if (right == 1)
		tls_done(&c, (ssize_t)*moved, buf);
	return right;
}

EXPORT ssize_t SSL_sendfile(struct ssl_st *ssl, int fd, off_t at, size_t len, int flags)
{
	struct tls_call c = TLS_BEGIN(SSL_sendfile, ssl, CONN_OUT);
	ssize_t n;

	if (c.library == NULL)
		return tls_missing();
	n = TLS_REAL(c.library, SSL_sendfile)(ssl, fd, at, len, flags);
	tls_done(&c, n, NULL);
	return n;
}

EXPORT int SSL_clear(struct ssl_st *ssl)
{
	const struct tls_library *library = tls_find(TLS_SSL_clear, ssl);

	if (library == NULL)
		return (int)tls_missing();
	tls_over(CALL_SSL_clear, ssl);
	return TLS_REAL(library, SSL_clear)(ssl);
}

EXPORT void SSL_free(struct ssl_st *ssl)
{
	const struct tls_library *library = tls_find(TLS_SSL_free, ssl);

	tls_over(CALL_SSL_free, ssl);
	if (library != NULL)
		TLS_REAL(library, SSL_free)(ssl);
}
