/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - for the programs here that use OpenSSL: a certificate made in memory, contexts, two connected
 * sessions in one thread. */
#ifndef TESTS_PRELOAD_TLS_H
#define TESTS_PRELOAD_TLS_H

#include "expect.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static inline SSL_CTX *tls_server_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const void *)"test", -1,
				   -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	must("certificate", X509_sign(cert, key, EVP_sha256()) > 0 &&
				SSL_CTX_use_certificate(context, cert) == 1 &&
				SSL_CTX_use_PrivateKey(context, key) == 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return context;
}

static inline SSL_CTX *tls_client_context(void)
{
	return SSL_CTX_new(TLS_client_method());
}

/* Steps both ends until both are done; their transports must not block. */
static inline void tls_handshake(SSL *client, SSL *server)
{
	int c, s;

	do {
		c = SSL_do_handshake(client);
		s = SSL_do_handshake(server);
		must("handshake", (c == 1 || SSL_get_error(client, c) == SSL_ERROR_WANT_READ) &&
				      (s == 1 || SSL_get_error(server, s) == SSL_ERROR_WANT_READ));
	} while (c != 1 || s != 1);
	ERR_clear_error();
}

static inline void tls_over_sockets(SSL *client, SSL *server, const int fd[2])
{
	for (int i = 0; i < 2; i++)
		fcntl(fd[i], F_SETFL, O_NONBLOCK);
	SSL_set_fd(client, fd[0]);
	SSL_set_fd(server, fd[1]);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	tls_handshake(client, server);
}

#endif
