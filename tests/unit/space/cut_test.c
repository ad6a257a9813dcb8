/* SPDX-License-Identifier: MIT */
/*
 * Description: a mapping is cut in two where it is asked for, or not at all: without memory, where
 * a page goes on, or somebody uses it, all stays as it was; and tables show what they showed.
 */
#include <sys/mman.h>
#include "rig.h"
#include "util/inject.h"

#define NR   90 /* mappings of 4 pages: leaves of the tree are full then */
#define AREA (4 * PAGE)
#define BASE 0x100000ull

static iova_t iova_of(unsigned i)
{
	return BASE + i * 2 * AREA;
}

static struct pt *begin(struct rig *rig, bool table)
{
	struct pt *pt = table ? rig_pt(48) : NULL;

	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	if (pt)
		assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	for (unsigned i = 0; i < NR; i++)
		assert_int_equal(rig_fixed(rig, iova_of(i), ARENA + i * AREA, AREA), 0);
	return pt;
}

static void end(struct rig *rig, struct pt *pt)
{
	assert_int_equal(ioas_space_unmap(rig->space, 0, UINT64_MAX, NULL, NULL), 0);
	assert_int_equal(rig->pins, 0);
	if (!pt)
		return;
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
}

/* The tables say the same; there are so many mappings, all of those before. */
static void check(struct rig *rig, struct pt *pt, unsigned nr)
{
	uint32_t prot;

	assert_int_equal(space_area_nr(rig->space), nr);
	assert_int_equal(rig->pins, pt ? NR * 4 : 0);
	for (unsigned i = 0; pt && i < NR * 4; i++)
		assert_int_equal(rig_lookup(rig, pt, iova_of(i / 4) + i % 4 * PAGE, &prot),
				 ARENA + i * PAGE);
}

/* Whatever of it has no memory. */
static void a_cut_without_memory_changes_nothing(void **state)
{
	struct rig *rig = *state;

	for (unsigned table = 0; table < 2; table++) {
		struct pt *pt = begin(rig, table);
		unsigned failed = 0;

		for (unsigned i = 0; i < NR; i += 7) {
			iova_t last = iova_of(i) + (1 + i % 3) * PAGE - 1;
			struct space_area_info info;
			int rc = 1;

			for (unsigned nth = 1; rc; nth++) {
				rig->why.text[0] = '\0';
				inject_arm(nth);
				rc = space_cut(rig->space, last, &rig->why);
				inject_arm(0);
				assert_true(!rc || (rc == -ENOMEM && rig->why.text[0]));
				check(rig, pt, NR + i / 7 + !rc);
				failed += !!rc;
			}
			/* Again there is nothing to do, nor between mappings. */
			assert_int_equal(space_cut(rig->space, last, NULL), 0);
			assert_int_equal(space_cut(rig->space, iova_of(i) - 1, NULL), 0);
			check(rig, pt, NR + i / 7 + 1);
			assert_int_equal(space_area_at_or_after(rig->space, iova_of(i), &info), 0);
			assert_int_equal(info.range.first, iova_of(i));
			assert_int_equal(info.range.last, last);
			assert_int_equal(space_area_at_or_after(rig->space, last + 1, &info), 0);
			assert_int_equal(info.range.first, last + 1);
			assert_int_equal(info.range.last, iova_of(i) + AREA - 1);
			assert_int_equal(info.prot, IOAS_PROT_READ | IOAS_PROT_WRITE);
		}
		assert_true(failed > NR / 7);
		end(rig, pt);
	}
}

/* Where leaves of the tree are full a cut takes memory for another one. */
static void room_for_one_more_is_made_first(void **state)
{
	struct rig *rig = *state;
	unsigned failed = 0;

	begin(rig, false);
	for (unsigned i = 0; i < NR; i++) {
		iova_t last = iova_of(i) + PAGE - 1;
		int rc = 1;

		for (unsigned nth = 1; rc; nth++) {
			inject_arm(nth);
			rc = space_cut(rig->space, last, NULL);
			inject_arm(0);
			assert_int_equal(space_area_nr(rig->space), NR + i + !rc);
			failed += nth > 1 && rc;
		}
	}
	assert_true(failed);
	for (unsigned i = 0; i < NR; i++) {
		assert_int_equal(rig_unmap(rig, iova_of(i), PAGE, PAGE), 0);
		assert_int_equal(rig_unmap(rig, iova_of(i) + PAGE, 3 * PAGE, 3 * PAGE), 0);
	}
	end(rig, NULL);
}

/* Two spaces show it: what is cut in one is whole in the other. */
static void a_copy_is_cut_by_itself(void **state)
{
	struct rig *rig = *state;
	struct ioas_space *other;
	struct pt *pt = begin(rig, true), *pt_other = rig_pt(48);

	assert_int_equal(ioas_space_new(&rig->iommu, &other), 0);
	assert_int_equal(space_set_huge_pages(other, false, NULL), 0);
	assert_int_equal(space_domain_attach(other, pt_other, NULL), 0);
	for (unsigned i = 0; i < NR; i++) {
		iova_t to = iova_of(i);

		assert_int_equal(ioas_space_copy(other, &to, rig->space, iova_of(i), AREA,
						 RW | IOAS_MAP_FIXED, NULL),
				 0);
		assert_int_equal(space_cut(i & 1 ? other : rig->space, to + PAGE - 1, NULL), 0);
	}
	assert_int_equal(space_area_nr(rig->space), NR + NR / 2);
	assert_int_equal(space_area_nr(other), NR + NR / 2);
	check(rig, pt, NR + NR / 2);
	for (unsigned i = 0; i < NR; i++)
		assert_int_equal(
			rig_unmap(rig, iova_of(i), i & 1 ? AREA : PAGE, i & 1 ? AREA : PAGE), 0);
	assert_int_equal(rig->pins, NR * 4);
	assert_int_equal(ioas_space_unmap(rig->space, 0, UINT64_MAX, NULL, NULL), 0);
	assert_int_equal(rig->pins, NR * 4);
	space_domain_detach(other, pt_other);
	ioas_space_put(other);
	pt_destroy(pt_other);
	end(rig, pt);
}

/* Of the bytes in the engine's memory that were another's before, none counts. */
static void what_was_used_before_leaves_nothing(void **state)
{
	struct rig *rig = *state;
	struct pool *pools[2] = {&rig->iommu.pages, &rig->iommu.firsts};
	void *item[200];

	for (unsigned p = 0; p < 2; p++) {
		for (unsigned i = 0; i < 200; i++) {
			item[i] = pool_take(pools[p]);
			memset(item[i], 0xff, pools[p]->size);
		}
		for (unsigned i = 0; i < 200; i++)
			pool_give(pools[p], item[i]);
	}
	for (unsigned table = 0; table < 2; table++) {
		struct pt *pt = begin(rig, table);

		check(rig, pt, NR);
		for (unsigned i = 0; i < NR; i += 2)
			assert_int_equal(space_cut(rig->space, iova_of(i) + PAGE - 1, NULL), 0);
		check(rig, pt, NR + NR / 2);
		end(rig, pt);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_cut_without_memory_changes_nothing),
		TEST(room_for_one_more_is_made_first),
		TEST(a_copy_is_cut_by_itself),
		TEST(what_was_used_before_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
