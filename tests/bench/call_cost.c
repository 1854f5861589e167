// SPDX-License-Identifier: Apache-2.0
/*
 * call_cost - what one intercepted call costs: this program runs itself bare and with the library preloaded,
 * in turn, and compares the two pair by pair. Each child times loops of one call and prints ns per call.
 *
 *   call_cost --library LIBDPROF.SO [--rounds N] [--json]
 *   call_cost --child CASE CALLS        one measurement (callgrind counts instructions of this)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 200

struct bench {
	const char *name;
	const char *text;
	int (*open)(int fd[2]);
	bool threaded; /* the program has a second, idle thread */
	unsigned int size;
	unsigned int calls;
};

static void die(const char *what)
{
	fprintf(stderr, "call_cost: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int open_null(int fd[2])
{
	fd[0] = open("/dev/zero", O_RDONLY);
	fd[1] = open("/dev/null", O_WRONLY);
	return fd[0] < 0 || fd[1] < 0 ? -1 : 0;
}

static int open_pair(int fd[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
}

static int open_tcp(int fd[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&a, &len))
		return -1;
	fd[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd[1], (struct sockaddr *)&a, sizeof(a)))
		return -1;
	fd[0] = accept(listener, NULL, NULL);
	setsockopt(fd[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	close(listener);
	return fd[0] < 0 ? -1 : 0;
}

/* Nothing else is recorded here, so neither is the pipe: the way of a shell's pipeline. */
static int open_pipe(int fd[2])
{
	return pipe(fd);
}

/* A pipe in a process that is recorded. */
static int open_wake(int fd[2])
{
	int pair[2];

	return open_pair(pair) || write(pair[0], "x", 1) != 1 || pipe(fd) ? -1 : 0;
}

static int open_udp(int fd[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	fd[0] = socket(AF_INET, SOCK_DGRAM, 0);
	fd[1] = socket(AF_INET, SOCK_DGRAM, 0);
	return bind(fd[0], (struct sockaddr *)&a, len) || getsockname(fd[0], (struct sockaddr *)&a, &len) ||
		       connect(fd[1], (struct sockaddr *)&a, len)
		   ? -1
		   : 0;
}

static const struct bench benches[] = {
    {"null-1", "read + write, no socket, 1 byte", open_null, false, 1, 400000},
    {"pair-1", "read + write, socketpair, 1 byte", open_pair, false, 1, 200000},
    {"tcp-1", "read + write, TCP loopback, 1 byte", open_tcp, false, 1, 60000},
    {"pair-64", "read + write, socketpair, 64 bytes", open_pair, false, 64, 200000},
    {"pipe-1", "read + write, pipe, nothing recorded", open_pipe, false, 1, 400000},
    {"wake-1", "read + write, pipe of a recorded process", open_wake, false, 1, 200000},
    {"udp-1", "read + write, UDP loopback, 1 byte", open_udp, false, 1, 60000},
    {"null-1-mt", "read + write, no socket, 1 byte, 2 threads", open_null, true, 1, 400000},
    {"pair-1-mt", "read + write, socketpair, 1 byte, 2 threads", open_pair, true, 1, 200000},
};
#define BENCHES (sizeof(benches) / sizeof(benches[0]))

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *idle(void *arg)
{
	pause();
	return arg;
}

/* A write and the read of what it wrote: two traced calls per turn. */
static int transfer(const int fd[2], unsigned int size, unsigned int turns)
{
	char buf[64] = {0};

	for (unsigned int i = 0; i < turns; i++) {
		if (write(fd[1], buf, size) != (ssize_t)size || read(fd[0], buf, size) != (ssize_t)size)
			return -1;
	}
	return 0;
}

static int child(const char *name, unsigned int calls)
{
	const struct bench *b = benches;
	pthread_t second;
	double start;
	int fd[2];

	while (b < benches + BENCHES && strcmp(b->name, name))
		b++;
	if (b == benches + BENCHES) {
		fprintf(stderr, "call_cost: no case %s\n", name);
		return 2;
	}
	if (!calls)
		calls = b->calls;
	if (b->threaded && pthread_create(&second, NULL, idle, NULL))
		die("pthread_create");
	if (b->open(fd) || transfer(fd, b->size, calls / 20))
		die(name);
	start = now_ns();
	if (transfer(fd, b->size, calls / 2))
		die(name);
	printf("%.3f\n", (now_ns() - start) / (calls / 2 * 2));
	return 0;
}

/* Runs one child and returns its ns per call. */
static double measure(const char *self, const char *name, const char *library, const char *dumps)
{
	char command[4096], line[64];
	FILE *from;

	if (library)
		snprintf(command, sizeof(command), "DPROF_DIR='%s' LD_PRELOAD='%s' '%s' --child %s 0", dumps,
			 library, self, name);
	else
		snprintf(command, sizeof(command), "'%s' --child %s 0", self, name);
	from = popen(command, "r");
	if (!from || !fgets(line, sizeof(line), from) || pclose(from))
		die(command);
	return atof(line);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quartile(double *sorted, int n, int quarter)
{
	double at = (n - 1) * quarter / 4.0;
	int low = (int)at;

	return low + 1 < n ? sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]) : sorted[low];
}

static void compare(const struct bench *b, const char *self, const char *library, const char *dumps,
		    int rounds, bool json, bool last)
{
	double bare[ROUNDS_MAX], added[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		double first = measure(self, b->name, i % 2 ? library : NULL, dumps);
		double second = measure(self, b->name, i % 2 ? NULL : library, dumps);

		bare[i] = i % 2 ? second : first;
		added[i] = (i % 2 ? first : second) - bare[i];
	}
	qsort(bare, (size_t)rounds, sizeof(bare[0]), by_value);
	qsort(added, (size_t)rounds, sizeof(added[0]), by_value);
	if (json)
		printf("{\"name\": \"%s\", \"bare_ns\": %.2f, \"added_ns\": [%.2f, %.2f, %.2f]}%s\n", b->text,
		       quartile(bare, rounds, 2), quartile(added, rounds, 1), quartile(added, rounds, 2),
		       quartile(added, rounds, 3), last ? "" : ",");
	else
		printf("%-46s bare %8.1f ns   added %7.1f ns (%.1f to %.1f)\n", b->text,
		       quartile(bare, rounds, 2), quartile(added, rounds, 2), quartile(added, rounds, 1),
		       quartile(added, rounds, 3));
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"library", required_argument, NULL, 'l'},
						{"rounds", required_argument, NULL, 'r'},
						{"json", no_argument, NULL, 'j'},
						{NULL, 0, NULL, 0}};
	char dumps[] = "/tmp/dprof-call-cost.XXXXXX", command[64];
	const char *library = NULL;
	int rounds = 15, option;
	bool json = false;

	if (argc == 4 && !strcmp(argv[1], "--child"))
		return child(argv[2], (unsigned int)atoi(argv[3]));
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'l')
			library = optarg;
		else if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 'j')
			json = true;
		else
			return 2;
	}
	if (!library || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: call_cost --library LIBDPROF.SO [--rounds 1..%d] [--json]\n",
			ROUNDS_MAX);
		return 2;
	}
	if (access(library, R_OK))
		die(library);
	if (!mkdtemp(dumps))
		die(dumps);
	if (json)
		printf("{\"rows\": [\n");
	for (size_t i = 0; i < BENCHES; i++)
		compare(&benches[i], argv[0], library, dumps, rounds, json, i + 1 == BENCHES);
	if (json)
		printf("]}\n");
	snprintf(command, sizeof(command), "rm -rf '%s'", dumps);
	return system(command) ? 2 : 0;
}
