/* SPDX-License-Identifier: Apache-2.0 */
/*
 * say.h - one line on stderr, `dprof[pid]: ...`. Any thread, also in a signal handler: one raw write,
 * memory on the stack. For the few things that a user must know; a process says each at most once.
 */
#ifndef DPROF_SAY_H
#define DPROF_SAY_H

/* Says the texts one after another, as one line. SAY("cannot write ", path, ": ", say_error(r)); */
#define SAY(...) say(__VA_ARGS__, (const char *)0)
void say(const char *text, ...) __attribute__((sentinel));

/* The flusher has no stderr of the program's: it leaves the line for the next thread that comes by. Past four
 * unsaid lines are lost. */
#define SAY_LATER(...) say_later(__VA_ARGS__, (const char *)0)
void say_later(const char *text, ...) __attribute__((sentinel));

/* Says what was left. Cheap if nothing was. */
void say_pending(void);

/* The words for -errno. */
const char *say_error(int error);

/* From here on nothing may be said. */
void say_mute(void);

#endif
