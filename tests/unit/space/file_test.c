/* SPDX-License-Identifier: MIT */
/*
 * Description: spaces that map files: what is charged and to whom, dma-bufs that are taken back,
 * and another process that takes the charges over.
 */
#include <fcntl.h>
#include "file_rig.h"
#include "tests/unit/mapped.h"
#include "util/inject.h"

static void what_is_pinned_is_charged_once(void **state)
{
	struct rig *rig = *state;
	struct person who = person(FIRST, 5);
	struct mem_file *file = file_new(rig, 8 * PAGE);
	struct pt *a = rig_pt(48), *b = rig_pt(48);
	iova_t to = 0x20000;

	space_set_rule(rig->space, ACCOUNT_PROCESS);
	assert_int_equal(map(rig, &who, file, 0x10000, 0, 3 * PAGE), 0);
	expect(rig, &who, 0, 0);
	attach(rig, a);
	expect(rig, &who, 3, 3);
	attach(rig, b);
	assert_int_equal(ioas_space_copy(rig->space, &to, rig->space, 0x11000, PAGE,
					 RW | IOAS_MAP_FIXED, &rig->why),
			 0);
	expect(rig, &who, 3, 3);
	/* A map above the limit changes nothing. */
	assert_int_equal(map(rig, &who, file, 0x30000, 0, 3 * PAGE), -ENOMEM);
	assert_non_null(strstr(rig->why.text, "12 KiB"));
	assert_non_null(strstr(rig->why.text, "20 KiB"));
	expect(rig, &who, 3, 3);
	assert_int_equal(space_area_nr(rig->space), 2);
	assert_false(entered(rig, a, 0x30000));
	assert_int_equal(map(rig, &who, file, 0x30000, 0, 2 * PAGE), 0);
	expect(rig, &who, 5, 5);
	/* Of what the original pinned the copy shows a page. */
	assert_int_equal(rig_unmap(rig, 0x10000, 3 * PAGE, 3 * PAGE), 0);
	expect(rig, &who, 3, 3);
	assert_int_equal(rig_unmap(rig, 0x20000, PAGE, PAGE), 0);
	expect(rig, &who, 2, 2);
	space_domain_detach(rig->space, a);
	space_domain_detach(rig->space, b);
	expect(rig, &who, 0, 0);
	unmap_all(rig);
	mem_file_put(file);
	pt_destroy(a);
	pt_destroy(b);
}

static void an_attach_above_the_limit_changes_nothing(void **state)
{
	struct rig *rig = *state;
	struct person who = person(FIRST, 3);
	struct mem_file *file = file_new(rig, 8 * PAGE);
	struct pt *pt = rig_pt(48);

	space_set_rule(rig->space, ACCOUNT_USER);
	assert_int_equal(map(rig, &who, file, 0x10000, 0, 2 * PAGE), 0);
	assert_int_equal(map(rig, &who, file, 0x20000, 2 * PAGE, 2 * PAGE), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -ENOMEM);
	assert_non_null(strstr(rig->why.text, "0x20000"));
	assert_non_null(strstr(rig->why.text, "RLIMIT_MEMLOCK"));
	expect(rig, &who, 0, 0);
	who.memlock = 4 * PAGE;
	attach(rig, pt);
	expect(rig, &who, 4, 0);
	space_domain_detach(rig->space, pt);
	unmap_all(rig);
	mem_file_put(file);
	pt_destroy(pt);
}

/* Only when it is to be filled is looked at what a file is. */
static void a_wrong_file_is_found_out_late(void **state)
{
	struct rig *rig = *state;
	struct person who = person(FIRST, 100);
	struct mem_file *none, *small = file_new(rig, PAGE);
	struct pt *pt = rig_pt(48);

	assert_int_equal(mem_file_open(rig->iommu.files, -1, &none), 0);
	assert_int_equal(map(rig, &who, none, 0x10000, 0, PAGE), 0);
	/* Up to the last byte that a file could have. */
	assert_int_equal(map(rig, &who, small, 0x20000, -PAGE, PAGE), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -EINVAL);
	unmap_all(rig);
	assert_int_equal(map(rig, &who, small, 0x10000, 0, 2 * PAGE), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), -EINVAL);
	unmap_all(rig);
	attach(rig, pt);
	assert_int_equal(map(rig, &who, none, 0x10000, 0, PAGE), -EINVAL);
	assert_int_equal(map(rig, &who, small, 0x10000, PAGE, PAGE), -EINVAL);
	assert_int_equal(map(rig, &who, small, 0x10000, 0, 0), -EINVAL);
	assert_int_equal(map(rig, &who, small, 0x10000, -PAGE, 2 * PAGE), -EOVERFLOW);
	assert_int_equal(map(rig, &who, small, 0x10000, 0, PAGE), 0);
	assert_int_equal(space_area_nr(rig->space), 1);
	expect(rig, &who, 1, 0);
	space_domain_detach(rig->space, pt);
	unmap_all(rig);
	mem_file_put(none);
	mem_file_put(small);
	pt_destroy(pt);
}

