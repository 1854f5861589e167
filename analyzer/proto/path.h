/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.h - the route in a request target: "/order/17?x=1" is "/order/{id}". Analyzer, any thread; pure.
 * The rules are in README.md.
 */
#ifndef DPROF_PROTO_PATH_H
#define DPROF_PROTO_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

/* Appends the route of an HTTP request target in origin, absolute or asterisk form. `cut`: the target goes
 * on after `len`. */
void path_normalise(struct text *out, const uint8_t *target, size_t len, bool cut);

/* Appends the target as sent, without the "user:password@" that an absolute form may have. */
void path_target(struct text *out, const uint8_t *target, size_t len, bool cut);

/* The host of "host:port", without the port. */
void path_host(struct text *out, const uint8_t *authority, size_t len);

#endif
