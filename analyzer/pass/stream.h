/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - one direction of a link: what both ends know of its bytes together. Part of pass 3.
 *
 * Invariant: the captured bytes and burst starts are the union over both ends, so messages are found alike
 * whichever end they were seen at.
 */
#ifndef DPROF_PASS_STREAM_H
#define DPROF_PASS_STREAM_H

#include "analyzer/pass/message.h"
#include "analyzer/pass/ranges.h"

enum stream_end { STREAM_SENT, STREAM_RECEIVED };

/* A record that moved bytes [off, end). */
struct piece {
	uint64_t off, end;
	const struct store_record *record;
	uint32_t view;
	uint32_t index; /* of the record in its process */
	uint32_t skip;	/* bytes at its start that are not of the stream, but of a header in front of it */
};

struct pieces {
	struct piece *items; /* by off, then time */
	size_t count;
	size_t cap;
};

/* Captured bytes without a gap. */
struct captured {
	uint64_t off;
	size_t len;
	size_t at; /* in bytes */
};

struct burst {
	uint64_t off;
	uint8_t ends; /* bit per enum stream_end that saw the direction turn here */
};

struct stream {
	struct pieces pieces[2]; /* by enum stream_end */
	struct ranges covered;	 /* bytes that at least one end has a record of */
	struct {
		struct captured *items;
		size_t count, cap;
	} runs;
	struct {
		uint8_t *items;
		size_t count, cap;
	} bytes;
	struct {
		struct burst *items;
		size_t count, cap;
	} bursts;
	uint64_t base;	 /* where the first message begins: 0, or behind a proxy's header */
	uint64_t start;	 /* first offset that any end could see */
	uint64_t end;	 /* offset behind the last byte known to have moved */
	uint64_t cipher; /* ciphertext from there on is left out: its plaintext is another link's */
	bool closed;	 /* an end told how many they were when it closed */
};

/* Fills s, whose memory is used again, with the direction in which `sender` sends. 0 or -ENOMEM. */
int stream_build(struct stream *s, const struct store *store, const struct conns *conns,
		 const struct link *link, enum link_side sender);
void stream_free(struct stream *s);

/* The captured bytes from `off` on; NULL if the one there was not captured. */
const uint8_t *stream_bytes(const struct stream *s, uint64_t off, size_t *len);

/* The first burst start after `off`, or s->end. */
uint64_t stream_next_burst(const struct stream *s, uint64_t off);

/* The burst that starts at `off`, NULL if none does. */
const struct burst *stream_burst_at(const struct stream *s, uint64_t off);

/* Where what begins at `off` ends at the latest if only its burst says so: at the next one, or where records
 * are missing. `off` itself if they are missing there. */
uint64_t stream_burst_end(const struct stream *s, uint64_t off);

/* Where records are there again, if those of `off` are missing. */
uint64_t stream_hole_end(const struct stream *s, uint64_t off);

/* When the byte at `off` was moved, as the given end saw it: entry of the sending, return of the receiving
 * call. UINT64_MAX: nothing is known of it nor of what came after. */
uint64_t stream_time(const struct stream *s, enum stream_end end, uint64_t off);

/* By how much the receiver's clock is at most ahead of the sender's (`backwards`: the sender's of the
 * receiver's, at least), judged by the records around `off` that both ends have. False if there are none. */
bool stream_shift(const struct stream *s, uint64_t off, bool backwards, uint64_t *shift);

/* Whether that end has a record of the byte at `off`. */
bool stream_has(const struct stream *s, enum stream_end end, uint64_t off);

/* Where and when an end moved [off0, off1). */
struct transfer stream_transfer(const struct stream *s, enum stream_end end, uint64_t off0, uint64_t off1);

#endif
