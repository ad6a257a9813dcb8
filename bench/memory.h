/* SPDX-License-Identifier: MIT */
/*
 * What mappings take of memory: of the engine's heap, byte by byte, and of page tables against the
 * least that the format could do with. Nothing of it depends on time. The linker puts the __wrap_
 * functions in front of the allocator (see meson.build).
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <errno.h>
#include <ioas/door.h>
#include <ioas/iommu.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include "bench/bench.h"
#include "iommu.h"
#include "mem/mem.h"
#include "space/space.h"

#define MEMORY_PAGE 4096ull

/* `len` bytes at each of `nr` addresses, `step` apart, in random order if they are scattered. */
struct memory_case {
	const char *key, *name;
	uint64_t len, step;
	bool scattered;
	bool table; /* a page table is attached */
};

static const struct memory_case memory_cases[] = {
	{"4k_scattered", "4 KiB, every second page, in random order", 4096, 8192, true, true},
	{"4k_in_a_row", "4 KiB, one after the other", 4096, 4096, false, true},
	{"64k", "64 KiB, one after the other", 65536, 65536, false, true},
	{"2m", "2 MiB, one after the other", 2 << 20, 2 << 20, false, true},
	{"4k_no_table", "4 KiB, no page table attached", 4096, 4096, false, false},
};
#define MEMORY_CASES (sizeof(memory_cases) / sizeof(memory_cases[0]))

struct memory_cost {
	double bookkeeping; /* bytes a mapping */
	uint64_t tables;    /* bytes of page tables */
	uint64_t least;	    /* the same, if every table of the format's stood by itself */
};

void *__real_malloc(size_t len);
void *__real_calloc(size_t nr, size_t len);
void *__real_realloc(void *ptr, size_t len);
int __real_posix_memalign(void **out, size_t align, size_t len);
void __real_free(void *ptr);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t nr, size_t len);
void *__wrap_realloc(void *ptr, size_t len);
int __wrap_posix_memalign(void **out, size_t align, size_t len);
void __wrap_free(void *ptr);

static size_t memory_heap; /* bytes of blocks that are in use, with what malloc adds to each */

static size_t memory_block(void *ptr)
{
	return ptr ? malloc_usable_size(ptr) + sizeof(size_t) : 0;
}

void *__wrap_malloc(size_t len)
{
	void *ptr = __real_malloc(len);

	memory_heap += memory_block(ptr);
	return ptr;
}

void *__wrap_calloc(size_t nr, size_t len)
{
	void *ptr = __real_calloc(nr, len);

	memory_heap += memory_block(ptr);
	return ptr;
}

void *__wrap_realloc(void *ptr, size_t len)
{
	size_t before = memory_block(ptr);
	void *moved = __real_realloc(ptr, len);

	if (moved)
		memory_heap += memory_block(moved) - before;
	return moved;
}

int __wrap_posix_memalign(void **out, size_t align, size_t len)
{
	int rc = __real_posix_memalign(out, align, len);

	if (!rc)
		memory_heap += memory_block(*out);
	return rc;
}

void __wrap_free(void *ptr)
{
	memory_heap -= memory_block(ptr);
	__real_free(ptr);
}

/* A caller whose memory is never looked at: there may be more of it than the machine has. */
static int memory_pin(struct ioas_caller *caller, uint64_t va, uint64_t len, bool write,
		      void **host)
{
	*host = (void *)(uintptr_t)va;
	return 0;
}

static void memory_unpin(struct ioas_caller *caller, uint64_t va, uint64_t len, void *host)
{
}

static const struct ioas_caller_ops memory_ops = {.pin = memory_pin, .unpin = memory_unpin};

static size_t memory_now(struct ioas_iommu *iommu)
{
	return memory_heap + pool_bytes(&iommu->pages) + pool_bytes(&iommu->firsts) +
	       pool_bytes(&mem_map_pins(iommu->mem)->nodes);
}

/* Tables of four levels of 512 entries that lead to all of it: those of one level are in order. */
static uint64_t memory_least(const struct memory_case *of, uint64_t base, uint64_t nr)
{
	unsigned lowest = of->len >= 2 << 20 ? 2 : 1;
	uint64_t tables = 0;

	for (unsigned level = lowest; level <= 4; level++) {
		unsigned lg2 = 12 + 9 * level;

		for (uint64_t i = 0; i < nr; i++) {
			uint64_t at = base + i * of->step;

			tables += !i || at >> lg2 != (at - of->step) >> lg2;
		}
	}
	return tables * MEMORY_PAGE;
}

static void memory_map(struct ioas_space *space, struct ioas_caller *caller,
		       const struct memory_case *of, iova_t iova, uint64_t i)
{
	bench_must(ioas_space_map(space, caller, &iova, (1ull << 32) + i * of->len, of->len,
				  IOAS_MAP_FIXED | IOAS_MAP_READ | IOAS_MAP_WRITE, NULL),
		   "map");
}

static struct memory_cost memory_measure(const struct memory_case *of, uint64_t nr)
{
	struct pt_config config = {.format = PT_AMDV1, .aw = 48};
	struct ioas_caller caller = {.ops = &memory_ops};
	uint64_t *order = malloc(nr * sizeof(*order)), base = 1ull << 32;
	struct memory_cost cost = {.least = of->table ? memory_least(of, base, nr) : 0};
	struct ioas_iommu *iommu;
	struct ioas_space *space;
	struct pt_stats stats = {0};
	struct pt *pt;
	size_t before;

	bench_must(order ? 0 : -ENOMEM, "memory");
	for (uint64_t i = 0; i < nr; i++)
		order[i] = i;
	for (uint64_t i = nr - 1; of->scattered && i; i--) {
		uint64_t k = bench_rnd(i + 1), t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
	bench_must(ioas_iommu_new(NULL, &iommu), "instance");
	bench_must(ioas_space_new(iommu, &space), "space");
	bench_must(pt_new(&config, &pt), "page table");
	if (of->table)
		bench_must(space_domain_attach(space, pt, NULL), "attach");
	before = memory_now(iommu);
	for (uint64_t i = 0; i < nr; i++)
		memory_map(space, &caller, of, base + order[i] * of->step, order[i]);
	cost.bookkeeping = (double)(memory_now(iommu) - before) / (double)nr;
	pt_stats(pt, &stats);
	cost.tables = of->table ? stats.bytes : 0;
	if (of->table)
		space_domain_detach(space, pt);
	pt_destroy(pt);
	ioas_space_put(space);
	ioas_iommu_destroy(iommu);
	free(order);
	return cost;
}

#endif
