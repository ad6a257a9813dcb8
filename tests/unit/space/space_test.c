/* SPDX-License-Identifier: MIT */
/*
 * Description: what a space without a page table does with maps, unmaps, copies, reserved and
 * allowed ranges. Addresses and errors are those a Linux 6.12 kernel gave for the same calls.
 */
#include <ioas/access.h>
#include "rig.h"

static void chooses_the_lowest_address_that_fits(void **state)
{
	struct rig *rig = *state;
	uint64_t va = 1ull << 31;

	/* Never 0; aligned to the length and the memory, up to 2 MiB. */
	assert_int_equal(rig_auto(rig, va, 4096), 0x1000);
	assert_int_equal(rig_auto(rig, va + 1, 1), 0x2001);
	assert_int_equal(rig_auto(rig, va + 0x300, 0x80), 0x2380);
	assert_int_equal(rig_auto(rig, va + 0x300, 0x80), 0x2700);
	assert_int_equal(rig_auto(rig, va + 0x23, 5), 0x2023);
	assert_int_equal(rig_auto(rig, va + 3, 1), 0x2003);
	assert_int_equal(rig_auto(rig, va + 2, 4), 0x2006);
	assert_int_equal(rig_auto(rig, va, 2 << 20), 0x200000);
	assert_int_equal(rig_auto(rig, va, 3 << 20), 0x400000);
	assert_int_equal(rig_auto(rig, va + 4096, 8192), 0x3000);
	assert_int_equal(rig_auto(rig, va, 0x7ffffffffffffffe), 0x800000);
	assert_int_equal(rig_unmap(rig, 0, 0, 0x8000000000503109), 0);
	assert_int_equal(rig_auto(rig, 0, 3 * PAGE), 0x4000);
}

static void refuses_in_the_kernels_order(void **state)
{
	struct rig *rig = *state;
	uint64_t va = 1ull << 31;

	assert_int_equal(rig_auto_error(rig, ~0ull - 4095, 8192), -EOVERFLOW);
	assert_int_equal(rig_auto_error(rig, va, 0), -EINVAL);
	assert_int_equal(rig_auto_error(rig, 0, ~0ull - 4095), -EINVAL);
	assert_int_equal(rig_auto_error(rig, va, (1ull << 63) - 1), -EOVERFLOW);
	assert_int_equal(rig_fixed(rig, 0xfffffffffffffff0, va, 16), 0);
	assert_int_equal(rig_fixed(rig, 0xffffffffffffffef, va, 16), -EEXIST);
	assert_int_equal(rig_fixed(rig, 0xfffffffffffffff0, va, 17), -EOVERFLOW);
	/* What is reserved is found before what is mapped. */
	assert_int_equal(rig_fixed(rig, 0x1000, va, PAGE), 0);
	assert_int_equal(space_reserve(rig->space, 0x2000, 0x2fff, rig, NULL), 0);
	assert_int_equal(rig_fixed(rig, 0x1000, va, 2 * PAGE), -EINVAL);
	assert_string_equal(rig->why.text,
			    "0x1000-0x2fff touches the reserved range 0x2000-0x2fff");
	assert_int_equal(rig_fixed(rig, 0x800, va, PAGE), -EEXIST);
	assert_string_equal(rig->why.text, "0x800-0x17ff overlaps mapping 0x1000-0x1fff");
	space_unreserve(rig->space, rig);
	assert_int_equal(rig_fixed(rig, 0x2000, va, PAGE), 0);
	assert_int_equal(space_area_nr(rig->space), 3);
}

static void without_a_table_no_memory_is_looked_at(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_fixed(rig, 0, 0x1234, 5), 0);
	assert_int_equal(rig->pins_ever, 0);
	assert_int_equal(ioas_space_alignment(rig->space), 1);
}

