/* SPDX-License-Identifier: MIT */
/*
 * What page tables cost, format by format, without a space around them: map and unmap of one page,
 * of 2 MiB in pages and of 1 GiB, and walks of random addresses in a set that stays in the caches.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench/bench.h"
#include "pt/pt.h"

#define ROUND_NR 7
#define OP_NR	 200000
#define WALK_NR	 1000000
#define WALK_LEN (4ull << 20)
#define PA_BASE	 (1ull << 40)
#define RW	 (IOAS_PROT_READ | IOAS_PROT_WRITE)

static uint64_t seed = 88172645463325252ull;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Map and unmap `len` at rising addresses, tables of the neighbourhood kept by one page. */
static double map_unmap(struct pt *pt, uint64_t len, uint64_t nr)
{
	uint64_t page = 1ull << pt_page_lg2(pt);
	struct pt_gather gather = {NULL};
	double begin, best = 1e18;

	bench_must(pt_map(pt, 1ull << 30, PA_BASE, page, RW), "map");
	for (unsigned round = 0; round < ROUND_NR; round++) {
		begin = bench_now();
		for (uint64_t i = 0; i < nr; i++) {
			iova_t iova = (1ull << 30) + (len < 1ull << 30 ? (1 + i % 200) * len : len);

			bench_must(pt_map(pt, iova, PA_BASE + iova, len, RW), "map");
			pt_unmap(pt, iova, iova + len - 1, &gather);
			pt_gather_free(&gather);
		}
		begin = (bench_now() - begin) / (double)nr;
		best = begin < best ? begin : best;
	}
	pt_unmap(pt, 0, UINT64_MAX, &gather);
	pt_gather_free(&gather);
	return best;
}

/* Independent, or each address made of what the walk before it found. */
static double walks(struct pt *pt, bool dependent)
{
	uint64_t page = 1ull << pt_page_lg2(pt), sum = 0;
	struct pt_gather gather = {NULL};
	double begin, best = 1e18;
	struct pt_walk walk;

	for (iova_t at = 0; at < WALK_LEN; at += page)
		bench_must(pt_map(pt, at, PA_BASE + (at ^ page), page, RW), "map");
	for (unsigned round = 0; round < ROUND_NR; round++) {
		begin = bench_now();
		for (uint64_t i = 0; i < WALK_NR; i++) {
			bench_must(pt_walk(pt, (rnd() ^ (dependent ? sum : 0)) % WALK_LEN, &walk),
				   "walk");
			sum += walk.pa;
		}
		begin = (bench_now() - begin) / WALK_NR;
		best = begin < best ? begin : best;
	}
	pt_unmap(pt, 0, UINT64_MAX, &gather);
	pt_gather_free(&gather);
	return sum ? best : 0;
}

static void measure(const char *name, const struct pt_config *config)
{
	uint64_t page;
	struct pt *pt;

	bench_must(pt_new(config, &pt), name);
	page = 1ull << pt_page_lg2(pt);
	printf("%-18s %9.1f %9.0f %9.0f %9.1f %9.1f\n", name, map_unmap(pt, page, OP_NR),
	       map_unmap(pt, 32 * page, OP_NR / 32), map_unmap(pt, 1ull << 30, OP_NR / 32),
	       walks(pt, false), walks(pt, true));
	pt_destroy(pt);
}

int main(void)
{
	printf("%-18s %9s %9s %9s %9s %9s\n", "ns", "map+unmap", "32 pages", "1 GiB", "walk",
	       "dependent");
	for (unsigned format = 0; pt_format_name(format); format++) {
		struct pt_config config = {.format = format, .aw = 39};

		measure(pt_format_name(format), &config);
	}
	return 0;
}
