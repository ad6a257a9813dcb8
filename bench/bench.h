/* SPDX-License-Identifier: MIT */
/*
 * What benchmarks have in common: time, chance, and how two things are compared.
 *
 * A machine's speed changes while one looks, so that two costs mean something only where they were
 * taken side by side: windows of both alternate in one process, over the same work, and what counts
 * is the median of the ratios of neighbours.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_PAIRS 31

static inline uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The same numbers in every run. */
static inline uint64_t bench_rnd(uint64_t below)
{
	static uint64_t seed = 88172645463325252ull;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static inline void bench_must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-rc));
	exit(1);
}

static inline int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of nr values, which stay as they are. */
static inline double bench_percentile(const double *of, unsigned nr, unsigned percent)
{
	double *sorted = malloc(nr * sizeof(*sorted)), value;

	if (!sorted)
		exit(1);
	memcpy(sorted, of, nr * sizeof(*sorted));
	qsort(sorted, nr, sizeof(*sorted), bench_compare);
	value = sorted[(nr - 1) * percent / 100];
	free(sorted);
	return value;
}

#endif
