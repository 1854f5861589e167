// SPDX-License-Identifier: Apache-2.0
/*
 * Plaintext of OpenSSL: what the calls return, the queue of errors and the records, over sockets; sessions
 * one after another in the same objects; a child that goes on with its parent's.
 *
 * build: -Wl,--no-as-needed -lssl -lcrypto
 * calls: SSL_ connect accept
 */
#include "tls.h"

static void moves(SSL *client, SSL *server)
{
	char buf[64];
	size_t n;

	said("write", SSL_write(client, "GET /path HTTP/1.1", 18));
	expect("main", "tls conn=c flags=connect off_in=0 off_out=0");
	expect("main", "out conn=c call=SSL_write off=0 len=18 flags=burst head=GET_/path_HTTP/1.1");
	said("peek", SSL_peek(server, buf, 5));
	said("read", SSL_read(server, buf, 4));
	expect("main", "tls conn=s flags=accept off_in=0 off_out=0");
	expect("main", "in conn=s call=SSL_read off=0 len=4 flags=burst head=GET_");
	said("read_ex", SSL_read_ex(server, buf, sizeof buf, &n));
	said("bytes", (long)n);
	expect("main", "in conn=s call=SSL_read_ex off=4 len=14 flags=none");
	said("nothing", SSL_read(server, buf, sizeof buf));
	said("why", SSL_get_error(server, -1));
	said("nothing", SSL_read_ex(server, buf, sizeof buf, &n));
	said("write_ex", SSL_write_ex(server, "answer", 6, &n));
	said("bytes", (long)n);
	expect("main", "out conn=s call=SSL_write_ex off=0 len=6 flags=burst head=answer");
	said("read", SSL_read(client, buf, sizeof buf));
	expect("main", "in conn=c call=SSL_read off=0 len=6 flags=burst head=answer");
	printf("errors: %lu\n", ERR_peek_error());
}

static void child_goes_on(SSL *client, SSL *server)
{
	char buf[64];
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		said("child writes", SSL_write(client, "child", 5));
		expect("child", "tls conn=h flags=connect,seen off_in=6 off_out=18");
		expect("child", "out conn=h call=SSL_write off=18 len=5 flags=burst head=child");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	said("read", SSL_read(server, buf, sizeof buf));
	expect("main", "in conn=s off=18 len=5 flags=burst head=child");
}

static void ends(SSL *client, SSL *server)
{
	char buf[8];

	said("shutdown", SSL_shutdown(client));
	said("end", SSL_read(server, buf, sizeof buf));
	said("why", SSL_get_error(server, 0));
}

int main(void)
{
	SSL_CTX *server_context = tls_server_context(), *client_context = tls_client_context();
	SSL *client = SSL_new(client_context), *server = SSL_new(server_context);
	int fd[2], again[2];

	tcp_pair_as(fd, "x", "y");
	tls_over_sockets(client, server, fd);
	moves(client, server);
	child_goes_on(client, server);
	ends(client, server);
	tcp_pair_as(again, "c2", "s2");
	said("clear", SSL_clear(client));
	expect("main", "close conn=c call=SSL_clear out_seen=18 in_seen=6");
	said("clear", SSL_clear(server));
	expect("main", "close conn=s call=SSL_clear out_seen=6 in_seen=23");
	tls_over_sockets(client, server, again);
	said("write", SSL_write(client, "anew", 4));
	expect("main", "tls conn=n flags=connect off_out=0");
	expect("main", "out conn=n off=0 len=4 head=anew flags=burst");
	SSL_free(client);
	expect("main", "close conn=n call=SSL_free out_seen=4 in_seen=0 out_kernel=none");
	SSL_free(server);
	SSL_free(NULL);
	SSL_CTX_free(client_context);
	SSL_CTX_free(server_context);
	return 0;
}
