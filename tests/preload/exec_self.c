// SPDX-License-Identifier: Apache-2.0
/*
 * A traced program replaces itself: its dump ends whole, a call that fails costs nothing (the path is not
 * there) or a new dump (it is there, but no program), and an inherited socket goes on at its offset in the
 * new image.
 */
#include "expect.h"

int main(int argc, char **argv)
{
	char text[16], again[16], *script[] = {"script", NULL}, buf[8], path[] = "./no-program";
	int fd[2];

	if (argc == 3) {
		fd[0] = atoi(argv[1]);
		fd[1] = atoi(argv[2]);
		must("write", write(fd[0], "ef", 2) == 2);
		expect("image", "open conn=c3 flags=seen off_out=4");
		expect("image", "out conn=c3 off=4 len=2 head=ef");
		said("read", read(fd[1], buf, sizeof buf));
		expect("image", "open conn=s3 flags=seen off_in=0");
		expect("image", "in conn=s3 off=0 len=6 head=abcdef");
		expect("image", "close conn=c3 flags=exit");
		expect("image", "close conn=s3 flags=exit");
		return 5;
	}
	tcp_pair(fd);
	must("write", write(fd[0], "ab", 2) == 2);
	expect("main", "out conn=c off=0 len=2 head=ab");
	for (int i = 0; i < 3; i++)
		said("no such file", execv("/no/such/file", script));
	close(open(path, O_WRONLY | O_CREAT, 0755));
	said("open for writing", open(path, O_WRONLY) < 0);
	said("busy", execv(path, script));
	expect("main", "close conn=c flags=exit out_seen=2");
	expect("main", "close conn=s flags=exit in_seen=0");
	must("write", write(fd[0], "cd", 2) == 2);
	expect("second", "open conn=c2 flags=seen off_out=2");
	expect("second", "out conn=c2 off=2 len=2 head=cd");
	expect("second", "close conn=c2 flags=exit out_seen=4");
	snprintf(text, sizeof text, "%d", fd[0]);
	snprintf(again, sizeof again, "%d", fd[1]);
	execl("/proc/self/exe", "self", text, again, NULL);
	return 98;
}
