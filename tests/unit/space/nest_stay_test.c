/* SPDX-License-Identifier: MIT */
/*
 * Description: what of a nested space stays while its parent changes: all that the change does not
 * reach, to the byte; and what had to go in vain comes back.
 */
#include "rig.h"
#include "space/nest.h"
#include "space/nest_maps.h"
#include "util/inject.h"
#include "util/lock.h"

#define BASE  0x10000000ull
#define CHILD 0x50000000ull

static struct rig *rig;
static struct ioas_space *child;

static int setup(void **state)
{
	int rc = rig_setup(state);

	rig = *state;
	lock_init(&rig->iommu.nest_lock, LOCK_NEST);
	assert_int_equal(ioas_space_new_nested(rig->space, &child, NULL), 0);
	return rc;
}

static int teardown(void **state)
{
	ioas_space_put(child);
	return rig_teardown(state);
}

static int nest(iova_t iova, iova_t parent, uint64_t len)
{
	return ioas_space_nest_map(child, iova, parent, len, RW, &rig->why);
}

static int unmap_child(iova_t first, iova_t last, uint64_t *len)
{
	return ioas_space_unmap(child, first, last, len, &rig->why);
}

static bool space_shows(struct ioas_space *space, iova_t iova)
{
	const struct space_area *area = areas_find(&space->areas, iova);

	return area && area->first <= iova;
}

static bool shows(iova_t iova)
{
	return space_shows(child, iova);
}

/*
 * One of two cannot go: if it is the second, the first, which had gone already, is back; if it is
 * the first, both stay. The second is what it was in one piece, however many its parent has it in.
 */
static void an_unmap_that_is_refused_hides_nothing(void **state)
{
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t cut = i % 4, held = CHILD + (i < 4 ? 2 : 0) * PAGE;
		struct pt *pt = rig_pt(48), *own = rig_pt(48);
		uint32_t prot;
		pa_t pa;

		assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
		assert_int_equal(space_domain_attach(rig->space, own, NULL), 0);
		assert_int_equal(space_domain_attach(child, pt, NULL), 0);
		assert_int_equal(rig_fixed(rig, BASE, ARENA, 2 * PAGE), 0);
		assert_int_equal(rig_fixed(rig, BASE + 2 * PAGE, ARENA + 8 * PAGE, 4 * PAGE), 0);
		assert_int_equal(nest(CHILD, BASE, 6 * PAGE), 0);
		if (cut)
			assert_int_equal(space_cut(rig->space, BASE + (2 + cut) * PAGE - 1, NULL),
					 0);
		assert_int_equal(space_lock_range(child, held, held + PAGE - 1, &pa, NULL), 0);
		assert_int_equal(rig_unmap(rig, BASE, 6 * PAGE, 0), -EBUSY);
		assert_string_equal(rig->why.text,
				    "a space nested on this one does not let its part go");
		for (uint64_t p = 0; p < 6; p++)
			assert_int_equal(rig_lookup(rig, pt, CHILD + p * PAGE, &prot),
					 ARENA + (p < 2 ? p : p + 6) * PAGE);
		space_unlock_range(child, held, held + PAGE - 1);
		assert_int_equal(rig_unmap(rig, BASE, 6 * PAGE, 6 * PAGE), 0);
		assert_false(shows(CHILD) || shows(CHILD + 5 * PAGE));
		assert_int_equal(unmap_child(CHILD, CHILD + 6 * PAGE - 1, NULL), 0);
		space_domain_detach(child, pt);
		space_domain_detach(rig->space, own);
		pt_destroy(pt);
		pt_destroy(own);
	}
}

