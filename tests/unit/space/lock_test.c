/* SPDX-License-Identifier: MIT */
/*
 * Description: ranges that are locked, since hardware uses their memory by its physical address:
 * what can be locked, where it is, and that it stays mapped until the last lock is gone.
 */
#include <ioas/access.h>
#include "rig.h"
#include "util/inject.h"

#define BASE 0x100000ull
#define HOLE (BASE + 16 * PAGE) /* nothing is mapped there, for a page */

struct locked {
	struct rig *rig;
	struct pt *pt;
};

/* BASE: one mapping of 16 pages, cut after 4 and after 8. Behind a hole 4 pages, and 4 more. */
static int setup(void **state)
{
	struct locked *locked = calloc(1, sizeof(*locked));
	struct rig *rig;

	assert_int_equal(rig_setup((void **)&locked->rig), 0);
	rig = locked->rig;
	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	locked->pt = rig_pt(48);
	assert_int_equal(space_domain_attach(rig->space, locked->pt, NULL), 0);
	assert_int_equal(rig_fixed(rig, BASE, ARENA, 16 * PAGE), 0);
	assert_int_equal(space_cut(rig->space, BASE + 4 * PAGE - 1, NULL), 0);
	assert_int_equal(space_cut(rig->space, BASE + 8 * PAGE - 1, NULL), 0);
	assert_int_equal(rig_fixed(rig, HOLE + PAGE, ARENA + 17 * PAGE, 4 * PAGE), 0);
	assert_int_equal(rig_fixed(rig, HOLE + 5 * PAGE, ARENA + 21 * PAGE, 4 * PAGE), 0);
	*state = locked;
	return 0;
}

static int teardown(void **state)
{
	struct locked *locked = *state;
	int rc;

	space_domain_detach(locked->rig->space, locked->pt);
	pt_destroy(locked->pt);
	rc = rig_teardown((void **)&locked->rig);
	free(locked);
	return rc;
}

static int lock(struct rig *rig, iova_t first, iova_t last, pa_t *pa)
{
	int rc;

	rig->why.text[0] = '\0';
	rc = space_lock_range(rig->space, first, last, pa, &rig->why);
	assert_true(!rc == !rig->why.text[0]);
	return rc;
}

static pa_t walk(struct locked *locked, iova_t iova)
{
	struct pt_walk walk;

	assert_int_equal(pt_walk(locked->pt, iova, &walk), 0);
	return walk.pa;
}

static void a_lock_says_where_its_first_byte_is(void **state)
{
	static const struct ioas_range ranges[] = {
		{BASE, BASE},
		{BASE + 100, BASE + 200},
		{BASE + 5 * PAGE + 1, BASE + 6 * PAGE},
		{BASE + PAGE, BASE + 5 * PAGE}, /* contiguous across a cut */
		{BASE + 3, BASE + 16 * PAGE - 1},
		{HOLE + PAGE, HOLE + 5 * PAGE - 1},
	};
	struct locked *locked = *state;
	struct rig *rig = locked->rig;

	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		pa_t pa = 0;

		assert_int_equal(lock(rig, ranges[i].first, ranges[i].last, &pa), 0);
		assert_int_equal(pa, walk(locked, ranges[i].first));
		space_unlock_range(rig->space, ranges[i].first, ranges[i].last);
	}
	assert_int_equal(rig_unmap(rig, 0, 0, 24 * PAGE), 0);
}

static void what_is_not_there_or_not_contiguous_cannot_be_locked(void **state)
{
	static const struct {
		iova_t first, last;
		int rc;
	} bad[] = {
		{BASE - 1, BASE, -ENOENT},
		{HOLE, HOLE, -ENOENT},
		{HOLE - 1, HOLE, -ENOENT},
		{HOLE, HOLE + PAGE, -ENOENT},
		{HOLE - 1, HOLE + PAGE, -ENOENT},
		{HOLE + 9 * PAGE - 1, HOLE + 9 * PAGE, -ENOENT},
		{HOLE + 20 * PAGE, HOLE + 20 * PAGE, -ENOENT},
		{HOLE + 5 * PAGE - 1, HOLE + 5 * PAGE, -EFAULT},
		{HOLE + PAGE, HOLE + 9 * PAGE - 1, -EFAULT},
	};
	struct locked *locked = *state;
	struct rig *rig = locked->rig;
	pa_t pa;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(lock(rig, bad[i].first, bad[i].last, &pa), bad[i].rc);
	/* Nothing of it is locked. */
	assert_int_equal(rig_unmap(rig, 0, 0, 24 * PAGE), 0);
}

static void what_is_locked_stays_mapped(void **state)
{
	struct locked *locked = *state;
	struct rig *rig = locked->rig;
	pa_t pa;

	/* The last byte of one part, and the first of the next, are locked with their pages. */
	assert_int_equal(lock(rig, BASE + 4 * PAGE - 1, BASE + 4 * PAGE, &pa), 0);
	assert_int_equal(rig_unmap(rig, BASE, 4 * PAGE, 0), -EBUSY);
	assert_int_equal(rig_unmap(rig, BASE + 4 * PAGE, 4 * PAGE, 0), -EBUSY);
	assert_int_equal(space_cut(rig->space, BASE + 2 * PAGE - 1, NULL), -EBUSY);
	/* Its neighbours are not. */
	assert_int_equal(rig_unmap(rig, BASE + 8 * PAGE, 8 * PAGE, 8 * PAGE), 0);
	assert_int_equal(rig_unmap(rig, 0, 0, 0), -EBUSY);
	assert_int_equal(pa, walk(locked, BASE + 4 * PAGE - 1));
	space_unlock_range(rig->space, BASE + 4 * PAGE - 1, BASE + 4 * PAGE);
	assert_int_equal(rig_unmap(rig, 0, 0, 16 * PAGE), 0);
}

