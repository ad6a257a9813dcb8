/* SPDX-License-Identifier: MIT */
/*
 * Description: a mapping takes so many bytes of the engine's memory and no more, whatever its size
 * and order, and page tables hardly more than their format needs. All of it goes with the mappings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "bench/memory.h"

#define NR 20000
/* Bytes: pages with their first pin or without (src/space/private.h), and shares of three trees. */
#define MOST_WITH_TABLE 200
#define MOST_WITHOUT	110

static void costs_are_bounded(void **state)
{
	for (unsigned i = 0; i < MEMORY_CASES; i++) {
		struct memory_cost cost = memory_measure(&memory_cases[i], NR);
		double most = memory_cases[i].table ? MOST_WITH_TABLE : MOST_WITHOUT;

		if (cost.bookkeeping > most)
			fail_msg("%s: %.1f bytes a mapping", memory_cases[i].name,
				 cost.bookkeeping);
		/* Of a few tables the first block, which every page table has, is a part. */
		if ((double)cost.tables > 1.1 * (double)cost.least + 8 * MEMORY_PAGE)
			fail_msg("%s: %llu bytes of tables, of %llu", memory_cases[i].name,
				 (unsigned long long)cost.tables, (unsigned long long)cost.least);
	}
}

static void all_is_given_back(void **state)
{
	size_t before = memory_heap;

	memory_measure(&memory_cases[0], NR);
	assert_int_equal(memory_heap, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(costs_are_bounded),
		cmocka_unit_test(all_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
