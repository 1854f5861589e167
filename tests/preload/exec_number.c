// SPDX-License-Identifier: Apache-2.0
/* A program that replaces itself by number, with an environment of its own: followed as by name. */
#include "expect.h"

static int image(void)
{
	int fd[2] = {atoi(getenv("OUT")), atoi(getenv("IN"))};
	char buf[8];

	must("write", write(fd[0], "cd", 2) == 2);
	expect("image", "open conn=c2 flags=seen off_out=2");
	expect("image", "out conn=c2 off=2 len=2 head=cd");
	said("read", read(fd[1], buf, sizeof buf));
	expect("image", "open conn=s2 flags=seen off_in=0");
	expect("image", "in conn=s2 off=0 len=4 head=abcd");
	printf("%s %d\n", getenv("OWN"), getenv("HOME") == NULL);
	expect("image", "close conn=c2 flags=exit");
	expect("image", "close conn=s2 flags=exit");
	return 5;
}

int main(int argc, char **argv)
{
	char out[16], in[16], expected[256] = "NO=1", *args[] = {argv[0], "image", NULL};
	char *env[] = {"OWN=mine", out, in, expected, NULL};
	int fd[2];

	if (argc > 1)
		return image();
	tcp_pair(fd);
	must("write", write(fd[0], "ab", 2) == 2);
	expect("main", "out conn=c off=0 len=2 head=ab");
	snprintf(out, sizeof out, "OUT=%d", fd[0]);
	snprintf(in, sizeof in, "IN=%d", fd[1]);
	if (getenv("EXPECT") != NULL)
		snprintf(expected, sizeof expected, "EXPECT=%s", getenv("EXPECT"));
	said("no such file", syscall(SYS_execve, "/no/such/file", args, env));
	said("no such descriptor", syscall(SYS_execveat, -1, "file", args, env, 0));
	expect("main", "close conn=c flags=exit out_seen=2");
	expect("main", "close conn=s flags=exit");
	syscall(SYS_execve, "/proc/self/exe", args, env);
	return 98;
}
