/* SPDX-License-Identifier: MIT */
/* ioasbench: how an op is timed, in batches, and printed. */
#include "ioasbench.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t target_ns = 100 * 1000000ull;
int repeats = 5;

uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void report(const char *name, double *v, int n, uint64_t ops)
{
	qsort(v, n, sizeof(*v), cmp);
	printf("%-36s\t%.0f\t%.0f\t%" PRIu64 "\n", name, v[n / 2], v[0], ops);
	fflush(stdout);
}

/* How many of it a batch has; finding out warms the caches, too. */
static uint64_t calibrate(opfn op, struct ctx *c, uint64_t max_iters)
{
	uint64_t iters = 1, t;

	for (;;) {
		t = now();
		for (uint64_t i = 0; i < iters; i++)
			op(c);
		t = now() - t;
		if (t >= target_ns / 4 || iters >= max_iters)
			break;
		iters *= 2;
	}
	if (t)
		iters = iters * target_ns / t;
	if (iters > max_iters)
		iters = max_iters;
	return iters < 1 ? 1 : iters;
}

void bench(const char *name, const char *n1, const char *n2, opfn op, struct ctx *c,
	   uint64_t max_iters)
{
	const char *const part[3] = {NULL, n1, n2};
	uint64_t iters = calibrate(op, c, max_iters), t, total = 0;
	double v[3][MAXREP];
	char buf[128];

	for (int r = 0; r < repeats; r++) {
		memset(c->ph, 0, sizeof(c->ph));
		t = now();
		for (uint64_t i = 0; i < iters; i++)
			op(c);
		t = now() - t;
		v[0][r] = (double)t / (double)iters;
		v[1][r] = (double)c->ph[1] / (double)iters;
		v[2][r] = (double)c->ph[2] / (double)iters;
		total += iters;
	}
	report(name, v[0], repeats, total);
	for (int i = 1; i < 3; i++) {
		if (!part[i])
			continue;
		snprintf(buf, sizeof(buf), "%s.%s", name, part[i]);
		report(buf, v[i], repeats, total);
	}
}