static void unmap_stops_at_a_mapping_it_would_cut(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_unmap(rig, 0, 0, 0), 0); /* all, of nothing */
	assert_int_equal(rig_unmap(rig, 0x1000, 0x1000, 0), -ENOENT);
	assert_int_equal(rig_fixed(rig, 0x1000, ARENA, PAGE), 0);
	assert_int_equal(rig_fixed(rig, 0x2000, ARENA, PAGE), 0);
	assert_int_equal(rig_fixed(rig, 0x3000, ARENA, 2 * PAGE), 0);
	assert_int_equal(rig_fixed(rig, 0x8000, ARENA, PAGE), 0);
	assert_int_equal(rig_unmap(rig, 0x1000, 0x2800, 2 * PAGE), -ENOENT);
	assert_string_equal(rig->why.text, "0x1000-0x37ff would cut mapping 0x3000-0x4fff");
	assert_int_equal(rig_unmap(rig, 0x1000, 0x3000, 0), -ENOENT);
	assert_int_equal(rig_unmap(rig, 0x4000, 0x8000, 0), -ENOENT);
	assert_int_equal(rig_unmap(rig, 0x5000, 0x1000, 0), -ENOENT);
	/* Over holes and several mappings. */
	assert_int_equal(rig_unmap(rig, 0x2000, 0x10000, 3 * PAGE), 0);
	assert_int_equal(space_area_nr(rig->space), 0);
}

static void allowed_ranges_restrict_the_choice_only(void **state)
{
	struct rig *rig = *state;
	struct ioas_range three[] = {{0x20000, 0x20fff}, {0x10000, 0x10fff}, {0x11000, 0x13fff}};
	struct ioas_range odd[] = {{0x10080, 0x10fff}, {0x11001, 0x13fff}};
	struct ioas_range low = {0, 0x1fff}, two_bytes = {0x5000, 0x5001};
	uint64_t va = 1ull << 31;

	assert_int_equal(ioas_space_allow(rig->space, three, 3, NULL), 0);
	assert_int_equal(rig_auto(rig, va, 0x4000), 0x10000);
	assert_int_equal(rig_auto_error(rig, va, 0x2000), -ENOSPC);
	assert_int_equal(rig_auto(rig, va, 0x1000), 0x20000);
	assert_int_equal(rig_fixed(rig, 0x1000, va, PAGE), 0);
	assert_int_equal(rig_unmap(rig, 0, 0, 0x6000), 0);
	assert_int_equal(ioas_space_allow(rig->space, odd, 2, NULL), 0);
	assert_int_equal(rig_auto(rig, va + 0x300, 0x80), 0x10380);
	assert_int_equal(rig_auto(rig, va + 0x300, 0x80), 0x10700);
	assert_int_equal(rig_auto_error(rig, va + 0x300, 0x10000), -ENOSPC);
	assert_int_equal(rig_unmap(rig, 0, 0, 0x100), 0);
	assert_int_equal(ioas_space_allow(rig->space, &two_bytes, 1, NULL), 0);
	assert_int_equal(rig_auto(rig, va, 1), 0x5000);
	assert_int_equal(rig_auto_error(rig, va, 1), -ENOSPC);
	assert_int_equal(rig_auto_error(rig, va + 1, 1), -ENOSPC);
	assert_int_equal(ioas_space_allow(rig->space, &low, 1, NULL), 0);
	assert_int_equal(rig_auto(rig, va, PAGE), 0x1000);
	assert_int_equal(rig_auto_error(rig, va, PAGE), -ENOSPC);
	assert_int_equal(ioas_space_allow(rig->space, NULL, 0, NULL), 0);
	assert_int_equal(rig_auto(rig, va, PAGE), 0x2000);
}

