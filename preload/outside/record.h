/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - the parts of dprof-record: how a command is started and waited for so that neither it nor who
 * started us can tell the difference.
 */
#ifndef DPROF_RECORD_H
#define DPROF_RECORD_H

#include <stdbool.h>
#include <sys/types.h>

/* How the command ended. */
struct record_end {
	int exec_error; /* errno, if it could not be started; else 0 */
	int status;	/* as of waitpid */
};

/* Starts argv with this environment and waits for its end. Gives up every descriptor but 2: who waits for the
 * end of a pipe waits for the command only. 0, or -errno: nothing was started. */
int record_run(char **argv, char **environment, struct record_end *end);

/* Ends this process as the command ended. */
_Noreturn void record_end_like(const struct record_end *end);

/*
 * Was a signal sent to our process group, so that the command has it as well, or to us alone? A second
 * process of ours stands in the group for that: what it gets was sent to all.
 */
struct group;

struct group *group_watch(void); /* NULL: cannot be told */
bool group_had(struct group *g, int signal);
void group_end(struct group *g);

#endif
