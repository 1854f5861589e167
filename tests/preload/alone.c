// SPDX-License-Identifier: Apache-2.0
/* The only thread ends by exit(2), which libc does not do: the process has its status, though our thread is
 * last. */
#include "expect.h"

int main(void)
{
	char buf[4];
	int fd[2];

	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	must("write", write(fd[0], "ab", 2) == 2 && read(fd[1], buf, sizeof buf) == 2);
	expect("main", "open conn=a flags=seen");
	expect("main", "out conn=a off=0 len=2");
	expect("main", "open conn=b flags=seen");
	expect("main", "in conn=b off=0 len=2");
	syscall(SYS_exit, 5);
	return 1;
}