static void allow_refuses_bad_lists_and_keeps_the_old(void **state)
{
	struct rig *rig = *state;
	struct ioas_range good = {0x10000, 0x1ffff};
	struct ioas_range one_byte = {5, 5};
	struct ioas_range overlap[] = {{5, 9}, {9, 12}}, turned[] = {{9, 12}, {5, 9}};
	struct ioas_range meets[] = {{0x1000, 0x1fff}, {0x100000, 0x200000}};

	assert_int_equal(ioas_space_allow(rig->space, &good, 1, NULL), 0);
	assert_int_equal(space_reserve(rig->space, 0x180000, 0x2fffff, rig, NULL), 0);
	assert_int_equal(ioas_space_allow(rig->space, &one_byte, 1, &rig->why), -EINVAL);
	assert_int_equal(ioas_space_allow(rig->space, overlap, 2, &rig->why), -EINVAL);
	assert_string_equal(rig->why.text, "allowed ranges 0x5-0x9 and 0x9-0xc overlap");
	assert_int_equal(ioas_space_allow(rig->space, turned, 2, &rig->why), -EINVAL);
	assert_string_equal(rig->why.text, "allowed ranges 0x5-0x9 and 0x9-0xc overlap");
	assert_int_equal(ioas_space_allow(rig->space, meets, 2, &rig->why), -EADDRINUSE);
	assert_string_equal(rig->why.text, "allowed range 0x100000-0x200000 meets the reserved "
					   "range 0x180000-0x2fffff");
	assert_int_equal(rig_auto(rig, ARENA, PAGE), 0x10000);
	assert_int_equal(space_reserve(rig->space, 0x1f000, 0x20000, &good, &rig->why),
			 -EADDRINUSE);
	assert_int_equal(ioas_space_allow(rig->space, NULL, 0, NULL), 0);
	assert_int_equal(space_reserve(rig->space, 0x1f000, 0x20000, &good, &rig->why), 0);
	assert_int_equal(space_reserve(rig->space, 0x10fff, 0x11000, &good, &rig->why),
			 -EADDRINUSE);
	assert_string_equal(rig->why.text, "mapping 0x10000-0x10fff lies in 0x10fff-0x11000, "
					   "which is to be reserved");
}

static void ranges_are_what_no_owner_reserves(void **state)
{
	struct rig *rig = *state;
	struct ioas_range out[4];
	int a, b;

	assert_int_equal(ioas_space_ranges(rig->space, out, 4), 1);
	assert_true(out[0].first == 0 && out[0].last == UINT64_MAX);
	assert_int_equal(space_reserve(rig->space, 0xfee00000, 0xfeefffff, &a, NULL), 0);
	assert_int_equal(space_reserve(rig->space, 1ull << 48, UINT64_MAX, &a, NULL), 0);
	assert_int_equal(space_reserve(rig->space, 0xfee80000, 0xfef00000, &b, NULL), 0);
	assert_int_equal(space_reserve(rig->space, 0, 0xfff, &b, NULL), 0);
	memset(out, 0, sizeof(out));
	assert_int_equal(ioas_space_ranges(rig->space, out, 1), 2);
	assert_int_equal(out[1].last, 0);
	assert_int_equal(ioas_space_ranges(rig->space, out, 4), 2);
	assert_true(out[0].first == 0x1000 && out[0].last == 0xfedfffff);
	assert_true(out[1].first == 0xfef00001 && out[1].last == (1ull << 48) - 1);
	assert_int_equal(rig_auto_error(rig, 0, 1ull << 48), -ENOSPC);
	space_unreserve(rig->space, &a);
	assert_int_equal(ioas_space_ranges(rig->space, out, 4), 2);
	assert_true(out[0].last == 0xfee7ffff && out[1].first == 0xfef00001);
	assert_int_equal(rig_auto(rig, 0, 1ull << 48), 0xff000000);
}

