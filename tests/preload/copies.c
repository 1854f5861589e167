// SPDX-License-Identifier: Apache-2.0
/* dup, dup2, dup3 and F_DUPFD: one connection under several numbers, over when the last of them is. */
#include "expect.h"

int main(void)
{
	int fd[2], copy, far, null = open("/dev/null", O_RDWR);
	char buf[8];

	tcp_pair(fd);
	copy = (int)said("dup", dup(fd[0]));
	said("write", write(fd[0], "a", 1));
	expect("main", "out conn=c off=0 len=1 flags=burst head=a");
	said("write to the copy", write(copy, "b", 1));
	expect("main", "out conn=c off=1 len=1 flags=none head=b");
	close(fd[0]);
	said("write after close", write(copy, "c", 1));
	expect("main", "out conn=c off=2 len=1 flags=none head=c");
	far = (int)said("F_DUPFD", fcntl(copy, F_DUPFD, 100));
	said("write far", write(far, "d", 1));
	expect("main", "out conn=c off=3 len=1 flags=none head=d");
	said("F_DUPFD_CLOEXEC", fcntl(far, F_DUPFD_CLOEXEC, 5000));
	said("write very far", write(5000, "e", 1));
	expect("main", "out conn=c off=4 len=1 flags=none head=e");
	close(copy);
	close(far);
	said("dup3 over itself", dup3(5000, 5000, 0));
	said("dup2 over itself", dup2(5000, 5000));
	said("dup2 of nothing", dup2(400, 5000));
	said("write", write(5000, "f", 1));
	expect("main", "out conn=c off=5 len=1 flags=none head=f");
	said("dup2 of a file", dup2(null, 5000));
	expect("main", "close conn=c call=dup2 fd=5000 out_seen=6 in_seen=0 out_kernel=6 in_kernel=0");
	said("write to the file", write(5000, "g", 1));
	said("dup3", dup3(fd[1], null, O_CLOEXEC));
	until_readable(null);
	said("read", read(null, buf, sizeof buf));
	expect("main", "in conn=s off=0 len=6 flags=burst head=abcdef");
	said("F_GETFD", fcntl(null, F_GETFD));
	close(null);
	close(fd[1]);
	expect("main", "close conn=s call=close fd=%d out_seen=0 in_seen=6 out_kernel=0 in_kernel=6", fd[1]);
	return 0;
}
