/* SPDX-License-Identifier: MIT */
/*
 * What a mapping costs as a space fills: maps of 4 KiB (at a given address, and where there is
 * room), translations of random addresses, and unmaps, with one page table attached.
 *
 * Costs are compared within one run: where an operation is O(log n), it takes 1.33 times as long
 * among 10,000 mappings as among 1,000, and 1.66 times among 100,000. `scattered` goes through the
 * addresses in random order, so that it also shows what falls out of the processor's caches.
 * `fragmented` chooses addresses in a space in which every other range is free but misaligned for
 * the request, where a search gap by gap would be linear.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ioas/iommu.h>
#include "bench/bench.h"
#include "space/space.h"

#define PAGE	  4096ull
#define POOL_NR	  256 /* pages of memory that the maps show, again and again */
#define LOOKUP_NR 200000
#define SAMPLE_NR 1000
#define ROUND_NR  11

static const uint64_t sizes[] = {1000, 10000, 100000};
#define SIZE_NR (sizeof(sizes) / sizeof(sizes[0]))

enum what { FIXED, AUTO, FRAGMENTED, SCATTERED, WALK, UNMAP, UNMAP_SCATTERED, WHAT_NR };

static const struct {
	const char *name, *key;
} names[WHAT_NR] = {
	{"map fixed", "map_fixed"},
	{"map auto", "map_auto"},
	{"map fragmented", "map_fragmented"},
	{"map scattered", "map_scattered"},
	{"translate", "translate"},
	{"unmap", "unmap"},
	{"unmap scattered", "unmap_scattered"},
};

struct bench {
	struct ioas_iommu *iommu;
	struct ioas_space *space;
	struct pt *pt;
	uint64_t pool; /* address */
};

static unsigned round_at; /* below ROUND_NR */
static double ns[WHAT_NR][SIZE_NR][ROUND_NR];

static unsigned rounds(void)
{
	return bench_windows() < ROUND_NR ? bench_windows() : ROUND_NR;
}

/* Of what is measured twice in a round the better counts. */
static void note(enum what what, size_t s, uint64_t time, uint64_t nr)
{
	double each = (double)time / (double)nr, *to = &ns[what][s][round_at];

	if (!*to || each < *to)
		*to = each;
}

static void start(struct bench *bench)
{
	struct pt_config config = {.format = PT_AMDV1, .aw = 48};

	bench_must(ioas_iommu_new(NULL, &bench->iommu), "instance");
	bench_must(ioas_space_new(bench->iommu, &bench->space), "space");
	bench_must(pt_new(&config, &bench->pt), "page table");
	bench_must(space_domain_attach(bench->space, bench->pt, NULL), "attach");
}

static void stop(struct bench *bench)
{
	space_domain_detach(bench->space, bench->pt);
	pt_destroy(bench->pt);
	ioas_space_put(bench->space);
	ioas_iommu_destroy(bench->iommu);
}

static uint64_t page_of(const struct bench *bench, uint64_t i)
{
	return bench->pool + i % POOL_NR * PAGE;
}

static void map(struct bench *bench, iova_t *iova, uint64_t va, uint64_t len, uint32_t flags)
{
	bench_must(ioas_space_map(bench->space, NULL, iova, va, len,
				  flags | IOAS_MAP_READ | IOAS_MAP_WRITE, NULL),
		   "map");
}

static void unmap(struct bench *bench, iova_t iova, uint64_t len)
{
	bench_must(ioas_space_unmap(bench->space, iova, iova + len - 1, NULL, NULL), "unmap");
}

static void clear(struct bench *bench)
{
	bench_must(ioas_space_unmap(bench->space, 0, UINT64_MAX, NULL, NULL), "unmap all");
}

/* Every second page: mappings that are no neighbours. */
static iova_t at_of(uint64_t i)
{
	return (1 + 2 * i) * PAGE;
}

static uint64_t fill_fixed(struct bench *bench, const iova_t *at, uint64_t nr)
{
	uint64_t begin = bench_now();

	for (uint64_t i = 0; i < nr; i++) {
		iova_t iova = at[i];

		map(bench, &iova, page_of(bench, i), PAGE, IOAS_MAP_FIXED);
	}
	return bench_now() - begin;
}

static uint64_t translate(struct bench *bench, uint64_t nr)
{
	uint64_t begin = bench_now();
	struct pt_walk walk;

	for (uint64_t i = 0; i < LOOKUP_NR; i++)
		bench_must(pt_walk(bench->pt, at_of(bench_rnd(nr)) + 8, &walk), "walk");
	return bench_now() - begin;
}

