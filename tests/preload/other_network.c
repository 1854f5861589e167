// SPDX-License-Identifier: Apache-2.0
/* A thread leaves for another network namespace: what it opens there is there, what it had stays where it
 * was. */
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "expect.h"

static int there[2], here[2];
static struct stat old_place, new_place;

static void *leave(void *unused)
{
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	struct sockaddr_in at;
	int fd, listener;

	must("unshare", unshare(CLONE_NEWNET) == 0);
	must("place", stat("/proc/thread-self/ns/net", &new_place) == 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	must("lo", ioctl(fd, SIOCSIFFLAGS, &up) == 0);
	close(fd);
	listener = tcp_listen(&at);
	there[0] = socket(AF_INET, SOCK_STREAM, 0);
	must("connect", connect(there[0], (struct sockaddr *)&at, sizeof at) == 0);
	expect("away", "open conn=a flags=connect netns=%lu", (unsigned long)new_place.st_ino);
	there[1] = accept(listener, NULL, NULL);
	expect("away", "open conn=b flags=accept netns=%lu", (unsigned long)new_place.st_ino);
	close(listener);
	close(there[0]);
	expect("away", "close conn=a");
	close(there[1]);
	expect("away", "close conn=b");
	return unused;
}

int main(void)
{
	pthread_t thread;

	if (unshare(CLONE_NEWNS) != 0) { /* may it make namespaces at all? */
		puts("not here");
		return 0;
	}
	tcp_pair_as(here, "c", "s");
	must("place", stat("/proc/self/ns/net", &old_place) == 0);
	must("thread", pthread_create(&thread, NULL, leave, NULL) == 0 && pthread_join(thread, NULL) == 0);
	said("another place", old_place.st_ino != new_place.st_ino);
	tcp_pair_as(here, "d", "t");
	said("write", write(here[0], "x", 1));
	expect("main", "out conn=d off=0 len=1");
	for (const char *name = "csdt"; *name != '\0'; name++)
		expect("main", "close conn=%c flags=exit", *name);
	_exit(0);
}
