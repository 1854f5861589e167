/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dgram_match.h - for dgram.c: the sends and the receives of one lane (they can only be each other's), each
 * in order of time, to joins. Pure but for memory.
 *
 * What is alike in length and bytes on one side once, and on the other, is joined. What is alike several
 * times is joined by order, if the lane shows no sign of copies or reordering: receives are then a
 * subsequence of the sends, and a receive that has one place in every way to lay them is joined.
 */
#ifndef DPROF_PASS_DGRAM_MATCH_H
#define DPROF_PASS_DGRAM_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#define DGRAM_NOBODY UINT32_MAX

enum dgram_fate {
	DGRAM_OPEN,	 /* not decided; at the end: no other side is known */
	DGRAM_LOST,	 /* a send that was not received; a receive that was not sent */
	DGRAM_AMBIGUOUS, /* fits several */
	DGRAM_JOINED,
	DGRAM_COPY /* a receive of what was received already */
};

/* A datagram, as one side saw it. */
struct dgram_shot {
	uint64_t t0_ns, t1_ns;
	const uint8_t *head;
	uint32_t head_len, len;
	uint32_t captured; /* most that its process records of one; UINT32_MAX: it cut none */
	uint32_t thread;   /* over all processes: two of one thread are in order */
	uint32_t socket;   /* that it was received at */
	bool cut;	   /* a receive that may have been longer than `len` */
	bool many;	   /* a send that several sockets may receive */
	uint32_t item;	   /* the caller's */
	/* results */
	uint64_t key; /* equal: length and compared bytes are */
	bool soft;    /* it has fewer bytes than are compared: no key */
	uint32_t partner;
	enum dgram_fate fate;
	bool reordered;
	bool sure; /* joined by bytes that nothing else in the lane has, not by order or length */
};

/* Signs that order alone proves nothing. */
enum dgram_sign {
	DGRAM_SIGN_COPIES = 1,	 /* something was received twice */
	DGRAM_SIGN_REORDER = 2,	 /* something came after what was sent later */
	DGRAM_SIGN_TANGLED = 32, /* the same, but threads did it at once: nobody knows what was first */
	DGRAM_SIGN_FOREIGN = 4,	 /* something was received that nobody sent */
	DGRAM_SIGN_GAPS = 8,	 /* records are missing */
	DGRAM_SIGN_MIXED = 16	 /* senders or receivers that only their bytes tell apart */
};

struct dgram_lane {
	struct dgram_shot *out, *in; /* in order of time */
	uint32_t out_count, in_count;
	bool one_clock;	 /* of both sides */
	bool soft_sends; /* there are sends without a key */
	unsigned int signs;
};

/* Joins what is alike once; adds what it saw to `signs`. 0 or -ENOMEM. */
int dgram_match_alike(struct dgram_lane *l);

/* Joins by order what the signs leave to be joined; then gives everything a fate. 0 or -ENOMEM. */
int dgram_match_order(struct dgram_lane *l);
#endif
