/* SPDX-License-Identifier: MIT */
/*
 * Description: a space with page tables attached: what is entered, when memory is pinned, and that
 * a call that fails leaves tables, pins and mappings as they were.
 */
#include "rig.h"
#include "util/inject.h"

static uint64_t leaves(struct pt *pt)
{
	struct pt_stats stats;

	pt_stats(pt, &stats);
	return stats.leaves;
}

static void attach(struct rig *rig, struct pt *pt)
{
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), 0);
}

static void detach(struct rig *rig, struct pt *pt)
{
	space_domain_detach(rig->space, pt);
	assert_int_equal(leaves(pt), 0);
	pt_destroy(pt);
}

static void the_first_table_pins_and_the_last_unpins(void **state)
{
	struct rig *rig = *state;
	struct pt *a = rig_pt(48), *b = rig_pt(39);
	uint32_t prot;
	pa_t pa;

	assert_int_equal(rig_fixed(rig, 0x5000, ARENA, 3 * PAGE), 0);
	assert_int_equal(ioas_space_iova_to_phys(rig->space, 0x5000, &pa), -ENOENT);
	attach(rig, a);
	assert_int_equal(rig->pins, 3);
	attach(rig, b);
	assert_int_equal(rig->pins_ever, 1);
	assert_int_equal(rig_lookup(rig, a, 0x6123, &prot), ARENA + 0x1123);
	assert_int_equal(rig_lookup(rig, b, 0x6123, &prot), ARENA + 0x1123);
	assert_int_equal(prot, IOAS_PROT_READ | IOAS_PROT_WRITE);
	assert_int_equal(ioas_space_iova_to_phys(rig->space, 0x5001, &pa), 0);
	assert_int_equal(pa % PAGE, 1);
	assert_int_equal(rig_fixed(rig, 0x8000, ARENA, PAGE), 0);
	assert_int_equal(rig->pins, 4);
	detach(rig, a);
	assert_int_equal(rig->pins, 4);
	assert_int_equal(rig_lookup(rig, b, 0x8000, &prot), ARENA);
	assert_int_equal(rig_unmap(rig, 0x8000, PAGE, PAGE), 0);
	assert_int_equal(rig->pins, 3);
	detach(rig, b);
	assert_int_equal(rig->pins, 0);
	assert_int_equal(space_area_nr(rig->space), 1);
}

static void a_table_reserves_what_it_cannot_reach(void **state)
{
	struct rig *rig = *state;
	struct ioas_range out[2], allowed = {0x8000000000, 0x8000001fff};
	struct pt *pt = rig_pt(39);

	assert_int_equal(rig_fixed(rig, 1ull << 39, ARENA, PAGE), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -EADDRINUSE);
	assert_int_equal(rig_unmap(rig, 0, 0, PAGE), 0);
	assert_int_equal(ioas_space_allow(rig->space, &allowed, 1, NULL), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -EADDRINUSE);
	assert_int_equal(ioas_space_allow(rig->space, NULL, 0, NULL), 0);
	attach(rig, pt);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -EEXIST);
	assert_int_equal(ioas_space_ranges(rig->space, out, 2), 1);
	assert_int_equal(out[0].last, (1ull << 39) - 1);
	assert_int_equal(rig_fixed(rig, (1ull << 39) - PAGE, ARENA, 2 * PAGE), -EINVAL);
	assert_int_equal(rig_fixed(rig, (1ull << 39) - PAGE, ARENA, PAGE), 0);
	detach(rig, pt);
	assert_int_equal(ioas_space_ranges(rig->space, out, 2), 1);
	assert_int_equal(out[0].last, UINT64_MAX);
}

static void a_table_asks_for_page_alignment(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	assert_int_equal(rig_fixed(rig, 0x1000, ARENA + 0x10, PAGE), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -EADDRINUSE);
	assert_int_equal(rig_unmap(rig, 0, 0, PAGE), 0);
	attach(rig, pt);
	assert_int_equal(ioas_space_alignment(rig->space), PAGE);
	assert_int_equal(rig_fixed(rig, 0x1000, ARENA + 0x10, PAGE), -EINVAL);
	assert_int_equal(rig_fixed(rig, 0x1010, ARENA, PAGE), -EINVAL);
	assert_int_equal(rig_fixed(rig, 0x1000, ARENA, PAGE / 2), -EINVAL);
	detach(rig, pt);
	assert_int_equal(ioas_space_alignment(rig->space), 1);
}

