/* SPDX-License-Identifier: MIT */
/* Memory of somebody else's, in which he keeps page tables. */
#ifndef TESTS_UNIT_PT_ARENA_H
#define TESTS_UNIT_PT_ARENA_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "formats.h"
#include "tests/unit/rnd.h"

#define R  PT_ACCESS_READ
#define W  PT_ACCESS_WRITE
#define X  PT_ACCESS_EXEC
#define P  PT_ACCESS_PRIV
#define RW (IOAS_PROT_READ | IOAS_PROT_WRITE)

static uint64_t seed = 88172645463325252ull;

static inline uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

#define ARENA_LEN (1u << 21)

struct arena {
	uint64_t *words;
	unsigned reads;
	bool hostile; /* entries change while they are looked at */
};

static inline int read_arena(void *ctx, pa_t pa, uint64_t *entry)
{
	struct arena *arena = ctx;

	arena->reads++;
	assert_int_equal(pa % 8, 0);
	if (pa >= ARENA_LEN)
		return -EFAULT;
	*entry = arena->words[pa / 8];
	return 0;
}

static inline int exchange_arena(void *ctx, pa_t pa, uint64_t old, uint64_t value)
{
	struct arena *arena = ctx;

	assert_true(pa < ARENA_LEN);
	assert_true(arena->words[pa / 8] == old && old != value);
	if (arena->hostile)
		return rnd(8) ? -EAGAIN : -EIO;
	arena->words[pa / 8] = value;
	return 0;
}

#endif
