// SPDX-License-Identifier: Apache-2.0
/* blocking thread|process PORT BACK - a thread, or a process, per connection: it reads a request, calls the
 * back as often as the request says, all at once on connections of its own, waits for all answers, answers.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire.h"

enum { FAN_MAX = 64 };

static uint16_t back;

static void *serve(void *with)
{
	struct wire *front = with, *calls = calloc(FAN_MAX, sizeof *calls);
	struct message m, answer;
	uint32_t open = 0;

	while (wire_wait(front, &m, WIRE_TO_FRONT, 'R')) {
		for (uint32_t i = 0; i < m.fan && i < FAN_MAX; i++) {
			if (i == open)
				wire_connect(&calls[open++], back);
			wire_send(&calls[i], &m, WIRE_TO_BACK, 'C');
		}
		for (uint32_t i = 0; i < m.fan && i < FAN_MAX; i++)
			wire_wait(&calls[i], &answer, WIRE_FROM_BACK, 0);
		wire_send(front, &m, WIRE_FROM_FRONT, 0);
	}
	for (uint32_t i = 0; i < open; i++)
		close(calls[i].fd);
	close(front->fd);
	free(calls);
	free(front);
	return NULL;
}

static void begin(struct wire *front, bool process)
{
	pthread_t thread;

	if (!process) {
		if (pthread_create(&thread, NULL, serve, front) != 0)
			exit(1);
		pthread_detach(thread);
		return;
	}
	if (fork() == 0) {
		serve(front);
		wire_log_end();
		exit(0);
	}
	close(front->fd);
	free(front);
}

static int listener;

static void stop(int number)
{
	(void)number;
	shutdown(listener, SHUT_RDWR);
}

int main(int argc, char **argv)
{
	bool process = argc == 4 && strcmp(argv[1], "process") == 0;
	int fd;

	if (argc != 4)
		return 2;
	back = (uint16_t)atoi(argv[3]);
	listener = wire_listen((uint16_t)atoi(argv[2]), false);
	signal(SIGTERM, stop);
	printf("ready\n");
	fflush(stdout);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		struct wire *front = malloc(sizeof *front);

		wire_open(front, fd);
		begin(front, process);
	}
	while (wait(NULL) > 0)
		;
	wire_log_end();
	return 0;
}