static struct pt *make_pt(struct pt_config config)
{
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	return pt;
}

static void the_alignment_is_the_largest_page_of_the_tables(void **state)
{
	struct rig *rig = *state;
	struct pt *fine = make_pt((struct pt_config){PT_AMDV1_2K, 48, 11}), *coarse = rig_pt(48);
	uint32_t prot;

	assert_int_equal(rig_fixed(rig, 0x1400, ARENA, PAGE), 0);
	assert_int_equal(space_domain_attach(rig->space, fine, &rig->why), -EADDRINUSE);
	assert_int_equal(rig_unmap(rig, 0, 0, PAGE), 0);
	attach(rig, fine);
	assert_int_equal(ioas_space_alignment(rig->space), 2048);
	/* Not congruent modulo a page of the caller's. */
	assert_int_equal(rig_fixed(rig, 0x1800, ARENA + PAGE, PAGE), 0);
	assert_int_equal(rig_fixed(rig, 0x2800, ARENA + 0x800, PAGE / 2), 0);
	assert_int_equal(rig_fixed(rig, 0x3400, ARENA, PAGE), -EINVAL);
	assert_int_equal(leaves(fine), 3);
	for (unsigned off = 0; off < PAGE; off += 2047)
		assert_int_equal(rig_lookup(rig, fine, 0x1800 + off, &prot), ARENA + PAGE + off);
	assert_int_equal(rig_lookup(rig, fine, 0x2801, &prot), ARENA + 0x801);
	assert_int_equal(space_domain_attach(rig->space, coarse, &rig->why), -EADDRINUSE);
	assert_int_equal(rig_unmap(rig, 0, 0, PAGE + PAGE / 2), 0);
	assert_int_equal(leaves(fine), 0);
	attach(rig, coarse);
	assert_int_equal(ioas_space_alignment(rig->space), PAGE);
	assert_int_equal(rig_fixed(rig, 0x1800, ARENA, PAGE), -EINVAL);
	detach(rig, coarse);
	assert_int_equal(ioas_space_alignment(rig->space), 2048);
	detach(rig, fine);
	assert_int_equal(ioas_space_alignment(rig->space), 1);
}

/* What a copy shows lies at an address that suits both tables. */
static void memory_is_shared_between_tables_of_two_page_sizes(void **state)
{
	struct rig *rig = *state;
	struct pt *fine = make_pt((struct pt_config){PT_AMDV1_2K, 48, 11}), *coarse = rig_pt(48);
	struct ioas_space *other;
	iova_t to = 0x7000;
	uint32_t prot;

	assert_int_equal(ioas_space_new(&rig->iommu, &other), 0);
	attach(rig, fine);
	assert_int_equal(rig_fixed(rig, 0x1800, ARENA, 2 * PAGE), 0);
	assert_int_equal(space_domain_attach(other, coarse, &rig->why), 0);
	assert_int_equal(ioas_space_copy(other, &to, rig->space, 0x1800, 2 * PAGE,
					 RW | IOAS_MAP_FIXED, &rig->why),
			 0);
	assert_int_equal(rig_lookup(rig, coarse, 0x8123, &prot), ARENA + 0x1123);
	assert_int_equal(rig_lookup(rig, fine, 0x1800 + 0x1123, &prot), ARENA + 0x1123);
	space_domain_detach(other, coarse);
	pt_destroy(coarse);
	ioas_space_put(other);
	detach(rig, fine);
}

static void a_table_reserves_what_is_outside_its_aperture(void **state)
{
	struct rig *rig = *state;
	struct ioas_range out[2], allowed = {0x80000000, 0x80000fff};
	struct pt *pt = make_pt((struct pt_config){PT_AMDV1_2K, 48, 11, {0x1000000, 0x7fffffff}});
	iova_t at;

	/* On either side; the reservation of the other side is taken back. */
	assert_int_equal(rig_fixed(rig, 0xfff000, ARENA, PAGE), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -EADDRINUSE);
	assert_int_equal(rig_unmap(rig, 0, 0, PAGE), 0);
	assert_int_equal(ioas_space_allow(rig->space, &allowed, 1, NULL), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -EADDRINUSE);
	assert_int_equal(ioas_space_ranges(rig->space, out, 2), 1);
	assert_int_equal(out[0].first, 0);
	assert_int_equal(out[0].last, UINT64_MAX);
	assert_int_equal(ioas_space_allow(rig->space, NULL, 0, NULL), 0);
	attach(rig, pt);
	assert_int_equal(ioas_space_ranges(rig->space, out, 2), 1);
	assert_int_equal(out[0].first, 0x1000000);
	assert_int_equal(out[0].last, 0x7fffffff);
	at = rig_auto(rig, ARENA, PAGE);
	assert_int_equal(at, 0x1000000);
	assert_int_equal(rig_fixed(rig, 0x7ffff000, ARENA, 2 * PAGE), -EINVAL);
	assert_int_equal(rig_fixed(rig, 0xfff800, ARENA, PAGE), -EINVAL);
	detach(rig, pt);
	assert_int_equal(ioas_space_ranges(rig->space, out, 2), 1);
	assert_int_equal(out[0].first, 0);
}

