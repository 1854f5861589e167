/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acts.h - what the torture program does, one scene per function. A scene makes what it needs and leaves
 * nothing open; any thread may play it, also one of a forked child (`child` scenes play in children only).
 */
#ifndef TESTS_TORTURE_ACTS_H
#define TESTS_TORTURE_ACTS_H

#include "board.h"

#define ACT_SIGNAL_WRITE SIGUSR1 /* the handler sends bytes over its thread's own connection */
#define ACT_SIGNAL_JUMP	 SIGUSR2 /* the handler leaves by siglongjmp, if the thread is ready for it */

/* acts_talk.c: descriptors and threads */
void act_talk(struct dice *d);
void act_partner(struct dice *d);
void act_half_close(struct dice *d);
void act_copies(struct dice *d);
void act_two_writers(struct dice *d);
void act_epoll(struct dice *d);

/* acts_process.c: fork, exec, passing */
void act_fork(struct dice *d);
void act_fork_turns(struct dice *d);
void act_spawn(struct dice *d);
void act_pass(struct dice *d);
void act_close_all(struct dice *d);

/* The program that act_spawn starts; `argv` are its arguments. */
int act_spawned(int argc, char **argv);

/* acts_trouble.c: signals, jumps, cancellation, closing what others use */
void act_foreign_close(struct dice *d);
void act_jump(struct dice *d);
void act_cancel(struct dice *d);

/* A thread that takes ACT_SIGNAL_WRITE; between begin and end only. */
void act_signals_begin(struct dice *d);
void act_signals_drain(struct dice *d);
void act_signals_end(struct dice *d);
void act_signals_handle(void);

/* True while a few more processes may be made; then the caller must give it back. */
bool act_child_begin(void);
void act_child_end(void);

#define ACT_PATH_BYTES 4096
extern char act_program[ACT_PATH_BYTES];

#endif
