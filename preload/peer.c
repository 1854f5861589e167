/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.c - sock_diag for unix sockets. peer_ask runs on the program's threads, cold; the rest on the flusher,
 * whose netlink socket the program cannot see.
 *
 * Invariant: a question is asked again with each drain while the kernel knows no other end (the other side
 * has not accepted, say), at most PEER_TRIES times.
 */
#include "preload/peer.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "preload/flush.h"
#include "preload/stamp.h"
#include "preload/sys.h"

#define PEER_TRIES 30

enum { QUESTION_FREE, QUESTION_FILLING, QUESTION_OPEN };

static struct question {
	uint32_t state;
	uint32_t conn;
	uint64_t inode;
	uint32_t tries;
} questions[PEER_QUESTIONS];
static uint32_t questions_open;

void peer_ask(uint32_t conn, uint64_t inode)
{
	for (uint32_t i = 0; i < PEER_QUESTIONS; i++) {
		uint32_t free_place = QUESTION_FREE;

		if (!__atomic_compare_exchange_n(&questions[i].state, &free_place, QUESTION_FILLING, false,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		questions[i].conn = conn;
		questions[i].inode = inode;
		questions[i].tries = 0;
		__atomic_store_n(&questions[i].state, QUESTION_OPEN,
				 __ATOMIC_RELEASE); /* publishes the question */
		__atomic_fetch_add(&questions_open, 1, __ATOMIC_RELAXED);
		return;
	}
}

void flush_ask_peer(uint32_t conn, uint64_t inode)
{
	peer_ask(conn, inode);
}

/* The inode at the other end; 0: none yet, or not known; -errno: it will never be. */
static int64_t peer_of(int netlink, uint64_t inode)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req ask;
	} request = {
	    .head = {.nlmsg_len = sizeof request,
		     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		     .nlmsg_flags = NLM_F_REQUEST},
	    .ask = {.sdiag_family = AF_UNIX,
		    .udiag_states = ~0u,
		    .udiag_ino = (uint32_t)inode,
		    .udiag_show = UDIAG_SHOW_PEER,
		    .udiag_cookie = {~0u, ~0u}},
	};
	char reply[1024] __attribute__((aligned(8)));
	struct nlmsghdr *head = (struct nlmsghdr *)reply;
	long n = sys_call(SYS_sendto, netlink, &request, sizeof request, MSG_NOSIGNAL);

	if (n < 0)
		return n;
	n = sys_call(SYS_recvfrom, netlink, reply, sizeof reply, MSG_DONTWAIT);
	if (n < (long)sizeof *head || head->nlmsg_len > (unsigned long)n ||
	    head->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return -ENOENT;
	for (size_t at = NLMSG_LENGTH(sizeof(struct unix_diag_msg)); at + NLA_HDRLEN <= head->nlmsg_len;) {
		struct nlattr *attribute = (struct nlattr *)(reply + at);

		if (attribute->nla_len < NLA_HDRLEN)
			break;
		if (attribute->nla_type == UNIX_DIAG_PEER && attribute->nla_len >= NLA_HDRLEN + 4 &&
		    at + attribute->nla_len <= head->nlmsg_len)
			return *(uint32_t *)(reply + at + NLA_HDRLEN);
		at += NLMSG_ALIGN(attribute->nla_len);
	}
	return 0;
}

/* One question; true if there is an answer. */
static bool peer_try(int netlink, struct question *q, struct record *r)
{
	uint64_t t0 = stamp_now();
	int64_t inode = peer_of(netlink, q->inode);

	if (inode == 0 && ++q->tries < PEER_TRIES)
		return false;
	*r = (struct record){.size_bytes = sizeof *r,
			     .kind = RECORD_PEER,
			     .conn = q->conn,
			     .t0 = t0,
			     .t1 = stamp_now(),
			     .off = (uint64_t)inode};
	__atomic_fetch_sub(&questions_open, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&q->state, QUESTION_FREE, __ATOMIC_RELEASE); /* the place may be filled anew */
	return inode > 0;
}

uint32_t peer_answer(struct record *records)
{
	uint32_t answers = 0;
	long netlink;

	if (__atomic_load_n(&questions_open, __ATOMIC_RELAXED) == 0)
		return 0;
	netlink = sys_call(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (netlink < 0)
		return 0;
	for (uint32_t i = 0; i < PEER_QUESTIONS; i++)
		if (__atomic_load_n(&questions[i].state, __ATOMIC_ACQUIRE) == QUESTION_OPEN)
			answers += peer_try((int)netlink, &questions[i], &records[answers]);
	sys_close((int)netlink);
	return answers;
}

void peer_after_fork(void)
{
	for (uint32_t i = 0; i < PEER_QUESTIONS; i++)
		questions[i].state = QUESTION_FREE;
	questions_open = 0;
}
