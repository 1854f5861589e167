// SPDX-License-Identifier: Apache-2.0
/* client PORT REQUESTS IN-FLIGHT FAN WORK_US - asks the front; each connection asks on when it has its
 * answer. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

enum { CONNECTIONS_MAX = 256 };

static struct wire wires[CONNECTIONS_MAX];
static struct pollfd fds[CONNECTIONS_MAX];
static uint64_t asked, waiting[CONNECTIONS_MAX];

static void ask(unsigned int i, const struct message *like)
{
	struct message m = *like;

	m.uid = ++asked;
	waiting[i] = m.uid;
	m.work_us = like->work_us / 2 + (like->work_us ? wire_random() % like->work_us : 0);
	wire_send(&wires[i], &m, WIRE_TO_FRONT, 'Q');
}

int main(int argc, char **argv)
{
	uint64_t requests = argc == 6 ? strtoull(argv[2], NULL, 10) : 0, answered = 0;
	unsigned int open = argc == 6 ? (unsigned int)atoi(argv[3]) : 0;
	struct message like = {.fan = argc == 6 ? (uint32_t)atoi(argv[4]) : 0,
			       .work_us = argc == 6 ? (uint32_t)atoi(argv[5]) : 0};

	if (requests < open || open == 0 || open > CONNECTIONS_MAX)
		return 2;
	for (unsigned int i = 0; i < open; i++) {
		wire_connect(&wires[i], (uint16_t)atoi(argv[1]));
		fds[i] = (struct pollfd){.fd = wires[i].fd, .events = POLLIN};
	}
	for (unsigned int i = 0; i < open; i++)
		ask(i, &like);
	while (answered < requests) {
		if (poll(fds, open, -1) < 0)
			return 1;
		for (unsigned int i = 0; i < open; i++) {
			struct message m;

			if (!fds[i].revents || wire_take(&wires[i], &m, WIRE_FROM_FRONT, 0) == 0)
				continue;
			if (m.uid != waiting[i]) {
				fprintf(stderr, "client: answer to %llu, asked %llu\n",
					(unsigned long long)m.uid, (unsigned long long)waiting[i]);
				return 1;
			}
			answered++;
			waiting[i] = 0;
			if (asked < requests)
				ask(i, &like);
		}
	}
	wire_log_end();
	printf("%llu answered\n", (unsigned long long)answered);
	return 0;
}
