// SPDX-License-Identifier: Apache-2.0
/* UDP and unix datagrams: each call one record, with its address; empty ones, cut ones, peeked ones. */
#include "expect.h"

static struct sockaddr_in server_at, client_at;
static int server, client;

static void unconnected(void)
{
	struct sockaddr_in from;
	socklen_t len = sizeof from;
	char buf[16];

	/* the kernel gives it its port with the first datagram: then its open is told */
	client = socket(AF_INET, SOCK_DGRAM, 0);
	said("sendto", sendto(client, "hello", 5, 0, (struct sockaddr *)&server_at, sizeof server_at));
	must("name", getsockname(client, (struct sockaddr *)&client_at, &len) == 0);
	expect("main",
	       "open conn=c call=sendto flags=seen family=4 type=1 fd=%d local=0.0.0.0:%d remote=0.0.0.0:0",
	       client, ntohs(client_at.sin_port));
	expect("main", "dgram_out conn=c call=sendto len=5 flags=none peer=127.0.0.1:%d head=hello",
	       ntohs(server_at.sin_port));
	said("peek", recv(server, buf, sizeof buf, MSG_PEEK));
	expect("main", "open conn=s call=recv flags=seen family=4 type=1 local=127.0.0.1:%d",
	       ntohs(server_at.sin_port));
	expect("main", "dgram_in conn=s call=recv len=5 flags=peek head=none");
	said("recvfrom", recvfrom(server, buf, sizeof buf, 0, (struct sockaddr *)&from, &len));
	expect("main", "dgram_in conn=s call=recvfrom len=5 flags=none peer=127.0.0.1:%d head=hello",
	       ntohs(client_at.sin_port));
	said("empty", sendto(server, "", 0, 0, (struct sockaddr *)&from, len));
	expect("main", "dgram_out conn=s call=sendto len=0 flags=none peer=127.0.0.1:%d head=none",
	       ntohs(client_at.sin_port));
	said("recv empty", recv(client, buf, sizeof buf, 0));
	expect("main", "dgram_in conn=c call=recv len=0 flags=none peer_family=0 head=none");
	said("none there", recv(client, buf, sizeof buf, MSG_DONTWAIT));
}

static void connected(void)
{
	char buf[4];
	struct iovec part = {buf, sizeof buf};
	struct sockaddr_in from;
	struct msghdr msg = {
	    .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1};

	said("connect", connect(client, (struct sockaddr *)&server_at, sizeof server_at));
	expect("main", "close conn=c call=connect out_seen=5 in_seen=0");
	expect("main", "open conn=d call=connect flags=connect family=4 type=1 remote=127.0.0.1:%d",
	       ntohs(server_at.sin_port));
	said("write", write(client, "abcdefgh", 8));
	expect("main", "dgram_out conn=d call=write len=8 peer_family=0 head=abcdefgh");
	said("cut", recvmsg(server, &msg, 0));
	printf("flags %d\n", msg.msg_flags == MSG_TRUNC);
	expect("main", "dgram_in conn=s call=recvmsg len=4 flags=partial peer=127.0.0.1:%d head=abcd",
	       ntohs(client_at.sin_port));
	said("send", send(client, "12345678", 8, 0));
	expect("main", "dgram_out conn=d call=send len=8 head=12345678");
	said("its length", recv(server, buf, sizeof buf, MSG_TRUNC));
	expect("main", "dgram_in conn=s call=recv len=8 flags=partial head=1234");
	said("write nothing", write(client, "", 0));
	expect("main", "dgram_out conn=d call=write len=0 head=none");
	said("read nothing", read(server, buf, sizeof buf));
	expect("main", "dgram_in conn=s call=read len=0 head=none");
}

