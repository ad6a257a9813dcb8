/* SPDX-License-Identifier: MIT */
/* The program maps something else where memory is shown, and says so. */
#ifndef TESTS_UNIT_MEM_REPLACE_H
#define TESTS_UNIT_MEM_REPLACE_H

#include <sys/mman.h>
#include "mem/mem.h"

static inline long replace_call(void *arg, uint64_t *to)
{
	const struct ioas_memory_range *range = arg;

	return mmap((void *)(uintptr_t)range->start, range->end - range->start,
		    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) == MAP_FAILED;
}

static inline void replace(struct mem_map *map, struct inflight *inflight, char *at, uint64_t len)
{
	struct ioas_memory_range range = {(uintptr_t)at, (uintptr_t)at + len};
	struct ioas_memory_change change = {.gone = {range}, .call = replace_call, .arg = &range};

	assert_int_equal(pins_change(mem_map_pins(map), inflight, &change), 0);
}

#endif
