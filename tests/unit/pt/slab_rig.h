/* SPDX-License-Identifier: MIT */
/*
 * For tests of slabs: stores of several shapes, tables from them, and which memory the kernel gives
 * them. The linker puts __wrap_syscall in front of the system's calls (see meson.build).
 */
#ifndef TESTS_UNIT_PT_SLAB_RIG_H
#define TESTS_UNIT_PT_SLAB_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <cmocka.h>
#include "pt/pt_private.h"
#include "pt/slab.h"
#include "util/inject.h"

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

static unsigned refuse; /* this mapping from now on: there is no memory; 0: none */
static long mapped;	/* mappings that are there */
static unsigned joined; /* how often the kernel was asked to make what there is one large page */

long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	if (nr == SYS_mmap && refuse && !--refuse) {
		errno = ENOMEM;
		return -1;
	}
	joined += nr == SYS_madvise && c == 25;
	mapped += nr == SYS_mmap ? b : nr == SYS_munmap ? -b : 0;
	return __real_syscall(nr, a, b, c, d, e, f);
}

#define MANY 2000u

/* Tables of 4, 16 and 64 KiB, and roots of one and of several. */
static const struct {
	unsigned table_lg2;
	uint64_t root_len;
	bool dirty;
} shapes[] = {
	{12, 4096, true},   {12, 4096, false}, {12, 4 * 4096, true}, {14, 16384, true},
	{14, 32768, false}, {16, 65536, true}, {16, 65536, false},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static struct pt_store store;
static struct pt_table *root;
static struct pt_meta *taken[MANY];

static inline void begin(unsigned shape)
{
	assert_int_equal(pt_store_init(&store, shapes[shape].table_lg2, shapes[shape].root_len,
				       shapes[shape].dirty, &root),
			 0);
}

static uint64_t table_len(void)
{
	return 1ull << store.table_lg2;
}

static bool is_zero(const void *at, uint64_t len)
{
	const uint64_t *word = at;

	for (uint64_t i = 0; i < len / 8; i++)
		if (word[i])
			return false;
	return true;
}

static struct pt_meta *take_of(bool upper)
{
	struct pt_meta *meta = pt_store_take(&store, upper);

	assert_non_null(meta);
	assert_int_equal((uintptr_t)meta->table % table_len(), 0);
	assert_true(is_zero(meta->table, table_len()));
	assert_null(meta->next);
	assert_null(meta->up);
	assert_int_equal(meta->live, 0);
	return meta;
}

static inline struct pt_meta *take(void)
{
	return take_of(false);
}

/* As a page table does: it has cleared its entries. */
static inline void give(struct pt_meta *meta)
{
	memset((void *)meta->table, 0, table_len());
	pt_store_give(&store, meta);
}

#endif