static void a_revoked_dmabuf_leaves_all_tables_for_good(void **state)
{
	struct rig *rig = *state;
	struct person who = person(FIRST, 0);
	struct ioas_space *other;
	struct mem_file *buf, *file = file_new(rig, PAGE);
	struct pt *a = rig_pt(48), *b = rig_pt(48), *late = rig_pt(48);
	iova_t to = 0x50000;
	pa_t pa;

	space_set_rule(rig->space, ACCOUNT_USER);
	assert_int_equal(mem_dmabuf_new(rig->iommu.files, 2 * PAGE, &buf), 0);
	assert_int_equal(ioas_space_new(&rig->iommu, &other), 0);
	attach(rig, a);
	assert_int_equal(space_domain_attach(other, b, NULL), 0);
	assert_int_equal(map(rig, &who, buf, 0x10000, 0, 3 * PAGE), -EINVAL);
	assert_int_equal(map(rig, &who, buf, 0x10000, PAGE, 2 * PAGE), -EINVAL);
	/* Its memory is not the program's, and costs it nothing. */
	assert_int_equal(map(rig, &who, buf, 0x10000, 0, 2 * PAGE), 0);
	expect(rig, &who, 0, 0);
	assert_int_equal(
		ioas_space_copy(other, &to, rig->space, 0x11000, PAGE, RW | IOAS_MAP_FIXED, NULL),
		0);
	who.privileged = true;
	assert_int_equal(map(rig, &who, file, 0x20000, 0, PAGE), 0);
	assert_true(entered(rig, a, 0x10000) && entered(rig, b, 0x50000));

	space_dmabuf_revoke(&rig->iommu, buf, true);
	assert_false(entered(rig, a, 0x10000) || entered(rig, a, 0x11000));
	assert_false(entered(rig, b, 0x50000));
	assert_true(entered(rig, a, 0x20000));
	assert_int_equal(space_area_nr(rig->space), 2);
	assert_int_equal(ioas_space_iova_to_phys(rig->space, 0x10000, &pa), -ENOENT);
	assert_int_equal(map(rig, &who, buf, 0x30000, 0, PAGE), -ENODEV);
	attach(rig, late);
	assert_false(entered(rig, late, 0x10000));

	space_dmabuf_revoke(&rig->iommu, buf, false);
	assert_false(entered(rig, a, 0x10000));
	assert_int_equal(map(rig, &who, buf, 0x30000, 0, PAGE), 0);
	assert_true(entered(rig, a, 0x30000) && entered(rig, late, 0x30000));
	to = 0x60000;
	assert_int_equal(
		ioas_space_copy(other, &to, rig->space, 0x10000, PAGE, RW | IOAS_MAP_FIXED, NULL),
		0);
	assert_false(entered(rig, b, 0x60000));
	space_domain_detach(other, b);
	ioas_space_put(other);
	space_domain_detach(rig->space, late);
	space_dmabuf_revoke(&rig->iommu, buf, true);
	assert_false(entered(rig, a, 0x30000));
	unmap_all(rig);
	space_domain_detach(rig->space, a);
	mem_file_put(buf);
	mem_file_put(file);
	pt_destroy(a);
	pt_destroy(b);
	pt_destroy(late);
}

/* Nor does the table keep what it needed for it: again and again it takes no more. */
static void a_revoked_dmabuf_gives_its_tables_back(void **state)
{
	struct rig *rig = *state;
	struct person who = person(FIRST, 0);
	struct pt *pt = rig_pt(48);
	struct pt_stats before = {0}, now;
	struct mem_file *buf;

	assert_int_equal(mem_dmabuf_new(rig->iommu.files, 4 << 20, &buf), 0);
	attach(rig, pt);
	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(map(rig, &who, buf, 1ull << 30, 0, 4 << 20), 0);
		assert_true(entered(rig, pt, 1ull << 30));
		space_dmabuf_revoke(&rig->iommu, buf, true);
		space_dmabuf_revoke(&rig->iommu, buf, false);
		pt_stats(pt, &now);
		assert_int_equal(now.leaves, 0);
		if (i)
			assert_int_equal(now.bytes, before.bytes);
		before = now;
		unmap_all(rig);
	}
	space_domain_detach(rig->space, pt);
	mem_file_put(buf);
	pt_destroy(pt);
}

