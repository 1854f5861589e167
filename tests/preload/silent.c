// SPDX-License-Identifier: Apache-2.0
/* A process without socket I/O leaves nothing: no dump, no directory, no region; its descriptors and threads
 * are its own.
 *
 * records: none
 */
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "expect.h"

static int count(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void *thread(void *arg)
{
	return arg;
}

int main(void)
{
	int pair[2], ends[2], udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof at;
	pthread_t made;
	FILE *file = fopen("file", "w");
	char buf[8] = "\1";
	eventfd_t value;
	int wake;

	must("files", file != NULL && fprintf(file, "text") == 4 && fclose(file) == 0);
	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	/* how a program learns its own address */
	said("connect", connect(udp, (struct sockaddr *)&at, len));
	must("address", getsockname(udp, (struct sockaddr *)&at, &len) == 0);
	/* a shell's pipeline, and a loop that wakes itself */
	must("pipe", pipe(ends) == 0);
	said("write", write(ends[1], "pipe", 4));
	said("poll", poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, -1));
	said("read", read(ends[0], buf, sizeof buf));
	wake = eventfd(1, 0);
	said("eventfd", write(wake, buf, 8) + read(wake, buf, 8));
	said("eventfd_write", eventfd_write(wake, 3));
	said("eventfd_read", eventfd_read(wake, &value));
	said("not connected", read(tcp, buf, sizeof buf));
	said("dup", dup2(tcp, 50));
	must("create", pthread_create(&made, NULL, thread, NULL) == 0 && pthread_join(made, NULL) == 0);
	if (fork() == 0)
		_exit(0);
	wait(NULL);
	said("tasks", count("/proc/self/task"));
	said("descriptors", count("/proc/self/fd"));
	return 0;
}