static void each_lock_counts(void **state)
{
	struct locked *locked = *state;
	struct rig *rig = locked->rig;
	pa_t pa;

	assert_int_equal(lock(rig, BASE, BASE + 5 * PAGE, &pa), 0);
	assert_int_equal(lock(rig, BASE + PAGE, BASE + PAGE, &pa), 0);
	space_unlock_range(rig->space, BASE, BASE + 5 * PAGE);
	assert_int_equal(rig_unmap(rig, BASE, 4 * PAGE, 0), -EBUSY);
	assert_int_equal(rig_unmap(rig, BASE + 4 * PAGE, 4 * PAGE, 4 * PAGE), 0);
	space_unlock_range(rig->space, BASE + PAGE, BASE + PAGE);
	assert_int_equal(rig_unmap(rig, BASE, 4 * PAGE, 4 * PAGE), 0);
}

static void what_is_not_the_programs_cannot_be_locked(void **state)
{
	struct locked *locked = *state;
	struct rig *rig = locked->rig;
	struct mem_file *buf;
	iova_t iova = HOLE;
	pa_t pa;

	assert_int_equal(mem_dmabuf_new(rig->iommu.files, PAGE, &buf), 0);
	assert_int_equal(space_map_file(rig->space, &rig->caller, buf, &iova, 0, PAGE,
					RW | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(lock(rig, HOLE, HOLE, &pa), -EINVAL);
	assert_int_equal(lock(rig, HOLE - 1, HOLE, &pa), -EINVAL);
	inject_arm(1);
	assert_int_equal(lock(rig, BASE, BASE, &pa), -EFAULT);
	assert_int_equal(inject_remaining(), 0);
	assert_int_equal(rig_unmap(rig, 0, 0, 25 * PAGE), 0);
	mem_file_put(buf);
}

static struct {
	struct rig *rig;
	struct ioas_access_pin *pin;
} asked;

/* What is just being unmapped. */
static void lock_it(void *arg, iova_t first, iova_t last)
{
	pa_t pa;

	if (!asked.pin)
		return;
	assert_int_equal(space_lock_range(asked.rig->space, first, last, &pa, NULL), -EINVAL);
	assert_int_equal(space_cut(asked.rig->space, first + PAGE - 1, NULL), -EBUSY);
	ioas_access_unpin(asked.pin);
	asked.pin = NULL;
}

static void what_is_being_unmapped_cannot_be_locked(void **state)
{
	static const struct ioas_access_ops ops = {.unmap = lock_it};
	struct locked *locked = *state;
	struct ioas_access *access;

	asked.rig = locked->rig;
	assert_int_equal(ioas_access_new(&asked.rig->iommu, &ops, NULL, IOAS_ACCESS_PINS, &access),
			 0);
	assert_int_equal(ioas_access_attach(access, asked.rig->space, NULL), 0);
	assert_int_equal(ioas_access_pin(access, BASE, PAGE, 0, &asked.pin, NULL), 0);
	assert_int_equal(rig_unmap(asked.rig, BASE, 4 * PAGE, 4 * PAGE), 0);
	assert_null(asked.pin);
	ioas_access_destroy(access);
}

/* Where page tables have smaller pages, whoever uses physical addresses has whole ones all the
 * same. */
static void parts_of_pages_cannot_be_locked(void **state)
{
	static const struct pt_config config = {.format = PT_AMDV1_2K, .aw = 48};
	struct rig *rig = ((struct locked *)*state)->rig;
	struct ioas_space *kept = rig->space;
	struct pt *pt;
	pa_t pa;

	assert_int_equal(ioas_space_new(&rig->iommu, &rig->space), 0);
	assert_int_equal(pt_new(&config, &pt), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	assert_int_equal(ioas_space_alignment(rig->space), PAGE / 2);
	assert_int_equal(rig_fixed(rig, BASE, ARENA, 2 * PAGE), 0);
	assert_int_equal(rig_fixed(rig, BASE + 2 * PAGE, ARENA + 2 * PAGE, PAGE / 2), 0);
	assert_int_equal(lock(rig, BASE, BASE, &pa), -EADDRINUSE);
	assert_int_equal(rig_unmap(rig, BASE + 2 * PAGE, PAGE / 2, PAGE / 2), 0);
	assert_int_equal(rig_fixed(rig, BASE + 2 * PAGE, ARENA + PAGE / 2, PAGE), 0);
	assert_int_equal(lock(rig, BASE, BASE, &pa), -EADDRINUSE);
	assert_int_equal(rig_unmap(rig, BASE + 2 * PAGE, PAGE, PAGE), 0);
	assert_int_equal(lock(rig, BASE, BASE, &pa), 0);
	assert_int_equal(ioas_space_alignment(rig->space), PAGE);
	assert_int_equal(rig_fixed(rig, BASE + 2 * PAGE, ARENA, PAGE / 2), -EINVAL);
	space_unlock_range(rig->space, BASE, BASE);
	assert_int_equal(ioas_space_alignment(rig->space), PAGE / 2);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
	ioas_space_put(rig->space);
	rig->space = kept;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_lock_says_where_its_first_byte_is),
		TEST(what_is_not_there_or_not_contiguous_cannot_be_locked),
		TEST(what_is_locked_stays_mapped),
		TEST(each_lock_counts),
		TEST(what_is_not_the_programs_cannot_be_locked),
		TEST(what_is_being_unmapped_cannot_be_locked),
		TEST(parts_of_pages_cannot_be_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
