/* SPDX-License-Identifier: MIT */
/*
 * Description: whatever ends in a space, or begins to be tracked, those who keep notes of its page
 * tables hear of exactly that, with the space locked where they rely on it.
 * The linker puts __wrap_ functions in front of those that hear of it (see meson.build).
 */
#include "rig.h"
#include "tlp/ats.h"
#include "tlp/check_dirty.h"

void __wrap_check_dirty_track(struct check_dirty *check, const struct pt *pt, bool on,
			      uint64_t generation);
void __wrap_check_dirty_forget(struct check_dirty *check, const struct pt *pt, iova_t first,
			       iova_t last);
void __wrap_ats_take_back(struct ioas_iommu *iommu, const struct pt *pt, iova_t first, iova_t last,
			  bool writers, enum ioas_ats_cause cause);
bool __real_pt_dirty_read(struct pt *pt, struct pt_dirty *read);
bool __wrap_pt_dirty_read(struct pt *pt, struct pt_dirty *read);
void __real_pt_dirty_end(struct pt *pt);
void __wrap_pt_dirty_end(struct pt *pt);
int __real_pt_dirty_set(struct pt *pt, iova_t iova);
int __wrap_pt_dirty_set(struct pt *pt, iova_t iova);

enum what { NOTHING, TRACK, FORGET, TAKE_BACK };

static struct heard {
	enum what what;
	const struct pt *pt;
	iova_t first, last;
	bool flag; /* on; only of who writes */
	enum ioas_ats_cause cause;
} heard[32];

static unsigned heard_nr, next;	    /* what was looked at */
static const pthread_mutex_t *held; /* by who calls what relies on it */

static void hear(const struct heard *now)
{
	assert_true(heard_nr < 32);
	heard[heard_nr++] = *now;
}

void __wrap_check_dirty_track(struct check_dirty *check, const struct pt *pt, bool on,
			      uint64_t generation)
{
	lock_must_hold(held);
	hear(&(struct heard){.what = TRACK, .pt = pt, .flag = on});
}

void __wrap_check_dirty_forget(struct check_dirty *check, const struct pt *pt, iova_t first,
			       iova_t last)
{
	lock_must_hold(held);
	hear(&(struct heard){FORGET, pt, first, last});
}

void __wrap_ats_take_back(struct ioas_iommu *iommu, const struct pt *pt, iova_t first, iova_t last,
			  bool writers, enum ioas_ats_cause cause)
{
	hear(&(struct heard){TAKE_BACK, pt, first, last, writers, cause});
}

bool __wrap_pt_dirty_read(struct pt *pt, struct pt_dirty *read)
{
	lock_must_hold(held);
	return __real_pt_dirty_read(pt, read);
}

void __wrap_pt_dirty_end(struct pt *pt)
{
	lock_must_hold(held);
	__real_pt_dirty_end(pt);
}

int __wrap_pt_dirty_set(struct pt *pt, iova_t iova)
{
	lock_must_hold(held);
	return __real_pt_dirty_set(pt, iova);
}

static void expect(enum what what, const struct pt *pt, iova_t first, iova_t last, bool flag,
		   enum ioas_ats_cause cause)
{
	const struct heard *at = &heard[next++];

	assert_true(next <= heard_nr);
	assert_int_equal(at->what, what);
	assert_ptr_equal(at->pt, pt);
	assert_int_equal(at->first, first);
	assert_int_equal(at->last, last);
	assert_int_equal(at->flag, flag);
	assert_int_equal(at->cause, cause);
}

static void expect_no_more(void)
{
	assert_int_equal(next, heard_nr);
	next = heard_nr = 0;
}

static int setup(void **state)
{
	int rc = rig_setup(state);

	held = &((struct rig *)*state)->space->lock;
	next = heard_nr = 0;
	return rc;
}

static struct pt *table(struct rig *rig)
{
	struct pt_config config = {.format = PT_AMDV1, .aw = 48, .max_leaf_lg2 = 12, .dirty = true};
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	return pt;
}