/* The other way round: what is whole below, and above in three, of which one is held. */
static void of_pieces_one_that_is_held_brings_the_others_back(void **state)
{
	pa_t pa;

	assert_int_equal(space_set_huge_pages(child, false, NULL), 0);
	for (uint64_t held = CHILD; held < CHILD + 6 * PAGE; held += 2 * PAGE) {
		struct pt *pt = rig_pt(48);
		struct ioas_space *upper;

		assert_int_equal(ioas_space_new_nested(child, &upper, NULL), 0);
		assert_int_equal(space_domain_attach(child, pt, NULL), 0);
		assert_int_equal(rig_fixed(rig, BASE, ARENA, 6 * PAGE), 0);
		assert_int_equal(nest(CHILD, BASE, 6 * PAGE), 0);
		for (uint64_t p = 0; p < 6; p++)
			assert_int_equal(ioas_space_nest_map(upper, p * PAGE, CHILD + p * PAGE,
							     PAGE, RW, NULL),
					 0);
		assert_int_equal(space_cut(child, CHILD + 2 * PAGE - 1, NULL), 0);
		assert_int_equal(space_cut(child, CHILD + 4 * PAGE - 1, NULL), 0);
		assert_int_equal(space_lock_range(child, held, held, &pa, NULL), 0);
		assert_int_equal(rig_unmap(rig, BASE, 6 * PAGE, 0), -EBUSY);
		assert_int_equal(unmap_child(CHILD, CHILD + 6 * PAGE - 1, NULL), -EBUSY);
		assert_string_equal(rig->why.text,
				    "who uses mapping 0x50000000-0x50005fff does not let it go");
		for (uint64_t p = 0; p < 6; p++)
			assert_true(shows(CHILD + p * PAGE) && space_shows(upper, p * PAGE));
		space_unlock_range(child, held, held);
		assert_int_equal(rig_unmap(rig, BASE, 6 * PAGE, 6 * PAGE), 0);
		assert_int_equal(space_area_nr(child) + space_area_nr(upper), 0);
		ioas_space_put(upper);
		assert_int_equal(unmap_child(CHILD, CHILD + 6 * PAGE - 1, NULL), 0);
		space_domain_detach(child, pt);
		pt_destroy(pt);
	}
}

/* Two levels above what is to go, whichever of three mappings it is in. */
static void what_is_held_far_above_keeps_all(void **state)
{
	struct ioas_space *upper;
	struct pt *pt = rig_pt(48);
	pa_t pa;

	assert_int_equal(ioas_space_new_nested(child, &upper, NULL), 0);
	assert_int_equal(space_domain_attach(upper, pt, NULL), 0);
	for (uint64_t p = 0; p < 6; p += 2)
		assert_int_equal(rig_fixed(rig, BASE + p * PAGE, ARENA + p * PAGE, 2 * PAGE), 0);
	assert_int_equal(nest(CHILD, BASE, 6 * PAGE), 0);
	assert_int_equal(ioas_space_nest_map(upper, 0, CHILD, 6 * PAGE, RW, NULL), 0);
	for (uint64_t held = 0; held < 6 * PAGE; held += PAGE) {
		assert_int_equal(space_lock_range(upper, held, held, &pa, NULL), 0);
		assert_int_equal(rig_unmap(rig, BASE, 6 * PAGE, 0), -EBUSY);
		assert_int_equal(unmap_child(CHILD, CHILD + 6 * PAGE - 1, NULL), -EBUSY);
		assert_int_equal(space_area_nr(rig->space), 3);
		assert_int_equal(space_area_nr(child), 3);
		assert_int_equal(space_area_nr(upper), 3);
		space_unlock_range(upper, held, held);
	}
	assert_int_equal(rig_unmap(rig, BASE, 6 * PAGE, 6 * PAGE), 0);
	assert_int_equal(space_area_nr(child) + space_area_nr(upper), 0);
	space_domain_detach(upper, pt);
	ioas_space_put(upper);
	pt_destroy(pt);
}

/* Without page tables a mapping may be a byte, and a range end where it begins. */
static void one_byte_is_mapped_and_unmapped(void **state)
{
	uint64_t len;

	assert_int_equal(rig_fixed(rig, BASE, ARENA, 1), 0);
	assert_int_equal(rig_fixed(rig, BASE + 8, ARENA, 4), 0);
	assert_int_equal(nest(CHILD, BASE, 1), 0);
	assert_int_equal(nest(CHILD + 8, BASE + 8, 4), 0);
	assert_true(shows(CHILD) && shows(CHILD + 8) && shows(CHILD + 11));
	assert_false(shows(CHILD + 1) || shows(CHILD + 7) || shows(CHILD + 12));
	/* The last byte of the one is the first of the other. */
	assert_int_equal(nest(CHILD + 4, BASE, 5), -EEXIST);
	assert_int_equal(nest(CHILD + 11, BASE, 5), -EEXIST);
	assert_int_equal(nest(CHILD + 4, BASE, 4), 0);
	assert_int_equal(nest(CHILD + 12, BASE, 4), 0);
	/* Also of those that lead to nothing. */
	assert_int_equal(nest(CHILD + 24, BASE + 100, 4), 0);
	assert_int_equal(nest(CHILD + 20, BASE + 200, 5), -EEXIST);
	assert_int_equal(nest(CHILD + 27, BASE + 200, 5), -EEXIST);
	assert_int_equal(nest(CHILD + 20, BASE + 200, 4), 0);
	assert_int_equal(unmap_child(CHILD + 1, CHILD + 8, &len), -ENOENT);
	assert_int_equal(len, 4);
	assert_string_equal(rig->why.text,
			    "0x50000001-0x50000008 would cut mapping 0x50000008-0x5000000b");
	assert_int_equal(rig_unmap(rig, BASE + 1, 8, 0), -ENOENT);
	assert_true(shows(CHILD + 8));
	assert_int_equal(rig_unmap(rig, BASE, 9, 1), -ENOENT);
	assert_false(shows(CHILD));
	assert_true(shows(CHILD + 8));
	assert_int_equal(rig_fixed(rig, BASE, ARENA, 1), 0);
	assert_int_equal(rig_unmap(rig, BASE - 8, 9, 1), 0);
	assert_false(shows(CHILD));
	assert_int_equal(rig_fixed(rig, BASE, ARENA, 1), 0);
	assert_true(shows(CHILD));
	assert_int_equal(unmap_child(CHILD - 8, CHILD, &len), 0);
	assert_int_equal(len, 1);
	assert_false(shows(CHILD));
}

