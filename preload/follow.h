/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow.h - programs that are started with an environment of their own are traced all the same: what tracing
 * needs goes into the environment on the way, and out of it again before the new program looks. App's
 * threads, cold, also in a vfork child: no malloc, no errno, nothing written but the caller's stack.
 *
 * Invariant: what the program finds in its environment is what it was given. DPROF_ADDED names what was put
 * there; the constructor of the new program takes that out, in place, once the settings are read.
 */
#ifndef DPROF_FOLLOW_H
#define DPROF_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>

/* Remembers what children need: the DPROF_* of our own start, and where the library lies. After
 * config_get(). */
void follow_keep(void);

/* Takes what a parent added out of the environment. Constructor only: nobody else reads it yet. */
void follow_clean(void);

/* How much memory follow_fill() needs; 0: the environment can go as it is. */
size_t follow_bytes(char *const *env);

/* A copy of env with what is missing, in `memory`. */
char **follow_fill(char *const *env, void *memory);

#define FOLLOW(env)                                                                                          \
	({                                                                                                   \
		size_t follow_room = follow_bytes(env);                                                      \
		follow_room == 0 ? (char **)(env) : follow_fill(env, __builtin_alloca(follow_room));         \
	})

#endif
