/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.h - which unix socket is at the other end: the kernel tells only those who ask by netlink. Threads
 * leave questions, the flusher asks.
 */
#ifndef DPROF_PEER_H
#define DPROF_PEER_H

#include "common/record.h"

#define PEER_QUESTIONS 256u

/* Any thread: lock-free; when all places are taken the question is dropped. */
void peer_ask(uint32_t conn, uint64_t inode);

/* Flusher: asks the kernel what is open. Fills `records` (PEER_QUESTIONS of them) with the answers; how many.
 */
uint32_t peer_answer(struct record *records);

/* In a fork's child. */
void peer_after_fork(void);

#endif