/* At the end of all addresses as well. */
static void a_parents_last_byte_is_one(void **state)
{
	assert_int_equal(rig_fixed(rig, UINT64_MAX, ARENA, 1), 0);
	assert_int_equal(nest(CHILD, UINT64_MAX, 1), 0);
	assert_true(shows(CHILD));
	assert_int_equal(nest(CHILD + 1, UINT64_MAX, 2), -EOVERFLOW);
	assert_int_equal(rig_unmap(rig, UINT64_MAX, 1, 1), 0);
	assert_false(shows(CHILD));
	/* Whichever of the two comes first. */
	assert_int_equal(rig_fixed(rig, UINT64_MAX, ARENA, 1), 0);
	assert_true(shows(CHILD));
}

static void of_nothing_only_all_can_be_unmapped(void **state)
{
	uint64_t len = 7;

	assert_int_equal(unmap_child(0, UINT64_MAX, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(unmap_child(0, UINT64_MAX - 1, &len), -ENOENT);
	assert_int_equal(unmap_child(1, UINT64_MAX, &len), -ENOENT);
}

/* One that needs no memory, since it has no page table, shows nothing of it either. */
static void what_one_child_cannot_show_none_shows(void **state)
{
	struct pt *pt = rig_pt(48);
	struct ioas_space *of[3];

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ioas_space_new_nested(rig->space, &of[i], NULL), 0);
		for (uint64_t p = 0; p < 3; p++)
			assert_int_equal(ioas_space_nest_map(of[i], p * PAGE, BASE + p * PAGE, PAGE,
							     RW, NULL),
					 0);
	}
	assert_int_equal(space_domain_attach(of[1], pt, NULL), 0);
	assert_int_equal(rig_fixed(rig, BASE, ARENA - PAGE, 3 * PAGE), -EFAULT);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(space_area_nr(of[i]), 0);
	assert_int_equal(space_area_nr(rig->space), 0);
	assert_int_equal(rig_fixed(rig, BASE, ARENA, 3 * PAGE), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(space_area_nr(of[i]), 3);
	space_domain_detach(of[1], pt);
	for (unsigned i = 0; i < 3; i++)
		ioas_space_put(of[i]);
	pt_destroy(pt);
}

/* What a child lacks to show its part is said, and of whom. */
static void it_is_said_what_a_child_lacks(void **state)
{
	struct pt *pt = rig_pt(48);
	unsigned refused = 0;
	int rc;

	assert_int_equal(space_domain_attach(child, pt, NULL), 0);
	assert_int_equal(nest(CHILD, BASE, PAGE), 0);
	assert_int_equal(rig_fixed(rig, BASE, ARENA - PAGE, PAGE), -EFAULT);
	assert_string_equal(rig->why.text, "a space nested on this one cannot show it: memory that "
					   "it leads to is not all there");
	/* An address that was chosen for it is not told. */
	assert_int_equal(nest(CHILD + PAGE, 0x1000, PAGE), 0);
	assert_int_equal(rig_auto_error(rig, ARENA - PAGE, PAGE), -EFAULT);
	for (unsigned nth = 1;; nth++) {
		inject_arm(nth);
		rc = rig_fixed(rig, BASE, ARENA, PAGE);
		inject_arm(0);
		if (!rc)
			break;
		refused += !strcmp(rig->why.text, "a space nested on this one cannot show it: out "
						  "of memory");
	}
	assert_true(refused);
	assert_true(shows(CHILD));
	space_domain_detach(child, pt);
	pt_destroy(pt);
}

/* To the byte, of a range that begins before what is mapped, in it or behind it; nested or not. */
static void what_is_mapped_of_a_range_is_told(void **state)
{
	struct ioas_space *both[] = {rig->space, child};

	assert_int_equal(rig_fixed(rig, BASE, ARENA, 4), 0);
	assert_int_equal(rig_fixed(rig, BASE + 16, ARENA, 4), 0);
	/* What leads nowhere is mapped as well. */
	assert_int_equal(nest(BASE, CHILD, 4), 0);
	assert_int_equal(nest(BASE + 16, BASE, 4), 0);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned first = 0; first < 24; first++)
			for (unsigned last = first; last < 24; last++) {
				bool any = first < 4 || (first < 20 && last >= 16);

				assert_int_equal(space_maps_any(both[i], BASE + first, BASE + last),
						 any);
			}
	assert_false(space_maps_any(child, 0, BASE - 1));
	assert_true(space_maps_any(child, 0, UINT64_MAX));
}

