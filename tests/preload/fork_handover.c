// SPDX-License-Identifier: Apache-2.0
/* A server that forks per connection, as PostgreSQL does: the parent closes its copy, the child serves over a
 * unix socket whose counters the kernel does not tell, and ends by _exit. */
#include "expect.h"

int main(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "server"};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0), server,
	    status;
	char buf[16];
	pid_t child;

	must("listen", bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 1) == 0);
	must("connect", connect(client, (struct sockaddr *)&at, sizeof at) == 0);
	expect("main", "open conn=c call=connect flags=connect family=1 path=server peer_pid=%d", getpid());
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	expect("main", "open conn=s call=accept4 flags=accept family=1 path=server peer_pid=%d", getpid());
	must("write", write(client, "question", 8) == 8);
	expect("main", "out conn=c off=0 len=8 flags=burst head=question");
	must("read", read(server, buf, 3) == 3);
	expect("main", "in conn=s off=0 len=3 flags=burst head=que");
	fflush(stdout);
	child = fork();
	if (child == 0) {
		close(client);
		said("child reads", read(server, buf, sizeof buf));
		expect("child", "open conn=cs call=read flags=seen off_in=3 off_out=0 family=1 path=server");
		expect("child", "in conn=cs off=3 len=5 flags=burst head=stion");
		said("child writes", write(server, "answer", 6));
		expect("child", "out conn=cs off=0 len=6 flags=burst head=answer");
		expect("child", "close conn=cs flags=exit out_seen=6 in_seen=8 out_kernel=none");
		_exit(7);
	}
	expect("main", "fork child=%d", child);
	close(server);
	expect("main", "close conn=s call=close in_seen=3 out_seen=0");
	must("wait", waitpid(child, &status, 0) == child);
	said("status", WEXITSTATUS(status));
	said("parent reads", read(client, buf, sizeof buf));
	expect("main", "in conn=c off=0 len=6 flags=burst head=answer");
	close(client);
	expect("main", "close conn=c in_seen=6 out_seen=8");
	return 0;
}
