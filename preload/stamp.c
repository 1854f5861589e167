/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stamp.c - which clock stamps come from, and readings of all clocks at one moment. The choice is made when
 * the settings are read, before the program's main: it reads a file, and the first stamp must have its unit.
 */
#include "preload/stamp.h"

#include "common/dump.h"
#include "preload/sys.h"
#include "preload/text.h"

#define STAMP_TRIES 5

uint32_t stamp_unit = STAMP_UNSET;
uint64_t stamp_second = 2500000000u; /* between the rates of today's processors, until measured */

uint64_t stamp_slow(void)
{
	return stamp_unit == STAMP_RAW ? sys_clock_ns(CLOCK_MONOTONIC_RAW) : 0;
}

void stamp_choose(void)
{
	char name[16] = "";
	int fd;

	if (__atomic_load_n(&stamp_unit, __ATOMIC_RELAXED) != STAMP_UNSET)
		return;
	fd = sys_open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY, 0);
	if (fd >= 0) {
		sys_read_at(fd, name, sizeof name - 1, 0);
		sys_close(fd);
	}
	if (text_equal(name, "tsc\n")) {
		__atomic_store_n(&stamp_unit, STAMP_TSC, __ATOMIC_RELAXED);
	} else {
		stamp_second = 1000000000u;
		__atomic_store_n(&stamp_unit, STAMP_RAW, __ATOMIC_RELAXED);
	}
}

const char *stamp_name(void)
{
	return stamp_unit == STAMP_TSC ? "tsc" : "raw";
}

void stamp_anchor(struct anchor *a)
{
	uint64_t narrowest = UINT64_MAX;

	for (int i = 0; i < STAMP_TRIES; i++) {
		struct anchor try;
		uint64_t before = stamp_now(), after;

		try.raw_ns = sys_clock_ns(CLOCK_MONOTONIC_RAW);
		try.mono_ns = sys_clock_ns(CLOCK_MONOTONIC);
		try.real_ns = sys_clock_ns(CLOCK_REALTIME);
		after = stamp_now();
		if (after - before >= narrowest)
			continue;
		narrowest = after - before;
		/* the raw clock is the one that stamps are a linear function of: in that unit it is the stamp
		 * itself, else the middle of its reading */
		try.stamp = stamp_unit == STAMP_RAW ? try.raw_ns : before + narrowest / 6;
		*a = try;
	}
}

void stamp_learn(const struct anchor *from, const struct anchor *to)
{
	uint64_t ns = to->raw_ns - from->raw_ns;

	if (stamp_unit == STAMP_TSC && ns > 100000000u && to->stamp > from->stamp)
		__atomic_store_n(&stamp_second, (to->stamp - from->stamp) * 1000 / (ns / 1000000),
				 __ATOMIC_RELAXED);
}
