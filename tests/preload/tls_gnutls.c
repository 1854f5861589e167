// SPDX-License-Identifier: Apache-2.0
/*
 * Plaintext of GnuTLS, with a shared key, over a pair of connected sockets.
 *
 * build: -Wl,--no-as-needed -lgnutls
 * calls: gnutls_ connect accept
 */
#include "expect.h"

#include <gnutls/gnutls.h>

static const gnutls_datum_t shared_key = {(unsigned char *)"0123456789abcdef", 16};

static int key_of(gnutls_session_t session, const char *user, gnutls_datum_t *key)
{
	(void)session;
	(void)user;
	key->data = gnutls_malloc(shared_key.size);
	memcpy(key->data, shared_key.data, shared_key.size);
	key->size = shared_key.size;
	return 0;
}

static gnutls_session_t session_on(int fd, unsigned int end, gnutls_psk_client_credentials_t client,
				   gnutls_psk_server_credentials_t server)
{
	gnutls_session_t s;

	must("init", gnutls_init(&s, end | GNUTLS_NONBLOCK) == 0);
	must("priority", gnutls_priority_set_direct(s, "NORMAL:-KX-ALL:+ECDHE-PSK:+DHE-PSK:+PSK", NULL) == 0);
	gnutls_credentials_set(s, GNUTLS_CRD_PSK, end == GNUTLS_CLIENT ? (void *)client : (void *)server);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	gnutls_transport_set_int(s, fd);
	return s;
}

static void handshake(gnutls_session_t client, gnutls_session_t server)
{
	int c = -1, s = -1;

	do {
		if (c != 0)
			c = gnutls_handshake(client);
		if (s != 0)
			s = gnutls_handshake(server);
		must(gnutls_strerror(c != 0 ? c : s), !gnutls_error_is_fatal(c) && !gnutls_error_is_fatal(s));
	} while (c != 0 || s != 0);
}

static void sends(gnutls_session_t client, gnutls_session_t server)
{
	char buf[64];
	unsigned char seq[8];
	gnutls_packet_t packet;

	said("send", gnutls_record_send(client, "hello", 5));
	expect("main", "tls conn=c call=gnutls_record_send off_in=0 off_out=0 flags=none");
	expect("main", "out conn=c call=gnutls_record_send off=0 len=5 flags=burst head=hello");
	said("recv", gnutls_record_recv(server, buf, 3));
	expect("main", "tls conn=s call=gnutls_record_recv off_in=0 off_out=0 flags=none");
	expect("main", "in conn=s call=gnutls_record_recv off=0 len=3 flags=burst head=hel");
	said("recv_seq", gnutls_record_recv_seq(server, buf, sizeof buf, seq));
	expect("main", "in conn=s call=gnutls_record_recv_seq off=3 len=2 flags=none head=lo");
	said("nothing", gnutls_record_recv(server, buf, sizeof buf));
	gnutls_record_cork(client);
	said("corked", gnutls_record_send(client, "one", 3));
	expect("main", "out conn=c off=5 len=3 flags=none head=one");
	said("corked", gnutls_record_send2(client, "two", 3, 0, 0));
	expect("main", "out conn=c call=gnutls_record_send2 off=8 len=3 flags=none head=two");
	said("uncork", gnutls_record_uncork(client, 0));
	said("packet", gnutls_record_recv_packet(server, &packet));
	expect("main", "in conn=s call=gnutls_record_recv_packet off=5 len=6 flags=none head=onetwo");
	gnutls_packet_deinit(packet);
}

static void sends_file(gnutls_session_t client, gnutls_session_t server)
{
	FILE *file = tmpfile();
	off_t at = 2;
	char buf[64];

	fputs("--from a file", file);
	rewind(file); /* flushes; before 3.8 the offset is from where the file stands */
	said("file", gnutls_record_send_file(client, fileno(file), &at, 11));
	expect("main", "out conn=c call=gnutls_record_send_file off=11 len=11 flags=nocopy");
	said("recv", gnutls_record_recv(server, buf, sizeof buf));
	expect("main", "in conn=s off=11 len=11 flags=none head=from_a_file");
	fclose(file);
}

int main(void)
{
	gnutls_psk_client_credentials_t client_key;
	gnutls_psk_server_credentials_t server_key;
	gnutls_session_t client, server;
	int fd[2];

	gnutls_psk_allocate_client_credentials(&client_key);
	gnutls_psk_allocate_server_credentials(&server_key);
	gnutls_psk_set_client_credentials(client_key, "user", &shared_key, GNUTLS_PSK_KEY_RAW);
	gnutls_psk_set_server_credentials_function(server_key, key_of);
	tcp_pair_as(fd, "x", "y");
	client = session_on(fd[0], GNUTLS_CLIENT, client_key, server_key);
	server = session_on(fd[1], GNUTLS_SERVER, client_key, server_key);
	handshake(client, server);
	sends(client, server);
	sends_file(client, server);
	gnutls_deinit(client);
	expect("main", "close conn=c call=gnutls_deinit out_seen=22 in_seen=0");
	gnutls_deinit(server);
	expect("main", "close conn=s call=gnutls_deinit out_seen=0 in_seen=22");
	gnutls_psk_free_client_credentials(client_key);
	gnutls_psk_free_server_credentials(server_key);
	return 0;
}
