// SPDX-License-Identifier: Apache-2.0
/* A server as inetd starts it, which knows nothing but stdio: it leaves a dump in which its bytes are
 * counted, also those that libc writes after everything else. What we have to say does not go to its client.
 */
#include "expect.h"

static int child(void)
{
	char line[16];

	must("fgets", fgets(line, sizeof line, stdin) != NULL);
	expect("child", "open conn=i call=none fd=0 flags=seen,partial family=4 type=0 off_in=0 off_out=0");
	printf("hello %s", line);
	expect("child", "resync conn=i out_seen=0 in_seen=0 out_kernel=12 in_kernel=6");
	expect("child", "close conn=i flags=exit out_seen=0 in_seen=0 in_kernel=6");
	return 0;
}

int main(int argc, char **argv)
{
	char buf[16];
	int fd[2];
	pid_t pid;

	if (argc > 1)
		return child();
	tcp_pair(fd);
	must("write", write(fd[0], "world\n", 6) == 6);
	expect("main", "out conn=c off=0 len=6");
	pid = fork();
	if (pid == 0) {
		setenv("DPROF_CAPTURE", "a bad value", 1);
		for (int i = 0; i < 3; i++)
			dup2(fd[1], i);
		closefrom(3);
		execl("/proc/self/exe", argv[0], "child", NULL);
		_exit(98);
	}
	close(fd[1]);
	expect("main", "close conn=s out_seen=0 in_seen=0");
	must("wait", waitpid(pid, NULL, 0) == pid);
	printf("read %zd\n", read(fd[0], buf, sizeof buf));
	expect("main", "in conn=c off=0 len=12 flags=burst head=hello_world_");
	close(fd[0]);
	expect("main", "close conn=c out_seen=6 in_seen=12");
	return 0;
}
