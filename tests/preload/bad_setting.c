// SPDX-License-Identifier: Apache-2.0
/* A setting that cannot be: one line names it, its value and what holds instead; the program runs traced.
 * env: DPROF_CAPTURE=banana
 * stderr: DPROF_CAPTURE.*banana.*head
 */
#include "expect.h"

int main(void)
{
	int fd[2];

	tcp_pair(fd);
	said("write", write(fd[0], "hello", 5));
	expect("main", "out conn=c off=0 len=5 flags=burst head=hello");
	expect("main", "close conn=c flags=exit");
	expect("main", "close conn=s flags=exit");
	return 0;
}
