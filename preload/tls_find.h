/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_find.h - the TLS library that a session belongs to, and its functions. App's threads. A program may
 * have several (two versions of OpenSSL, a module with one of its own), come late (dlopen), where RTLD_NEXT
 * does not look, and go again. So nobody is asked by name: a session points into the library that made it.
 *
 * Invariant: no library is loaded, held or called here, and nothing of the dynamic linker's state changes.
 */
#ifndef DPROF_TLS_FIND_H
#define DPROF_TLS_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "preload/real.h"

/* As the libraries declare them; their headers need not be there when we are built. */
struct ssl_st;
struct gnutls_session_int;
struct gnutls_range_st;
struct api_packet_st;
struct tls_datum {
	unsigned char *data;
	unsigned int size;
};

int SSL_read(struct ssl_st *ssl, void *buf, int len);
int SSL_read_ex(struct ssl_st *ssl, void *buf, size_t len, size_t *moved);
int SSL_write(struct ssl_st *ssl, const void *buf, int len);
int SSL_write_ex(struct ssl_st *ssl, const void *buf, size_t len, size_t *moved);
int SSL_write_ex2(struct ssl_st *ssl, const void *buf, size_t len, uint64_t flags, size_t *moved);
ssize_t SSL_sendfile(struct ssl_st *ssl, int fd, off_t at, size_t len, int flags);
int SSL_clear(struct ssl_st *ssl);
void SSL_free(struct ssl_st *ssl);
size_t SSL_get_client_random(const struct ssl_st *ssl, unsigned char *to, size_t len);
int SSL_is_server(const struct ssl_st *ssl);
int SSL_is_dtls(const struct ssl_st *ssl);

ssize_t gnutls_record_recv(struct gnutls_session_int *s, void *buf, size_t len);
ssize_t gnutls_record_recv_seq(struct gnutls_session_int *s, void *buf, size_t len, unsigned char *seq);
ssize_t gnutls_record_recv_packet(struct gnutls_session_int *s, struct api_packet_st **packet);
ssize_t gnutls_record_send(struct gnutls_session_int *s, const void *buf, size_t len);
ssize_t gnutls_record_send2(struct gnutls_session_int *s, const void *buf, size_t len, size_t pad,
			    unsigned int flags);
ssize_t gnutls_record_send_range(struct gnutls_session_int *s, const void *buf, size_t len,
				 const struct gnutls_range_st *range);
ssize_t gnutls_record_send_file(struct gnutls_session_int *s, int fd, off_t *at, size_t len);
void gnutls_deinit(struct gnutls_session_int *s);
void gnutls_packet_get(struct api_packet_st *packet, struct tls_datum *data, unsigned char *seq);
void gnutls_session_get_random(struct gnutls_session_int *s, struct tls_datum *client,
			       struct tls_datum *server);
int gnutls_protocol_get_version(struct gnutls_session_int *s);

/* What we call besides the rows of calls.def. */
#define TLS_HELPERS(HELPER)                                                                                  \
	HELPER(SSL_get_client_random)                                                                        \
	HELPER(SSL_is_server)                                                                                \
	HELPER(SSL_is_dtls)                                                                                  \
	HELPER(gnutls_packet_get)                                                                            \
	HELPER(gnutls_session_get_random)                                                                    \
	HELPER(gnutls_protocol_get_version)

#define TLS_CALL(name, kind) TLS_##name,
#define TLS_ENUM(name)	     TLS_##name,
enum tls_function {
#include "preload/calls.def"
	TLS_HELPERS(TLS_ENUM) TLS_FUNCTIONS
};
#undef TLS_ENUM

/* One loaded library; a function that it does not have is NULL. */
struct tls_library {
	uint32_t ready; /* release: the rest is there */
	uintptr_t start, end;
	uintptr_t code;	 /* one of its functions */
	const void *map; /* the dynamic linker's, of that: tells it from another that took its place */
	void *functions[TLS_FUNCTIONS];
};

/* The library of `session` that has `function`, NULL if there is none. Keeps errno. */
const struct tls_library *tls_find(enum tls_function function, const void *session);

#define TLS_REAL(library, name) ((__typeof__(&name))(library)->functions[TLS_##name])

#endif
