/* SPDX-License-Identifier: MIT */
/*
 * Description: AMDv1 entries bit by bit, as publication 48882, 2.2.3 lays them out, and what the
 * walker makes of entries no writer of ours would make.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#define PT_FMT	       amdv1
#define PT_GRANULE_LG2 12
#include "pt/fmt/amdv1.h"

static void encodes_leaves_of_the_levels_own_size(void **state)
{
	assert_int_equal(amdv1_make_leaf(1, 12, 0x12345000, IOAS_PROT_READ), 0x2000000012345001ull);
	assert_int_equal(amdv1_make_leaf(2, 21, 0x40000000, IOAS_PROT_WRITE),
			 0x4000000040000001ull);
	assert_int_equal(amdv1_leaf_lg2(0x4000000040000001ull, 2), 21);
	assert_int_equal(amdv1_leaf_lg2(0x4000000040000001ull, 3), 30);
}

static void encodes_larger_leaves_in_the_address(void **state)
{
	/* 8 KiB: bit 12 is 0. 16 KiB: bit 12 is 1, bit 13 is 0. 1 MiB: seven ones. */
	assert_int_equal(amdv1_make_leaf(1, 13, 0x10000, 3), 0x6000000000010e01ull);
	assert_int_equal(amdv1_make_leaf(1, 14, 0x10000, 3), 0x6000000000011e01ull);
	assert_int_equal(amdv1_make_leaf(1, 20, 0x100000, 3), 0x600000000017fe01ull);
	for (unsigned level = 1; level <= 4; level++) {
		for (unsigned lg2 = PT_LEVEL_LG2(level); lg2 <= amdv1_leaf_fit(level, 63); lg2++) {
			pa_t pa = 3ull << lg2;
			uint64_t entry = amdv1_make_leaf(level, lg2, pa, 1);

			assert_true(amdv1_present(entry) && amdv1_is_leaf(entry, level));
			assert_int_equal(amdv1_leaf_lg2(entry, level), lg2);
			assert_int_equal(amdv1_leaf_pa(entry, lg2), pa);
			assert_int_equal(amdv1_prot(entry, level), 1);
		}
	}
}

/* The address field ends at bit 51: no leaf is so large that its size would not fit in. */
static void the_largest_leaf_has_51_bits(void **state)
{
	for (unsigned limit = 48; limit < 64; limit++) {
		unsigned lg2 = amdv1_leaf_fit(5, limit);
		uint64_t entry = amdv1_make_leaf(5, lg2, 0, 1);

		assert_int_equal(lg2, limit < 51 ? limit : 51);
		assert_int_equal(amdv1_leaf_lg2(entry, 5), lg2);
		assert_int_equal(amdv1_leaf_pa(entry, lg2), 0);
		assert_true(amdv1_present(entry) && amdv1_is_leaf(entry, 5));
	}
	assert_int_equal(amdv1_leaf_fit(5, 47), 0);
	assert_int_equal(amdv1_leaf_fit(4, 63), 47);
	assert_int_equal(amdv1_leaf_fit(1, 11), 0);
}

static void has_as_many_levels_as_the_width_needs(void **state)
{
	assert_int_equal(amdv1_levels(32), 3);
	assert_int_equal(amdv1_levels(39), 3);
	assert_int_equal(amdv1_levels(40), 4);
	assert_int_equal(amdv1_levels(48), 4);
	assert_int_equal(amdv1_levels(49), 5);
	assert_int_equal(amdv1_levels(57), 5);
}

static struct pt_table *table_at(uint64_t entry)
{
	return (struct pt_table *)(uintptr_t)amdv1_table_pa(entry);
}

static struct pt *new_table(void)
{
	struct pt_config config = {PT_AMDV1, 48, 0};
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	assert_int_equal(pt_map(pt, 0x5000, 0x8000000, 4096, 3), 0);
	return pt;
}

static void a_trace_shows_each_entry_looked_up(void **state)
{
	struct pt *pt = new_table();
	struct pt_step steps[6];

	assert_int_equal(pt_trace(pt, 0x5000, steps, 6), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(steps[i].level, 4 - i);
	assert_int_equal(steps[0].kind, IOAS_FAULT_ENTRY_TABLE);
	assert_int_equal(steps[3].kind, IOAS_FAULT_ENTRY_LEAF);
	assert_int_equal(steps[3].index, 5);
	assert_int_equal(steps[3].entry, 0x6000000008000001ull);
	assert_int_equal(pt_trace(pt, 1ull << 40, steps, 6), 1);
	assert_int_equal(steps[0].index, 2);
	assert_int_equal(steps[0].entry, 0);
	assert_int_equal(steps[0].kind, IOAS_FAULT_ENTRY_EMPTY);
	assert_int_equal(pt_trace(pt, 0x5000, steps, 2), 2);
	pt_destroy(pt);
}

static void permission_is_what_all_levels_allow(void **state)
{
	struct pt *pt = new_table();
	uint64_t entry = pt->root->entry[0];
	struct pt_walk walk;

	pt->root->entry[0] = entry & ~AMDV1_IW;
	assert_int_equal(pt_walk(pt, 0x5000, &walk), 0);
	assert_int_equal(walk.prot, IOAS_PROT_READ);
	pt->root->entry[0] = entry;
	pt_destroy(pt);
}

static void skips_levels_as_the_hardware_may(void **state)
{
	struct pt *pt = new_table();
	uint64_t entry = pt->root->entry[0];
	struct pt_table *level2 = table_at(table_at(entry)->entry[0]);
	struct pt_walk walk;

	pt->root->entry[0] = amdv1_make_table((uintptr_t)level2, 2);
	assert_int_equal(pt_walk(pt, 0x5000, &walk), 0);
	assert_int_equal(walk.pa, 0x8000000);
	/* The address bits of the level left out must be 0. */
	assert_int_equal(pt_walk(pt, 0x5000 + (1ull << 30), &walk), -ENOENT);
	/* A pointer to a table of its own level leads nowhere. */
	pt->root->entry[0] = amdv1_make_table((uintptr_t)level2, 4);
	assert_int_equal(pt_walk(pt, 0x5000, &walk), -ENOENT);
	pt->root->entry[0] = entry;
	pt_destroy(pt);
}

static void a_leaf_of_a_size_the_level_has_not_is_no_translation(void **state)
{
	struct pt *pt = new_table();
	struct pt_table *level3 = table_at(pt->root->entry[0]);
	struct pt_walk walk;

	/* 8 KiB in a table whose entries cover 1 GiB. */
	level3->entry[7] = 0x6000000000010e01ull;
	assert_int_equal(pt_walk(pt, 7ull << 30, &walk), -ENOENT);
	/* A run of ones without an end. */
	level3->entry[7] = AMDV1_ADDR_MASK | 0xe01;
	assert_int_equal(pt_walk(pt, 7ull << 30, &walk), -ENOENT);
	level3->entry[7] = 0;
	pt_destroy(pt);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_leaves_of_the_levels_own_size),
		cmocka_unit_test(encodes_larger_leaves_in_the_address),
		cmocka_unit_test(the_largest_leaf_has_51_bits),
		cmocka_unit_test(has_as_many_levels_as_the_width_needs),
		cmocka_unit_test(a_trace_shows_each_entry_looked_up),
		cmocka_unit_test(permission_is_what_all_levels_allow),
		cmocka_unit_test(skips_levels_as_the_hardware_may),
		cmocka_unit_test(a_leaf_of_a_size_the_level_has_not_is_no_translation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
