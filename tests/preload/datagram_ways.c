// SPDX-License-Identifier: Apache-2.0
/*
 * Datagrams in odd ways: too little room for the address, bad pointers, several that the kernel moves as one.
 * kinds: dgram_out dgram_in
 */
#include <netinet/udp.h>
#include <sys/mman.h>

#include "expect.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static int sender, receiver;
static struct sockaddr_in6 receiver_at, sender_at;

static void bound(int fd, struct sockaddr_in6 *at)
{
	socklen_t len = sizeof *at;

	*at = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	must("bind",
	     bind(fd, (struct sockaddr *)at, len) == 0 && getsockname(fd, (struct sockaddr *)at, &len) == 0);
}

static void send_one(void)
{
	said("sendto", sendto(sender, "hello", 5, 0, (struct sockaddr *)&receiver_at, sizeof receiver_at));
	expect("main", "dgram_out conn=s call=sendto len=5 peer=::1:%d", ntohs(receiver_at.sin6_port));
}

/* The kernel cuts the address and tells its whole length. */
static void little_room(void)
{
	struct sockaddr_in6 from[2];
	socklen_t len = sizeof(struct sockaddr_in);
	struct iovec part = {(char[16]){0}, 16};
	struct mmsghdr msgs[2] = {
	    {.msg_hdr = {.msg_name = &from[0], .msg_namelen = 8, .msg_iov = &part, .msg_iovlen = 1}},
	    {.msg_hdr = {.msg_name = &from[1], .msg_namelen = 28, .msg_iov = &part, .msg_iovlen = 1}}};
	char buf[16];

	send_one();
	said("short", recvfrom(receiver, buf, sizeof buf, 0, (struct sockaddr *)&from[0], &len));
	printf("address of %d\n", (int)len);
	expect("main", "dgram_in conn=r call=recvfrom len=5 peer_family=0 head=hello");
	send_one();
	len = sizeof from[0];
	said("whole", recvfrom(receiver, buf, sizeof buf, 0, (struct sockaddr *)&from[0], &len));
	expect("main", "dgram_in conn=r call=recvfrom len=5 peer=::1:%d head=hello",
	       ntohs(sender_at.sin6_port));
	send_one();
	said("short", recvmsg(receiver, &msgs[0].msg_hdr, 0));
	expect("main", "dgram_in conn=r call=recvmsg len=5 peer_family=0 head=hello");
	send_one();
	said("whole", recvmsg(receiver, &msgs[1].msg_hdr, 0));
	expect("main", "dgram_in conn=r call=recvmsg len=5 peer=::1:%d head=hello",
	       ntohs(sender_at.sin6_port));
}

static void tell(const char *what, long result)
{
	printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

/* What the kernel says of a bad pointer is for the program. */
static void bad_pointers(void)
{
	void *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sockaddr_in6 from;
	char buf[16];

	must("mmap", bad != MAP_FAILED);
	send_one();
	tell("length", recvfrom(receiver, buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr *)&from, bad));
	tell("drain", recv(receiver, buf, sizeof buf, MSG_DONTWAIT | MSG_TRUNC) >= 0);
	tell("message", recvmsg(receiver, bad, MSG_DONTWAIT));
	tell("messages", recvmmsg(receiver, bad, 2, MSG_DONTWAIT, NULL));
	munmap(bad, 4096);
}

static void segments(void)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} control = {.head = {.cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(2)}};
	struct iovec out[2] = {{"aaaab", 5}, {"bbbcc", 5}}, in = {(char[64]){0}, 64};
	struct msghdr msg = {.msg_name = &receiver_at,
			     .msg_namelen = sizeof receiver_at,
			     .msg_iov = out,
			     .msg_iovlen = 2,
			     .msg_control = control.room,
			     .msg_controllen = CMSG_SPACE(2)};
	static const char *const parts[] = {"aaaa", "bbbb", "cc"};
	uint16_t segment = 4;
	int yes = 1;

	memcpy(CMSG_DATA(&control.head), &segment, sizeof segment);
	if (setsockopt(receiver, SOL_UDP, UDP_GRO, &yes, sizeof yes) < 0 || sendmsg(sender, &msg, 0) != 10)
		return; /* an older kernel */
	for (int i = 0; i < 3; i++)
		expect("main", "dgram_out conn=s call=sendmsg len=%d peer=::1:%d head=%s", i < 2 ? 4 : 2,
		       ntohs(receiver_at.sin6_port), parts[i]);
	msg = (struct msghdr){.msg_iov = &in,
			      .msg_iovlen = 1,
			      .msg_control = control.room,
			      .msg_controllen = sizeof control.room};
	said("as one", recvmsg(receiver, &msg, 0));
	for (int i = 0; i < 3; i++)
		expect("main", "dgram_in conn=r call=recvmsg len=%d peer_family=0 head=%s", i < 2 ? 4 : 2,
		       parts[i]);
}

int main(void)
{
	sender = socket(AF_INET6, SOCK_DGRAM, 0);
	receiver = socket(AF_INET6, SOCK_DGRAM, 0);
	bound(sender, &sender_at);
	bound(receiver, &receiver_at);
	little_room();
	segments();
	bad_pointers();
	return 0;
}