/* In whatever order children end, their parent has those that are left. */
static void children_end_in_any_order(void **state)
{
	for (unsigned order = 0; order < 27; order++) {
		const unsigned ends[] = {order % 3, order / 3 % 3, order / 9};
		struct ioas_space *of[3] = {NULL};

		if (ends[0] == ends[1] || ends[0] == ends[2] || ends[1] == ends[2])
			continue;
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(ioas_space_new_nested(rig->space, &of[i], NULL), 0);
		for (unsigned i = 0; i < 3; i++) {
			struct ioas_space **link = &rig->space->children;
			unsigned nr = 0;

			ioas_space_put(of[ends[i]]);
			of[ends[i]] = NULL;
			for (; *link; link = &(*link)->nest->next, nr++) {
				assert_ptr_equal((*link)->nest->prev, link);
				assert_true(*link == child || *link == of[0] || *link == of[1] ||
					    *link == of[2]);
			}
			assert_int_equal(nr, 3 - i);
		}
	}
}

/*
 * Three levels, of which the lowest has in pieces what the others show as one: each piece that goes
 * goes from all of them, and what of the highest does not reach into it stays as one.
 */
static void what_was_cut_below_goes_in_parts_above(void **state)
{
	const iova_t at[] = {CHILD, CHILD + 10 * PAGE, CHILD + 20 * PAGE};

	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	for (unsigned gone = 0; gone < 3; gone++) {
		struct ioas_space *upper;

		assert_int_equal(ioas_space_new_nested(child, &upper, NULL), 0);
		assert_int_equal(rig_fixed(rig, BASE, ARENA, 6 * PAGE), 0);
		assert_int_equal(nest(CHILD, BASE, 6 * PAGE), 0);
		/* All of it, the lower two pieces and the upper two. */
		for (unsigned m = 0; m < 3; m++)
			assert_int_equal(ioas_space_nest_map(upper, at[m], CHILD + m / 2 * 2 * PAGE,
							     (m ? 4 : 6) * PAGE, RW, NULL),
					 0);
		assert_int_equal(space_cut(rig->space, BASE + 2 * PAGE - 1, NULL), 0);
		assert_int_equal(space_cut(rig->space, BASE + 4 * PAGE - 1, NULL), 0);
		assert_int_equal(space_area_nr(upper), 3);
		assert_int_equal(rig_unmap(rig, BASE + gone * 2 * PAGE, 2 * PAGE, 2 * PAGE), 0);
		for (unsigned m = 0; m < 3; m++)
			for (unsigned p = 0; p < (m ? 4 : 6); p++)
				assert_int_equal(space_shows(upper, at[m] + p * PAGE),
						 p / 2 + m / 2 != gone);
		assert_int_equal(space_area_nr(child), 2);
		/* Two, and of the others one each, or where a piece is left in the middle two. */
		assert_int_equal(space_area_nr(upper), 4);
		ioas_space_put(upper);
		assert_int_equal(unmap_child(CHILD, CHILD + 6 * PAGE - 1, NULL), 0);
		assert_int_equal(ioas_space_unmap(rig->space, 0, UINT64_MAX, NULL, NULL), 0);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_unmap_that_is_refused_hides_nothing),
		TEST(of_pieces_one_that_is_held_brings_the_others_back),
		TEST(what_is_held_far_above_keeps_all),
		TEST(one_byte_is_mapped_and_unmapped),
		TEST(a_parents_last_byte_is_one),
		TEST(of_nothing_only_all_can_be_unmapped),
		TEST(what_one_child_cannot_show_none_shows),
		TEST(it_is_said_what_a_child_lacks),
		TEST(what_is_mapped_of_a_range_is_told),
		TEST(children_end_in_any_order),
		TEST(what_was_cut_below_goes_in_parts_above),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