static int change(struct rig *rig, struct ioas_space *other, struct person *who)
{
	struct ioas_space *spaces[2] = {rig->space, other};

	return space_change_process(spaces, 2, &who->caller, &rig->why);
}

static void another_process_takes_the_charges_over(void **state)
{
	struct rig *rig = *state;
	struct person a = person(FIRST, 10), b = person(SECOND, 6), root = person(FIRST, 0);
	struct mem_file *file = file_new(rig, 8 * PAGE), *buf;
	struct ioas_space *other;
	struct pt *pt = rig_pt(48);
	iova_t to = 0x50000;

	root.privileged = true;
	assert_int_equal(ioas_space_new(&rig->iommu, &other), 0);
	space_set_rule(rig->space, ACCOUNT_PROCESS);
	space_set_rule(other, ACCOUNT_PROCESS);
	attach(rig, pt);
	assert_int_equal(map(rig, &a, file, 0x10000, 0, 4 * PAGE), 0);
	assert_int_equal(map(rig, &a, file, 0x20000, 4 * PAGE, 3 * PAGE), 0);
	assert_int_equal(map(rig, &root, file, 0x30000, 0, 8 * PAGE), 0);
	/* Seen twice, charged once; and not pinned in the space that has no table. */
	assert_int_equal(ioas_space_copy(other, &to, rig->space, 0x10000, 4 * PAGE,
					 RW | IOAS_MAP_FIXED, NULL),
			 0);
	expect(rig, &a, 15, 7);

	assert_int_equal(change(rig, other, &b), -ENOMEM);
	expect(rig, &a, 15, 7);
	expect(rig, &b, 0, 0);
	inject_arm(1);
	assert_int_equal(change(rig, other, &b), -ENOMEM);
	inject_arm(0);
	b.memlock = 7 * PAGE;
	assert_int_equal(change(rig, other, &b), 0);
	/* Who had the privilege at the time of the map keeps what it mapped. */
	expect(rig, &a, 8, 0);
	expect(rig, &b, 7, 7);
	/* To itself: nothing is charged twice, not even for a moment. */
	assert_int_equal(change(rig, other, &b), 0);
	expect(rig, &b, 7, 7);

	/* Memory of a process, and a dma-buf, stay with their process: nothing is changed. */
	to = 0x60000;
	assert_int_equal(ioas_space_map(other, &root.caller, &to, ARENA, PAGE, RW, NULL), 0);
	assert_int_equal(change(rig, other, &a), -EINVAL);
	assert_int_equal(ioas_space_unmap(other, to, to + PAGE - 1, NULL, NULL), 0);
	assert_int_equal(mem_dmabuf_new(rig->iommu.files, PAGE, &buf), 0);
	assert_int_equal(map(rig, &a, buf, 0x60000, 0, PAGE), 0);
	assert_int_equal(change(rig, other, &a), -EINVAL);
	assert_non_null(strstr(rig->why.text, "0x60000-0x60fff is of a dma-buf"));
	expect(rig, &b, 7, 7);
	assert_int_equal(rig_unmap(rig, 0x60000, PAGE, PAGE), 0);

	/* What is not pinned yet will be charged to the new one. */
	assert_int_equal(rig_unmap(rig, 0x10000, 4 * PAGE, 4 * PAGE), 0);
	expect(rig, &b, 3, 3);
	assert_int_equal(change(rig, other, &a), 0);
	expect(rig, &a, 11, 3);
	space_domain_detach(rig->space, pt);
	assert_int_equal(space_domain_attach(other, pt, NULL), 0);
	expect(rig, &a, 4, 4);
	expect(rig, &b, 0, 0);
	space_domain_detach(other, pt);
	ioas_space_put(other);
	unmap_all(rig);
	mem_file_put(buf);
	mem_file_put(file);
	pt_destroy(pt);
}

