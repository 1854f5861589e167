/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer.h - which view carries the plaintext of which: a TLS session is a view of its own, whose bytes lie
 * encrypted in those of another. Part of pass 1.
 *
 * The session's client random shows it, which the ClientHello has in the clear: 32 bytes, so one match is
 * proof. Where that was not captured: the calls on the socket that a call of the session made inside itself;
 * else those that are beside each of its calls, if they are of one socket without exception. What none of
 * them shows stays a view without a carrier.
 */
#ifndef DPROF_PASS_LAYER_H
#define DPROF_PASS_LAYER_H

#include "analyzer/pass/conn.h"

/* Fills carrier and, from the carrier, what the session's own record does not know; and covered. 0 or
 * -ENOMEM. */
int layer_run(const struct store *store, struct conns *conns);

/* The view at the bottom: the one that has a socket; the view itself if it is none of TLS, or has no carrier.
 */
static inline const struct view *layer_bottom(const struct conns *conns, const struct view *v)
{
	while (v->random && v->carrier != STORE_NONE)
		v = &conns->views[v->carrier];
	return v;
}

#endif
