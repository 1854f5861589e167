// SPDX-License-Identifier: Apache-2.0
/*
 * Sessions over memory, as event loops have them: no descriptor anywhere, and threads that hand them on. They
 * alone begin no trace.
 * build: -Wl,--no-as-needed -lssl -lcrypto
 */
#include "tls.h"

struct ends {
	SSL *client, *server;
};

static struct ends connected(SSL_CTX *client_context, SSL_CTX *server_context)
{
	struct ends e = {SSL_new(client_context), SSL_new(server_context)};
	BIO *one, *other;

	must("pair", BIO_new_bio_pair(&one, 0, &other, 0) == 1);
	SSL_set_bio(e.client, one, one);
	SSL_set_bio(e.server, other, other);
	SSL_set_connect_state(e.client);
	SSL_set_accept_state(e.server);
	tls_handshake(e.client, e.server);
	return e;
}

static void *takes(void *with)
{
	struct ends *e = with;
	char buf[16];

	said("read", SSL_read(e->server, buf, sizeof buf));
	expect("taker", "in conn=s off=2 len=4 flags=none head=****");
	return NULL;
}

int main(void)
{
	SSL_CTX *server_context = tls_server_context(), *client_context = tls_client_context();
	struct ends e = connected(client_context, server_context);
	pthread_t thread;
	char buf[16];
	int fd[2];

	said("before", SSL_write(e.client, "a", 1));
	said("read", SSL_read(e.server, buf, sizeof buf));
	tcp_pair_as(fd, "x", "y");
	said("write", SSL_write(e.client, "b", 1));
	expect("main", "tls conn=c flags=connect off_in=0 off_out=1");
	expect("main", "out conn=c off=1 len=1 flags=none head=*");
	said("read", SSL_read(e.server, buf, sizeof buf));
	expect("main", "tls conn=s flags=accept off_in=1 off_out=0");
	expect("main", "in conn=s off=1 len=1 flags=none head=*");
	said("write", SSL_write(e.client, "more", 4));
	expect("main", "out conn=c off=2 len=4 flags=none head=****");
	pthread_create(&thread, NULL, takes, &e);
	pthread_join(thread, NULL);
	SSL_free(e.client);
	expect("main", "close conn=c call=SSL_free out_seen=6 in_seen=0");
	SSL_free(e.server);
	expect("main", "close conn=s call=SSL_free out_seen=0 in_seen=6");
	close(fd[0]);
	expect("main", "close conn=x out_seen=0");
	close(fd[1]);
	expect("main", "close conn=y in_seen=0");
	SSL_CTX_free(client_context);
	SSL_CTX_free(server_context);
	return 0;
}
