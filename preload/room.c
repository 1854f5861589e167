// SPDX-License-Identifier: Apache-2.0
/*
 * room.c - see room.h. App's threads, before a receiving call on what is no stream; one system call for each
 * page that was not met just before, else none.
 *
 * Invariant: reads nothing of the program's that the kernel has not found readable: a bad pointer must fail
 * in the program's own call, with its own errno.
 */
#include "preload/room.h"

#include <errno.h>

#include "preload/sys.h"

#define ROOM_PAGE_SHIFT	  12
#define ROOM_MESSAGES_MAX 1024u /* the kernel takes no more at once */

/* The page that the kernel found readable last. */
static __thread uintptr_t room_page __attribute__((tls_model("initial-exec")));

/* Can the word be read? The kernel compares it, and does not wait: the time is over. */
static bool room_word(const void *at)
{
	static const struct timespec over;
	uintptr_t page = (uintptr_t)at >> ROOM_PAGE_SHIFT;
	long r;

	if (page == 0 || (uintptr_t)at % sizeof(uint32_t))
		return false;
	if (page == room_page)
		return true;
	r = sys_call(SYS_futex, at, FUTEX_WAIT_BITSET_PRIVATE, 0, &over, NULL, FUTEX_BITSET_MATCH_ANY);
	if (r != -EAGAIN && r != -ETIMEDOUT)
		return false;
	room_page = page;
	return true;
}

uint32_t room_given(const struct sockaddr *addr, const socklen_t *bytes)
{
	return addr != NULL && room_word(bytes) ? *bytes : 0;
}

uint32_t room_of_message(const struct msghdr *msg)
{
	if (!room_word(&msg->msg_namelen) || !room_word(&msg->msg_name) || msg->msg_name == NULL)
		return 0;
	return msg->msg_namelen;
}

uint32_t room_of_messages(const struct mmsghdr *msgs, unsigned int count)
{
	uint32_t least = 0;

	for (unsigned int i = 0; i < count && i < ROOM_MESSAGES_MAX; i++) {
		uint32_t room = room_of_message(&msgs[i].msg_hdr);

		if (room != 0 && (least == 0 || room < least))
			least = room;
	}
	return least;
}