/* The last one that came is the first to hear. */
static void an_unmap_is_heard_of_in_each_table(void **state)
{
	struct rig *rig = *state;
	struct pt *a = table(rig), *b = table(rig);

	assert_int_equal(rig_fixed(rig, 0x10000, ARENA, 2 * PAGE), 0);
	assert_int_equal(rig_fixed(rig, 0x12000, ARENA, 3 * PAGE), 0);
	expect_no_more();
	rig->iommu.check_dirty = (struct check_dirty *)heard;
	assert_int_equal(rig_unmap(rig, 0x10000, 8 * PAGE, 5 * PAGE), 0);
	rig->iommu.check_dirty = NULL;
	expect(TAKE_BACK, b, 0x10000, 0x14fff, false, IOAS_ATS_BY_UNMAP);
	expect(TAKE_BACK, a, 0x10000, 0x14fff, false, IOAS_ATS_BY_UNMAP);
	expect(FORGET, b, 0x10000, 0x14fff, false, 0);
	expect(FORGET, a, 0x10000, 0x14fff, false, 0);
	expect_no_more();
	for (unsigned i = 0; i < 2; i++) {
		struct pt *pt = i ? b : a;

		space_domain_detach(rig->space, pt);
		expect(TAKE_BACK, pt, 0, UINT64_MAX, false, IOAS_ATS_BY_UNMAP);
		expect(TRACK, pt, 0, 0, false, 0);
		expect_no_more();
		pt_destroy(pt);
	}
}

/* Of its own areas, and no others. */
static void a_revocation_is_heard_of(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = table(rig);
	struct mem_file *buf;

	assert_int_equal(mem_dmabuf_new(rig->iommu.files, 4 * PAGE, &buf), 0);
	assert_int_equal(rig_fixed(rig, 0x10000, ARENA, PAGE), 0);
	for (iova_t iova = 0x20000; iova <= 0x30000; iova += 0x10000) {
		iova_t at = iova;

		assert_int_equal(space_map_file(rig->space, &rig->caller, buf, &at, 0, 3 * PAGE,
						RW | IOAS_MAP_FIXED, NULL),
				 0);
	}
	space_dmabuf_revoke(&rig->iommu, buf, true);
	for (iova_t iova = 0x20000; iova <= 0x30000; iova += 0x10000) {
		expect(TAKE_BACK, pt, iova, iova + 3 * PAGE - 1, false, IOAS_ATS_BY_REVOKE);
		expect(FORGET, pt, iova, iova + 3 * PAGE - 1, false, 0);
	}
	expect_no_more();
	space_dmabuf_revoke(&rig->iommu, buf, false);
	expect_no_more();
	assert_int_equal(ioas_space_unmap(rig->space, 0, UINT64_MAX, NULL, NULL), 0);
	heard_nr = 0;
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
	mem_file_put(buf);
}

/* Devices ask anew before they write when tracking begins and where bits are cleared. */
static void tracking_is_heard_of(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = table(rig);
	struct ioas_range runs[4];
	struct pt_dirty read = {.first = 0x10000, .last = 0x11fff, .runs = runs, .max = 4};

	assert_int_equal(rig_fixed(rig, 0x10000, ARENA, 2 * PAGE), 0);
	/* Without tracking there is nothing to tell. */
	read.nr = 7;
	assert_true(space_dirty_read(rig->space, pt, &read));
	assert_int_equal(read.nr, 0);
	expect_no_more();
	space_dirty_track(rig->space, pt, true);
	expect(TRACK, pt, 0, 0, true, 0);
	expect(TAKE_BACK, pt, 0, UINT64_MAX, true, IOAS_ATS_BY_DIRTY);
	expect_no_more();
	assert_int_equal(space_dirty_set(rig->space, pt, 0x11000), 0);
	for (unsigned clear = 0; clear < 2; clear++) {
		read = (struct pt_dirty){
			.first = 0x10000, .last = 0x11fff, .runs = runs, .max = 4, .clear = clear};
		assert_true(space_dirty_read(rig->space, pt, &read));
		assert_int_equal(read.nr, 1);
		assert_int_equal(runs[0].first, 0x11000);
		assert_int_equal(runs[0].last, 0x11fff);
		if (clear)
			expect(TAKE_BACK, pt, 0x10000, 0x11fff, true, IOAS_ATS_BY_DIRTY);
		expect_no_more();
		space_dirty_end(rig->space, pt);
	}
	/* What could not be told is dirty again. */
	space_dirty_put_back(rig->space, pt, &read);
	read = (struct pt_dirty){.first = 0x10000, .last = 0x11fff, .runs = runs, .max = 4};
	assert_true(space_dirty_read(rig->space, pt, &read));
	assert_int_equal(read.nr, 1);
	space_dirty_end(rig->space, pt);
	space_dirty_track(rig->space, pt, false);
	expect(TRACK, pt, 0, 0, false, 0);
	expect_no_more();
	assert_int_equal(ioas_space_unmap(rig->space, 0, UINT64_MAX, NULL, NULL), 0);
	heard_nr = 0;
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
}

