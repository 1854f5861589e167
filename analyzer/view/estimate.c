// SPDX-License-Identifier: Apache-2.0
/* estimate.c - see estimate.h. Pure. */
#include "analyzer/view/estimate.h"

#include <math.h>
#include <string.h>

#define Z975 1.959963984540054

double estimate_t(size_t df)
{
	static const double table[] = {0,	 12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912,
				       2.364624, 2.306004,  2.262157, 2.228139, 2.200985, 2.178813, 2.160369,
				       2.144787, 2.131450,  2.119905, 2.109816, 2.100922, 2.093024, 2.085963};
	const double z = Z975, z3 = z * z * z, z5 = z3 * z * z, v = (double)df;

	if (df == 0)
		return Z975;
	if (df < sizeof(table) / sizeof(table[0]))
		return table[df];
	/* the first terms of the expansion of Cornish and Fisher */
	return z + (z3 + z) / (4 * v) + (5 * z5 + 16 * z3 + 3 * z) / (96 * v * v);
}

/* How much more the counts vary from window to window than those of independent requests would; never less
 * than 1. */
static double overdispersion(const struct estimate_window *windows, size_t n, double rate)
{
	double sum = 0, expected = 0;

	if (n < 2)
		return 1;
	for (size_t i = 0; i < n; i++) {
		double mean = rate * (double)windows[i].open_ns;
		double off = (double)windows[i].count - mean;

		sum += off * off;
		expected += mean;
	}
	sum *= (double)n / (double)(n - 1);
	return expected > 0 && sum > expected ? sum / expected : 1;
}

/* Byar's approximation of the exact limits of a Poisson count. */
static double poisson_low(double count, double t)
{
	double root;

	if (count <= 0)
		return 0;
	root = 1 - 1 / (9 * count) - t / (3 * sqrt(count));
	return root > 0 ? count * root * root * root : 0;
}

static double poisson_high(double count, double t)
{
	double more = count + 1, root = 1 - 1 / (9 * more) + t / (3 * sqrt(more));

	return more * root * root * root;
}

struct bounds estimate_rate(const struct estimate_window *windows, size_t n)
{
	double count = 0, open_ns = 0, spread, t, scale;

	for (size_t i = 0; i < n; i++) {
		count += (double)windows[i].count;
		open_ns += (double)windows[i].open_ns;
	}
	if (open_ns <= 0)
		return (struct bounds){0, INFINITY};
	spread = overdispersion(windows, n, count / open_ns);
	t = estimate_t(n > 1 ? n - 1 : 0);
	scale = spread * 1e9 / open_ns;
	return (struct bounds){poisson_low(count / spread, t) * scale,
			       poisson_high(count / spread, t) * scale};
}

/* Variance of the share of values at or below one of them, when values of one window are alike. */
static double share_variance(const struct estimate_value *sorted, size_t n, uint32_t parts, size_t below,
			     double *scratch)
{
	double *all = scratch, *under = scratch + parts, share = (double)below / (double)n;
	double simple = share * (1 - share) / (double)n, sum = 0;
	size_t used = 0;

	memset(scratch, 0, 2 * parts * sizeof(*scratch));
	for (size_t i = 0; i < n; i++) {
		all[sorted[i].part]++;
		under[sorted[i].part] += i < below;
	}
	for (uint32_t k = 0; k < parts; k++) {
		double off = under[k] - share * all[k];

		used += all[k] > 0;
		sum += off * off;
	}
	if (used < 2)
		return simple;
	sum *= (double)used / (double)(used - 1) / ((double)n * (double)n);
	return sum > simple ? sum : simple;
}

/* Wilson's limits of a share, with so many independent values. */
static struct bounds wilson(double share, double n, double t)
{
	double t2 = t * t, middle = (share + t2 / (2 * n)) / (1 + t2 / n);
	double half = t / (1 + t2 / n) * sqrt(share * (1 - share) / n + t2 / (4 * n * n));

	return (struct bounds){middle - half, middle + half};
}

struct estimate_quantile estimate_quantile(const struct estimate_value *sorted, size_t n, uint32_t parts,
					   double quantile, double *scratch)
{
	struct estimate_quantile q = {0};
	size_t below = (size_t)ceil(quantile * (double)n), low, high;
	double variance, effective;
	struct bounds share;

	if (n == 0)
		return q;
	below = below < 1 ? 1 : below >= n ? n - (n > 1) : below;
	variance = share_variance(sorted, n, parts, below, scratch);
	/* how many independent values would say as much */
	effective = quantile * (1 - quantile) / variance;
	if (!(effective < (double)n))
		effective = (double)n;
	share = wilson(quantile, effective, estimate_t(parts > 1 ? parts - 1 : 0));
	low = (size_t)floor(share.low * (double)n);
	high = (size_t)ceil(share.high * (double)n) + 1;
	q.low_ns = sorted[low > 0 ? low - 1 : 0].ns;
	q.high_known = high <= n;
	q.high_ns = q.high_known ? sorted[high - 1].ns : 0;
	return q;
}

bool estimate_survival(const struct estimate_value *sorted, size_t n, double quantile, uint64_t *ns)
{
	double alive = 1;

	for (size_t i = 0; i < n; i++) {
		if (sorted[i].censored)
			continue;
		alive *= 1 - 1 / (double)(n - i);
		/* a last one that ended leaves nothing, whatever was rounded before */
		if (alive <= 1 - quantile + 1e-12) {
			*ns = sorted[i].ns;
			return true;
		}
	}
	return false;
}
