/* SPDX-License-Identifier: Apache-2.0 */
/* units.c - see units.h. Three digits that count, in the unit that leaves them before or near the point. */
#include "analyzer/out/units.h"

#include <inttypes.h>
#include <math.h>
#include <time.h>

/* Prints `count` in the largest unit that it reaches; units[0] is the whole number. */
static void print_scaled(char *to, uint64_t count, double step, const char *const *units)
{
	double value = (double)count;
	unsigned int unit = 0;

	if (value < step) {
		snprintf(to, UNITS_TEXT_BYTES, "%" PRIu64 " %s", count, units[0]);
		return;
	}
	/* 999.6 would be printed as 1000, which is the next unit's 1.00. */
	while (value >= step - 0.5 && units[unit + 1]) {
		value /= step;
		unit++;
	}
	snprintf(to, UNITS_TEXT_BYTES, "%.*f %s",
		 value < 9.995	 ? 2
		 : value < 99.95 ? 1
				 : 0,
		 value, units[unit]);
}

/* The sign is there even if it is plus. */
static void print_offset(char *to, int64_t ns, const char *const *units)
{
	uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	char text[UNITS_TEXT_BYTES];

	print_scaled(text, size, 1000, units);
	snprintf(to, UNITS_TEXT_BYTES, "%s%.*s", ns < 0 ? "-" : ns ? "+" : "", UNITS_TEXT_BYTES - 2, text);
}

static void print_time(char *to, uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(to, UNITS_TEXT_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(to + len, UNITS_TEXT_BYTES - len, ".%06u", (unsigned int)(ns % 1000000000 / 1000));
}

static void print_number(char *to, double number)
{
	if (!isfinite(number))
		snprintf(to, UNITS_TEXT_BYTES, "-");
	else if (fabs(number) >= 1e15)
		snprintf(to, UNITS_TEXT_BYTES, "%.3g", number);
	else if (fabs(number) >= 99.95)
		snprintf(to, UNITS_TEXT_BYTES, "%.0f", number);
	else
		snprintf(to, UNITS_TEXT_BYTES, "%.*f", fabs(number) < 9.995 ? 2 : 1, number);
}

/* What is not certain is never rounded to 100 %. */
static void print_probability(char *to, double p)
{
	if (p < 1 && p > 0.9999)
		snprintf(to, UNITS_TEXT_BYTES, ">99.99 %%");
	else
		snprintf(to, UNITS_TEXT_BYTES, "%.4g %%", p * 100);
}

void units_print(char to[UNITS_TEXT_BYTES], struct out_value value)
{
	static const char *const times[] = {"ns", "µs", "ms", "s", NULL};
	static const char *const sizes[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", NULL};

	to[0] = 0;
	switch (value.type) {
	case OUT_COUNT:
		snprintf(to, UNITS_TEXT_BYTES, "%" PRIu64, value.count);
		break;
	case OUT_NS:
		print_scaled(to, value.count, 1000, times);
		break;
	case OUT_OFFSET:
		print_offset(to, (int64_t)value.count, times);
		break;
	case OUT_TIME:
		print_time(to, value.count);
		break;
	case OUT_BYTES:
		print_scaled(to, value.count, 1024, sizes);
		break;
	case OUT_NUMBER:
		print_number(to, value.number);
		break;
	case OUT_PROBABILITY:
		print_probability(to, value.number);
		break;
	case OUT_CID:
		snprintf(to, UNITS_TEXT_BYTES, "%016" PRIx64, value.count);
		break;
	case OUT_BOOL:
		snprintf(to, UNITS_TEXT_BYTES, "%s", value.truth ? "yes" : "no");
		break;
	case OUT_NULL:
		snprintf(to, UNITS_TEXT_BYTES, "-");
		break;
	case OUT_TEXT:
	case OUT_WORDS:
	case OUT_ABSENT:
		break;
	}
}

bool units_align_right(enum out_type type)
{
	switch (type) {
	case OUT_COUNT:
	case OUT_NS:
	case OUT_OFFSET:
	case OUT_BYTES:
	case OUT_NUMBER:
	case OUT_PROBABILITY:
		return true;
	default:
		return false;
	}
}