/* What was dirty before does not count; and a table that keeps no bits tracks nothing. */
static void tracking_begins_clean(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = table(rig), *plain = rig_pt(48);
	struct ioas_range runs[4];
	struct pt_dirty read = {.first = 0x10000, .last = 0x11fff, .runs = runs, .max = 4};

	assert_int_equal(rig_fixed(rig, 0x10000, ARENA, 2 * PAGE), 0);
	assert_int_equal(space_dirty_set(rig->space, pt, 0x11000), 0);
	space_dirty_track(rig->space, pt, true);
	assert_true(space_dirty_read(rig->space, pt, &read));
	assert_int_equal(read.nr, 0);
	space_dirty_end(rig->space, pt);
	assert_int_equal(space_dirty_set(rig->space, pt, 0x10000), 0);
	space_dirty_track(rig->space, pt, false);
	space_dirty_track(rig->space, pt, true);
	read = (struct pt_dirty){.last = 0x11fff, .runs = runs, .max = 4};
	assert_true(space_dirty_read(rig->space, pt, &read));
	assert_int_equal(read.nr, 0);
	space_dirty_end(rig->space, pt);
	assert_int_equal(space_domain_attach(rig->space, plain, NULL), 0);
	heard_nr = 0;
	space_dirty_track(rig->space, plain, true);
	expect(TRACK, plain, 0, 0, false, 0);
	assert_int_equal(ioas_space_unmap(rig->space, 0, UINT64_MAX, NULL, NULL), 0);
	heard_nr = 0;
	space_domain_detach(rig->space, plain);
	space_domain_detach(rig->space, pt);
	pt_destroy(plain);
	pt_destroy(pt);
}

/* Of lines of 512 pages as many as are said, each from its own address on. */
static void lines_are_put_back(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = table(rig);
	struct ioas_range runs[8];
	struct pt_dirty read = {.last = UINT64_MAX, .runs = runs, .max = 8};
	pt_dirty_line lines[3] = {{1}, {0, 2}, {1}};

	assert_int_equal(rig_fixed(rig, 0, ARENA, 3 * 512 * PAGE), 0);
	space_dirty_track(rig->space, pt, true);
	space_dirty_put_back_lines(rig->space, pt, lines, 2, 0);
	assert_true(space_dirty_read(rig->space, pt, &read));
	assert_int_equal(read.nr, 2);
	assert_int_equal(runs[0].first, 0);
	assert_int_equal(runs[0].last, PAGE - 1);
	assert_int_equal(runs[1].first, (512 + 65) * PAGE);
	assert_int_equal(runs[1].last, (512 + 66) * PAGE - 1);
	space_dirty_end(rig->space, pt);
	assert_int_equal(ioas_space_unmap(rig->space, 0, UINT64_MAX, NULL, NULL), 0);
	heard_nr = 0;
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
}

/* An attach that fails takes back what it had entered. */
static void an_attach_that_fails_is_heard_of(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	assert_int_equal(rig_fixed(rig, 0x10000, ARENA, PAGE), 0);
	assert_int_equal(rig_fixed(rig, 0x20000, ARENA + ARENA_LEN, PAGE), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, NULL), -EFAULT);
	expect(TAKE_BACK, pt, 0, UINT64_MAX, false, IOAS_ATS_BY_UNMAP);
	expect(TRACK, pt, 0, 0, false, 0);
	expect_no_more();
	pt_destroy(pt);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_unmap_is_heard_of_in_each_table),
		TEST(a_revocation_is_heard_of),
		TEST(tracking_is_heard_of),
		TEST(tracking_begins_clean),
		TEST(lines_are_put_back),
		TEST(an_attach_that_fails_is_heard_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
