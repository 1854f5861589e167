// SPDX-License-Identifier: Apache-2.0
/* Bytes that do not pass through the program: sendfile, splice from and to a pipe, and what libc formats
 * itself. */
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "expect.h"

int main(void)
{
	int fd[2], pipes[2], file = memfd_create("bytes", 0);
	char buf[64];
	off_t at = 2;

	must("pipe", pipe(pipes) == 0 && write(file, "0123456789", 10) == 10);
	tcp_pair(fd);
	said("sendfile", sendfile(fd[0], file, &at, 5));
	printf("at %ld\n", (long)at);
	expect("main", "out conn=c call=sendfile off=0 len=5 flags=burst,nocopy head=none");
	said("sendfile64", sendfile64(fd[0], file, &(off64_t){0}, 100));
	expect("main", "out conn=c call=sendfile64 off=5 len=10 flags=nocopy head=none");
	said("sendfile past the end", sendfile(fd[0], file, &(off_t){100}, 100));
	until_readable(fd[1]);
	said("splice in", splice(fd[1], NULL, pipes[1], NULL, 15, 0));
	expect("main", "in conn=s call=splice off=0 len=15 flags=burst,nocopy head=none");
	said("splice out", splice(pipes[0], NULL, fd[1], NULL, 15, 0));
	expect("main", "out conn=s call=splice off=0 len=15 flags=burst,nocopy head=none");
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	said("splice none there", splice(fd[1], NULL, pipes[1], NULL, 15, 0));
	fcntl(fd[1], F_SETFL, 0);
	until_readable(fd[0]);
	said("read", read(fd[0], buf, sizeof buf));
	expect("main", "in conn=c call=read off=0 len=15 flags=burst head=234560123456789");
	said("dprintf", dprintf(fd[0], "%s %d", "number", 7));
	expect("main", "out conn=c call=dprintf off=15 len=8 flags=burst,nocopy head=none");
	shutdown(fd[0], SHUT_WR);
	expect("main", "shutdown conn=c how=1");
	until_readable(fd[1]);
	said("read", read(fd[1], buf, sizeof buf));
	expect("main", "in conn=s call=read off=15 len=8 flags=burst head=number_7");
	said("splice the end", splice(fd[1], NULL, pipes[1], NULL, 15, 0));
	expect("main", "in conn=s call=splice off=23 len=0 flags=eof");
	close(fd[1]);
	expect("main", "close conn=s out_seen=15 in_seen=23 out_kernel=15 in_kernel=23");
	close(fd[0]);
	expect("main", "close conn=c out_seen=23 in_seen=15 out_kernel=23 in_kernel=15");
	return 0;
}
