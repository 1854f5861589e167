// SPDX-License-Identifier: Apache-2.0
/* More is kept of what goes to the side that accepted, at both ends; a fork's child knows which side it is.
 * env: DPROF_CAPTURE=6/2
 */
#include "expect.h"

int main(void)
{
	char buf[32];
	int fd[2], status;
	pid_t child;

	tcp_pair(fd);
	said("write", write(fd[0], "abcdefgh", 8));
	expect("main", "out conn=c off=0 len=8 flags=burst head=abcdef");
	said("read", recv(fd[1], buf, 8, MSG_WAITALL));
	expect("main", "in conn=s off=0 len=8 flags=burst head=abcdef");
	said("write", write(fd[1], "ijkl", 4));
	expect("main", "out conn=s off=0 len=4 flags=burst head=ij");
	said("read", recv(fd[0], buf, 4, MSG_WAITALL));
	expect("main", "in conn=c off=0 len=4 flags=burst head=ij");
	fflush(stdout);
	child = fork();
	if (child == 0) {
		said("write", write(fd[0], "mnopqrst", 8));
		expect("child", "open conn=cc call=write flags=seen off_in=4 off_out=8");
		expect("child", "out conn=cc off=8 len=8 flags=burst head=mnopqr");
		expect("child", "close conn=cc flags=exit");
		return 0;
	}
	expect("main", "fork child=%d", child);
	said("child", waitpid(child, &status, 0) == child && status == 0);
	expect("main", "close conn=c flags=exit");
	expect("main", "close conn=s flags=exit");
	return 0;
}
