// SPDX-License-Identifier: Apache-2.0
/* Of each burst the first bytes are kept, as many as DPROF_CAPTURE says, over as many calls as that takes.
 * env: DPROF_CAPTURE=6
 */
#include "expect.h"

int main(void)
{
	struct iovec parts[] = {{"1234", 4}, {"5678", 4}};
	char buf[32];
	int fd[2];

	tcp_pair(fd);
	said("write", write(fd[0], "abcd", 4));
	expect("main", "out conn=c off=0 len=4 flags=burst head=abcd");
	said("write", write(fd[0], "efgh", 4));
	expect("main", "out conn=c off=4 len=4 flags=none head=ef");
	said("write", write(fd[0], "ijkl", 4));
	expect("main", "out conn=c off=8 len=4 flags=none head=none");
	said("read", recv(fd[1], buf, 12, MSG_WAITALL));
	expect("main", "in conn=s off=0 len=12 flags=burst head=abcdef");
	said("writev", writev(fd[1], parts, 2));
	expect("main", "out conn=s off=0 len=8 flags=burst head=123456");
	said("read", recv(fd[0], buf, 8, MSG_WAITALL));
	expect("main", "in conn=c off=0 len=8 flags=burst head=123456");
	said("write", write(fd[0], "mnopqrst", 8));
	expect("main", "out conn=c off=12 len=8 flags=burst head=mnopqr");
	expect("main", "close conn=c flags=exit");
	expect("main", "close conn=s flags=exit");
	return 0;
}
