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

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Windows of each side, and pairs of them; at most. */
#define BENCH_PAIRS 31

static inline uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/*
 * What this thread has had of a processor, for windows of a millisecond and more: others' turns do
 * not count. Asking takes a system call.
 */
static inline uint64_t bench_cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* How many there are to be: fewer for a quick look (make bench WINDOWS=5). */
static inline unsigned bench_windows(void)
{
	const char *few = getenv("BENCH_WINDOWS");
	unsigned long nr = few ? strtoul(few, NULL, 0) : 0;

	return nr && nr < BENCH_PAIRS ? (unsigned)nr : BENCH_PAIRS;
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

/*
 * One row of the table that `make bench` prints (scripts/bench.sh), from windows of ours and of the
 * peer that alternated. `ours` and `theirs` are ns of one operation, or what `unit` says; less of
 * it is better, always. A goal is met by the median, be it of `ours` or of the ratios of
 * neighbours.
 */
struct bench_row {
	const char *bench, *key; /* the program's name, and the row's in it: words of [a-z0-9_] */
	const char *name;	 /* for people */
	const char *peer;	 /* what `theirs` measured; NULL: there is none */
	const char *unit;	 /* NULL: ns */
	double goal;		 /* ours at most, as the issue that asked for it says; 0: none */
	double goal_ratio;	 /* ours at most, as a multiple of the peer's; 0: none */
	unsigned nr;		 /* of windows; 0: bench_windows() */
	double ours[BENCH_PAIRS], theirs[BENCH_PAIRS];
};

static inline double bench_least(const double *of, unsigned nr)
{
	double least = of[0];

	for (unsigned i = 1; i < nr; i++)
		least = of[i] < least ? of[i] : least;
	return least;
}

static inline void bench_json(const struct bench_row *row, unsigned nr, const double *ratio)
{
	printf("{\"bench\":\"%s\",\"row\":\"%s\",\"name\":\"%s\",\"unit\":\"%s\",\"nr\":%u,"
	       "\"median\":%.4g,\"p10\":%.4g,\"p90\":%.4g,\"min\":%.4g",
	       row->bench, row->key, row->name, row->unit ? row->unit : "ns", nr,
	       bench_percentile(row->ours, nr, 50), bench_percentile(row->ours, nr, 10),
	       bench_percentile(row->ours, nr, 90), bench_least(row->ours, nr));
	if (row->goal > 0)
		printf(",\"goal\":%.4g", row->goal);
	if (row->peer && row->goal_ratio > 0)
		printf(",\"goal_ratio\":%.4g", row->goal_ratio);
	if (row->peer)
		printf(",\"peer\":\"%s\",\"peer_median\":%.4g,\"ratio\":%.4g,\"ratio_p10\":%.4g,"
		       "\"ratio_p90\":%.4g,\"ratio_of_minima\":%.4g",
		       row->peer, bench_percentile(row->theirs, nr, 50),
		       bench_percentile(ratio, nr, 50), bench_percentile(ratio, nr, 10),
		       bench_percentile(ratio, nr, 90),
		       bench_least(row->ours, nr) / bench_least(row->theirs, nr));
	printf("}\n");
}

static inline void bench_text(const struct bench_row *row, unsigned nr, const double *ratio)
{
	printf("%-44s %9.4g %-5s (%.4g..%.4g)", row->name, bench_percentile(row->ours, nr, 50),
	       row->unit ? row->unit : "ns", bench_percentile(row->ours, nr, 10),
	       bench_percentile(row->ours, nr, 90));
	if (row->goal > 0)
		printf(" goal %.4g", row->goal);
	if (row->peer)
		printf("  x %.3g (%.3g..%.3g, of minima %.3g) of %.4g: %s",
		       bench_percentile(ratio, nr, 50), bench_percentile(ratio, nr, 10),
		       bench_percentile(ratio, nr, 90),
		       bench_least(row->ours, nr) / bench_least(row->theirs, nr),
		       bench_percentile(row->theirs, nr, 50), row->peer);
	if (row->peer && row->goal_ratio > 0)
		printf(" goal x %.3g", row->goal_ratio);
	printf("\n");
}

/* Prints the row: a line for people, or of JSON. */
static inline void bench_show(const struct bench_row *row, bool json)
{
	unsigned nr = row->nr ? row->nr : bench_windows();
	double ratio[BENCH_PAIRS] = {0};

	for (unsigned i = 0; row->peer && i < nr; i++)
		ratio[i] = row->ours[i] / row->theirs[i];
	(json ? bench_json : bench_text)(row, nr, ratio);
	fflush(stdout);
}

/* Of a program whose only option is --json; ends it where there are others. */
static inline bool bench_wants_json(int argc, char **argv)
{
	if (argc == 1)
		return false;
	if (argc == 2 && !strcmp(argv[1], "--json"))
		return true;
	fprintf(stderr, "usage: %s [--json]\n", argv[0]);
	exit(2);
}

#endif
