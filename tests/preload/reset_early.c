// SPDX-License-Identifier: Apache-2.0
/* The client has reset the connection before it is accepted; what it sent is there to be read. */
#include "expect.h"

int main(void)
{
	struct linger now = {1, 0};
	struct sockaddr_in at;
	int listener = tcp_listen(&at), client = socket(AF_INET, SOCK_STREAM, 0), server;
	char buf[8];

	must("connect", connect(client, (struct sockaddr *)&at, sizeof at) == 0);
	expect("main", "open conn=c call=connect flags=connect");
	said("write", write(client, "abc", 3));
	expect("main", "out conn=c off=0 len=3 head=abc");
	must("linger", setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
	close(client);
	expect("main", "close conn=c out_seen=3");
	server = accept(listener, NULL, NULL);
	expect("main", "open conn=s call=accept fd=%d flags=accept family=4 local=127.0.0.1:%d", server,
	       ntohs(at.sin_port));
	said("read", read(server, buf, sizeof buf));
	expect("main", "in conn=s off=0 len=3 flags=burst head=abc");
	said("after the reset", read(server, buf, sizeof buf));
	close(server);
	expect("main", "close conn=s in_seen=3 in_kernel=3");
	close(listener);
	return 0;
}
