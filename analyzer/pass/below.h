/* SPDX-License-Identifier: Apache-2.0 */
/*
 * below.h - a TLS session of which one end has the plaintext and the other, which was traced too, only the
 * ciphertext (its TLS library is linked statically, or written in another language). The messages are known
 * from the first; when the other end moved them, from the bytes that carried them. Part of pass 3.
 */
#ifndef DPROF_PASS_BELOW_H
#define DPROF_PASS_BELOW_H

#include "analyzer/pass/stream.h"

/* All zero before the first use; its memory is used again. */
struct below {
	struct stream cipher[2]; /* of the carrier, by link_side that sends */
};

/*
 * Fills the transfers of the other end. Only where the session's calls made the socket's calls inside
 * themselves: then each byte of ciphertext is known to be a message's or not. 0 or -ENOMEM.
 */
int below_run(struct below *b, const struct store *store, const struct conns *conns,
	      const struct links *links, uint32_t number, struct message *messages, size_t n);
void below_free(struct below *b);

/* The end of the carrier's link that has only the ciphertext of this one; NULL: none, or not traced. */
const struct end *below_end(const struct conns *conns, const struct links *links, uint32_t number);

#endif
