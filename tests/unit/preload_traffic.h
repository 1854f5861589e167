/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload_traffic.h - the program that preload_faults_test runs bare and traced: moves bytes through a
 * socketpair, sums up what came, and ends in one of many ways.
 */
#ifndef DPROF_TESTS_PRELOAD_TRAFFIC_H
#define DPROF_TESTS_PRELOAD_TRAFFIC_H

#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/unit/preload_producer.h"

#define ROUNDS 20000u
#define NOBODY 65534

static struct producer_board *board;

/* What the traced program does when it has its result. */
enum how {
	EXIT,
	QUICK_EXIT,
	MAIN_THREAD_ENDS,
	LAST_THREAD_ENDS,
	CLOSE_ALL,
	FORK,
	DROP,
	DAEMON,
	PIPE,
	RAW_FORK
};

static inline void *traffic(void *unused)
{
	uint32_t sum = 1;
	char out[64], in[64];
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return unused;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		size_t len = i % sizeof out + 1;

		memset(out, (int)i, sizeof out);
		if (write(fd[0], out, len) != (ssize_t)len || read(fd[1], in, sizeof in) != (ssize_t)len)
			return unused;
		if (BY_HAND) {
			record_by_hand(RECORD_OUT, (uint32_t)len);
			record_by_hand(RECORD_IN, (uint32_t)len);
		}
		sum = sum * 31 + (uint8_t)in[0] + (uint32_t)len;
	}
	close(fd[0]);
	close(fd[1]);
	__atomic_fetch_add(&board->result, sum, __ATOMIC_RELAXED);
	board->traced = thread_has_ring();
	return unused;
}

static inline void *traffic_later(void *unused)
{
	char stat[512] = "";

	/* until the main thread is a zombie */
	while (strstr(stat, ") Z ") == NULL) {
		FILE *in = fopen("/proc/self/stat", "r");

		if (in == NULL || fgets(stat, sizeof stat, in) == NULL)
			_exit(98);
		fclose(in);
		sched_yield();
	}
	return traffic(unused);
}

static inline void *last_thread(void *unused)
{
	traffic_later(unused);
	syscall(SYS_exit, 0); /* libc would end the process */
	return NULL;
}

/* Our thread takes no number of the program's, and holds nothing of it open. */
static inline void traffic_with_pipe(void)
{
	int fd[2];
	char byte;

	if (pipe(fd) < 0)
		_exit(90);
	alarm(20); /* a pipe that somebody still holds never ends */
	traffic(NULL);
	close(fd[1]);
	if (read(fd[0], &byte, 1) != 0)
		_exit(89);
	board->result += (uint32_t)dup(0) * 1000 + (uint32_t)dup(0);
}

/* The effective user of one of our threads. */
static inline unsigned int user_of(const char *tid)
{
	char path[300], line[256];
	unsigned int uid = 0;
	FILE *in;

	snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
	in = fopen(path, "r");
	while (in != NULL && fgets(line, sizeof line, in) != NULL)
		if (sscanf(line, "Uid: %*u %u", &uid) == 1)
			break;
	if (in != NULL)
		fclose(in);
	return uid;
}

/* Gives up root; until no thread has it any more. */
static inline void drop_rights(void)
{
	bool left = true;

	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		_exit(91);
	while (left) {
		DIR *d = opendir("/proc/self/task");
		struct dirent *e;

		left = false;
		while ((e = readdir(d)) != NULL)
			left |= e->d_name[0] != '.' && user_of(e->d_name) != NOBODY;
		closedir(d);
		sched_yield();
	}
}

static inline int traffic_main(char **argv)
{
	enum how how = (enum how)atoi(argv[3]);
	pthread_t thread;

	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[2]), 0);
	if (board == MAP_FAILED)
		return 97;
	switch (how) {
	case QUICK_EXIT:
		traffic(NULL);
		_exit(3);
	case MAIN_THREAD_ENDS:
		pthread_create(&thread, NULL, traffic_later, NULL);
		pthread_exit(NULL);
	case LAST_THREAD_ENDS:
		pthread_create(&thread, NULL, last_thread, NULL);
		syscall(SYS_exit, 0);
		break;
	case CLOSE_ALL:
		traffic(NULL);
		for (int fd = 0; fd < 1024; fd++)
			close(fd);
		traffic(NULL);
		break;
	case FORK:
	case RAW_FORK: /* that no wrapper sees */
		traffic(NULL);
		if ((how == FORK ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) == 0) {
			traffic(NULL);
			exit(0);
		}
		wait(NULL);
		break;
	case DROP:
		traffic(NULL);
		drop_rights();
		traffic(NULL);
		break;
	case PIPE:
		traffic_with_pipe();
		break;
	case DAEMON:
		/* from here on descriptor 2 is somebody's data */
		close(2);
		if (open("data", O_RDWR | O_CREAT, 0600) != 2)
			return 96;
		traffic(NULL);
		break;
	default:
		traffic(NULL);
	}
	return 3;
}

#endif
