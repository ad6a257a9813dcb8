/* SPDX-License-Identifier: MIT */
/*
 * The long form of a test (scripts/soak.sh): the same, so many times, from another seed. What was
 * tried is a line "tried: N operations, N TLPs, N faults, N kills, N bad inputs" of the output, of
 * which any number may be left out; scripts/tried.sh adds them up.
 */
#ifndef TESTS_SOAK_H
#define TESTS_SOAK_H

#include <stdlib.h>

/* How many times as long as in `make check`: 1 there. */
static inline unsigned soak_times(void)
{
	const char *times = getenv("SOAK_TIMES");
	int nr = times ? atoi(times) : 1;

	return nr > 0 ? (unsigned)nr : 1;
}

/* Where to begin: 0 in `make check`. */
static inline unsigned soak_seed(void)
{
	const char *seed = getenv("SOAK_SEED");

	return seed ? (unsigned)strtoul(seed, NULL, 0) : 0;
}

#endif
