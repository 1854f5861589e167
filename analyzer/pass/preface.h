/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preface.h - the header of the PROXY protocol, v1 and v2, which a proxy puts in front of a stream to name
 * who opened it. Part of pass 2.
 */
#ifndef DPROF_PASS_PREFACE_H
#define DPROF_PASS_PREFACE_H

#include "analyzer/pass/conn.h"

#define PREFACE_LOOK_BYTES 128 /* enough to see all of it but what follows the addresses */

struct preface {
	uint32_t len;	     /* of the header; 0: there is none */
	struct address from; /* who opened; family 0: it does not say */
};

/* Looks at the first n captured bytes of a stream. */
struct preface preface_read(const uint8_t *bytes, size_t n);

#endif
