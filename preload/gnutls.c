// SPDX-License-Identifier: Apache-2.0
/*
 * gnutls.c - plaintext of GnuTLS. App's threads; nothing but wrappers: see tls_find.h for whom they are bound
 * to.
 *
 * A send that is corked counts when it is accepted, as a write into a socket does. No wrapper: early data
 * (neither end counts it). Invariant: one real call, its result and errno as they came.
 */
#include "preload/tls.h"

EXPORT ssize_t gnutls_record_recv(struct gnutls_session_int *s, void *buf, size_t len)
{
	struct tls_call c = TLS_BEGIN(gnutls_record_recv, s, CONN_IN);
	ssize_t n;

	if (c.library == NULL)
		return tls_missing();
	n = TLS_REAL(c.library, gnutls_record_recv)(s, buf, len);
	tls_done(&c, n, buf);
	return n;
}

EXPORT ssize_t gnutls_record_recv_seq(struct gnutls_session_int *s, void *buf, size_t len, unsigned char *seq)
{
	struct tls_call c = TLS_BEGIN(gnutls_record_recv_seq, s, CONN_IN);
	ssize_t n;

	if (c.library == NULL)
		return tls_missing();
	n = TLS_REAL(c.library, gnutls_record_recv_seq)(s, buf, len, seq);
	tls_done(&c, n, buf);
	return n;
}

EXPORT ssize_t gnutls_record_recv_packet(struct gnutls_session_int *s, struct api_packet_st **packet)
{
	struct tls_call c = TLS_BEGIN(gnutls_record_recv_packet, s, CONN_IN);
	struct tls_datum data = {NULL, 0};
	ssize_t n;

	if (c.library == NULL)
		return tls_missing();
	n = TLS_REAL(c.library, gnutls_record_recv_packet)(s, packet);
	if (n > 0 && c.library->functions[TLS_gnutls_packet_get] != NULL)
		TLS_REAL(c.library, gnutls_packet_get)(*packet, &data, NULL);
	tls_done(&c, n, data.size == (size_t)n ? data.data : NULL);
	return n;
}

EXPORT ssize_t gnutls_record_send(struct gnutls_session_int *s, const void *buf, size_t len)
{
	struct tls_call c = TLS_BEGIN(gnutls_record_send, s, CONN_OUT);
	ssize_t n;

	if (c.library == NULL)
		return tls_missing();
	n = TLS_REAL(c.library, gnutls_record_send)(s, buf, len);
	tls_done(&c, n, buf);
	return n;
}

EXPORT ssize_t gnutls_record_send2(struct gnutls_session_int *s, const void *buf, size_t len, size_t pad,
				   unsigned int flags)
{
	struct tls_call c = TLS_BEGIN(gnutls_record_send2, s, CONN_OUT);
	ssize_t n;

	if (c.library == NULL)
		return tls_missing();
	n = TLS_REAL(c.library, gnutls_record_send2)(s, buf, len, pad, flags);
	tls_done(&c, n, buf);
	return n;
}

EXPORT ssize_t gnutls_record_send_range(struct gnutls_session_int *s, const void *buf, size_t len,
					const struct gnutls_range_st *range)
{
	struct tls_call c = TLS_BEGIN(gnutls_record_send_range, s, CONN_OUT);
	ssize_t n;

	if (c.library == NULL)
		return tls_missing();
	n = TLS_REAL(c.library, gnutls_record_send_range)(s, buf, len, range);
	tls_done(&c, n, buf);
	return n;
}

EXPORT ssize_t gnutls_record_send_file(struct gnutls_session_int *s, int fd, off_t *at, size_t len)
{
	struct tls_call c = TLS_BEGIN(gnutls_record_send_file, s, CONN_OUT);
	ssize_t n;

	if (c.library == NULL)
		return tls_missing();
	n = TLS_REAL(c.library, gnutls_record_send_file)(s, fd, at, len);
	tls_done(&c, n, NULL);
	return n;
}

EXPORT void gnutls_deinit(struct gnutls_session_int *s)
{
	const struct tls_library *library = tls_find(TLS_gnutls_deinit, s);

	tls_over(CALL_gnutls_deinit, s);
	if (library != NULL)
		TLS_REAL(library, gnutls_deinit)(s);
}