/* Each failure on the way of a map, and of an attach, leaves all as it was. */
static void failures_charge_nothing(void **state)
{
	struct rig *rig = *state;
	struct person who = person(FIRST, 100);
	struct mem_file *file = file_new(rig, 4 * PAGE);
	struct pt *pt = rig_pt(48);
	unsigned nth, left;
	int rc;

	space_set_rule(rig->space, ACCOUNT_USER);
	attach(rig, pt);
	for (nth = 1, left = 0; !left; nth++) {
		inject_arm(nth);
		rc = map(rig, &who, file, 0x10000, 0, 4 * PAGE);
		left = inject_remaining();
		inject_arm(0);
		assert_int_equal(!rc, left != 0);
		expect(rig, &who, rc ? 0 : 4, 0);
	}
	assert_true(nth > 4);
	space_domain_detach(rig->space, pt);
	expect(rig, &who, 0, 0);
	for (nth = 1, left = 0; !left; nth++) {
		inject_arm(nth);
		rc = space_domain_attach(rig->space, pt, &rig->why);
		left = inject_remaining();
		inject_arm(0);
		assert_int_equal(!rc, left != 0);
		expect(rig, &who, rc ? 0 : 4, 0);
	}
	assert_true(nth > 3);
	space_domain_detach(rig->space, pt);
	unmap_all(rig);
	mem_file_put(file);
	pt_destroy(pt);
}

/* A file that nobody may write to can be read; which of the two is asked for counts. */
static void a_sealed_file_is_mapped_for_reading(void **state)
{
	struct rig *rig = *state;
	struct person who = person(FIRST, 5);
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct pt *pt = rig_pt(48);
	struct mem_file *file;
	iova_t iova = 0x10000, other = 0x20000;

	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(mem_file_open(rig->iommu.files, fd, &file), 0);
	attach(rig, pt);
	assert_int_equal(space_map_file(rig->space, &who.caller, file, &iova, 0, PAGE,
					IOAS_MAP_READ | IOAS_MAP_FIXED, &rig->why),
			 0);
	assert_true(entered(rig, pt, 0x10000));
	assert_int_equal(space_map_file(rig->space, &who.caller, file, &other, 0, PAGE,
					RW | IOAS_MAP_FIXED, &rig->why),
			 -EPERM);
	unmap_all(rig);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
	mem_file_put(file);
}

/* What is lent of other memory may stay so. */
static void a_revocation_waits_for_its_own_memory_only(void **state)
{
	struct rig *rig = *state;
	struct person who = person(FIRST, 5);
	struct mem_file *file = file_new(rig, PAGE), *buf;
	struct pt *pt = rig_pt(48);
	mem_hold_t hold;

	assert_int_equal(mem_dmabuf_new(rig->iommu.files, PAGE, &buf), 0);
	attach(rig, pt);
	assert_int_equal(map(rig, &who, file, 0x10000, 0, PAGE), 0);
	assert_int_equal(map(rig, &who, buf, 0x20000, 0, PAGE), 0);
	hold = mem_window_hold(pin_window(area_pinned(areas_find(&rig->space->areas, 0x10000))));
	space_dmabuf_revoke(&rig->iommu, buf, true);
	assert_true(entered(rig, pt, 0x10000));
	assert_false(entered(rig, pt, 0x20000));
	mem_lend_release(hold);
	unmap_all(rig);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
	mem_file_put(buf);
	mem_file_put(file);
}

/* Of a file with pages of the usual size each part goes when nobody shows it any more. */
static void what_is_unmapped_of_a_file_goes_at_once(void **state)
{
	struct rig *rig = *state;
	struct person who = person(FIRST, 300);
	struct mem_file *file = file_new(rig, 256 * PAGE);
	struct pt *pt = rig_pt(48);
	long before;

	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	attach(rig, pt);
	assert_int_equal(map(rig, &who, file, 0x100000, 0, 256 * PAGE), 0);
	assert_int_equal(space_cut(rig->space, 0x100000 + 200 * PAGE - 1, NULL), 0);
	before = mapped();
	assert_int_equal(rig_unmap(rig, 0x100000, 200 * PAGE, 200 * PAGE), 0);
	assert_true(!before || before - mapped() >= 150);
	unmap_all(rig);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
	mem_file_put(file);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_pinned_is_charged_once),
		TEST(an_attach_above_the_limit_changes_nothing),
		TEST(a_wrong_file_is_found_out_late),
		TEST(a_revoked_dmabuf_leaves_all_tables_for_good),
		TEST(what_is_unmapped_of_a_file_goes_at_once),
		TEST(a_sealed_file_is_mapped_for_reading),
		TEST(a_revocation_waits_for_its_own_memory_only),
		TEST(a_revoked_dmabuf_gives_its_tables_back),
		TEST(another_process_takes_the_charges_over),
		TEST(failures_charge_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