/* All of them, rising or in random order. */
static iova_t *addresses(uint64_t nr, bool scattered)
{
	iova_t *at = malloc(nr * sizeof(*at));

	if (!at)
		bench_must(-ENOMEM, "addresses");
	for (uint64_t i = 0; i < nr; i++)
		at[i] = at_of(i);
	for (uint64_t i = scattered ? nr - 1 : 0; i; i--) {
		uint64_t k = bench_rnd(i + 1);
		iova_t t = at[i];

		at[i] = at[k];
		at[k] = t;
	}
	return at;
}

static void measure_fixed(struct bench *bench, size_t s, bool scattered)
{
	iova_t *at = addresses(sizes[s], scattered);
	uint64_t begin;

	note(scattered ? SCATTERED : FIXED, s, fill_fixed(bench, at, sizes[s]), sizes[s]);
	note(WALK, s, translate(bench, sizes[s]), LOOKUP_NR);
	begin = bench_now();
	for (uint64_t i = 0; i < sizes[s]; i++)
		unmap(bench, at[i], PAGE);
	note(scattered ? UNMAP_SCATTERED : UNMAP, s, bench_now() - begin, sizes[s]);
	free(at);
}

static void measure_auto(struct bench *bench, size_t s)
{
	uint64_t begin = bench_now();
	iova_t iova;

	for (uint64_t i = 0; i < sizes[s]; i++)
		map(bench, &iova, page_of(bench, i), PAGE, 0);
	note(AUTO, s, bench_now() - begin, sizes[s]);
	clear(bench);
}

/*
 * Pages at every fourth page: gaps of three pages, of which the first begins at an odd one. 16 KiB
 * aligned to 16 KiB fits nowhere but behind them all; each such map is taken out again.
 */
static void measure_fragmented(struct bench *bench, size_t s)
{
	uint64_t aligned = (bench->pool + 0x3fff) & ~0x3fffull;
	uint64_t begin;
	iova_t iova;

	for (uint64_t i = 0; i < sizes[s]; i++) {
		iova = (1 + 4 * i) * PAGE;
		map(bench, &iova, page_of(bench, i), PAGE, IOAS_MAP_FIXED);
	}
	begin = bench_now();
	for (uint64_t i = 0; i < SAMPLE_NR; i++) {
		map(bench, &iova, aligned, 4 * PAGE, 0);
		unmap(bench, iova, 4 * PAGE);
	}
	note(FRAGMENTED, s, bench_now() - begin, SAMPLE_NR);
	clear(bench);
}

/* Among `sizes[s]` maps, beside the same among few. */
static void show_growth(enum what what, size_t s, bool json)
{
	struct bench_row row = {.bench = "maps", .nr = rounds()};
	char key[64], name[64], peer[64];

	snprintf(key, sizeof(key), "%s_%" PRIu64, names[what].key, sizes[s]);
	snprintf(name, sizeof(name), "%s, %" PRIu64 " maps", names[what].name, sizes[s]);
	snprintf(peer, sizeof(peer), "the same, %" PRIu64 " maps", sizes[0]);
	row.key = key;
	row.name = name;
	row.peer = peer;
	memcpy(row.ours, ns[what][s], sizeof(ns[what][s]));
	memcpy(row.theirs, ns[what][0], sizeof(ns[what][0]));
	bench_show(&row, json);
}

int main(int argc, char **argv)
{
	bool json = bench_wants_json(argc, argv);
	struct bench bench = {0};
	void *pool = mmap(NULL, POOL_NR * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (pool == MAP_FAILED)
		bench_must(-ENOMEM, "mmap");
	bench.pool = (uintptr_t)pool;
	start(&bench);
	/* Once for nothing: the heap grows to its size. */
	measure_fixed(&bench, SIZE_NR - 1, true);
	memset(ns, 0, sizeof(ns));
	for (round_at = 0; round_at < rounds(); round_at++) {
		for (size_t s = 0; s < SIZE_NR; s++) {
			measure_fixed(&bench, s, true);
			measure_fixed(&bench, s, false);
			measure_auto(&bench, s);
			measure_fragmented(&bench, s);
		}
	}
	stop(&bench);
	munmap(pool, POOL_NR * PAGE);
	for (unsigned w = 0; w < WHAT_NR; w++)
		for (size_t s = 1; s < SIZE_NR; s++)
			show_growth(w, s, json);
	return 0;
}
