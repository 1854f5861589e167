// SPDX-License-Identifier: Apache-2.0
/*
 * DPROF_TLS=off: a session leaves the records of its sockets and no others.
 * build: -Wl,--no-as-needed -lssl -lcrypto
 * env: DPROF_TLS=off
 * kinds: open tls
 */
#include "tls.h"

int main(void)
{
	SSL_CTX *server_context = tls_server_context(), *client_context = tls_client_context();
	SSL *client = SSL_new(client_context), *server = SSL_new(server_context);
	char buf[8];
	int fd[2];

	tcp_pair(fd);
	tls_over_sockets(client, server, fd);
	said("write", SSL_write(client, "hello", 5));
	said("read", SSL_read(server, buf, sizeof buf));
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(client_context);
	SSL_CTX_free(server_context);
	return 0;
}
