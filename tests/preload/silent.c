// SPDX-License-Identifier: Apache-2.0
/* A process without stream I/O leaves nothing: no dump, no directory, no region; its descriptors and threads
 * are its own. records: none
 */
#include <dirent.h>
#include <sys/epoll.h>

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
	int pair[2], udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof at;
	pthread_t made;
	FILE *file = fopen("file", "w");
	char buf[8];

	must("files", file != NULL && fprintf(file, "text") == 4 && fclose(file) == 0);
	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	must("bind", bind(udp, (struct sockaddr *)&at, len) == 0 &&
			 getsockname(udp, (struct sockaddr *)&at, &len) == 0);
	said("sendto", sendto(udp, "datagram", 8, 0, (struct sockaddr *)&at, len));
	said("recv", recv(udp, buf, sizeof buf, 0));
	said("connect", connect(udp, (struct sockaddr *)&at, len));
	said("write", write(udp, "d", 1));
	said("not connected", read(tcp, buf, sizeof buf));
	said("dup", dup2(tcp, 50));
	said("poll", poll(&(struct pollfd){.fd = udp, .events = POLLIN}, 1, -1));
	must("create", pthread_create(&made, NULL, thread, NULL) == 0 && pthread_join(made, NULL) == 0);
	if (fork() == 0)
		_exit(0);
	wait(NULL);
	said("tasks", count("/proc/self/task"));
	said("descriptors", count("/proc/self/fd"));
	return 0;
}
