/* SPDX-License-Identifier: Apache-2.0 */
/*
 * room.h - how much room a program gives for an address, which has to be read before the call: afterwards the
 * kernel says there how long the address is, also where it had to cut it. App's threads.
 */
#ifndef DPROF_ROOM_H
#define DPROF_ROOM_H

#include <stdint.h>
#include <sys/socket.h>

/* 0: the program does not ask, or its pointer is bad, which is for the kernel to say. */
uint32_t room_given(const struct sockaddr *addr, const socklen_t *bytes);
uint32_t room_of_message(const struct msghdr *msg);

/* Of all of them the least that is given. */
uint32_t room_of_messages(const struct mmsghdr *msgs, unsigned int count);

#endif
