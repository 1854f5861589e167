// SPDX-License-Identifier: Apache-2.0
/* timing.c - see timing.h. */
#include "analyzer/timing.h"

#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

#include "analyzer/err.h"

static uint64_t last_ns;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void timing_begin(void)
{
	last_ns = now_ns();
}

void timing_tell(const char *step)
{
	uint64_t now = now_ns();
	struct rusage usage = {0};

	getrusage(RUSAGE_SELF, &usage);
	err_note("timing", "%-8s %10.3f ms, %ld MiB at most so far", step, (double)(now - last_ns) / 1e6,
		 usage.ru_maxrss / 1024);
	last_ns = now;
}