static void many(void)
{
	char room[2][8];
	struct sockaddr_in6 from[2];
	struct iovec out[2] = {{"one", 3}, {"second", 6}}, in[2] = {{room[0], 8}, {room[1], 8}};
	struct mmsghdr msgs[2] = {{{.msg_iov = &out[0], .msg_iovlen = 1}, 0},
				  {{.msg_iov = &out[1], .msg_iovlen = 1}, 0}};
	struct mmsghdr got[2] = {
	    {{.msg_name = &from[0], .msg_namelen = sizeof from[0], .msg_iov = &in[0], .msg_iovlen = 1}, 0},
	    {{.msg_name = &from[1], .msg_namelen = sizeof from[1], .msg_iov = &in[1], .msg_iovlen = 1}, 0}};

	said("sendmmsg", sendmmsg(client, msgs, 2, 0));
	expect("main", "dgram_out conn=d call=sendmmsg len=3 head=one");
	expect("main", "dgram_out conn=d call=sendmmsg len=6 head=second");
	said("recvmmsg", recvmmsg(server, got, 2, 0, NULL));
	for (int i = 0; i < 2; i++)
		expect("main", "dgram_in conn=s call=recvmmsg len=%d peer=127.0.0.1:%d head=%s", i ? 6 : 3,
		       ntohs(client_at.sin_port), i ? "second" : "one");
}

/* One address for both families of a host: mapped addresses are IPv4. */
static void both_families(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6}, from;
	socklen_t len = sizeof any;
	int six = socket(AF_INET6, SOCK_DGRAM, 0);
	char buf[8];

	must("bind", bind(six, (struct sockaddr *)&any, len) == 0 &&
			 getsockname(six, (struct sockaddr *)&any, &len) == 0);
	server_at.sin_port = any.sin6_port;
	said("sendto", sendto(server, "six", 3, 0, (struct sockaddr *)&server_at, sizeof server_at));
	expect("main", "dgram_out conn=s call=sendto len=3 peer=127.0.0.1:%d", ntohs(any.sin6_port));
	said("recvfrom", recvfrom(six, buf, sizeof buf, 0, (struct sockaddr *)&from, &len));
	expect("main", "open conn=6 call=recvfrom flags=seen family=6 type=1 local=:::%d",
	       ntohs(any.sin6_port));
	getsockname(server, (struct sockaddr *)&server_at, &(socklen_t){sizeof server_at});
	expect("main", "dgram_in conn=6 call=recvfrom len=3 peer=127.0.0.1:%d head=six",
	       ntohs(server_at.sin_port));
	close(six);
	expect("main", "close conn=6 call=close in_seen=3");
}

static void local(void)
{
	struct sockaddr_un at = {AF_UNIX, "datagrams"}, from;
	socklen_t len = sizeof from;
	int receiver = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0), packets[2];
	char buf[8];

	must("bind", bind(receiver, (struct sockaddr *)&at, sizeof at) == 0);
	said("sendto", sendto(sender, "unix", 4, 0, (struct sockaddr *)&at, sizeof at));
	expect("main", "open conn=u call=sendto flags=seen family=1 type=1");
	expect("main", "dgram_out conn=u call=sendto len=4 peer_family=1 head=unix");
	said("recvfrom", recvfrom(receiver, buf, sizeof buf, 0, (struct sockaddr *)&from, &len));
	expect("main", "open conn=r call=recvfrom flags=seen family=1 type=1 path=datagrams");
	expect("main", "dgram_in conn=r call=recvfrom len=4 head=unix");
	close(sender);
	expect("main", "close conn=u");
	close(receiver);
	expect("main", "close conn=r");

	must("pair", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets) == 0);
	expect("main", "open conn=p call=socketpair flags=pair family=1 type=2");
	expect("main", "open conn=q call=socketpair flags=pair family=1 type=2");
	said("packet", send(packets[0], "packet", 6, 0));
	expect("main", "dgram_out conn=p call=send len=6 head=packet");
	said("packet", recv(packets[1], buf, sizeof buf, 0));
	expect("main", "dgram_in conn=q call=recv len=6 head=packet");
	close(packets[0]);
	expect("main", "close conn=p out_seen=6");
	said("end", recv(packets[1], buf, sizeof buf, 0));
	expect("main", "dgram_in conn=q call=recv len=0 flags=eof");
	said("end", read(packets[1], buf, sizeof buf));
	close(packets[1]);
	expect("main", "close conn=q in_seen=6");
}

int main(void)
{
	server = udp_bound(&server_at);
	unconnected();
	connected();
	many();
	both_families();
	local();
	close(client);
	expect("main", "close conn=d call=close out_seen=25 in_seen=0 out_kernel=none");
	close(server);
	expect("main", "close conn=s call=close in_seen=26 out_seen=3");
	return 0;
}
