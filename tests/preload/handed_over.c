// SPDX-License-Identifier: Apache-2.0
/* Sockets that come without socket(): a listener at descriptor 3 (LISTEN_FDS), a connection in a message to
 * another process, and a marker that is put over a connection while a thread sleeps in it (a JVM closes like
 * that).
 */
#include "expect.h"

static void send_fd(int through, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec byte = {"x", 1};
	struct msghdr msg = {
	    .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	must("sendmsg", sendmsg(through, &msg, 0) == 1);
}

static int take_fd(int through)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char got;
	struct iovec byte = {&got, 1};
	struct msghdr msg = {
	    .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	int fd;

	must("recvmsg", recvmsg(through, &msg, 0) == 1 && msg.msg_controllen >= sizeof control.head);
	memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
	return fd;
}

/* The program that systemd starts with its listener at 3 and the way to its worker at 4. */
static int activated(void)
{
	char buf[8];
	int fd = accept(3, NULL, NULL);

	must("accept", fd == 5);
	expect("activated", "open conn=a call=accept fd=5 flags=accept family=4 off_in=0");
	must("read", read(fd, buf, 2) == 2);
	expect("activated", "in conn=a call=read off=0 len=2 flags=burst head=he");
	send_fd(4, fd);
	expect("activated", "open conn=w call=sendmsg fd=4 flags=seen family=1");
	expect("activated", "out conn=w call=sendmsg off=0 len=1");
	close(fd);
	expect("activated", "close conn=a call=close in_seen=2");
	expect("activated", "close conn=w flags=exit");
	return 0;
}

static int worker(int through)
{
	char buf[8];
	int fd = take_fd(through);

	expect("worker", "open conn=v call=recvmsg fd=%d flags=seen family=1", through);
	expect("worker", "in conn=v call=recvmsg off=0 len=1");
	must("read", read(fd, buf, 3) == 3);
	expect("worker", "open conn=b call=read fd=%d flags=seen family=4 off_in=2 off_out=0", fd);
	expect("worker", "in conn=b call=read off=2 len=3 flags=burst head=llo");
	must("write", write(fd, "bye", 3) == 3);
	expect("worker", "out conn=b call=write off=0 len=3 flags=burst head=bye");
	expect("worker", "close conn=v flags=exit");
	expect("worker", "close conn=b flags=exit in_seen=5 in_kernel=5 out_seen=3 out_kernel=3");
	return 0;
}

static void handed_over(char *self)
{
	int through[2], client = socket(AF_INET, SOCK_STREAM, 0), listener, numbers[2];
	struct sockaddr_in at;
	char buf[8];
	pid_t server, other;

	listener = tcp_listen(&at);
	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, through) == 0);
	server = fork();
	if (server == 0) {
		numbers[0] = fcntl(listener, F_DUPFD, 20);
		numbers[1] = fcntl(through[0], F_DUPFD, 20);
		dup2(numbers[0], 3);
		dup2(numbers[1], 4);
		closefrom(5);
		execl("/proc/self/exe", self, "activated", NULL);
		_exit(98);
	}
	other = fork();
	if (other == 0)
		exit(worker(through[1]));
	must("connect", connect(client, (struct sockaddr *)&at, sizeof at) == 0);
	expect("main", "open conn=c call=connect fd=%d flags=connect family=4", client);
	must("write", write(client, "hello", 5) == 5);
	expect("main", "out conn=c off=0 len=5 flags=burst head=hello");
	said("answer", read(client, buf, sizeof buf));
	expect("main", "in conn=c off=0 len=3 flags=burst head=bye");
	must("wait", waitpid(server, NULL, 0) == server && waitpid(other, NULL, 0) == other);
	close(client);
	expect("main", "close conn=c out_seen=5 in_seen=3");
	close(through[0]);
	close(through[1]);
	close(listener);
}

static int marker[2], covered[2];
static volatile pid_t sleeper_tid;
static long came[2];

static void *sleeper(void *unused)
{
	char buf[8];

	sleeper_tid = (pid_t)syscall(SYS_gettid);
	came[0] = read(covered[1], buf, sizeof buf);
	expect("sleeper", "in conn=t call=read off=0 len=4 flags=late head=late");
	came[1] = read(covered[1], buf, sizeof buf);
	return unused;
}

static void marked(void)
{
	pthread_t thread;
	char buf[8];

	tcp_pair_as(covered, "k", "t");
	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, marker) == 0);
	expect("main", "open conn=m flags=pair family=1");
	expect("main", "open conn=n flags=pair family=1");
	close(marker[1]);
	expect("main", "close conn=n");
	must("thread", pthread_create(&thread, NULL, sleeper, NULL) == 0);
	while (sleeper_tid == 0)
		sched_yield();
	until_blocked(sleeper_tid, SYS_read);
	said("put over", dup2(marker[0], covered[1]) == covered[1]);
	expect("main", "close conn=t call=dup2 fd=%d in_seen=0", covered[1]);
	said("write", write(covered[0], "late", 4));
	expect("main", "out conn=k off=0 len=4 head=late");
	must("join", pthread_join(thread, NULL) == 0);
	expect("sleeper", "in conn=m call=read off=0 len=0 flags=eof");
	said("what came after", came[0]);
	said("the marker", came[1]);
	said("end of the peer", read(covered[0], buf, sizeof buf));
	expect("main", "in conn=k call=read off=0 len=0 flags=eof");
	close(covered[0]);
	expect("main", "close conn=k out_seen=4");
	close(covered[1]);
	close(marker[0]);
	expect("main", "close conn=m");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return activated();
	handed_over(argv[0]);
	marked();
	return 0;
}
