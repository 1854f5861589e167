// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel refuses to a process with threads is not refused because of ours: the dump ends before, and
 * the program goes on in another one. COVERAGE trap 19.
 */
#include <sched.h>

#include "expect.h"

static void move(int fd[2], const char *image, unsigned int off)
{
	char buf[4];

	must("write", write(fd[0], "ab", 2) == 2);
	if (off > 0)
		expect(image, "open conn=%s-a flags=seen off_out=%u", image, off);
	expect(image, "out conn=%s-a off=%u len=2", image, off);
	must("read", read(fd[1], buf, sizeof buf) == 2);
	if (off > 0)
		expect(image, "open conn=%s-b flags=seen off_in=%u", image, off);
	expect(image, "in conn=%s-b off=%u len=2", image, off);
	expect(image, "close conn=%s-a flags=exit out_seen=%u", image, off + 2);
	expect(image, "close conn=%s-b flags=exit in_seen=%u", image, off + 2);
}

/* The user namespace of a child that made one; its pipe ends it. */
static int child_namespace(int *child_waits)
{
	char path[64], byte = 0;
	int there[2], back[2];
	pid_t child;

	must("pipes", pipe(there) == 0 && pipe(back) == 0);
	child = fork();
	if (child == 0) {
		byte = unshare(CLONE_NEWUSER) == 0;
		syscall(SYS_write, back[1], &byte, 1);
		close(there[1]);
		syscall(SYS_read, there[0], &byte, 1);
		syscall(SYS_exit_group, 0);
	}
	must("child", read(back[0], &byte, 1) == 1);
	said("child's unshare", byte);
	snprintf(path, sizeof path, "/proc/%d/ns/user", child);
	*child_waits = there[1];
	return open(path, O_RDONLY);
}

int main(void)
{
	int fd[2], waits, user, mounts = open("/proc/self/ns/mnt", O_RDONLY);

	tcp_pair_as(fd, "main-a", "main-b");
	move(fd, "main", 0);
	user = child_namespace(&waits);
	said("mounts", unshare(CLONE_NEWNS));
	said("back", setns(mounts, CLONE_NEWNS));
	said("files", unshare(CLONE_FILES | CLONE_FS));
	said("enter user", setns(user, 0));
	close(waits);
	move(fd, "two", 2);
	said("user", unshare(CLONE_NEWUSER));
	move(fd, "three", 4);
	return 0;
}