static void copy_shares_pages_over_several_mappings(void **state)
{
	struct rig *rig = *state;
	struct ioas_space *dst;
	iova_t iova = 0x80000;
	struct space_area_info info;

	assert_int_equal(ioas_space_new(&rig->iommu, &dst), 0);
	assert_int_equal(rig_fixed(rig, 0x1000, ARENA, 2 * PAGE), 0);
	assert_int_equal(rig_fixed(rig, 0x3000, ARENA + 0x10000, 2 * PAGE), 0);
	/* From inside one mapping to inside another. */
	assert_int_equal(ioas_space_copy(dst, &iova, rig->space, 0x2000, 2 * PAGE,
					 IOAS_MAP_READ | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(space_area_nr(dst), 2);
	assert_int_equal(space_area_at_or_after(dst, 0x80001, &info), 0);
	assert_true(info.range.first == 0x80000 && info.range.last == 0x80fff);
	assert_int_equal(info.prot, IOAS_PROT_READ);
	/* A hole, before, between or behind. */
	for (iova_t at = 0; at < 0x6000; at += 0x5000)
		assert_int_equal(
			ioas_space_copy(dst, &iova, rig->space, at, 2 * PAGE, RW, &rig->why),
			-ENOENT);
	assert_int_equal(ioas_space_copy(dst, &iova, rig->space, 0x1000, 0, RW, &rig->why),
			 -EINVAL);
	assert_int_equal(ioas_space_copy(dst, &iova, rig->space, 0x1000, UINT64_MAX, RW, &rig->why),
			 -EOVERFLOW);
	/* The pages outlive the mapping they came from. */
	assert_int_equal(rig_unmap(rig, 0, 0, 4 * PAGE), 0);
	/* What was first mapped writable may be written again. */
	assert_int_equal(ioas_space_copy(dst, &iova, dst, 0x80000, PAGE, RW, NULL), 0);
	assert_int_equal(iova, 0x1000);
	ioas_space_put(dst);
}

static void copy_gains_no_write_permission(void **state)
{
	struct rig *rig = *state;
	iova_t iova = 0x1000, to = 0x10000;

	assert_int_equal(ioas_space_map(rig->space, &rig->caller, &iova, ARENA, PAGE,
					IOAS_MAP_READ | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(ioas_space_copy(rig->space, &to, rig->space, 0x1000, PAGE,
					 RW | IOAS_MAP_FIXED, &rig->why),
			 -EPERM);
	assert_int_equal(ioas_space_copy(rig->space, &to, rig->space, 0x1000, PAGE,
					 IOAS_MAP_READ | IOAS_MAP_FIXED, &rig->why),
			 0);
}

static void huge_pages_off_means_page_alignment(void **state)
{
	struct rig *rig = *state;

	assert_true(space_huge_pages(rig->space));
	assert_int_equal(rig_fixed(rig, 0x1000, ARENA, 100), 0);
	assert_int_equal(space_set_huge_pages(rig->space, false, &rig->why), -EADDRINUSE);
	assert_int_equal(rig_unmap(rig, 0, 0, 100), 0);
	assert_int_equal(space_set_huge_pages(rig->space, false, &rig->why), 0);
	assert_int_equal(space_set_huge_pages(rig->space, false, &rig->why), 0);
	assert_int_equal(ioas_space_alignment(rig->space), 4096);
	assert_int_equal(rig_auto_error(rig, 1 << 30, 100), -EINVAL);
	assert_int_equal(rig_auto_error(rig, (1 << 30) + 100, PAGE), -EINVAL);
	assert_int_equal(rig_fixed(rig, 0x10000, (1 << 30) + 100, PAGE), -EINVAL);
	assert_int_equal(rig_fixed(rig, 0x10001, 1 << 30, PAGE), -EINVAL);
	assert_int_equal(rig_auto(rig, 1 << 30, PAGE), 0x1000);
	assert_int_equal(space_set_huge_pages(rig->space, true, &rig->why), 0);
	assert_int_equal(ioas_space_alignment(rig->space), 1);
}

/* As many as there is room for, each full once. */
static void what_is_unmapped_can_be_chosen_again(void **state)
{
	struct rig *rig = *state;
	struct ioas_range four[] = {
		{0x10000, 0x10fff}, {0x20000, 0x20fff}, {0x30000, 0x30fff}, {0x40000, 0x40fff}};

	assert_int_equal(ioas_space_allow(rig->space, four, 4, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rig_auto(rig, ARENA, PAGE), four[i].first);
	assert_int_equal(rig_auto_error(rig, ARENA, PAGE), -ENOSPC);
	for (unsigned i = 4; i--;) {
		assert_int_equal(rig_unmap(rig, four[i].first, PAGE, PAGE), 0);
		assert_int_equal(rig_auto(rig, ARENA, PAGE), four[i].first);
		assert_int_equal(rig_auto_error(rig, ARENA, PAGE), -ENOSPC);
	}
	assert_int_equal(rig_unmap(rig, 0, 0, 4 * PAGE), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rig_auto(rig, ARENA, PAGE), four[i].first);
}

/* One mapping over all of them, and room at either end of them when it is gone. */
static void what_was_in_several_allowed_ranges_can_be_chosen(void **state)
{
	struct rig *rig = *state;
	struct ioas_range three[] = {{0x10000, 0x10fff}, {0x20000, 0x20fff}, {0x30000, 0x30fff}};

	assert_int_equal(ioas_space_allow(rig->space, three, 3, NULL), 0);
	assert_int_equal(rig_fixed(rig, 0x8000, ARENA, 0x30000), 0);
	assert_int_equal(rig_auto_error(rig, ARENA, PAGE), -ENOSPC);
	assert_int_equal(rig_unmap(rig, 0x8000, 0x30000, 0x30000), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rig_auto(rig, ARENA, PAGE), three[i].first);
	assert_int_equal(rig_auto_error(rig, ARENA, PAGE), -ENOSPC);
}

/* Where a page ends in it; where nothing has to be cut there is nothing to refuse. */
static void a_mapping_is_cut_where_a_page_ends(void **state)
{
	static const iova_t inside[] = {0x1000, 0x1001, 0x1ffe, 0x2000, 0x2ffe};
	static const iova_t outside[] = {0, 0xfff, 0x2fff, 0x3000, UINT64_MAX};
	struct rig *rig = *state;

	assert_int_equal(rig_fixed(rig, 0x1000, ARENA, 2 * PAGE), 0);
	assert_int_equal(space_cut(rig->space, 0x1fff, NULL), 0);
	assert_int_equal(space_area_nr(rig->space), 1); /* leaves may be large */
	assert_int_equal(rig_unmap(rig, 0, 0, 2 * PAGE), 0);
	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	assert_int_equal(rig_fixed(rig, 0x1000, ARENA, 2 * PAGE), 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(space_cut(rig->space, outside[i], NULL), 0);
		assert_int_equal(space_cut(rig->space, inside[i], &rig->why), -EINVAL);
		assert_non_null(strstr(rig->why.text, "0x1000-0x2fff cannot be cut after 0x"));
		assert_int_equal(space_area_nr(rig->space), 1);
	}
	assert_int_equal(space_cut(rig->space, 0x1fff, NULL), 0);
	assert_int_equal(space_area_nr(rig->space), 2);
	assert_int_equal(rig_unmap(rig, 0x2000, PAGE, PAGE), 0);
	assert_int_equal(rig_unmap(rig, 0x1000, PAGE, PAGE), 0);
}

/* The last byte of one and the first of the other are enough to meet, and nothing less. */
static void neighbours_do_not_meet(void **state)
{
	static const struct ioas_range apart[] = {
		{0xf000, 0xffff}, {0x11000, 0x11fff}, {0x1f000, 0x1ffff}, {0x30000, 0x30fff}};
	static const struct ioas_range meet[] = {
		{0xf000, 0x10000}, {0x10fff, 0x11fff}, {0x1f000, 0x20000}, {0x2ffff, 0x30fff}};
	struct ioas_range allowed[] = {{0x20000, 0x27fff}, {0x28000, 0x2ffff}};
	struct rig *rig = *state;
	int owner;

	assert_int_equal(rig_fixed(rig, 0x10000, ARENA, PAGE), 0);
	assert_int_equal(ioas_space_allow(rig->space, allowed, 2, &rig->why), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(
			space_reserve(rig->space, meet[i].first, meet[i].last, &owner, &rig->why),
			-EADDRINUSE);
	assert_string_equal(rig->why.text, "allowed range 0x28000-0x2ffff lies in 0x2ffff-0x30fff, "
					   "which is to be reserved");
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(
			space_reserve(rig->space, apart[i].first, apart[i].last, &owner, &rig->why),
			0);
	assert_int_equal(rig_fixed(rig, 0xf000, ARENA, 1), -EINVAL);
	assert_int_equal(rig_fixed(rig, 0xffff, ARENA, 1), -EINVAL);
	assert_int_equal(rig_fixed(rig, 0xefff, ARENA, 1), 0);
	assert_int_equal(rig_fixed(rig, 0x12000, ARENA, 1), 0);
}

static void first_last_and_memory_are_each_aligned(void **state)
{
	static const struct {
		iova_t iova;
		uint64_t va, len;
	} wrong[] = {{0x1800, ARENA, 0x800}, {0x1000, ARENA, 0x800}, {0x1000, ARENA + 8, 0x1000}};
	struct rig *rig = *state;
	struct space_area_info info;

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rig_fixed(rig, 0x10000, ARENA, PAGE), 0);
		assert_int_equal(rig_fixed(rig, wrong[i].iova, wrong[i].va, wrong[i].len), 0);
		assert_int_equal(space_set_huge_pages(rig->space, false, &rig->why), -EADDRINUSE);
		assert_non_null(strstr(rig->why.text, "memory is not aligned to 4096"));
		assert_true(space_huge_pages(rig->space));
		assert_int_equal(rig_unmap(rig, wrong[i].iova, wrong[i].len, wrong[i].len), 0);
		assert_int_equal(space_set_huge_pages(rig->space, false, &rig->why), 0);
		assert_false(space_huge_pages(rig->space));
		assert_int_equal(rig_fixed(rig, wrong[i].iova, wrong[i].va, wrong[i].len), -EINVAL);
		assert_int_equal(space_set_huge_pages(rig->space, true, NULL), 0);
		assert_int_equal(rig_unmap(rig, 0, 0, PAGE), 0);
	}
	assert_int_equal(space_area_at_or_after(rig->space, 0, &info), -ENOENT);
	assert_int_equal(rig_fixed(rig, 0x1001, ARENA, 7), 0);
	assert_int_equal(space_area_at_or_after(rig->space, 0x1007, &info), 0);
	assert_true(info.range.first == 0x1001 && info.range.last == 0x1007);
	assert_int_equal(info.prot, IOAS_PROT_READ | IOAS_PROT_WRITE);
	assert_int_equal(space_area_at_or_after(rig->space, 0x1008, &info), -ENOENT);
}

static void what_was_never_made_can_go(void **state)
{
	ioas_space_put(NULL);
	ioas_access_destroy(NULL);
	ioas_access_unpin(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/* What allows nothing is no entry of a table: it is mapped where there is none. */
static void what_allows_nothing_is_in_no_table(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);
	iova_t iova = 0x1000, other = 0x9000;

	assert_int_equal(ioas_space_map(rig->space, &rig->caller, &iova, ARENA, PAGE,
					IOAS_MAP_FIXED, &rig->why),
			 0);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -EINVAL);
	assert_int_equal(rig->pins, 0);
	assert_int_equal(rig_unmap(rig, 0x1000, PAGE, PAGE), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), 0);
	assert_int_equal(ioas_space_map(rig->space, &rig->caller, &other, ARENA, PAGE,
					IOAS_MAP_FIXED, &rig->why),
			 -EINVAL);
	assert_int_equal(rig->pins, 0);
	assert_int_equal(space_area_nr(rig->space), 0);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(what_allows_nothing_is_in_no_table),
		TEST(chooses_the_lowest_address_that_fits),
		TEST(refuses_in_the_kernels_order),
		TEST(without_a_table_no_memory_is_looked_at),
		TEST(unmap_stops_at_a_mapping_it_would_cut),
		TEST(allowed_ranges_restrict_the_choice_only),
		TEST(allow_refuses_bad_lists_and_keeps_the_old),
		TEST(ranges_are_what_no_owner_reserves),
		TEST(copy_shares_pages_over_several_mappings),
		TEST(copy_gains_no_write_permission),
		TEST(huge_pages_off_means_page_alignment),
		TEST(what_is_unmapped_can_be_chosen_again),
		TEST(what_was_in_several_allowed_ranges_can_be_chosen),
		TEST(a_mapping_is_cut_where_a_page_ends),
		TEST(neighbours_do_not_meet),
		TEST(first_last_and_memory_are_each_aligned),
		cmocka_unit_test(what_was_never_made_can_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