static void memory_that_is_not_there_fails_the_map(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);
	iova_t iova = 0x2000;
	uint32_t prot;

	attach(rig, pt);
	assert_int_equal(rig_fixed(rig, 0x1000, ARENA - PAGE, 2 * PAGE), -EFAULT);
	assert_int_equal(rig_fixed(rig, 0x1000, ARENA_RO - PAGE, 2 * PAGE), -EFAULT);
	assert_string_equal(rig->why.text,
			    "memory 0x43eff000-0x43f00fff is not all there and writable");
	assert_int_equal(rig_auto_error(rig, 0, PAGE), -EFAULT);
	assert_int_equal(space_area_nr(rig->space), 0);
	assert_int_equal(rig->pins, 0);
	assert_int_equal(leaves(pt), 0);
	/* Read-only memory is fine to be read. */
	assert_int_equal(ioas_space_map(rig->space, &rig->caller, &iova, ARENA_RO, PAGE,
					IOAS_MAP_READ | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(rig_lookup(rig, pt, 0x2000, &prot), ARENA_RO);
	assert_int_equal(prot, IOAS_PROT_READ);
	detach(rig, pt);
}

static void an_attach_that_fails_fills_nothing(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	assert_int_equal(rig_fixed(rig, 0x1000, ARENA, PAGE), 0);
	assert_int_equal(rig_fixed(rig, 0x2000, ARENA, PAGE), 0);
	assert_int_equal(rig_fixed(rig, 0x3000, ARENA + ARENA_LEN, PAGE), 0);
	assert_int_equal(rig_fixed(rig, 0x4000, ARENA, PAGE), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -EFAULT);
	assert_int_equal(rig->pins, 0);
	assert_int_equal(rig->pins_ever, 2);
	assert_int_equal(leaves(pt), 0);
	assert_int_equal(ioas_space_alignment(rig->space), 1);
	assert_int_equal(rig_unmap(rig, 0x3000, PAGE, PAGE), 0);
	rig->pins_left = 2;
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -ENOMEM);
	assert_int_equal(rig->pins, 0);
	rig->pins_left = -1;
	attach(rig, pt);
	assert_int_equal(rig->pins, 3);
	detach(rig, pt);
}

/* Whichever entry or pin it is that fails, of the first table or of one more. */
static void an_attach_without_memory_fills_nothing(void **state)
{
	struct rig *rig = *state;
	struct pt *pt[2] = {rig_pt(48), rig_pt(48)};

	assert_int_equal(rig_fixed(rig, 0x1000, ARENA, 3 * PAGE), 0);
	assert_int_equal(rig_fixed(rig, 1ull << 40, ARENA + 8 * PAGE, 2 * PAGE), 0);
	for (unsigned i = 0; i < 2; i++) {
		unsigned failed = 0, named = 0;
		int rc = 1;

		while (rc) {
			rig->why.text[0] = '\0';
			inject_arm(failed + 1);
			rc = space_domain_attach(rig->space, pt[i], &rig->why);
			inject_arm(0);
			assert_int_equal(rig->pins, rc && !i ? 0 : 5);
			if (!rc)
				break;
			failed++;
			assert_true(rc == -ENOMEM || rc == -EFAULT);
			assert_int_equal(leaves(pt[i]), 0);
			named += strstr(rig->why.text, "mapping 0x1000-0x3fff") ||
				 strstr(rig->why.text, "mapping 0x10000000000-0x10000001fff");
		}
		assert_true(failed >= named && named >= 4);
		assert_true(leaves(pt[i]) >= 2);
	}
	detach(rig, pt[0]);
	assert_int_equal(rig->pins, 5);
	detach(rig, pt[1]);
}

