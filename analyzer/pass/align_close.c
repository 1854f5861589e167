// SPDX-License-Identifier: Apache-2.0
/*
 * align_close.c - see align_close.h. Analyzer, one thread; pure. Shortest paths between all clocks (Floyd and
 * Warshall).
 *
 * The middle of the bounds to one clock, taken for all others, keeps every other bound too: it is the mean of
 * two solutions, all of them as far ahead and all as far behind as possible. Rounding down keeps that.
 */
#include "analyzer/pass/align_close.h"

bool align_close(int64_t *m, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++) {
		const int64_t *from = &m[(size_t)k * n];

		for (uint32_t i = 0; i < n; i++) {
			int64_t *to = &m[(size_t)i * n], first = to[k];

			if (i == k || first >= ALIGN_OPEN)
				continue;
			for (uint32_t j = 0; j < n; j++) {
				int64_t by = first + from[j];

				if (from[j] < ALIGN_OPEN && by < to[j])
					to[j] = by;
			}
			if (to[i] < 0)
				return false;
		}
	}
	return true;
}

static int64_t middle(int64_t low, int64_t high)
{
	return low + ((high - low) >> 1);
}

/* Between what those that are placed leave it. */
static void place_one(const int64_t *m, uint32_t n, uint32_t j, int64_t *offset, bool *placed)
{
	int64_t low = -ALIGN_OPEN, high = ALIGN_OPEN;

	for (uint32_t i = 0; i < n; i++) {
		int64_t ahead = m[(size_t)i * n + j], behind = m[(size_t)j * n + i];

		if (!placed[i])
			continue;
		if (ahead < ALIGN_OPEN && offset[i] + ahead < high)
			high = offset[i] + ahead;
		if (behind < ALIGN_OPEN && offset[i] - behind > low)
			low = offset[i] - behind;
	}
	placed[j] = low > -ALIGN_OPEN || high < ALIGN_OPEN;
	offset[j] = low == -ALIGN_OPEN ? high : high == ALIGN_OPEN ? low : middle(low, high);
}

void align_place(const int64_t *m, uint32_t n, uint32_t r, int64_t *offset, bool *placed)
{
	for (uint32_t j = 0; j < n; j++) {
		int64_t high = m[(size_t)r * n + j], behind = m[(size_t)j * n + r];

		placed[j] = high < ALIGN_OPEN && behind < ALIGN_OPEN;
		offset[j] = placed[j] ? middle(-behind, high) : 0;
	}
	/* those that a bound to one side leads to, directly or through others: so often as one may be reached
	 */
	for (uint32_t j = 0; j < n; j++)
		if (!placed[j])
			place_one(m, n, j, offset, placed);
	for (uint32_t j = 0; j < n; j++)
		if (!placed[j])
			place_one(m, n, j, offset, placed);
}
