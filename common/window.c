/* SPDX-License-Identifier: Apache-2.0 */
/* window.c - see window.h. No libc: the library parses before the program's main. */
#include "window.h"

#define MS_NS 1000000ull

/* The finisher of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

/* Digits; false without one, or above what a plan can hold. */
static bool take_number(const char **at, uint64_t most, uint64_t *number)
{
	const char *s = *at;

	*number = 0;
	for (; *s >= '0' && *s <= '9'; s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (*number > (most - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	if (s == *at)
		return false;
	*at = s;
	return true;
}

static bool take_word(const char **at, const char *word)
{
	const char *s = *at;

	for (; *word != '\0'; s++, word++)
		if (*s != *word)
			return false;
	*at = s;
	return true;
}

static bool take_time(const char **at, uint64_t *ns)
{
	uint64_t number, unit;

	if (!take_number(at, WINDOW_PERIOD_MAX_NS / MS_NS, &number))
		return false;
	if (take_word(at, "ms"))
		unit = MS_NS;
	else if (take_word(at, "s"))
		unit = 1000 * MS_NS;
	else if (take_word(at, "m"))
		unit = 60 * 1000 * MS_NS;
	else if (take_word(at, "h"))
		unit = 3600 * 1000 * MS_NS;
	else
		return number == 0 && (*ns = 0) == 0;
	*ns = number * unit;
	return *ns <= WINDOW_PERIOD_MAX_NS;
}

bool window_is_sane(const struct window_plan *p)
{
	return p->period_ns <= WINDOW_PERIOD_MAX_NS && p->window_ns >= MS_NS &&
	       p->window_ns <= p->period_ns && p->margin_ns <= p->period_ns;
}

bool window_parse(const char *text, struct window_plan *plan)
{
	struct window_plan p = {0};

	*plan = p;
	if (take_word(&text, "off"))
		return *text == '\0';
	if (!take_time(&text, &p.window_ns) || !take_word(&text, "/") || !take_time(&text, &p.period_ns))
		return false;
	p.margin_ns = p.window_ns / 2 < WINDOW_MARGIN_NS ? p.window_ns / 2 : WINDOW_MARGIN_NS;
	while (*text != '\0') {
		if (take_word(&text, ",seed=")) {
			if (!take_number(&text, UINT64_MAX, &p.seed))
				return false;
		} else if (!take_word(&text, ",margin=") || !take_time(&text, &p.margin_ns)) {
			return false;
		}
	}
	if (!window_is_sane(&p))
		return false;
	*plan = p;
	return true;
}

struct window_span window_at(const struct window_plan *plan, uint64_t k)
{
	uint64_t room = plan->period_ns - plan->window_ns;
	uint64_t phase = room == 0 ? 0 : mix(mix(plan->seed + 0x9e3779b97f4a7c15ull) ^ k) % room;
	uint64_t from = k * plan->period_ns + phase;

	return (struct window_span){from, from + plan->window_ns};
}

bool window_is_open(const struct window_plan *plan, uint64_t now_ns, uint64_t *until_ns)
{
	bool open = false;
	uint64_t k, first;

	*until_ns = UINT64_MAX;
	if (plan->period_ns == 0)
		return true;
	k = now_ns / plan->period_ns;
	first = k > 0 ? k - 1 : 0;
	/* a margin is no longer than a period: no other window reaches here */
	for (uint64_t i = first; i <= k + 2; i++) {
		struct window_span w = window_at(plan, i);
		uint64_t from = w.from_ns > plan->margin_ns ? w.from_ns - plan->margin_ns : 0;
		uint64_t to = w.to_ns + plan->margin_ns;

		open |= now_ns >= from && now_ns < to;
		if (from > now_ns && from < *until_ns)
			*until_ns = from;
		if (to > now_ns && to < *until_ns)
			*until_ns = to;
	}
	return open;
}