/* And says what of it has to be there. */
static void an_attach_names_the_mapping_without_memory(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	for (unsigned write = 0; write < 2; write++) {
		iova_t iova = 0x3000;

		assert_int_equal(ioas_space_map(rig->space, &rig->caller, &iova, ARENA + ARENA_LEN,
						2 * PAGE,
						IOAS_MAP_FIXED | IOAS_MAP_READ |
							(write ? IOAS_MAP_WRITE : 0),
						NULL),
				 0);
		assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -EFAULT);
		assert_non_null(strstr(rig->why.text, "mapping 0x3000-0x4fff"));
		assert_int_equal(strstr(rig->why.text, " and writable") != NULL, write);
		assert_int_equal(rig_unmap(rig, 0x3000, 2 * PAGE, 2 * PAGE), 0);
	}
	pt_destroy(pt);
}

static void copies_share_pages(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48), *other_pt = rig_pt(48);
	struct ioas_space *other;
	iova_t iova = 0x100000;
	uint32_t prot;

	assert_int_equal(ioas_space_new(&rig->iommu, &other), 0);
	attach(rig, pt);
	assert_int_equal(rig_fixed(rig, 0x200000, ARENA, 64 * PAGE), 0);
	assert_int_equal(ioas_space_copy(rig->space, &iova, rig->space, 0x201000, 8 * PAGE,
					 IOAS_MAP_READ | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(ioas_space_copy(other, &iova, rig->space, 0x204000, 8 * PAGE,
					 RW | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(rig->pins, 64);
	assert_int_equal(rig_lookup(rig, pt, 0x100000, &prot), ARENA + PAGE);
	assert_int_equal(prot, IOAS_PROT_READ);
	assert_int_equal(space_domain_attach(other, other_pt, NULL), 0);
	assert_int_equal(rig_lookup(rig, other_pt, 0x101000, &prot), ARENA + 5 * PAGE);
	assert_int_equal(rig_unmap(rig, 0x200000, 64 * PAGE, 64 * PAGE), 0);
	/* Pages 1..8 and 4..11 are shown yet. */
	assert_int_equal(rig->pins, 11);
	assert_int_equal(rig_lookup(rig, pt, 0x100000, &prot), ARENA + PAGE);
	detach(rig, pt);
	assert_int_equal(rig->pins, 8);
	space_domain_detach(other, other_pt);
	assert_int_equal(rig->pins, 0);
	pt_destroy(other_pt);
	ioas_space_put(other);
}

/* Of pieces of several leaves the last one fails: in both tables nothing of them stays. */
static void a_copy_that_fails_half_way_changes_nothing(void **state)
{
	struct rig *rig = *state;
	struct pt *a = rig_pt(48), *b = rig_pt(48);
	struct ioas_space *src;
	iova_t iova = 0x40000000;

	attach(rig, a);
	attach(rig, b);
	assert_int_equal(ioas_space_new(&rig->iommu, &src), 0);
	for (uint64_t i = 0; i < 4; i++) {
		iova_t at = 0x1000 + i * 3 * PAGE;

		assert_int_equal(ioas_space_map(src, &rig->caller, &at,
						i == 3 ? 0x1000 : ARENA + i * 3 * PAGE, 3 * PAGE,
						RW | IOAS_MAP_FIXED, NULL),
				 0);
	}
	assert_int_equal(ioas_space_copy(rig->space, &iova, src, 0x1000, 12 * PAGE,
					 RW | IOAS_MAP_FIXED, &rig->why),
			 -EFAULT);
	assert_int_equal(rig->pins, 0);
	assert_int_equal(leaves(a) + leaves(b), 0);
	assert_int_equal(space_area_nr(rig->space), 0);
	assert_int_equal(ioas_space_copy(rig->space, &iova, src, 0x1000, 9 * PAGE,
					 RW | IOAS_MAP_FIXED, &rig->why),
			 0);
	assert_int_equal(rig->pins, 9);
	assert_int_equal(rig_unmap(rig, 0, 0, 9 * PAGE), 0);
	assert_int_equal(rig->pins, 0);
	ioas_space_put(src);
	detach(rig, a);
	detach(rig, b);
}

/* Of three tables any can be the one that cannot be filled, with all of the map or some in others.
 */
static void a_map_that_one_table_has_no_memory_for_is_in_none(void **state)
{
	struct rig *rig = *state;
	struct pt *pt[3];
	unsigned failed = 0;
	int rc = -ENOMEM;

	for (unsigned i = 0; i < 3; i++) {
		pt[i] = rig_pt(48);
		attach(rig, pt[i]);
	}
	for (unsigned nth = 1; rc; nth++) {
		inject_arm(nth);
		rc = rig_fixed(rig, 0x1000, ARENA + 0x1000, 7 * PAGE);
		inject_arm(0);
		if (!rc)
			break;
		failed++;
		assert_int_equal(rig->pins, 0);
		assert_int_equal(space_area_nr(rig->space), 0);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(leaves(pt[i]), 0);
	}
	assert_true(failed > 5);
	assert_true(leaves(pt[0]) > 1 && leaves(pt[1]) > 1 && leaves(pt[2]) > 1);
	assert_int_equal(rig_unmap(rig, 0, 0, 7 * PAGE), 0);
	for (unsigned i = 0; i < 3; i++)
		detach(rig, pt[i]);
}

/* Memory is pinned in whole pages, whatever part of them a table with smaller ones shows. */
static void half_a_page_pins_one_and_two_halves_two(void **state)
{
	struct rig *rig = *state;
	struct pt *fine = make_pt((struct pt_config){PT_AMDV1_2K, 48, 11});

	attach(rig, fine);
	for (uint64_t half = 0; half < 4; half++) {
		for (uint64_t nr = 1; nr < 4; nr++) {
			assert_int_equal(rig_fixed(rig, 0x1800, ARENA + half * 2048, nr * 2048), 0);
			assert_int_equal(rig->pins, (half % 2 + nr + 1) / 2);
			assert_int_equal(rig_unmap(rig, 0x1800, nr * 2048, nr * 2048), 0);
			assert_int_equal(rig->pins, 0);
		}
	}
	detach(rig, fine);
}

/* The first and the last of three, too, each of several leaves, at odd addresses. */
static void an_unmap_leaves_no_leaf(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	attach(rig, pt);
	for (unsigned nr = 1; nr <= 3; nr++) {
		for (uint64_t i = 0; i < nr; i++)
			assert_int_equal(rig_fixed(rig, 0x1000 + i * 3 * PAGE,
						   ARENA + 0x1000 + i * 3 * PAGE, 3 * PAGE),
					 0);
		assert_true(leaves(pt) > nr);
		assert_int_equal(rig_unmap(rig, 0, 0, nr * 3 * PAGE), 0);
		assert_int_equal(leaves(pt), 0);
	}
	detach(rig, pt);
}

static void one_map_takes_few_leaves_wherever_it_lies(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	attach(rig, pt);
	/* Memory and IOVA differ in every bit of alignment: the physical map makes up for it. */
	assert_int_equal(rig_fixed(rig, 0x200000, ARENA + PAGE, 32 << 20), 0);
	assert_true(leaves(pt) <= 5);
	detach(rig, pt);
}

static void huge_pages_off_means_leaves_of_one_page(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	attach(rig, pt);
	assert_int_equal(space_set_huge_pages(rig->space, false, &rig->why), 0);
	assert_int_equal(rig_fixed(rig, 0x200000, ARENA, 64 * PAGE), 0);
	assert_int_equal(leaves(pt), 64);
	assert_int_equal(space_set_huge_pages(rig->space, true, &rig->why), 0);
	assert_int_equal(space_set_huge_pages(rig->space, false, &rig->why), -EINVAL);
	assert_int_equal(rig_unmap(rig, 0, 0, 64 * PAGE), 0);
	assert_int_equal(space_set_huge_pages(rig->space, false, &rig->why), 0);
	detach(rig, pt);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(the_first_table_pins_and_the_last_unpins),
		TEST(a_table_reserves_what_it_cannot_reach),
		TEST(a_table_asks_for_page_alignment),
		TEST(the_alignment_is_the_largest_page_of_the_tables),
		TEST(memory_is_shared_between_tables_of_two_page_sizes),
		TEST(a_table_reserves_what_is_outside_its_aperture),
		TEST(memory_that_is_not_there_fails_the_map),
		TEST(an_attach_that_fails_fills_nothing),
		TEST(an_attach_without_memory_fills_nothing),
		TEST(an_attach_names_the_mapping_without_memory),
		TEST(copies_share_pages),
		TEST(a_copy_that_fails_half_way_changes_nothing),
		TEST(a_map_that_one_table_has_no_memory_for_is_in_none),
		TEST(half_a_page_pins_one_and_two_halves_two),
		TEST(an_unmap_leaves_no_leaf),
		TEST(one_map_takes_few_leaves_wherever_it_lies),
		TEST(huge_pages_off_means_leaves_of_one_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
